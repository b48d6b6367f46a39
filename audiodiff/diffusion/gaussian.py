"""A process from its two coefficients alone; the rest follows, at the cost of a few more operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from audiodiff.diffusion.process import pad_to


class GaussianProcess(ABC):
    """A ``Process`` that is defined by ``alpha`` and ``sigma``; what has a closed form may be overridden.

    To be stored in checkpoints, make it a frozen dataclass of numbers and register it by the entry-point group
    ``audiodiff.processes``.
    """

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Coefficient of the data: 1 at ``t = 0``, not increasing; made of differentiable operations."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Coefficient of the noise: 0 at ``t = 0``; ``alpha / sigma`` decreases."""

    @property
    def t_max(self) -> float:
        """1."""
        return 1.0

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Derivative of ``alpha`` by automatic differentiation."""
        return _derivative(self.alpha, t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Derivative of ``sigma`` by automatic differentiation."""
        return _derivative(self.sigma, t)

    def log_snr(self, t: Tensor) -> Tensor:
        """``2 * (log(alpha) - log(sigma))``."""
        return 2.0 * (torch.log(self.alpha(t)) - torch.log(self.sigma(t)))

    def time_at(self, log_snr: Tensor) -> Tensor:
        """Inverse of ``log_snr`` by bisection, to the precision of its dtype."""
        low, high = torch.zeros_like(log_snr), torch.full_like(log_snr, self.t_max)
        for _ in range(60):
            middle = 0.5 * (low + high)
            later = self.log_snr(middle) > log_snr
            low, high = torch.where(later, middle, low), torch.where(later, high, middle)
        return 0.5 * (low + high)

    def noise_label(self, t: Tensor) -> Tensor:
        """``t``."""
        return t.clone()

    def prior(self, noise: Tensor) -> Tensor:
        """``sigma(t_max) * noise``: where next to nothing is left of the data."""
        return self.sigma(noise.new_full((1,), self.t_max)) * noise

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``alpha(t) * x_0 + sigma(t) * noise``."""
        return pad_to(self.alpha(t), x_0) * x_0 + pad_to(self.sigma(t), x_0) * noise


def _derivative(coefficient: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
    with torch.inference_mode(False), torch.enable_grad():
        at = t.detach().clone().requires_grad_()
        # A constant has no graph of its own.
        return torch.autograd.grad((coefficient(at) + 0.0 * at).sum(), at)[0]
