"""The noise that a vocoder's process ends in: white, or shaped by the mel.

Shaped noise passes through Griffin-Lim iterations, the more the better (and dearer). Two things make them cheap. The
lower half of the spectrum, which is most of what one hears, can be iterated alone at half the sample rate. And a
sampler that draws fresh noise at every step need not start from scratch: the phases of the first draw, turned by
angles that are random but change slowly over time and frequency, are nearly as consistent as before and yet
uncorrelated with it; a few more iterations mend the rest.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from audiodiff.bounds import check_bounds
from audiodiff.diffusion.noise import positional_noise
from audiodiff.errors import AudiodiffError
from audiodiff.signal.frames import STFT
from audiodiff.signal.projection import Projector, half_rate, reach_of

__all__ = [
    "TURN_BINS",
    "TURN_FRAMES",
    "PriorConfig",
    "ShapedNoise",
    "late_rows",
    "noise_delay",
    "prior_context",
    "shape_white_noise",
]

# Knots of the random turns of phase, in frames and bins: about 0.2 s and 700 Hz for the usual mels.
TURN_FRAMES, TURN_BINS = 16, 32


@dataclass(frozen=True)
class PriorConfig:
    """The noise of the process: "white", or "shaped" by the mel's envelope (PriorGrad, arXiv 2106.06406).

    With projections the shaped noise also passes through that many Griffin-Lim iterations with the given momentum
    towards the mel's magnitude: still random, but already a signal with the right spectrogram.

    Attributes:
        name: "white" or "shaped".
        projections: iterations at the full rate.
        momentum: of all iterations.
        half_projections: iterations of the lower half of the spectrum alone, before the others, at half their cost.
        renewals: iterations after which the first draw, with its phases turned, serves as another draw; 0 makes every
            draw from white noise of its own. Says how to sample; training draws once.
    """

    name: Literal["white", "shaped"] = "shaped"
    projections: int = 0
    momentum: float = 0.9
    half_projections: int = 0
    renewals: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no iteration can have."""
        if not all(isinstance(number, int) for number in (self.projections, self.half_projections, self.renewals)):
            raise AudiodiffError("prior.projections, half_projections and renewals must be whole numbers.")
        check_bounds(
            self,
            "prior",
            projections=(0, 10_000),
            momentum=(0.0, 10.0),
            half_projections=(0, 10_000),
            renewals=(0, 10_000),
        )


def check_prior(prior: PriorConfig, n_fft: int, hop_length: int) -> None:
    """Refuse what contradicts itself, and half-rate iterations on frames that have no half.

    Raises:
        AudiodiffError: the settings do not fit each other or the frames.
    """
    for name in ("projections", "half_projections", "renewals"):
        value = getattr(prior, name)
        if value and prior.name != "shaped":
            raise AudiodiffError(f'prior.{name} needs prior.name "shaped".')
        if value and not prior.projections:
            raise AudiodiffError(f"prior.{name} needs prior.projections of 1 or more.")
    if prior.half_projections:
        half_rate(STFT(n_fft, hop_length))


def prior_context(prior: PriorConfig, stft: STFT, delay: int = 0) -> int:
    """Frames on each side that a draw reaches, whose mel is so many frames late."""
    if prior.name == "white":
        return 0
    iterations = prior.half_projections + prior.projections + prior.renewals
    return 2 * stft.context * (1 + iterations) + delay


def noise_delay(prior: PriorConfig, stft: STFT) -> int:
    """Frames by which a mel has to be late for the noise that it shapes to look ahead of no frame of the spectrum.

    A frame of the noise's spectrum sees samples that other frames shape, as far as a window reaches, and so it is once
    more for each iteration. The mel of a few frames ago makes noise that is nearly as close to the sound.
    """
    return reach_of(stft) * (1 + prior.half_projections + prior.projections) if prior.name == "shaped" else 0


def late_rows(rows: Tensor, delay: int) -> Tensor:
    """Rows `[batch, n_frames, ...]` so many frames late; the first one is there from the beginning."""
    n_frames = rows.shape[1]
    return rows[:, (torch.arange(n_frames, device=rows.device) - delay).clamp_min(0)] if delay else rows


