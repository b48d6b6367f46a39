import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.runtime import load

Exported = Callable[[str], tuple[Path, Path]]


@pytest.fixture
def copy(exported: Exported, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported("anchored")[1], tmp_path / "copy"))


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudiodiffError, match=r"holds no model\.json"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2"),
        ({"kind": "upsampler"}, "does not run"),
        ({"kind": 3}, '"kind" is 3'),
        ({"vocoder": {}}, '"mel" is missing'),
        ({"vocoder": []}, '"vocoder" is'),
    ],
)
def test_damaged_settings_are_one_sentence(copy: Path, change: dict, message: str) -> None:
    path = copy / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(AudiodiffError, match=message):
        load(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"has no vocoder\.network\.onnx"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "is damaged"),
        (lambda path: path.write_bytes(b"nonsense"), "is damaged"),
        (lambda path: shutil.copyfile(path.with_name("vocoder.mel.onnx"), path), "cannot be run"),
    ],
)
def test_a_damaged_graph_is_one_sentence(copy: Path, damage, message: str) -> None:
    damage(copy / "vocoder.network.onnx")
    model = load(copy)
    with pytest.raises(AudiodiffError, match=message):
        model.vocode(np.ones(3000, np.float32), 22050)


def test_without_the_runtime_the_extra_is_named(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = load(exported("anchored")[1])
    with pytest.raises(AudiodiffError, match=r"audiodiff-synth\[onnx\]"):
        model.vocode(np.ones(3000, np.float32), 22050)


def test_an_unknown_engine_is_refused_with_the_known_ones(exported: Exported) -> None:
    with pytest.raises(AudiodiffError, match=r"engine is 'tensorrt'; expected onnxruntime or openvino\."):
        load(exported("anchored")[1], engine="tensorrt")


def test_openvino_gives_the_samples_of_onnxruntime(exported: Exported) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    folder = exported("anchored")[1]
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 9000).astype(np.float32)
    expected = load(folder).vocode(samples, 22050, seed=3)
    model = load(folder, engine="openvino", threads=1)
    made = model.vocode(samples, 22050, seed=3)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(made, expected, rtol=0, atol=5e-3)  # 8 bits of mantissa where bfloat16 is used
    np.testing.assert_array_equal(model.vocode(samples, 22050, seed=3), made)


@pytest.mark.parametrize("damage", [b"nonsense", b""])
def test_a_graph_that_openvino_cannot_read_is_one_sentence(copy: Path, damage: bytes) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    (copy / "vocoder.network.onnx").write_bytes(damage)
    with pytest.raises(AudiodiffError, match="is damaged"):
        load(copy, engine="openvino").vocode(np.ones(3000, np.float32), 22050)


def test_without_openvino_the_extra_is_named(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    model = load(exported("anchored")[1], engine="openvino")
    with pytest.raises(AudiodiffError, match=r"audiodiff-synth\[openvino\]"):
        model.vocode(np.ones(3000, np.float32), 22050)
