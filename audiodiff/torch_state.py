"""Computing the same whatever state the caller has left torch in, and what the machine computes well."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import torch

_AUTOCAST = ("cpu", "cuda", "mps")


@contextmanager
def standard_state(*, device: bool = True) -> Iterator[None]:
    """Compute as in a fresh process: new tensors in float32 on the CPU, no autocast, no gradients, full precision.

    The default dtype, the default device, enclosing contexts and the switches for speed or determinism are the caller's
    and come back at the end; what audiodiff computes in and on is said by its settings. Also a decorator. The default
    dtype and the switches belong to the process: threads that use others at the same time disturb each other.

    Args:
        device: also put new tensors on the CPU; not around functions of the caller, who may count on his default.
    """
    with ExitStack() as stack:
        dtype = torch.get_default_dtype()
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        # Entered only where needed: such a context slows every call of torch.
        if device and torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in _AUTOCAST:
            # Around autocasts that are entered again and again, one that is off keeps what they have cast of weights.
            if kind == "cpu" or torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.are_deterministic_algorithms_enabled():
            warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
            torch.use_deterministic_algorithms(False)
            stack.callback(torch.use_deterministic_algorithms, True, warn_only=warn_only)
        with suppress(RuntimeError):  # set by the newer names of the same switch
            precision = torch.get_float32_matmul_precision()
            if precision != "highest":
                torch.set_float32_matmul_precision("highest")
                stack.callback(torch.set_float32_matmul_precision, precision)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        yield


def bfloat16_is_fast(device: torch.device | str) -> bool:
    """Whether a device computes in bfloat16 itself.

    A CPU without such instructions (x86 before AVX-512) multiplies matrices one number at a time, some fifty times
    slower than in float32.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True


def full_precision(like: torch.Tensor) -> torch.autocast:
    """Switch an enclosing autocast off: spectra and norms are not for bfloat16."""
    return torch.autocast(like.device.type, enabled=False)
