"""What every measure does first: check its arrays, resample them, load an optional package."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError

FloatArray = npt.NDArray[np.floating[Any]]


class MissingPackageError(AudiodiffError):
    """A package of the `eval` extra is not installed; no clip will do any better."""


def optional_package(name: str, distribution: str | None = None, *, extra: str = "eval") -> ModuleType:
    """Import a package of an extra.

    Raises:
        MissingPackageError: the package is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"this needs the package {distribution or name}, which could not be imported ({error}); "
            f"install it with its extra: pip install 'audiodiff-synth[{extra}]'."
        ) from error


def checked(waveform: FloatArray, sample_rate: int, name: str = "waveform") -> npt.NDArray[np.float32]:
    """Return the waveform as float32 `[n_samples]` after checking shape, length and values.

    Raises:
        AudiodiffError: not one-dimensional, empty, not finite, or a sample rate (Hz) that is not positive.
    """
    array = np.asarray(waveform)
    if array.ndim != 1:
        raise AudiodiffError(
            f"the {name} has shape {array.shape}, but measures take one mono waveform [n_samples]; "
            "pass one clip at a time and average the channels first."
        )
    if array.size == 0:
        raise AudiodiffError(f"the {name} is empty; measures need at least one sample.")
    if sample_rate <= 0:
        raise AudiodiffError(f"the sample rate is {sample_rate}; it must be a positive number of Hz.")
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise AudiodiffError(f"the {name} holds NaN or infinite samples; a measure of it would mean nothing.")
    return array


def checked_pair(
    reference: FloatArray, estimate: FloatArray, sample_rate: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return both waveforms as float32 `[n_samples]`.

    Raises:
        AudiodiffError: as `checked`, or the two have different lengths.
    """
    reference = checked(reference, sample_rate, "reference")
    estimate = checked(estimate, sample_rate, "estimate")
    if reference.size != estimate.size:
        raise AudiodiffError(
            f"the reference has {reference.size} samples and the estimate {estimate.size}; "
            "these measures compare sample by sample, so align and crop the two to one length first."
        )
    return reference, estimate


def resampled(waveform: npt.NDArray[np.float32], from_rate: int, to_rate: int) -> npt.NDArray[np.float32]:
    """Resample `[n_samples]` from `from_rate` to `to_rate` (Hz): Kaiser windowed sinc, 64 zero crossings."""
    if from_rate == to_rate:
        return waveform
    import torch

    from audiodiff.signal.resample import resample

    # A copy, because arrays given by a caller may be read-only and torch warns of those.
    result: npt.NDArray[np.float32] = resample(torch.from_numpy(waveform.copy()), from_rate, to_rate).numpy()
    return result
