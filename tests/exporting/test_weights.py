"""Weights in ONNX files: how they are stored changes their size, and their values as far as is said."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

from audiodiff.exporting.export import export_onnx  # noqa: E402
from audiodiff.exporting.weights import store_weights  # noqa: E402
from audiodiff.nn.onnx_graph import write_graph  # noqa: E402
from audiodiff.runtime.engines import ENGINES  # noqa: E402
from tests.refusals import refused  # noqa: E402

HALF, BYTES = onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8


class Net(nn.Module):
    """A table, a convolution, and matrices as module, as transposed constant, and as plain constant."""

    def __init__(self, half: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.filters = nn.Embedding(50, 32), nn.Conv1d(32, 64, 3, padding=1)
        self.linear, self.small = nn.Linear(64, 48), nn.Linear(48, 8)
        self.constants = [torch.randn(48, 48), torch.randn(48, 48)]
        if half:
            self.constants = [each.half().float() for each in self.constants]
            for parameter in self.parameters():
                parameter.data = parameter.data.half().float()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.filters(self.table(ids).T[None]).transpose(1, 2)
        x = torch.tanh(self.linear(x))
        return self.small(torch.tanh(x @ self.constants[0]) @ self.constants[1].T)


Written = Callable[..., tuple[Path, Net]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(half: bool = True, name: str = "a.network") -> tuple[Path, Net]:
        path, net = tmp_path / f"{name}.onnx", Net(half)
        write_graph(path, net, {"ids": torch.arange(9)}, ["y"], {"ids": 0, "y": 1})
        return path, net

    return write


def output(path: Path) -> np.ndarray:
    (made,) = ENGINES["onnxruntime"](path, 1)({"ids": np.arange(3, 40, 3)})
    return made


def stored(path: Path) -> dict[str, int]:
    """Numbers in initializers of each type, constants included."""
    model = onnx.load(path)
    found = list(model.graph.initializer)
    found += [
        a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute if a.name == "value"
    ]
    counts: dict[str, int] = {}
    for each in found:
        name = onnx.TensorProto.DataType.Name(each.data_type)
        counts[name] = counts.get(name, 0) + int(np.prod(each.dims))
    return counts


LARGE = 50 * 32 + 64 * 32 * 3 + 64 * 48 + 2 * 48 * 48


def test_exact_loses_nothing_and_halves_what_float16_holds(written: Written) -> None:
    path, net = written()
    before, size = output(path), path.stat().st_size
    store_weights(path, "exact")
    np.testing.assert_array_equal(output(path), before)
    np.testing.assert_allclose(before, net(torch.arange(3, 40, 3)).detach().numpy(), rtol=0, atol=1e-5)
    assert stored(path)["FLOAT16"] == LARGE
    assert path.stat().st_size < 0.65 * size


def test_exact_leaves_what_float16_does_not_hold(written: Written) -> None:
    path, _ = written(half=False)
    before = output(path)
    store_weights(path, "exact")
    np.testing.assert_array_equal(output(path), before)
    assert "FLOAT16" not in stored(path)


def test_half_rounds_and_int8_rounds_more(written: Written) -> None:
    errors, sizes = {}, {}
    for weights in ("fp32", "fp16", "int8"):
        path, net = written(half=False, name=f"{weights}.network")
        store_weights(path, weights)
        expected = net(torch.arange(3, 40, 3)).detach().numpy()
        errors[weights], sizes[weights] = np.abs(output(path) - expected).max() / expected.std(), path.stat().st_size
    assert errors["fp32"] < 1e-5 < errors["fp16"] < 3e-3 < errors["int8"] < 0.1
    assert sizes["int8"] < 0.7 * sizes["fp16"] < 0.5 * sizes["fp32"]


def test_eight_bits_have_a_scale_for_each_output(written: Written) -> None:
    path, net = written(half=False)
    with torch.no_grad():  # with one scale for all, one loud output would silence the others
        net.filters.weight[5] *= 1000.0
        net.table.weight[40] *= 1000.0
        net.constants[0][:, 7] *= 1000.0
        net.constants[1][3] *= 1000.0
        net.linear.weight[2] *= 1000.0
    write_graph(path, net, {"ids": torch.arange(9)}, ["y"], {"ids": 0, "y": 1})
    plain = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}
    store_weights(path, "int8")
    model = onnx.load(path)
    kept = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert len(nodes) == 5
    assert stored(path)["INT8"] == LARGE
    for node in nodes:
        codes, scales = (kept[name] for name in node.input)
        axis = node.attribute[0].i
        scale = np.expand_dims(scales, [each for each in range(codes.ndim) if each != axis])
        assert np.abs(codes).max() == 127
        assert len(set(scales.tolist())) > 1
        assert scales.max() > 100.0 * np.median(scales)  # the loud output has the scale to itself
        if node.output[0] in plain:
            assert (np.abs(codes * scale - plain[node.output[0]]) <= 0.51 * scale).all()


@pytest.mark.parametrize("weights", ["fp16", "int8"])
def test_the_bands_of_a_mel_are_not_rounded(written: Written, weights: str) -> None:
    """Matrices of signal processing are no weights: `vocoder.mel` keeps its own."""
    path, _ = written(half=False, name="vocoder.mel")
    store_weights(path, weights)
    kinds = stored(path)
    assert "FLOAT16" not in kinds
    assert kinds.get("INT8", 0) in (0, 64 * 32 * 3)  # a convolution is one of the network's
    if weights == "int8":
        assert kinds["INT8"]


def test_other_weights_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    refused(
        "weights are 'int4'; expected exact, fp32, fp16, int8",
        lambda: export_onnx("speech", tmp_path / "a", weights="int4"),
    )  # type: ignore[arg-type]
    assert not (tmp_path / "a").exists()
