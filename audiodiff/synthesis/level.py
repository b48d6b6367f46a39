"""The level of a recording, read off its log-mel, and log-mels at another level.

Read off the mel rather than the waveform, so that a waveform and its mel are vocoded to the same samples.
"""

import math

import torch
from torch import Tensor

from audiodiff.signal.mel import MelSpec, mel_to_magnitude, value_range

SILENCE_DB = -80.0
"""A channel without a frame above this level (dBFS) is silence."""

RELATIVE_GATE_DB = 20.0
"""Frames so far below the mean of the audible ones do not count, like the gate of ITU-R BS.1770."""


def frame_power(log_mel: Tensor, spec: MelSpec) -> Tensor:
    """Return the mean square of the samples under each frame's window, `[..., n_mels, n_frames]` -> `[..., n_frames]`.

    By Parseval over the magnitudes that the pseudo-inverse of the filter bank gives, so energy outside the bands of
    `spec` does not count; a frame with nothing above the floor of the log counts as 0. The Hann window's sum of squares
    is 3/8 of its length.
    """
    energy = mel_to_magnitude(log_mel, spec).square()
    both_sides = 2.0 * energy.sum(dim=-2) - energy[..., 0, :] - energy[..., -1, :]
    lowest = value_range(spec)[0]
    heard = log_mel.amax(dim=-2) > lowest + 1e-4 * max(1.0, abs(lowest))
    return both_sides / (spec.n_fft * 0.375 * spec.win_length) * heard


class LevelMeter:
    """Collects the frames of one channel and tells how loud it is."""

    def __init__(self, spec: MelSpec) -> None:
        """Measure log-mels of `spec`."""
        self._spec = spec
        self._powers: list[Tensor] = []

    def add(self, log_mel: Tensor) -> None:
        """Take in frames `[n_mels, n_frames]`."""
        self._powers.append(frame_power(log_mel, self._spec))

    @property
    def n_frames(self) -> int:
        """Frames seen."""
        return sum(power.numel() for power in self._powers)

    @property
    def silent(self) -> bool:
        """Whether no frame is above `SILENCE_DB`."""
        return not any(bool((power > 10.0 ** (SILENCE_DB / 10.0)).any()) for power in self._powers)

    @property
    def level_db(self) -> float:
        """Root-mean-square level of the audible frames in dBFS; `-inf` for silence."""
        if self.silent:
            return -math.inf
        power = torch.cat(self._powers).double()
        audible = power[power > 10.0 ** (SILENCE_DB / 10.0)]
        gate = float(audible.mean()) * 10.0 ** (-RELATIVE_GATE_DB / 10.0)
        return 10.0 * math.log10(float(audible[audible >= gate].mean()))


def shift_log_mel(log_mel: Tensor, spec: MelSpec, gain_db: float) -> Tensor:
    """Return the log-mel of the same audio at another level.

    Exact but for values at the floor of the log, whose true value is unknown: they move with the rest, and nothing
    falls below the floor.

    Args:
        log_mel: `[..., n_mels, n_frames]`.
        spec: how it was computed.
        gain_db: gain in dB.
    """
    if gain_db == 0.0 or spec.log == "db-top80":  # the latter is relative to its loudest value already
        return log_mel
    value = log_mel * spec.scale + spec.offset
    gain = 10.0 ** (gain_db / 20.0 * spec.power)
    if spec.log == "ln":
        value = (value + math.log(gain)).clamp_min(math.log(spec.floor))
    elif spec.log == "log10":
        value = (value + math.log10(gain)).clamp_min(math.log10(spec.floor))
    elif spec.log == "db-lmnt":
        value = (value + 20.0 * math.log10(gain) / 100.0).clamp(0.0, 1.0)
    else:
        value = value * gain**0.25
    return (value - spec.offset) / spec.scale
