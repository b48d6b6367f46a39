"""A mixture of Gaussians on a line: the one kind of data whose diffusion is known exactly, without a network."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.diffusion import Denoise, Process, pad_to


@dataclass(frozen=True)
class Mixture:
    """Numbers that come from one of several Gaussians.

    Attributes:
        weights: how often each, 1 together.
        means: of each.
        stds: of each.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """Return `[n]` numbers of the mixture."""
        dice = torch.Generator().manual_seed(seed)
        which = torch.multinomial(torch.tensor(self.weights), n, replacement=True, generator=dice)
        return torch.tensor(self.means)[which] + torch.tensor(self.stds)[which] * torch.randn(n, generator=dice)

    def density(self, process: Process, x: Tensor, t: float) -> Tensor:
        """Return the density of `x_t` at every `x`: each Gaussian is scaled by alpha and widened by sigma."""
        return self._parts(process, x, torch.full_like(x, t))[0].exp().sum(0)

    def denoise(self, process: Process) -> Denoise:
        """Return the best possible denoiser, the mean of all `x_0` that an `x_t` may have come from."""

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            log_densities, means = self._parts(process, x, t)
            return (torch.softmax(log_densities, 0) * means).sum(0)

        return denoise

    def _parts(self, process: Process, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """For each Gaussian the log of its share of the density at `x`, and the mean of `x_0` if it is the source."""
        alpha, sigma = pad_to(process.alpha(t), x), pad_to(process.sigma(t), x)
        weights, means, stds = (
            torch.tensor(values, dtype=x.dtype).reshape(-1, *([1] * x.ndim))
            for values in (self.weights, self.means, self.stds)
        )
        variance = (alpha * stds) ** 2 + sigma**2
        away = x - alpha * means
        log_densities = torch.log(weights) - 0.5 * torch.log(2 * math.pi * variance) - 0.5 * away**2 / variance
        return log_densities, means + alpha * stds**2 / variance * away


QUIET_AND_LOUD = Mixture(weights=(0.7, 0.3), means=(-1.0, 1.5), stds=(0.25, 0.4))
"""The mixture of the pages on the core."""
