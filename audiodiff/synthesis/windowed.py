"""Denoising longer states than a network was trained on: overlapping windows, joined at every step."""

from collections.abc import Callable

import torch
from torch import Tensor

from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError

__all__ = ["BeatDenoise", "window_starts", "windowed", "with_beats"]

BeatDenoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""As `Denoise`, with the beats that have passed at each position of the state, `[n]`, NaN where unknown.

They are an argument, since windows of a state are at other places of the piece.
"""


def with_beats(denoise: BeatDenoise, beats: Tensor) -> Denoise:
    """Return a `denoise` for states whose beats are `beats [n]`."""
    return lambda x, t: denoise(x, t, beats)


def window_starts(length: int, window: int, overlap: int) -> list[int]:
    """Where windows begin that cover `length` positions, neighbours sharing `overlap` or more.

    Raises:
        AudiodiffError: the windows would not move on.
    """
    if not 0 <= overlap < window:
        raise AudiodiffError(f"windows of {window} cannot overlap by {overlap}; expected 0 to {window - 1}.")
    if length <= window:
        return [0]
    count = -(-(length - overlap) // (window - overlap))
    # Spread evenly, so that no window shares much more with its neighbour than the others do.
    return [round(index * (length - window) / (count - 1)) for index in range(count)]


def windowed(denoise: BeatDenoise, window: int, overlap: int) -> BeatDenoise:
    """Return a `denoise` for states of any length from one for states of up to `window` positions.

    Each window is denoised by itself; where windows overlap, their estimates cross-fade linearly. Since all windows
    share one state and its noise, each step pulls neighbours towards a common sound (MultiDiffusion, arXiv 2302.08113).

    Args:
        denoise: works on `[batch, channels, n]` with `n <= window`.
        window: positions.
        overlap: positions that neighbours share at least.
    """

    def joined(x: Tensor, t: Tensor, beats: Tensor) -> Tensor:
        length = x.shape[-1]
        starts = window_starts(length, window, overlap)
        if len(starts) == 1:
            return denoise(x, t, beats)
        total = torch.zeros_like(x)
        weight = torch.zeros(length, dtype=x.dtype, device=x.device)
        for index, start in enumerate(starts):
            stop = start + window
            ramp = torch.ones(window, dtype=x.dtype, device=x.device)
            if index > 0:
                shared = starts[index - 1] + window - start
                ramp[:shared] = (torch.arange(shared, dtype=x.dtype, device=x.device) + 1) / (shared + 1)
            if index + 1 < len(starts):
                shared = stop - starts[index + 1]
                falling = 1 - (torch.arange(shared, dtype=x.dtype, device=x.device) + 1) / (shared + 1)
                ramp[window - shared :] = torch.minimum(ramp[window - shared :], falling)
            total[..., start:stop] += denoise(x[..., start:stop], t, beats[start:stop]) * ramp
            weight[start:stop] += ramp
        return total / weight

    return joined
