"""Denoising longer states than a network was trained on: overlapping windows, joined at every step."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError

__all__ = ["ConditionedDenoise", "PositionConditions", "after", "window_starts", "windowed", "with_conditions"]


class PositionConditions(NamedTuple):
    """What is known of each position of a state: an input of the denoiser.

    Attributes:
        beats: that have passed, `[n]`; NaN where unknown.
        inpaint_condition: clean latents that the others must fit, `[channels, n]`, NaN where unknown; None for none.
    """

    beats: Tensor
    inpaint_condition: Tensor | None = None

    def at(self, chosen: slice | Tensor) -> "PositionConditions":
        """These positions alone."""
        return PositionConditions(
            self.beats[chosen], None if self.inpaint_condition is None else self.inpaint_condition[:, chosen]
        )

    def roll(self, shift: int) -> "PositionConditions":
        """Turned by `shift` positions, on a circle."""
        return PositionConditions(
            self.beats.roll(shift),
            None if self.inpaint_condition is None else self.inpaint_condition.roll(shift, dims=-1),
        )

    def repeat(self, times: int) -> "PositionConditions":
        """The whole `times` over."""
        return PositionConditions(
            self.beats.repeat(times),
            None if self.inpaint_condition is None else self.inpaint_condition.repeat(1, times),
        )


ConditionedDenoise = Callable[[Tensor, Tensor, PositionConditions], Tensor]
"""As `Denoise`, with the conditions of the positions as an argument: each window of a state has its own."""


def with_conditions(denoise: ConditionedDenoise, conditions: PositionConditions) -> Denoise:
    """Return a `denoise` for states under these conditions."""
    return lambda x, t: denoise(x, t, conditions)


def after(denoise: ConditionedDenoise, prefix: Tensor, state: Callable[[Tensor], Tensor]) -> ConditionedDenoise:
    """Return a `denoise` whose states follow those of `prefix`, which it is conditioned on and does not return.

    Args:
        denoise: works on `[batch, channels, n]`.
        prefix: clean latents `[channels, r]`; their beats are unknown.
        state: what they are under the noise of times `t`: `[1, channels, r]`.
    """
    count = prefix.shape[-1]

    def following(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        before = state(t).to(x).expand(x.shape[0], -1, -1)
        unknown = prefix.new_full((prefix.shape[0], x.shape[-1]), torch.nan)
        extended = PositionConditions(
            torch.cat([conditions.beats.new_full((count,), torch.nan), conditions.beats]),
            torch.cat(
                [prefix, unknown if conditions.inpaint_condition is None else conditions.inpaint_condition], dim=-1
            ),
        )
        return denoise(torch.cat([before, x], dim=-1), t, extended)[..., count:]

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


def windowed(denoise: ConditionedDenoise, window: int, overlap: int, *, tolerance: int = 0) -> ConditionedDenoise:
    """Return a `denoise` for states of any length from one for states of up to `window` positions.

    Each window is denoised by itself; where windows overlap, their estimates cross-fade linearly. Since all windows
    share one state and its noise, each step pulls neighbours towards a common sound (MultiDiffusion, arXiv 2302.08113).

    Args:
        denoise: works on `[batch, channels, n]` with `n <= window + tolerance`.
        window: positions.
        overlap: positions that neighbours share at least.
        tolerance: a state longer than `window` by no more than this is denoised as one, at half the cost of two.
    """

    def joined(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        length = x.shape[-1]
        if length <= window + tolerance:
            return denoise(x, t, conditions)
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
            total[..., start:stop] += denoise(x[..., start:stop], t, conditions.at(slice(start, stop))) * ramp
            weight[start:stop] += ramp
        return total / weight

    return joined
