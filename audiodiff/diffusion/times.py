"""Times: sampling grids (decreasing, ending in exactly 0) and training quantiles (``u`` in (0, 1) to ``t``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from audiodiff.diffusion.names import listed_times
from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError

Grid = Callable[[Process, int], Tensor]
"""``grid(process, steps)`` -> float64 ``[steps + 1]``, from ``t_max`` down to exactly 0."""

TimeSampler = Callable[[Process, Tensor], Tensor]
"""``quantile(process, u)`` -> training times of the shape of ``u``."""


def uniform_grid(process: Process, steps: int) -> Tensor:
    """Equal steps in ``t``. On ``DiscreteVP`` this is the "trailing" spacing of DDIM."""
    _check_steps(steps)
    return process.t_max * torch.arange(steps, -1, -1, dtype=torch.float64, device="cpu") / steps


def karras_grid(
    process: Process, steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Tensor:
    """Equal steps in ``(sigma / alpha)^(1 / rho)`` (Karras et al. 2022, Eq. 5), then 0.

    ``sigma_min`` and ``sigma_max`` bound ``sigma / alpha`` and are narrowed to the process's own range. The first time
    is always ``t_max``, where the prior lives, even if it is noisier than ``sigma_max``.
    """
    _check_steps(steps)
    low, high = _ratio_range(process, sigma_min, sigma_max)
    ramp = (
        torch.linspace(0.0, 1.0, steps, dtype=torch.float64, device="cpu")
        if steps > 1
        else torch.zeros(1, dtype=torch.float64, device="cpu")
    )
    ratio = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return _from_log_snr(process, -2.0 * torch.log(ratio))


def log_snr_grid(process: Process, steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0) -> Tensor:
    """Equal steps in log-SNR between the same bounds as ``karras_grid``, then 0; starts at ``t_max``."""
    _check_steps(steps)
    low, high = _ratio_range(process, sigma_min, sigma_max)
    ramp = (
        torch.linspace(0.0, 1.0, steps, dtype=torch.float64, device="cpu")
        if steps > 1
        else torch.zeros(1, dtype=torch.float64, device="cpu")
    )
    return _from_log_snr(process, -2.0 * (math.log(high) + ramp * (math.log(low) - math.log(high))))


def angle_grid(process: Process, steps: int, scale: float = 0.25) -> Tensor:
    """Equal steps in the angle ``atan(sigma / (scale * alpha))``, from ``t_max`` to 0.

    Finite at both ends. Half of the steps are spent above ``sigma / alpha = scale`` and half below, so ``scale`` is
    where the details of the data are decided: half its standard deviation is a good choice (see ``samplers.adams_pc``).
    """
    _check_steps(steps)
    if not 0.0 < scale < math.inf:
        raise AudiodiffError(f"the scale of angle_grid must be positive, got {scale}.")
    end = torch.tensor(process.t_max, dtype=torch.float64, device="cpu")
    largest = torch.atan2(process.sigma(end), scale * process.alpha(end))
    angles = largest * torch.arange(steps, 0, -1, dtype=torch.float64, device="cpu") / steps
    return _from_log_snr(process, -2.0 * torch.log(scale * torch.tan(angles)))


def shifted_grid(process: Process, steps: int, shift: float = 3.0) -> Tensor:
    """The uniform grid moved towards noise: ``u -> shift * u / (1 + (shift - 1) * u)``, ``u = t / t_max``.

    Source: Esser et al. 2024, Eq. 23. ``shift = 1`` is uniform.
    """
    if not 0.0 < shift < math.inf:
        raise AudiodiffError(f"shift must be positive, got {shift}; 1 means no shift.")
    u = uniform_grid(process, steps) / process.t_max
    return process.t_max * shift * u / (1.0 + (shift - 1.0) * u)


def late_grid(process: Process, steps: int) -> Tensor:
    """The uniform grid moved towards data (`shifted_grid` with a shift of 1/2): most steps at low noise.

    For samplers that add fresh noise in every step, whose last steps decide the detail.
    """
    return shifted_grid(process, steps, 0.5)


def explicit_grid(process: Process, times: Sequence[float] | Tensor) -> Tensor:
    """The given decreasing times (0 is appended where missing) as a checked grid.

    Raises:
        AudiodiffError: times are not decreasing, not finite, or outside ``[0, t_max]``.
    """
    grid = torch.as_tensor(times, dtype=torch.float64, device="cpu").flatten()
    if len(grid) and grid[-1] != 0.0:
        grid = torch.cat([grid, grid.new_zeros(1)])
    check_grid(process, grid)
    return grid


def betas_grid(process: Process, betas: Sequence[float]) -> Tensor:
    """The times at which ``process`` is as noisy as the steps of a (short) beta table, noisiest first, then 0.

    Together with the ``ddpm`` stepper this runs a fast schedule (DiffWave's six steps) on a model that was trained
    with another table. Levels beyond ``t_max`` are clamped to it.

    Raises:
        AudiodiffError: betas outside (0, 1), or two of them clamp to the same time.
    """
    table = torch.tensor(list(betas), dtype=torch.float64, device="cpu")
    if not len(table) or not bool(((table > 0) & (table < 1)).all()):
        raise AudiodiffError("a fast schedule needs betas strictly between 0 and 1; check the list.")
    log_alpha_bar = torch.log1p(-table).cumsum(0)
    log_snr = log_alpha_bar - torch.log(-torch.expm1(log_alpha_bar))
    return explicit_grid(process, process.time_at(log_snr).flip(0))


def check_grid(process: Process, times: Tensor) -> None:
    """Raise ``AudiodiffError`` unless ``times`` is ``[steps + 1]``, decreases within ``[0, t_max]`` and ends in 0."""
    if times.ndim != 1 or len(times) < 2:
        raise AudiodiffError(f"a grid needs at least two times (one step), got shape {list(times.shape)}.")
    if not bool((times[1:] < times[:-1]).all()):
        raise AudiodiffError("the times of a grid must strictly decrease; sort them and drop duplicates.")
    if times[-1] != 0.0:
        raise AudiodiffError(f"a grid must end in exactly 0 (clean data), got {float(times[-1])}.")
    if times[0] > process.t_max:
        raise AudiodiffError(
            f"the first time {float(times[0])} is beyond t_max = {process.t_max} of {type(process).__name__}."
        )


GRIDS: Final[dict[str, Grid]] = {
    "uniform": uniform_grid,
    "karras": karras_grid,
    "log_snr": log_snr_grid,
    "angle": angle_grid,
    "shifted": shifted_grid,
    "late": late_grid,
}


def times_of(grid: str, process: Process, steps: int) -> Tensor:
    """The times of a grid as settings and records name it, ``[steps + 1]``.

    Args:
        grid: a name of ``GRIDS``, or a list of falling times such as ``1,0.6,0.3``, of which the first is ``t_max``.
        process: the law of ``x_t``.
        steps: number of steps.

    Raises:
        AudiodiffError: the grid does not fit the process, or has another number of steps.
    """
    times = listed_times(grid)
    if times is None:
        return GRIDS[grid](process, steps)
    if len(times) != steps:
        raise AudiodiffError(
            f"the grid {grid} is of {len(times)} step{'' if len(times) == 1 else 's'}, and {steps} are asked for; give "
            "as many times as steps, or the name of a grid."
        )
    if times[0] != process.t_max:
        raise AudiodiffError(
            f"the grid {grid} begins at {times[0]:g}; expected {process.t_max:g}, where this model begins with noise."
        )
    return explicit_grid(process, times)


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise AudiodiffError(f"the number of steps must be 1 or more, got {steps}.")


def _ratio_range(process: Process, sigma_min: float, sigma_max: float) -> tuple[float, float]:
    if not 0.0 < sigma_min < sigma_max < math.inf:
        raise AudiodiffError(f"a grid needs 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}.")
    end = torch.tensor(process.t_max, dtype=torch.float64, device="cpu")
    alpha = float(process.alpha(end))
    largest = float(process.sigma(end)) / alpha if alpha > 0.0 else math.inf
    high = min(sigma_max, largest)
    return min(sigma_min, 0.5 * high), high


def _from_log_snr(process: Process, log_snr: Tensor) -> Tensor:
    times = process.time_at(log_snr)
    times = torch.cat([times, times.new_zeros(1)])
    times[0] = process.t_max
    check_grid(process, times)
    return times


def uniform_quantile(process: Process, u: Tensor) -> Tensor:
    """Uniform in ``t`` over ``(0, t_max)``."""
    return process.t_max * u


def logit_normal_quantile(process: Process, u: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """``logit(t / t_max)`` is normal (Esser et al. 2024, Eq. 19)."""
    return process.t_max * torch.sigmoid(mean + std * torch.special.ndtri(u))


def log_normal_quantile(process: Process, u: Tensor, mean: float = -1.2, std: float = 1.2) -> Tensor:
    """``log(sigma / alpha)`` is normal (Karras et al. 2022, Table 1)."""
    return process.time_at(-2.0 * (mean + std * torch.special.ndtri(u)))


def cosine_quantile(process: Process, u: Tensor) -> Tensor:
    """Log-SNR distributed as under the cosine process: ``sigma / alpha = tan(pi u / 2)``."""
    return process.time_at(-2.0 * torch.log(torch.tan(0.5 * math.pi * u)))


QUANTILES: Final[dict[str, TimeSampler]] = {
    "uniform": uniform_quantile,
    "logit_normal": logit_normal_quantile,
    "log_normal": log_normal_quantile,
    "cosine": cosine_quantile,
}


def stratified_uniform(n: int, generator: torch.Generator) -> Tensor:
    """``n`` values in (0, 1), one in each of ``n`` equal parts, in random order: float64 ``[n]`` on the CPU.

    Spreads the noise levels of a batch evenly, which lowers the variance of the loss.
    """
    if n < 1:
        raise AudiodiffError(f"stratified_uniform needs n of 1 or more, got {n}.")
    within = torch.rand(n, generator=generator, dtype=torch.float64).clamp(1e-9, 1.0 - 1e-9)
    return ((torch.arange(n, dtype=torch.float64) + within) / n)[torch.randperm(n, generator=generator)]