@torch.no_grad()
def shape_white_noise(
    white: Tensor, prior: PriorConfig, projector: Projector, anchor: Tensor, envelope: Tensor
) -> tuple[Tensor, Tensor]:
    """Turn white noise into shaped noise.

    Args:
        white: standard normal, `[batch, n_samples]`.
        prior: a "shaped" one.
        projector: for so many samples.
        anchor: magnitude that the iterations go for, rows `[batch, n_frames, n_bins]`.
        envelope: magnitude that shapes the noise where there are no iterations, of the same shape.

    Returns:
        Complex rows `[batch, n_frames, n_bins]` and their waveform `[batch, n_samples]`.
    """
    spectrum = projector.spectrum(white)
    if not prior.projections:
        # The window's energy: white noise of variance 1 has STFT values of that variance.
        scale = envelope / math.sqrt(0.375 * projector.stft.n_fft)
        spectrum = spectrum.mul_(scale.to(spectrum.dtype))
        return spectrum, projector.waveform(spectrum)
    return projector.project(
        spectrum, anchor, prior.projections, prior.momentum, half_iterations=prior.half_projections
    )


class ShapedNoise:
    """Draws of shaped noise at absolute places: the same place has the same noise, whatever stands around it.

    Args:
        stft: the mel's own.
        prior: a "shaped" one.
        anchor: rows `[1, n_frames, n_bins]`, as for `shape_white_noise`.
        envelope: rows of the same shape.
        seed: of the signal that the frames are part of.
        first_frame: place of the first frame in it.
        delay: frames by which anchor and envelope are late.
    """

    def __init__(
        self,
        stft: STFT,
        prior: PriorConfig,
        anchor: Tensor,
        envelope: Tensor,
        seed: int,
        first_frame: int,
        delay: int = 0,
    ) -> None:
        self.stft = stft
        self.prior = prior
        self.seed = seed
        self.first_frame = first_frame
        self._anchor = late_rows(anchor, delay)
        self._envelope = late_rows(envelope, delay)
        self._first_draw: Tensor | None = None

    @torch.no_grad()
    def __call__(self, draw: int) -> Tensor:
        """Return draw number `draw`, `[1, 1, n_samples]`."""
        n_frames, hop = self._anchor.shape[1], self.stft.hop_length
        projector = Projector(self.stft, n_frames, 1, self._anchor.device)
        if draw and self.prior.renewals:
            rows = self._turned(draw, projector)
            return projector.project(rows, self._anchor, self.prior.renewals, self.prior.momentum)[1][:, None]
        white = positional_noise(self.seed, draw, self.first_frame * hop, (self.first_frame + n_frames) * hop)
        white = white.to(self._anchor.device)
        rows, waveform = shape_white_noise(white, self.prior, projector, self._anchor, self._envelope)
        if self.prior.renewals:
            self._first_draw = rows
        return waveform[:, None]

    def _turned(self, draw: int, projector: Projector) -> Tensor:
        """The first draw's rows, turned."""
        if self._first_draw is None:
            self(0)
        assert self._first_draw is not None
        return phase_turns(self.seed, draw, self.first_frame, self._first_draw[0])[None]


def phase_turns(seed: int, draw: int, first_frame: int, rows: Tensor) -> Tensor:
    """Complex rows `[n_frames, n_bins]` of the first draw, at `first_frame` and after, as draw number `draw` has them.

    They are multiplied by complex numbers between random knots; what is asked of these is their phase.
    """
    n_frames, n_bins = rows.shape
    ramp = _ramps(n_bins).to(rows.device)
    first, last = first_frame // TURN_FRAMES, (first_frame + n_frames - 1) // TURN_FRAMES + 2
    size = 2 * len(ramp)
    values = positional_noise(seed, draw, first * size, last * size).view(-1, 2, len(ramp))
    knots = torch.matmul(values.to(ramp.device), ramp).transpose(1, 2).flatten(1)  # real and imaginary in turn
    share = torch.arange(TURN_FRAMES, device=ramp.device)[:, None] / TURN_FRAMES
    turns = torch.lerp(knots[:-1, None], knots[1:, None], share).flatten(0, 1)
    offset = first_frame - first * TURN_FRAMES
    turns = torch.view_as_complex(turns[offset : offset + n_frames].view(n_frames, n_bins, 2))
    return turns.mul_(rows)


@lru_cache(maxsize=8)
def _ramps(n_bins: int) -> Tensor:
    """`[n_knots, n_bins]`: linear interpolation between knots every `TURN_BINS` bins."""
    knots = torch.arange(-(-(n_bins - 1) // TURN_BINS) + 1)[:, None]
    return (1.0 - (torch.arange(n_bins) / TURN_BINS - knots).abs()).clamp_min(0.0)
