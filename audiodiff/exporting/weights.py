"""How the weights in ONNX files are stored: in single, half, or eight-bit precision."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.exporting.names import Weights

__all__ = ["store_weights"]

_SMALLEST = 1024
"""Weights of fewer numbers stay in float32: they are no size, and levels and biases want their precision."""

_SIGNAL = frozenset({"mel", "level", "condition", "envelope"})
"""Graphs with matrices that are no weights: the bands of a mel and their inverse, which are only stored exactly."""

_OUTPUTS: Mapping[str, tuple[int, int]] = {"MatMul": (1, -1), "Gemm": (1, -1), "Conv": (1, 0), "Gather": (0, 0)}
"""Operators with weights: which input these are, and their axis of outputs (of `Gemm`, if not transposed)."""


def store_weights(path: Path, weights: Weights) -> None:
    """Rewrite an ONNX file of an exported model with its weights stored as `weights` says."""
    if weights == "fp32":
        return
    import onnx

    of_network = path.stem.rpartition(".")[2] not in _SIGNAL
    model = onnx.load(path)
    _lift(model)
    if weights == "int8":
        _in_eight_bits(model, _OUTPUTS if of_network else ("Conv",))
    _in_half(model, rounded=weights == "fp16" and of_network)
    onnx.save(model, path)


def _lift(model: Any) -> None:
    """Make weights that stand in the graph as constants, or are transposed in it, initializers of their own."""
    from onnx import numpy_helper

    large = {each.name: each for each in _large_weights(model)}
    for node in list(model.graph.node):
        if node.op_type == "Constant":
            values = [attribute.t for attribute in node.attribute if attribute.name == "value"]
            if not values or values[0].data_type != values[0].FLOAT or np.prod(values[0].dims) < _SMALLEST:
                continue
            values[0].name = node.output[0]
            lifted = values[0]
        elif node.op_type == "Transpose" and node.input[0] in large:
            order = next((list(each.ints) for each in node.attribute if each.name == "perm"), None)
            turned = numpy_helper.to_array(large[node.input[0]]).transpose(order)
            lifted = numpy_helper.from_array(np.ascontiguousarray(turned), node.output[0])
        else:
            continue
        large[node.output[0]] = lifted
        model.graph.initializer.append(lifted)
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input} | {each.name for each in model.graph.output}
    for each in list(model.graph.initializer):
        if each.name not in used:
            model.graph.initializer.remove(each)


def _in_eight_bits(model: Any, operators: Iterable[str]) -> None:
    """Store what these operators take as weights in eight bits, with a scale for each output they make of them.

    They are used in float32. Products in eight bits as well were tried and are no faster on processors with AVX2 alone,
    while scales of activations, which are those of a whole tensor, cost more quality than these.
    """
    from onnx import helper, numpy_helper

    axes = {}
    for node in model.graph.node:
        if node.op_type in operators:
            at, axis = _OUTPUTS[node.op_type]
            transposed = node.op_type == "Gemm" and any(each.name == "transB" and each.i for each in node.attribute)
            axes[node.input[at]] = 0 if transposed else axis
    for tensor in _large_weights(model, axes):
        values, axis = numpy_helper.to_array(tensor), axes[tensor.name] % len(tensor.dims)
        others = tuple(each for each in range(values.ndim) if each != axis)
        peaks = np.abs(values).max(axis=others)
        scales = np.where(peaks > 0.0, peaks / 127.0, 1.0).astype(np.float32)
        codes = np.rint(values / np.expand_dims(scales, others)).astype(np.int8)
        name = tensor.name
        added = (numpy_helper.from_array(codes, f"{name}_codes"), numpy_helper.from_array(scales, f"{name}_scales"))
        node = helper.make_node("DequantizeLinear", [each.name for each in added], [name], axis=axis)
        _replace(model, tensor, added, node)


def _in_half(model: Any, *, rounded: bool) -> None:
    """Store weights in float16: all, or those that it holds exactly."""
    import onnx
    from onnx import helper, numpy_helper

    for tensor in _large_weights(model):
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all() or not (rounded or np.array_equal(half.astype(np.float32), values)):
            continue
        added = numpy_helper.from_array(half, f"{tensor.name}_half")
        node = helper.make_node("Cast", [added.name], [tensor.name], to=onnx.TensorProto.FLOAT)
        _replace(model, tensor, (added,), node)


def _large_weights(model: Any, names: Iterable[str] | None = None) -> list[Any]:
    """Initializers in float32 that are worth storing otherwise; those with these names alone, where there are any."""
    import onnx

    wanted = None if names is None else set(names)
    return [
        each
        for each in model.graph.initializer
        if each.data_type == onnx.TensorProto.FLOAT
        and int(np.prod(each.dims)) >= _SMALLEST
        and (wanted is None or each.name in wanted)
    ]


def _replace(model: Any, tensor: Any, added: Iterable[Any], node: Any) -> None:
    """Put `added` and a node that makes the weights from them in the place of the weights."""
    model.graph.initializer.remove(tensor)
    model.graph.initializer.extend(added)
    model.graph.node.insert(0, node)
