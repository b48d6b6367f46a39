"""Noising processes: how data turns into noise.

Every process is a law ``x_t = alpha(t) * x_0 + sigma(t) * noise`` with ``t = 0`` clean and ``t = t_max`` noisiest.
All methods map a tensor of times of any shape to a tensor of that shape. Times are best kept in float64 on the CPU:
there are only a few of them, and every coefficient that is derived from them stays exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError


@runtime_checkable
class Process(Protocol):
    """The law of ``x_t``; knows nothing of networks, conditions or solvers."""

    @property
    def t_max(self) -> float:
        """The largest time, where sampling starts."""

    def alpha(self, t: Tensor) -> Tensor:
        """Coefficient of the data."""

    def sigma(self, t: Tensor) -> Tensor:
        """Coefficient of the noise."""

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Time derivative of ``alpha``."""

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Time derivative of ``sigma``."""

    def log_snr(self, t: Tensor) -> Tensor:
        """``log(alpha^2 / sigma^2)``; plus infinity at ``t = 0``, decreasing."""

    def time_at(self, log_snr: Tensor) -> Tensor:
        """Inverse of ``log_snr``, clamped to ``[0, t_max]``."""

    def noise_label(self, t: Tensor) -> Tensor:
        """The number by which networks on this process know the noise level."""

    def prior(self, noise: Tensor) -> Tensor:
        """The state at ``t_max`` from which sampling starts, made of unit ``noise``."""

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``x_t`` of shape ``[batch, ...]`` for times ``t`` of shape ``[batch]``."""


def pad_to(coefficient: Tensor, x: Tensor) -> Tensor:
    """View a ``[batch]`` coefficient as ``[batch, 1, ...]`` in the dtype and on the device of ``x``.

    Raises:
        AudiodiffError: the coefficient is not ``[batch]`` (or a single value) for this ``x``.
    """
    if coefficient.ndim > 1 or (coefficient.ndim == 1 and coefficient.shape[0] not in (1, x.shape[0])):
        raise AudiodiffError(
            f"times must have shape [batch] = [{x.shape[0]}], got {list(coefficient.shape)}; pass one time per item."
        )
    # dtype before device: some devices have no float64
    padded = coefficient.to(dtype=x.dtype).to(device=x.device)
    return padded.reshape(-1, *([1] * (x.ndim - 1)))


