"""Denoising longer states than a network was trained on: overlapping windows, joined at every step."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError

__all__ = ["PlacedDenoise", "Places", "after", "window_starts", "windowed", "with_places"]


class Places(NamedTuple):
    """What there is to tell of each position of a state.

    Attributes:
        beats: that have passed, `[n]`; NaN where unknown.
        known: clean latents that the others must fit, `[channels, n]`, NaN where unknown; None for none.
    """

    beats: Tensor
    known: Tensor | None = None

    def at(self, chosen: slice | Tensor) -> "Places":
        """These positions alone."""
        return Places(self.beats[chosen], None if self.known is None else self.known[:, chosen])

    def roll(self, shift: int) -> "Places":
        """Turned by `shift` positions, on a circle."""
        return Places(self.beats.roll(shift), None if self.known is None else self.known.roll(shift, dims=-1))

    def repeat(self, times: int) -> "Places":
        """The whole `times` over."""
        return Places(self.beats.repeat(times), None if self.known is None else self.known.repeat(1, times))


PlacedDenoise = Callable[[Tensor, Tensor, Places], Tensor]
"""As `Denoise`, with what there is to tell of each position of the state.

That is an argument, since windows of a state are at other places of the piece.
"""


def with_places(denoise: PlacedDenoise, places: Places) -> Denoise:
    """Return a `denoise` for states at these places."""
    return lambda x, t: denoise(x, t, places)


def after(denoise: PlacedDenoise, known: Tensor, state: Callable[[Tensor], Tensor]) -> PlacedDenoise:
    """Return a `denoise` whose states follow `known` ones, which it hears and does not give back.

    Args:
        denoise: works on `[batch, channels, n]`.
        known: clean latents `[channels, r]`; at no beat that is known.
        state: what they are under the noise of times `t`: `[1, channels, r]`.
    """
    count = known.shape[-1]

    def following(x: Tensor, t: Tensor, places: Places) -> Tensor:
        before = state(t).to(x).expand(x.shape[0], -1, -1)
        unknown = known.new_full((known.shape[0], x.shape[-1]), torch.nan)
        told = Places(
            torch.cat([places.beats.new_full((count,), torch.nan), places.beats]),
            torch.cat([known, unknown if places.known is None else places.known], dim=-1),
        )
        return denoise(torch.cat([before, x], dim=-1), t, told)[..., count:]

    return following


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


def windowed(denoise: PlacedDenoise, window: int, overlap: int, *, tolerance: int = 0) -> PlacedDenoise:
    """Return a `denoise` for states of any length from one for states of up to `window` positions.

    Each window is denoised by itself; where windows overlap, their estimates cross-fade linearly. Since all windows
    share one state and its noise, each step pulls neighbours towards a common sound (MultiDiffusion, arXiv 2302.08113).

    Args:
        denoise: works on `[batch, channels, n]` with `n <= window + tolerance`.
        window: positions.
        overlap: positions that neighbours share at least.
        tolerance: a state longer than `window` by no more than this is denoised as one, at half the cost of two.
    """

    def joined(x: Tensor, t: Tensor, places: Places) -> Tensor:
        length = x.shape[-1]
        if length <= window + tolerance:
            return denoise(x, t, places)
        starts = window_starts(length, window, overlap)
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
            total[..., start:stop] += denoise(x[..., start:stop], t, places.at(slice(start, stop))) * ramp
            weight[start:stop] += ramp
        return total / weight

    return joined
