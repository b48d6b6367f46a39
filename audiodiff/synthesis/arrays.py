"""Recordings and mels as the caller has them: NumPy arrays or tensors, checked, and given back as the same kind."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.limits import HIGHEST_RATE, LOWEST_RATE, MAX_CHANNELS, MAX_PEAK
from audiodiff.synthesis.plain_numbers import plain_number

Array = TypeVar("Array", NDArray[np.float32], Tensor)


def check_rate(sample_rate: int) -> int:
    """Return a sample rate that a recording may have.

    Raises:
        AudiodiffError: it may not.
    """
    number = plain_number(sample_rate)
    if (
        isinstance(number, bool)
        or not isinstance(number, int | float)
        or not LOWEST_RATE <= number <= HIGHEST_RATE
        or number != int(number)
    ):
        raise AudiodiffError(
            f"sample_rate is {sample_rate!r}; expected a whole number of Hz from {LOWEST_RATE} to {HIGHEST_RATE}."
        )
    return int(number)


def float_tensor(array: NDArray[np.float32] | Tensor, what: str) -> Tensor:
    """Return an array of floating-point numbers as a float32 tensor on the CPU; `what` it is, for messages.

    Raises:
        AudiodiffError: it is something else.
    """
    if not isinstance(array, np.ndarray | Tensor):
        raise AudiodiffError(f"{what} is a {type(array).__name__}; give a NumPy array or a torch tensor.")
    if isinstance(array, np.ndarray) and array.dtype.kind != "f":
        raise AudiodiffError(f"{what} has {array.dtype} values; give floating-point numbers (waveforms within +-1).")
    tensor = (
        array.detach().cpu()
        if isinstance(array, Tensor)
        else torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
    )
    if not tensor.is_floating_point():
        raise AudiodiffError(f"{what} has {tensor.dtype} values; give floating-point ones (waveforms within +-1).")
    return tensor.to(torch.float32)


def waveform_tensor(waveform: NDArray[np.float32] | Tensor) -> Tensor:
    """Return a recording as `[channels, n_samples]`, float32 on the CPU.

    Raises:
        AudiodiffError: it is empty, of another shape, or has values that are not numbers or far beyond full scale.
    """
    samples = float_tensor(waveform, "the waveform")
    if samples.ndim not in {1, 2}:
        raise AudiodiffError(
            f"the waveform has shape {list(samples.shape)}; expected [n_samples] or [channels, n_samples]."
        )
    samples = samples if samples.ndim == 2 else samples[None]
    if 0 in samples.shape:
        raise AudiodiffError("the waveform is empty; give at least one sample.")
    if samples.shape[0] > MAX_CHANNELS:
        raise AudiodiffError(
            f"the waveform has shape {list(samples.shape)}, which would be {samples.shape[0]} channels; "
            "expected [channels, n_samples]: transpose it."
        )
    if not bool(torch.isfinite(samples).all()):
        raise AudiodiffError("the waveform has values that are not finite numbers; clean it first.")
    if float(samples.abs().max()) > MAX_PEAK:
        raise AudiodiffError(
            f"the waveform has values up to {float(samples.abs().max()):.0f}, but full scale is 1; divide it by the "
            "full scale of its format (32768 for 16 bits)."
        )
    return samples


def like_given(given: Array, result: Tensor) -> Array:
    """Return `result` as the kind of array that `given` is, tensors on the device they came from."""
    if isinstance(given, Tensor):
        return result.to(given.device)
    return result.numpy()
