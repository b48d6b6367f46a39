"""The table of compressed models says what was measured, and of what."""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("audiodiff_recipes")

from audiodiff.models.checkpoint import WEIGHTS_FILE
from audiodiff.models.find import VOCODER_FOLDER
from benchmarks import compress
from benchmarks.compress import size_of, table, with_eight_bits


def test_the_size_is_that_of_the_weights_and_the_vocoder_alone(tmp_path: Path) -> None:
    for name, size in ((".", 3000), (VOCODER_FOLDER, 500), ("best", 3000), ("state", 9000)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / WEIGHTS_FILE).write_bytes(bytes(size))
    assert size_of(tmp_path) == 0.0035


def test_all_that_was_not_just_cut_is_exported_in_eight_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {}
    monkeypatch.setattr(
        compress, "export_onnx", lambda source, target, weights: made.update({target: (source, weights)})
    )
    rows = {
        name: {"engine": "torch", "folder": Path(name), "parameters": 5, "core_minutes": 1.0}
        for name in ("full", "keep 0.5, cut", "keep 0.5, distilled")
    }
    with_eight_bits(rows, tmp_path)
    added = {name: row for name, row in rows.items() if row["engine"] == "onnxruntime"}
    assert [*added] == ["full, int8, ONNX Runtime", "keep 0.5, distilled, int8, ONNX Runtime"]
    assert [made[row["folder"]] for row in added.values()] == [
        (Path("full"), "int8"),
        (Path("keep 0.5, distilled"), "int8"),
    ]


def test_what_was_not_measured_is_no_figure() -> None:
    rows = {
        "full": {"parameters": 2e6, "megabytes": 4.0, "core_minutes": 0.0, "rtf": 0.5, "memory": 99.6, "loss": 0.25},
        "another seed": {"distance": 1.5},
    }
    text = table(rows, "music").splitlines()
    assert text[2] == "| full | 2.00 | 4.0 | – | – | 0.500 | 100 | 0.2500 | – |"
    assert text[3] == "| another seed | – | – | – | – | – | – | – | 1.500 |"
