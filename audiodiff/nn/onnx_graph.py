"""Modules of torch as ONNX files."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError

__all__ = ["OPSET", "write_graph"]

OPSET = 18
"""Version of ONNX's operators: what every runtime of the last years has."""


def write_graph(
    path: Path,
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, int | tuple[int, ...]],
) -> None:
    """Write a module as an ONNX file.

    Args:
        path: the file.
        module: takes the inputs in their order and returns a tensor or a tuple.
        inputs: examples, by name.
        outputs: names of what it returns.
        dynamic: input or output -> the axes whose length is free.

    Raises:
        AudiodiffError: the module has an operation that ONNX has not.
    """
    axes = {
        name: {axis: f"{name}_{axis}" for axis in ((free,) if isinstance(free, int) else free)}
        for name, free in dynamic.items()
    }
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of tracing: shapes that are free are checked by tests of other lengths
            # By tracing: it takes a tenth of the time of the exporter on `torch.export`, and needs no other package.
            torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AudiodiffError(f"{path.stem} cannot be written as ONNX ({reason}).") from error
