"""The lists of times of diffusers' schedulers, as grids: ``grid(process, steps)`` -> float64 ``[steps + 1]``.

They start below ``t_max`` where theirs do, which the grids of ``times.py`` never do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from audiodiff.diffusion.process import DiscreteVP, Process
from audiodiff.diffusion.times import check_grid
from audiodiff.errors import AudiodiffError

Spacing = Literal["leading", "trailing", "linspace"]


@dataclass(frozen=True)
class TimestepGrid:
    """Their ``timestep_spacing`` on a table of betas: a timestep ``n`` is our time ``n + 1``.

    Attributes:
        spacing: "leading" starts well below the noisiest step, "trailing" at it, "linspace" has both ends (Lin et al.
            2023, Table 2).
        offset: their ``steps_offset``, added to "leading" timesteps.
        multistep: as their DPM-Solver and UniPC space "leading" and "linspace": one point more, the last dropped.
        rounded: to whole timesteps; their Euler does not round "linspace".
    """

    spacing: Spacing = "leading"
    offset: int = 0
    multistep: bool = False
    rounded: bool = True

    def __call__(self, process: Process, steps: int) -> Tensor:
        """The times of ``steps`` steps.

        Raises:
            AudiodiffError: the process has no table of betas, or the steps do not fit it.
        """
        count = len(_table(process).betas)
        if not 1 <= steps <= count - self.offset:
            raise AudiodiffError(f"a table of {count} steps can be sampled in 1 to {count} steps, got {steps}.")
        points = steps + self.multistep
        if self.spacing == "leading":
            timesteps = torch.arange(points, dtype=torch.float64).flip(0) * (count // points) + self.offset
        elif self.spacing == "trailing":
            timesteps = count - torch.arange(steps, dtype=torch.float64) * (count / steps) - 1.0
        else:
            timesteps = torch.linspace(0.0, count - 1.0, points, dtype=torch.float64).flip(0)
        if self.rounded:
            timesteps = timesteps.round()
        return _closed(process, timesteps[:steps] + 1.0)


@dataclass(frozen=True)
class SpacedSigmas:
    """Their ``use_karras_sigmas`` and ``use_exponential_sigmas`` on a table of betas.

    Attributes:
        rho: of Karras et al. 2022, Eq. 5; None spaces the logarithm of sigma evenly.
        ends: the grid whose first and last time are the ends; None for those of the table.
    """

    rho: float | None = 7.0
    ends: TimestepGrid | None = None

    def __call__(self, process: Process, steps: int) -> Tensor:
        """The times of ``steps`` steps.

        Raises:
            AudiodiffError: the process has no table of betas, or one that ends in pure noise.
        """
        table = _table(process)
        bounds = torch.tensor([1.0, table.t_max], dtype=torch.float64)
        if self.ends is not None:
            between = self.ends(process, steps)
            bounds = torch.stack([between[-2], between[0]])
        low, high = torch.exp(-0.5 * process.log_snr(bounds)).tolist()
        if not math.isfinite(high):
            raise AudiodiffError(
                "the table of betas ends in pure noise, whose sigma is infinite; choose timestep_spacing instead of "
                "Karras or exponential sigmas."
            )
        return _from_sigmas(process, _spaced(low, high, steps, self.rho))


@dataclass(frozen=True)
class SigmaGrid:
    """Sigmas between fixed ends, then 0, as in their EDM schedulers and in that of Stable Audio.

    Attributes:
        sigma_min, sigma_max: ends of ``sigma / alpha``.
        rho: of Karras et al. 2022, Eq. 5; None spaces the logarithm of sigma evenly.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float | None = 7.0

    def __post_init__(self) -> None:
        """Refuse ends that are none."""
        if not 0.0 < self.sigma_min < self.sigma_max < math.inf:
            raise AudiodiffError(f"expected 0 < sigma_min < sigma_max, got {self.sigma_min} and {self.sigma_max}.")

    def __call__(self, process: Process, steps: int) -> Tensor:
        """The times of ``steps`` steps."""
        return _from_sigmas(process, _spaced(self.sigma_min, self.sigma_max, steps, self.rho))


@dataclass(frozen=True)
class FlowGrid:
    """The sigmas of their flow-matching schedulers: evenly from 1 to the smallest of training, shifted, then 0.

    Attributes:
        shift: of Esser et al. 2024, Eq. 23; their smallest sigma is shifted twice, which is kept.
        train_steps: their ``num_train_timesteps``; the smallest sigma is its inverse.
        multistep: as their DPM-Solver and UniPC have it with ``use_flow_sigmas``: evenly from one less its inverse to
            0, with 0 counted as one of the points.
    """

    shift: float = 1.0
    train_steps: int = 1000
    multistep: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no grid."""
        if not 0.0 < self.shift < math.inf or self.train_steps < 2:
            raise AudiodiffError(
                f"expected a positive shift and 2 training steps or more, got {self.shift} and {self.train_steps}."
            )

    def __call__(self, process: Process, steps: int) -> Tensor:
        """The times of ``steps`` steps, as shares of ``t_max``."""
        if self.multistep:
            even = torch.linspace(1.0 - 1.0 / self.train_steps, 0.0, _checked(steps) + 1, dtype=torch.float64)[:-1]
            return _closed(process, process.t_max * self._shifted(even))
        smallest = self._shifted(torch.tensor(1.0 / self.train_steps, dtype=torch.float64))
        even = torch.linspace(1.0, float(smallest), _checked(steps), dtype=torch.float64)
        return _closed(process, process.t_max * self._shifted(even))

    def _shifted(self, share: Tensor) -> Tensor:
        return self.shift * share / (1.0 + (self.shift - 1.0) * share)


def _spaced(low: float, high: float, steps: int, rho: float | None) -> Tensor:
    ramp = torch.linspace(0.0, 1.0, _checked(steps), dtype=torch.float64)
    if rho is None:
        return torch.exp(math.log(high) + ramp * (math.log(low) - math.log(high)))
    sigmas: Tensor = (high ** (1.0 / rho) + ramp * (low ** (1.0 / rho) - high ** (1.0 / rho))) ** rho
    return sigmas


def _from_sigmas(process: Process, sigmas: Tensor) -> Tensor:
    return _closed(process, process.time_at(-2.0 * torch.log(sigmas)))


def _closed(process: Process, times: Tensor) -> Tensor:
    closed = torch.cat([times, times.new_zeros(1)])
    check_grid(process, closed)
    return closed


def _checked(steps: int) -> int:
    if steps < 1:
        raise AudiodiffError(f"the number of steps must be 1 or more, got {steps}.")
    return steps


def _table(process: Process) -> DiscreteVP:
    if not isinstance(process, DiscreteVP):
        raise AudiodiffError(f"{type(process).__name__} has no table of betas to take timesteps from.")
    return process
