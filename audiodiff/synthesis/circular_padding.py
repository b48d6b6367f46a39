"""A loop laid out on a line, so that every frame of it is vocoded with its surroundings."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.synthesis.sampling import VocodePlan

LOOP_FADE_FRAMES = 4
"""Frames over which the end of a loop fades into its beginning: 46 ms at 86 frames a second."""


@dataclass(frozen=True)
class CircularPadding:
    """A loop laid out on a line with some of its end before it and some of its beginning behind.

    Attributes:
        frames: frames of the loop, in the order in which they are shown.
        first: place of the loop's first frame among them.
        n_frames: frames of the loop.
        overlap: frames behind the end that are faded into the beginning.
    """

    frames: Tensor
    first: int
    n_frames: int
    overlap: int

    def closed(self, waveform: Tensor, hop: int) -> Tensor:
        """Cut the loop out of `[channels, n_samples]`; what would follow its end fades into its beginning.

        The fade keeps the power, since the phases of the two are unrelated.
        """
        start, stop, n_fade = self.first * hop, (self.first + self.n_frames) * hop, self.overlap * hop
        loop = waveform[:, start:stop].clone()
        angle = (torch.arange(n_fade, dtype=loop.dtype) + 0.5) / n_fade * (math.pi / 2.0)
        loop[:, :n_fade] = loop[:, :n_fade] * angle.sin() + waveform[:, stop : stop + n_fade] * angle.cos()
        return loop


def pad_circle(n_frames: int, plan: VocodePlan) -> CircularPadding:
    """Lay a loop of `n_frames` out so that every frame of it has its surroundings."""
    overlap = min(LOOP_FADE_FRAMES, n_frames)
    context = plan.network_calls * plan.context_frames + plan.noise_context_frames
    order = torch.arange(-context, n_frames + overlap + context) % n_frames
    return CircularPadding(order, context, n_frames, overlap)
