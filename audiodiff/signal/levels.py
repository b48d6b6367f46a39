"""Level of a waveform: peak, RMS, loudness, and what to do about it."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError

LevelPolicy = Literal["none", "peak", "loudness"]

# 16-bit PCM holds -1 to 1 - 2^-15.
_FULL_SCALE = 1.0 - 2.0**-15


def decibel(amplitude: float) -> float:
    """20 log10 of an amplitude; minus infinity for 0."""
    return 20.0 * math.log10(amplitude) if amplitude > 0 else -math.inf


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


def _response(z: Tensor, b: tuple[float, float, float], a: tuple[float, float]) -> Tensor:
    """Second-order filter (b0 + b1 z + b2 z^2) / (1 + a1 z + a2 z^2) at z = exp(-i omega)."""
    return (b[0] + b[1] * z + b[2] * z * z) / (1.0 + a[0] * z + a[1] * z * z)


@lru_cache(maxsize=4)
def _k_response(sample_rate: int, size: int) -> Tensor:
    """The two filters of ITU-R BS.1770-4, annex 1, re-derived for any sample rate from their analogue prototypes."""
    omega = torch.arange(size // 2 + 1, dtype=torch.float64, device="cpu") * (2.0 * math.pi / size)
    z = torch.polar(torch.ones_like(omega), -omega)
    # Stage 1: high shelf of 4 dB at 1682 Hz (the head); stage 2: high pass at 38 Hz.
    gain, q, frequency = 3.999843853973347, 0.7071752369554196, 1681.974450955533
    k = math.tan(math.pi * frequency / sample_rate)
    high = 10.0 ** (gain / 20.0)
    band = high**0.4996667741545416
    norm = 1.0 + k / q + k * k
    shelf = ((high + band * k / q + k * k) / norm, 2.0 * (k * k - high) / norm, (high - band * k / q + k * k) / norm)
    response = _response(z, shelf, (2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm))
    q, frequency = 0.5003270373238773, 38.13547087602444
    k = math.tan(math.pi * frequency / sample_rate)
    norm = 1.0 + k / q + k * k
    return response * _response(z, (1.0, -2.0, 1.0), (2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm))


def _k_weighted(row: Tensor, sample_rate: int) -> Tensor:
    """K-weight float64 `[n_samples]` in blocks of some seconds; the filters forget within half a second."""
    lead = sample_rate // 2
    size = 1 << (8 * sample_rate).bit_length()
    block = size - 2 * lead
    response = _k_response(sample_rate, size).to(row.device)
    pieces = []
    for start in range(0, row.shape[-1], block):
        begin = max(start - lead, 0)
        part = row[begin : start + block]
        filtered: Tensor = torch.fft.irfft(torch.fft.rfft(part, n=size) * response, n=size)
        pieces.append(filtered[start - begin : len(part)])
    return torch.cat(pieces)


def loudness(waveform: Tensor, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4): K-weighting, 400 ms blocks, both gates.

    Args:
        waveform: `[n_samples]` or `[channels, n_samples]` (front channels, weight 1 each); a clip shorter than
            400 ms is one block.
        sample_rate: Hz, 8000 or more.

    Returns:
        LUFS; minus infinity for silence.
    """
    if sample_rate < 8000:
        raise AudiodiffError(f"Loudness at {sample_rate} Hz is not defined; expected 8000 Hz or more.")
    channels = waveform.double().reshape(-1, waveform.shape[-1])
    weighted = torch.cat([_k_weighted(row, sample_rate)[None] for row in channels])
    size = min(round(0.4 * sample_rate), channels.shape[-1])
    hop = max(round(0.1 * sample_rate), 1)
    power = weighted.square().unfold(-1, size, hop).mean(dim=-1).sum(dim=0)
    gated = power[power > 10.0 ** ((-70.0 + 0.691) / 10.0)]
    if gated.numel() == 0:
        return -math.inf
    gated = gated[gated > gated.mean() * 0.1]
    return -0.691 + 10.0 * math.log10(float(gated.mean()))


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
