"""True peaks (ITU-R BS.1770-4, annex 2), and a limiter that keeps them below a ceiling."""

import math

import torch
from torch import Tensor

from audiodiff.signal.resample import resample

__all__ = [
    "AROUND",
    "ATTACK_SECONDS",
    "BLOCK",
    "CEILING_DB",
    "RELEASE_SECONDS",
    "block_peaks",
    "limiting_gain",
    "true_peak",
]

CEILING_DB = -1.0
"""Highest true peak of what is published (dBTP): encoders of MP3 and the like add a little (EBU R 128, AES TD1008)."""

OVERSAMPLING = 4
ATTACK_SECONDS, RELEASE_SECONDS = 0.005, 0.06
BLOCK = 32
"""Samples that have one gain; between the middles of two blocks it goes in a straight line."""

_AROUND_SECONDS = 0.5
"""How much of a loop's other end its gain sees."""

AROUND = 256
"""Samples on either side that true peaks depend on; a whole number of blocks."""


def true_peak(waveform: Tensor, sample_rate: int) -> float:
    """Return the largest magnitude between samples as well as at them, of `[..., n_samples]`; full scale is 1."""
    return float(block_peaks(waveform, sample_rate).max()) if waveform.numel() else 0.0


def limiting_gain(
    waveform: Tensor, sample_rate: int, ceiling_db: float = CEILING_DB, *, circular: bool = False
) -> Tensor:
    """Return the gain, at most 1, that keeps true peaks below a ceiling: one for all channels, `[n_samples]`.

    It falls for 5 ms before a peak and comes back with a time constant of 60 ms, so that what is heard is neither a
    click nor a hole.

    Args:
        waveform: `[n_samples]` or `[channels, n_samples]`.
        sample_rate: Hz.
        ceiling_db: dBTP.
        circular: the waveform is a loop, and so is the gain.
    """
    n_samples, wrapped = waveform.shape[-1], 0
    peaks = block_peaks(waveform, sample_rate)
    if circular:  # played once, a loop has ends as well
        peaks = torch.maximum(peaks, block_peaks(waveform, sample_rate, AROUND))
        wrapped = round(_AROUND_SECONDS * sample_rate / BLOCK)
        peaks = peaks[torch.arange(-wrapped, len(peaks) + wrapped) % len(peaks)]
    ceiling: float = 10.0 ** (ceiling_db / 20.0)
    # Each block sees the needs of its neighbours, since its gain reaches into them.
    peaks = torch.nn.functional.max_pool1d(peaks[None], 3, stride=1, padding=1)[0]
    needed = (ceiling / peaks.clamp_min(1e-9)).clamp_max(1.0)
    if float(needed.min()) == 1.0:
        return torch.ones(n_samples)
    attack = max(1, round(ATTACK_SECONDS * sample_rate / BLOCK))
    ahead = -torch.nn.functional.max_pool1d(
        torch.nn.functional.pad(-needed[None], (0, attack), value=-1.0), attack + 1, stride=1
    )
    recovery = math.exp(-BLOCK / (RELEASE_SECONDS * sample_rate))
    held, gains = 1.0, []
    for wanted in ahead[0].tolist():
        held = min(wanted, 1.0 - (1.0 - held) * recovery)
        gains.append(held)
    # The mean over the attack: every gain in it is low enough for the peak that it leads to.
    padded = torch.nn.functional.pad(torch.tensor(gains)[None, None], (attack, 0), value=gains[0])
    smooth = torch.nn.functional.avg_pool1d(padded, attack + 1, stride=1)
    line = torch.nn.functional.interpolate(smooth, scale_factor=BLOCK, mode="linear", align_corners=False)
    return line[0, 0, BLOCK * wrapped : BLOCK * wrapped + n_samples].clone()


def block_peaks(waveform: Tensor, sample_rate: int, wrapped: int = 0) -> Tensor:
    """True peaks of blocks of samples over all channels, `[n_blocks]`; the last block may be short.

    Args:
        waveform: `[..., n_samples]`.
        sample_rate: Hz.
        wrapped: samples of a loop's other end to lay before and behind it.
    """
    rows = waveform.float().reshape(-1, waveform.shape[-1])
    n_samples = rows.shape[-1]
    laid = rows[:, torch.arange(-wrapped, n_samples + wrapped) % n_samples] if wrapped else rows
    fine = resample(laid, sample_rate, OVERSAMPLING * sample_rate).abs().amax(dim=0)
    fine = fine[OVERSAMPLING * wrapped : OVERSAMPLING * (wrapped + n_samples)]
    fine = torch.maximum(fine, rows.abs().amax(dim=0).repeat_interleave(OVERSAMPLING))
    size = OVERSAMPLING * BLOCK
    return torch.nn.functional.pad(fine, (0, -len(fine) % size)).reshape(-1, size).amax(dim=-1)