def _mix(process: Process, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    return pad_to(process.alpha(t), x_0) * x_0 + pad_to(process.sigma(t), x_0) * noise


@dataclass(frozen=True)
class RectifiedFlow:
    """Straight line from data to noise: ``alpha = 1 - t``, ``sigma = t`` (Liu et al. 2022)."""

    @property
    def t_max(self) -> float:
        """1."""
        return 1.0

    def alpha(self, t: Tensor) -> Tensor:
        """``1 - t``."""
        return 1.0 - t

    def sigma(self, t: Tensor) -> Tensor:
        """``t``."""
        return t.clone()

    def alpha_dot(self, t: Tensor) -> Tensor:
        """-1."""
        return -torch.ones_like(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(t)

    def log_snr(self, t: Tensor) -> Tensor:
        """``2 * log((1 - t) / t)``."""
        return 2.0 * (torch.log1p(-t) - torch.log(t))

    def time_at(self, log_snr: Tensor) -> Tensor:
        """``sigmoid(-log_snr / 2)``."""
        return torch.sigmoid(-0.5 * log_snr)

    def noise_label(self, t: Tensor) -> Tensor:
        """``t`` in [0, 1]."""
        return t.clone()

    def prior(self, noise: Tensor) -> Tensor:
        """Unit noise."""
        return noise.clone()

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``(1 - t) * x_0 + t * noise``."""
        return _mix(self, x_0, noise, t)


@dataclass(frozen=True)
class CosineVP:
    """Variance-preserving quarter circle: ``alpha = cos(pi t / 2)``, ``sigma = sin(pi t / 2)`` (Salimans & Ho 2022)."""

    @property
    def t_max(self) -> float:
        """1."""
        return 1.0

    def alpha(self, t: Tensor) -> Tensor:
        """``cos(pi t / 2)``, written so that it is exactly 0 at ``t = 1``."""
        return torch.sin(0.5 * math.pi * (1.0 - t))

    def sigma(self, t: Tensor) -> Tensor:
        """``sin(pi t / 2)``."""
        return torch.sin(0.5 * math.pi * t)

    def alpha_dot(self, t: Tensor) -> Tensor:
        """``-pi / 2 * sigma``."""
        return -0.5 * math.pi * self.sigma(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """``pi / 2 * alpha``."""
        return 0.5 * math.pi * self.alpha(t)

    def log_snr(self, t: Tensor) -> Tensor:
        """``-2 * log(tan(pi t / 2))``."""
        return 2.0 * (torch.log(self.alpha(t)) - torch.log(self.sigma(t)))

    def time_at(self, log_snr: Tensor) -> Tensor:
        """``2 / pi * atan(exp(-log_snr / 2))``."""
        return 2.0 / math.pi * torch.atan(torch.exp(-0.5 * log_snr))

    def noise_label(self, t: Tensor) -> Tensor:
        """``t`` in [0, 1]."""
        return t.clone()

    def prior(self, noise: Tensor) -> Tensor:
        """Unit noise."""
        return noise.clone()

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``alpha(t) * x_0 + sigma(t) * noise``."""
        return _mix(self, x_0, noise, t)


@dataclass(frozen=True)
class LinearVP:
    """Variance-preserving SDE with ``beta(t) = beta_min + t * (beta_max - beta_min)`` (Song et al. 2021, Eq. 32)."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        """Refuse impossible rates."""
        if not 0.0 < self.beta_min <= self.beta_max < math.inf:
            raise AudiodiffError(
                f"LinearVP needs 0 < beta_min <= beta_max, got beta_min={self.beta_min}, beta_max={self.beta_max}."
            )

    @property
    def t_max(self) -> float:
        """1."""
        return 1.0

    def _log_alpha(self, t: Tensor) -> Tensor:
        return -0.5 * t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def alpha(self, t: Tensor) -> Tensor:
        """``exp(-1/2 * integral of beta)``."""
        return torch.exp(self._log_alpha(t))

    def sigma(self, t: Tensor) -> Tensor:
        """``sqrt(1 - alpha^2)``."""
        return torch.sqrt(-torch.expm1(2.0 * self._log_alpha(t)))

    def alpha_dot(self, t: Tensor) -> Tensor:
        """``-beta / 2 * alpha``."""
        return -0.5 * (self.beta_min + t * (self.beta_max - self.beta_min)) * self.alpha(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """``beta / 2 * alpha^2 / sigma``; infinite at ``t = 0``, where sigma grows like a square root."""
        return -self.alpha(t) * self.alpha_dot(t) / self.sigma(t)

    def log_snr(self, t: Tensor) -> Tensor:
        """``log(alpha^2 / (1 - alpha^2))``."""
        log_alpha_squared = 2.0 * self._log_alpha(t)
        return log_alpha_squared - torch.log(-torch.expm1(log_alpha_squared))

    def time_at(self, log_snr: Tensor) -> Tensor:
        """Positive root of the quadratic ``integral of beta = softplus(-log_snr)``."""
        # logaddexp rather than softplus: softplus turns linear above a threshold
        integral = torch.logaddexp(torch.zeros_like(log_snr), -log_snr)
        slope = self.beta_max - self.beta_min
        t = 2.0 * integral / (self.beta_min + torch.sqrt(self.beta_min**2 + 2.0 * slope * integral))
        return t.nan_to_num(nan=self.t_max).clamp(0.0, self.t_max)

    def noise_label(self, t: Tensor) -> Tensor:
        """``t`` in [0, 1]."""
        return t.clone()

    def prior(self, noise: Tensor) -> Tensor:
        """Unit noise, although a trace of the data (``alpha(1) = 0.0066`` by default) remains at ``t_max``."""
        return noise.clone()

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``alpha(t) * x_0 + sigma(t) * noise``."""
        return _mix(self, x_0, noise, t)


@dataclass(frozen=True)
class DiscreteVP:
    """A table of DDPM betas made continuous, so that any solver takes any number of steps through it.

    ``t = n + 1`` is step ``n`` of the table (counted from 0) and ``t_max = len(betas)``. Between steps log-SNR is
    linear in ``t``. Before the first step ``sigma / alpha`` shrinks linearly to 0 at ``t = 0``; where the last beta
    is 1 (zero terminal SNR), ``alpha / sigma`` shrinks linearly to 0 over the last step.

    Raises:
        AudiodiffError: fewer than two betas, or a beta outside ``(0, 1)`` (the last may be 1).
    """

    betas: tuple[float, ...]
    _log_snrs: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the table and tabulate its log-SNR."""
        betas = tuple(float(beta) for beta in self.betas)
        if len(betas) < 2 or not all(0.0 < beta < 1.0 for beta in betas[:-1]) or not 0.0 < betas[-1] <= 1.0:
            raise AudiodiffError(
                "DiscreteVP needs at least two betas, each above 0 and below 1 (the last may be 1); check the table."
            )
        log_alpha_bar = torch.log1p(-torch.tensor(betas, dtype=torch.float64, device="cpu")).cumsum(0)
        object.__setattr__(self, "betas", betas)
        object.__setattr__(self, "_log_snrs", log_alpha_bar - torch.log(-torch.expm1(log_alpha_bar)))

    @property
    def t_max(self) -> float:
        """The number of betas."""
        return float(len(self.betas))

    def _linear_knots(self) -> Tensor:
        """Log-SNR of the steps between which it is linear: all but a last one of zero SNR."""
        return self._log_snrs if self.betas[-1] < 1.0 else self._log_snrs[:-1]

    def log_snr(self, t: Tensor) -> Tensor:
        """Log-SNR interpolated over the step index."""
        knots = self._linear_knots().to(dtype=t.dtype, device=t.device)
        last = len(knots)
        head = knots[0] - 2.0 * torch.log(t)
        index = (t - 1.0).floor().clamp(0, max(last - 2, 0)).long()
        low, high = knots[index], knots[(index + 1).clamp(max=last - 1)]
        middle = low + (t - 1.0 - index) * (high - low)
        tail = knots[-1] + 2.0 * torch.log((last + 1 - t).clamp(min=0.0))
        return torch.where(t < 1.0, head, torch.where(t <= last, middle, tail))

    def time_at(self, log_snr: Tensor) -> Tensor:
        """Inverse of the interpolation, clamped to ``[0, t_max]``."""
        knots = self._linear_knots().to(dtype=log_snr.dtype, device=log_snr.device)
        last = len(knots)
        head = torch.exp(0.5 * (knots[0] - log_snr))
        index = (torch.searchsorted(-knots, -log_snr.contiguous()) - 1).clamp(0, max(last - 2, 0))
        low, high = knots[index], knots[(index + 1).clamp(max=last - 1)]
        middle = index + 1.0 + (log_snr - low) / torch.where(high == low, -torch.ones_like(low), high - low)
        tail = last + 1 - torch.exp(0.5 * (log_snr - knots[-1]))
        t = torch.where(log_snr > knots[0], head, torch.where(log_snr >= knots[-1], middle, tail))
        return t.clamp(0.0, self.t_max)

    def _log_snr_dot(self, t: Tensor) -> Tensor:
        """Slope of log-SNR between the first and the last linear knot."""
        knots = self._linear_knots().to(dtype=t.dtype, device=t.device)
        last = len(knots)
        index = (t - 1.0).floor().clamp(0, max(last - 2, 0)).long()
        return knots[(index + 1).clamp(max=last - 1)] - knots[index]

    def alpha(self, t: Tensor) -> Tensor:
        """``sqrt(sigmoid(log_snr))``: the square root of DDPM's alpha-bar at the steps."""
        return torch.sqrt(torch.sigmoid(self.log_snr(t)))

    def sigma(self, t: Tensor) -> Tensor:
        """``sqrt(sigmoid(-log_snr))``."""
        return torch.sqrt(torch.sigmoid(-self.log_snr(t)))

    def _dots(self, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = self.alpha(t), self.sigma(t)
        knots = self._linear_knots().to(dtype=t.dtype, device=t.device)
        # head: sigma / alpha = ratio * t; tail: alpha / sigma = ratio * (t_max - t)
        head_ratio, tail_ratio = torch.exp(-0.5 * knots[0]), torch.exp(0.5 * knots[-1])
        half_slope = 0.5 * self._log_snr_dot(t)
        in_head, in_tail = t < 1.0, t > len(knots)
        alpha_dot = torch.where(
            in_head,
            -head_ratio * sigma * alpha**2,
            torch.where(in_tail, -tail_ratio * sigma**3, half_slope * alpha * sigma**2),
        )
        sigma_dot = torch.where(
            in_head,
            head_ratio * alpha**3,
            torch.where(in_tail, tail_ratio * alpha * sigma**2, -half_slope * sigma * alpha**2),
        )
        return alpha_dot, sigma_dot

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Time derivative of ``alpha``; jumps at the steps, where the right-hand one is given."""
        return self._dots(t)[0]

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Time derivative of ``sigma``; jumps at the steps, where the right-hand one is given."""
        return self._dots(t)[1]

    def noise_label(self, t: Tensor) -> Tensor:
        """The step index of the table, ``t - 1``, fractional between steps and never below 0."""
        return (t - 1.0).clamp(min=0.0)

    def prior(self, noise: Tensor) -> Tensor:
        """Unit noise, whatever the table leaves of the data at its last step.

        DiffWave's 50 betas leave ``alpha = 0.53``, ``sigma = 0.85``, and its sampler starts from unit noise all
        the same: the missing data is replaced by noise of about its variance.
        """
        return noise.clone()

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``alpha(t) * x_0 + sigma(t) * noise``."""
        return _mix(self, x_0, noise, t)


@dataclass(frozen=True)
class VarianceExploding:
    """Noise is added and the data left alone: ``alpha = 1``, ``sigma = t`` (Karras et al. 2022)."""

    t_max: float = 80.0

    def __post_init__(self) -> None:
        """Refuse an impossible range."""
        if not 0.0 < self.t_max < math.inf:
            raise AudiodiffError(f"VarianceExploding needs a positive finite t_max, got {self.t_max}.")

    def alpha(self, t: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """``t``."""
        return t.clone()

    def alpha_dot(self, t: Tensor) -> Tensor:
        """0."""
        return torch.zeros_like(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(t)

    def log_snr(self, t: Tensor) -> Tensor:
        """``-2 * log(t)``."""
        return -2.0 * torch.log(t)

    def time_at(self, log_snr: Tensor) -> Tensor:
        """``exp(-log_snr / 2)``, at most ``t_max``."""
        return torch.exp(-0.5 * log_snr).clamp(max=self.t_max)

    def noise_label(self, t: Tensor) -> Tensor:
        """``log(t) / 4`` (Karras et al. 2022, Table 1); ``t`` is floored so that clean data has a finite label."""
        return 0.25 * torch.log(t.clamp(min=1e-6))

    def prior(self, noise: Tensor) -> Tensor:
        """``t_max * noise``."""
        return self.t_max * noise

    def mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """``x_0 + t * noise``."""
        return _mix(self, x_0, noise, t)
