"""Change of sample rate in NumPy, by the filter of `audiodiff.signal.resample`: a Kaiser-windowed sinc."""

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.signal.limits import HIGHEST_RATE, LOWEST_RATE

__all__ = ["resample"]

Floats = NDArray[np.float32]

# The "kaiser_best" filter of J. O. Smith's resampling method.
_ZERO_CROSSINGS = 64
_ROLL_OFF = 0.9475937167399596
_BETA = 14.769656459379492

_LARGEST_TABLE = 1 << 22
_BLOCK_SAMPLES = 1 << 18


def resample(waveform: Floats, from_rate: int, to_rate: int) -> Floats:
    """Resample `[n_samples]` -> `[ceil(n_samples * to_rate / from_rate)]`.

    Raises:
        AudiodiffError: a rate that no sound has, or two whose filter would be too large.
    """
    for rate in (from_rate, to_rate):
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise AudiodiffError(
                f"sample_rate is {rate!r}; expected a whole number of Hz from {LOWEST_RATE} to {HIGHEST_RATE}."
            )
    divisor = math.gcd(from_rate, to_rate)
    down, up = from_rate // divisor, to_rate // divisor
    if down == up or not len(waveform):
        return waveform
    width = _half_width(down, up)
    if up * (2 * width + down) > _LARGEST_TABLE:
        raise AudiodiffError(
            f"the runtime does not resample from {from_rate} to {to_rate} Hz, which have no large common divisor; "
            "bring the recording to a usual rate first."
        )
    periods = -(-len(waveform) // down)
    padded = np.zeros(2 * width + periods * down, np.float32)
    padded[width : width + len(waveform)] = waveform
    windows = sliding_window_view(padded, 2 * width + down)[::down]
    table = _table(down, up)
    step = max(1, _BLOCK_SAMPLES // down)
    parts = [np.ascontiguousarray(windows[start : start + step]) @ table for start in range(0, periods, step)]
    resampled: Floats = np.concatenate(parts).reshape(-1)[: -(-len(waveform) * up // down)]
    return resampled


def _half_width(down: int, up: int) -> int:
    return math.ceil(_ZERO_CROSSINGS * down / (min(down, up) * _ROLL_OFF))


@lru_cache(maxsize=4)
def _table(down: int, up: int) -> Floats:
    """One filter for each output of a period: `[2 * half width + down, up]`."""
    width = _half_width(down, up)
    distance = np.arange(-width, width + down)[:, None] - np.arange(up)[None, :] * (down / up)
    cutoff = min(down, up) * _ROLL_OFF / down
    crossings = np.clip(distance * cutoff, -_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    taper = np.i0(_BETA * np.sqrt(1.0 - np.square(crossings / _ZERO_CROSSINGS))) / np.i0(_BETA)
    filters: Floats = (np.sinc(crossings) * taper * cutoff).astype(np.float32)
    return filters
