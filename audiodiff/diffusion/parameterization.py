"""What a network is asked to predict: one row of coefficients each, not a branch.

``x0_hat = c_skip * x + c_out * network(c_in * x, c_noise, cond)``, hence the network's target is
``(x_0 - c_skip * x_t) / c_out``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError

# log-SNR beyond this is clean data or pure noise for any network: keeps c_noise finite at the ends
_LOG_SNR_LIMIT = 40.0


class Coefficients(NamedTuple):
    """One row of the table at given times; every field has the shape of ``t``."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


@runtime_checkable
class Parameterization(Protocol):
    """Coefficients of a prediction type; knows nothing of solvers."""

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """The row at times ``t`` (any shape)."""


def _unit_input(process: Process, t: Tensor) -> Tensor:
    """``1 / sqrt(alpha^2 + sigma^2)`` where that exceeds 1 (VarianceExploding), else 1: published VP and flow
    networks take ``x_t`` as it is.
    """
    return torch.rsqrt((process.alpha(t) ** 2 + process.sigma(t) ** 2).clamp(min=1.0))


@dataclass(frozen=True)
class X0:
    """The network predicts the clean data."""

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """``c_skip = 0``, ``c_out = 1``."""
        return Coefficients(torch.zeros_like(t), torch.ones_like(t), _unit_input(process, t), process.noise_label(t))


@dataclass(frozen=True)
class Eps:
    """The network predicts the noise (Ho et al. 2020); needs ``alpha > 0`` up to ``t_max``."""

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """``c_skip = 1 / alpha``, ``c_out = -sigma / alpha``."""
        alpha = process.alpha(t)
        return Coefficients(1.0 / alpha, -process.sigma(t) / alpha, _unit_input(process, t), process.noise_label(t))


@dataclass(frozen=True)
class V:
    """The network predicts ``v = alpha * noise - sigma * x_0`` on a variance-preserving process (Salimans & Ho 2022).

    On other processes the target is the same divided by ``sqrt(alpha^2 + sigma^2)``.
    """

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """``c_skip = alpha / q``, ``c_out = -sigma / sqrt(q)``, ``q = alpha^2 + sigma^2``."""
        alpha, sigma = process.alpha(t), process.sigma(t)
        q = alpha**2 + sigma**2
        return Coefficients(alpha / q, -sigma / torch.sqrt(q), _unit_input(process, t), process.noise_label(t))


@dataclass(frozen=True)
class Velocity:
    """The network predicts ``dx_t/dt = alpha_dot * x_0 + sigma_dot * noise`` (Lipman et al. 2022)."""

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """``c_skip = -sigma_dot / d``, ``c_out = sigma / d``, ``d = alpha_dot * sigma - sigma_dot * alpha``."""
        sigma, sigma_dot = process.sigma(t), process.sigma_dot(t)
        d = process.alpha_dot(t) * sigma - sigma_dot * process.alpha(t)
        return Coefficients(-sigma_dot / d, sigma / d, _unit_input(process, t), process.noise_label(t))


@dataclass(frozen=True)
class EDM:
    """Unit-variance input and target for data of standard deviation ``sigma_data`` (Karras et al. 2022, Table 1)."""

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        """Refuse an impossible standard deviation."""
        _check_sigma_data(self.sigma_data)

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """``c_skip = alpha * sd^2 / q``, ``c_out = sigma * sd / sqrt(q)``, ``q = alpha^2 * sd^2 + sigma^2``."""
        alpha, sigma = process.alpha(t), process.sigma(t)
        q = (alpha * self.sigma_data) ** 2 + sigma**2
        return Coefficients(
            alpha * self.sigma_data**2 / q,
            sigma * self.sigma_data / torch.sqrt(q),
            torch.rsqrt(q),
            _log_noise(process, t),
        )


@dataclass(frozen=True)
class Consistency:
    """A consistency function: ``x0_hat = x`` exactly at ``t_min`` (Song et al. 2023, Eq. 5 and Appendix C).

    Song's coefficients, written for any process: the data coefficient is counted from its value at ``t_min`` and the
    noise coefficient from its value there, which on VarianceExploding gives their formulas back.
    """

    sigma_data: float = 0.5
    t_min: float = 0.002

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        _check_sigma_data(self.sigma_data)
        if not 0.0 <= self.t_min < math.inf:
            raise AudiodiffError(f"t_min must be a small time of the process, zero or above, got {self.t_min}.")

    def coefficients(self, process: Process, t: Tensor) -> Coefficients:
        """``c_skip = 1``, ``c_out = 0`` at and below ``t_min``; the EDM row far above it."""
        t_min = torch.full_like(t, self.t_min)
        t = torch.maximum(t, t_min)
        alpha, sigma = process.alpha(t), process.sigma(t)
        data, noise = alpha / process.alpha(t_min), sigma - process.sigma(t_min)
        variance = self.sigma_data**2
        return Coefficients(
            data * variance / (data**2 * variance + noise**2),
            noise * self.sigma_data / torch.sqrt(data**2 * variance + sigma**2),
            torch.rsqrt(alpha**2 * variance + sigma**2),
            _log_noise(process, t),
        )


def _log_noise(process: Process, t: Tensor) -> Tensor:
    """``log(sigma / alpha) / 4``, finite at both ends."""
    return -0.125 * process.log_snr(t).clamp(-_LOG_SNR_LIMIT, _LOG_SNR_LIMIT)


def _check_sigma_data(sigma_data: float) -> None:
    if not 0.0 < sigma_data < math.inf:
        raise AudiodiffError(f"sigma_data must be the positive standard deviation of the data, got {sigma_data}.")
