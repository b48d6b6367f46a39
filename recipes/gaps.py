"""Crops of latents with gaps: the condition of an item that a model has to complete."""

import torch
from torch import Tensor

SHORTEST, LONGEST = 0.1, 0.75
"""Share of an item that is a gap. In use it is a fifth of what is heard together for a short repair, half of it where a
recording goes on."""


def with_gaps(latents: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
    """Return `latents [batch, channels, n_latents]` with NaN in a gap of each: its beginning, its end, or between.

    Args:
        latents: clean ones.
        lengths: latents of each item that count, `[batch]`; the others are not known either.
        generator: decides where; three draws an item, whatever they come to.
    """
    kind, size, place = torch.rand(3, len(latents), generator=generator)
    gap = ((SHORTEST + (LONGEST - SHORTEST) * size) * lengths).round().clamp(min=1)
    room = lengths - gap
    # A third each of what extends, what leads in, and what repairs; those who repair choose the place.
    start = torch.where(kind < 1 / 3, room, torch.where(kind < 2 / 3, 0.0, (place * room).round()))
    positions = torch.arange(latents.shape[-1])
    missing = (positions >= start[:, None]) & (positions < (start + gap)[:, None])
    missing |= positions >= lengths[:, None]
    return latents.masked_fill(missing[:, None], torch.nan)
