"""What runs the networks of an exported model: ONNX Runtime, or OpenVINO."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError

__all__ = ["DEFAULT_ENGINE", "ENGINES", "Array", "Graph"]

Array = NDArray[Any]

Graph = Callable[[Mapping[str, Array]], list[Array]]
"""A network that is ready to run: from inputs by name to outputs."""


def _onnxruntime(path: Path, threads: int, precision: str = "") -> Graph:
    try:
        import onnxruntime
    except ImportError as error:
        raise AudiodiffError(
            "exported models need onnxruntime; install it with `pip install 'audiodiff-synth[onnx]'`."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that wait for the next call in a loop cost more of a short sound than they save.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Filters in eight bits become float32 once, when the file is opened, and not at every call.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Array]) -> list[Array]:
        outputs: list[Array] = session.run(None, dict(inputs))
        return outputs

    return run


def _openvino(path: Path, threads: int, precision: str = "") -> Graph:
    try:
        import openvino
    except ImportError as error:
        raise AudiodiffError(
            "the engine openvino needs openvino; install it with `pip install 'audiodiff-synth[openvino]'`."
        ) from error
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16"}[precision]
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    request = compiled.create_infer_request()

    def run(inputs: Mapping[str, Array]) -> list[Array]:
        results = request.infer(dict(inputs))
        return [results[output] for output in compiled.outputs]

    return run


DEFAULT_ENGINE = "onnxruntime"

ENGINES: Mapping[str, Callable[..., Graph]] = {DEFAULT_ENGINE: _onnxruntime, "openvino": _openvino}
"""How each engine opens an ONNX file: `open(path, threads, precision)`.

0 threads leave their number to it. OpenVINO computes in bfloat16 where the processor multiplies in it, so that samples
differ as far as that rounds, unless a precision is given ("fp32" or "bf16"); ONNX Runtime always computes in float32.
"""
