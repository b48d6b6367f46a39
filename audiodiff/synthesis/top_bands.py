"""A limit on the highest mel bands, learnt from recordings.

A mel autoencoder that learnt from lossy files, which end in a wall, may decode the band at the wall as loud as those
below it; a vocoder makes a whistle of that. The limit says how much louder a band usually is than the mean of the bands
below it.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError

__all__ = ["band_limits", "checked_limits", "limit_top_bands"]

NEIGHBOURS = 4
"""How many bands below a band it is compared with."""

AUDIBLE = -9.0
"""Frames whose neighbours are softer than this (natural logarithm of the magnitude) say nothing about the limit."""


def band_limits(log_mel: Tensor, count: int) -> tuple[float, ...]:
    """Return the limits of the `count` highest bands: the median of their level over the mean of the bands below.

    Args:
        log_mel: log-mels of recordings, `[n_mels, n_frames]`, natural logarithm.
        count: of bands.
    """
    limits = []
    for band in range(log_mel.shape[0] - count, log_mel.shape[0]):
        below = _below(log_mel, band)
        audible = below > AUDIBLE
        limits.append(round(float((log_mel[band] - below)[audible].median()), 2) if bool(audible.any()) else 0.0)
    return tuple(limits)


def limit_top_bands(log_mel: Tensor, limits: Sequence[float], floor: float) -> Tensor:
    """Lower each of the highest bands to its limit, the lowest of them first.

    Args:
        log_mel: `[n_mels, n_frames]`, natural logarithm.
        limits: of the highest `len(limits)` bands, over the mean of the bands below; empty changes nothing.
        floor: nothing is lowered beyond this.
    """
    if not limits:
        return log_mel
    limited = log_mel.clone()
    for band, limit in enumerate(limits, log_mel.shape[0] - len(limits)):
        limited[band] = torch.minimum(limited[band], (_below(limited, band) + limit).clamp_min(floor))
    return limited


def checked_limits(values: Any, n_mels: int) -> tuple[float, ...]:
    """Read limits from JSON.

    Raises:
        AudiodiffError: they are not a list of finite numbers for at most `n_mels - NEIGHBOURS` bands.
    """
    numbers = isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )
    if not numbers or len(values) > n_mels - NEIGHBOURS:
        raise AudiodiffError(
            f"band_limits is {str(values)[:60]}; expected a list of at most {n_mels - NEIGHBOURS} numbers."
        )
    return tuple(float(value) for value in values)


def _below(log_mel: Tensor, band: int) -> Tensor:
    return log_mel[band - NEIGHBOURS : band].mean(dim=0)
