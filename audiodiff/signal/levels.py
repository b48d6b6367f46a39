"""Level of a waveform or a log-mel: peak, RMS, clipping, and bringing it to another level."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.limiter import CEILING_DB, limiting_gain, true_peak
from audiodiff.signal.mel import MelSpec
from audiodiff.signal.meters import loudness

LevelPolicy = Literal["streaming", "limit", "peak", "loudness", "none"]

STREAMING_LUFS = -16.0
"""Integrated loudness of music on its own, as streaming services play it (AES TD1008)."""

MOST_LIMITING_DB = 24.0
"""A clip that would need its peaks lowered by more than this stays softer."""

_LOUDNESS_TOLERANCE = 0.05
_MOST_PASSES = 8
_STEP = 1.5
"""A limiter takes away part of what is added, so more is added than is missing."""

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
    circular: bool = False,
) -> Levelled:
    """Set the level of a waveform; nothing is ever clipped here, and only "streaming" and "limit" lower peaks.

    Args:
        waveform: `[n_samples]` or `[channels, n_samples]`.
        sample_rate: Hz.
        policy: "streaming" brings the integrated loudness to -16 LUFS with true peaks of at most -1 dBTP, which a
            limiter lowers by up to 24 dB; "limit" leaves the level and lowers true peaks above -1 dBTP; "peak" brings
            the peak to `peak_db` by one gain; "loudness" brings the integrated loudness to `loudness_lufs` by one gain,
            but the peak never above `peak_db`; "none" leaves it. Silence is left as it is.
        peak_db: dB relative to full scale, 0 or less.
        loudness_lufs: LUFS.
        circular: the waveform is a loop, which no limiter may open.

    Raises:
        AudiodiffError: unknown policy, or a peak above 0 dB.
    """
    if policy not in get_args(LevelPolicy):
        raise AudiodiffError(f"Unknown level policy {policy!r}; expected {', '.join(get_args(LevelPolicy))}.")
    if peak_db > 0:
        raise AudiodiffError(f"peak_db is {peak_db:g} dB; expected 0 dB (full scale) or less.")
    highest = float(waveform.abs().max()) if waveform.numel() else 0.0
    if policy == "streaming" and highest > 0:
        return _streaming(waveform, sample_rate, circular)
    if policy == "limit" and highest > 0:
        limited = waveform * limiting_gain(waveform, sample_rate, circular=circular)
        return Levelled(limited, 0.0, count_clipped(limited))
    gain = 1.0
    if policy in {"peak", "loudness"} and highest > 0:
        gain = 10.0 ** (peak_db / 20.0) / highest
        if policy == "loudness":
            measured = loudness(waveform, sample_rate)
            gain = min(gain, 10.0 ** ((loudness_lufs - measured) / 20.0)) if math.isfinite(measured) else 1.0
    result = waveform * gain if gain != 1.0 else waveform
    return Levelled(result, decibel(gain), count_clipped(result))


def _streaming(waveform: Tensor, sample_rate: int, circular: bool) -> Levelled:
    """Bring a waveform to `STREAMING_LUFS`; what the limiter takes away is made up for, in a few passes."""
    measured = loudness(waveform, sample_rate)
    if not math.isfinite(measured):
        return Levelled(waveform, 0.0, 0)
    most = CEILING_DB + MOST_LIMITING_DB - decibel(true_peak(waveform, sample_rate))
    gain_db = min(STREAMING_LUFS - measured, most)
    for _ in range(_MOST_PASSES):
        louder = waveform * 10.0 ** (gain_db / 20.0)
        result = louder * limiting_gain(louder, sample_rate, circular=circular)
        missing = STREAMING_LUFS - loudness(result, sample_rate)
        if abs(missing) < _LOUDNESS_TOLERANCE or (gain_db == most and missing > 0.0):
            break
        gain_db = min(gain_db + _STEP * missing, most)
    return Levelled(result, gain_db, count_clipped(result))


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
