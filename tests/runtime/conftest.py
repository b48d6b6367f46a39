from collections.abc import Callable
from pathlib import Path

import pytest

from audiodiff.exporting.export import export_onnx
from audiodiff.models.checkpoint import save_checkpoint
from tests.models.vocoder.cases import CONFIGS, make

pytest.importorskip("onnx", reason="the extra onnx is not installed")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Checkpoint and export of a tiny vocoder by name, made when first asked for."""
    root, known = tmp_path_factory.mktemp("exports"), {}

    def export(name: str) -> tuple[Path, Path]:
        if name not in known:
            source, target = root / name, root / f"{name}-onnx"
            sampling = {"steps": 2, "sampler": "consistency", "grid": "late", "precision": "fp32"}
            metadata = {"sampling": sampling, "reference_level_db": -20.0}
            save_checkpoint(source, make(CONFIGS[name]), metadata)
            export_onnx(source, target)
            known[name] = source, target
        return known[name]

    return export
