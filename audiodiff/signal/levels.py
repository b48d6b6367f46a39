"""Level of a waveform or a log-mel: peak, RMS, clipping, and bringing it to another level."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec
from audiodiff.signal.meters import loudness

LevelPolicy = Literal["none", "peak", "loudness"]

# 16-bit PCM holds -1 to 1 - 2^-15.
_FULL_SCALE = 1.0 - 2.0**-15


def decibel(amplitude: float) -> float:
    """20 log10 of an amplitude; minus infinity for 0."""
    return 20.0 * math.log10(amplitude) if amplitude > 0 else -math.inf


def amplitude(gain_db: float) -> float:
    """The factor of a gain in dB."""
    factor: float = 10.0 ** (gain_db / 20.0)
    return factor


def peak(waveform: Tensor) -> Tensor:
    """Largest magnitude of `[..., n_samples]`: `[...]`."""
    return waveform.abs().amax(dim=-1)


def rms(waveform: Tensor) -> Tensor:
    """Root mean square of `[..., n_samples]`: `[...]`."""
    return waveform.double().square().mean(dim=-1).sqrt().to(waveform.dtype)


def count_clipped(waveform: Tensor, run: int = 1) -> int:
    """Count samples at or beyond full scale.

    Args:
        waveform: `[..., n_samples]`.
        run: count only stretches of at least this many such samples in a row (a single one may be a true peak).
    """
    hot = waveform.abs() >= _FULL_SCALE
    if run > 1 and hot.shape[-1] >= run:
        windows = hot.reshape(-1, hot.shape[-1]).float()[:, None]
        starts = torch.nn.functional.max_pool1d(-windows, run, stride=1) == -1.0
        spread = torch.nn.functional.pad(starts.float(), (run - 1, run - 1))
        hot = torch.nn.functional.max_pool1d(spread, run, stride=1)[:, 0] > 0
    elif run > 1:
        return 0
    return int(hot.sum())


@dataclass(frozen=True)
class Levelled:
    """A waveform whose level has been set.

    Attributes:
        waveform: `[..., n_samples]`.
        gain_db: what was applied (dB).
        clipped: samples at or beyond full scale in the result.
    """

    waveform: Tensor
    gain_db: float
    clipped: int


def apply_level(
    waveform: Tensor,
    sample_rate: int,
    policy: LevelPolicy = "none",
    *,
    peak_db: float = -1.0,
    loudness_lufs: float = -23.0,
) -> Levelled:
    """Set the level of a waveform by one gain; nothing is ever clipped or compressed here.

    Args:
        waveform: `[n_samples]` or `[channels, n_samples]`.
        sample_rate: Hz.
        policy: "none" leaves it; "peak" brings the peak to `peak_db`; "loudness" brings the integrated loudness to
            `loudness_lufs`, but the peak never above `peak_db`. Silence is left as it is.
        peak_db: dB relative to full scale, 0 or less.
        loudness_lufs: LUFS.

    Raises:
        AudiodiffError: unknown policy, or a peak above 0 dB.
    """
    if policy not in get_args(LevelPolicy):
        raise AudiodiffError(f"Unknown level policy {policy!r}; expected {', '.join(get_args(LevelPolicy))}.")
    if peak_db > 0:
        raise AudiodiffError(f"peak_db is {peak_db:g} dB; expected 0 dB (full scale) or less.")
    highest = float(waveform.abs().max()) if waveform.numel() else 0.0
    gain = 1.0
    if policy != "none" and highest > 0:
        gain = 10.0 ** (peak_db / 20.0) / highest
        if policy == "loudness":
            measured = loudness(waveform, sample_rate)
            gain = min(gain, 10.0 ** ((loudness_lufs - measured) / 20.0)) if math.isfinite(measured) else 1.0
    result = waveform * gain if gain != 1.0 else waveform
    return Levelled(result, decibel(gain), count_clipped(result))


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
