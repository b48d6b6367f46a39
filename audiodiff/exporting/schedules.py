"""Sampling runs as tables of numbers, recorded from the samplers themselves (`audiodiff.runtime.schedule`)."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.parameterization import Parameterization
from audiodiff.diffusion.process import Process
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import times_of
from audiodiff.runtime.schedule import ESTIMATE, Call, Schedule
from audiodiff.synthesis.settings import Resolved, Sampling

__all__ = ["defaults_of", "record", "record_all"]

_USUAL_STEPS = (*range(1, 17), 20, 25, 32, 50)
"""Numbers of steps that are exported of what a model recommends."""

_OTHER_STEPS = (1, 2, 4, 8, 16)
"""Those that are exported of every other sampler, on the grid that the model recommends."""


def record(process: Process, parameterization: Parameterization, *, sampler: str, grid: str, steps: int) -> Schedule:
    """Record a run: the sampler runs on states that say of what they are made.

    A state is a vector with one number for each column: how much of that draw of noise or of that estimate is in it.

    Raises:
        AudiodiffError: sampler or grid do not fit the process.
    """
    times = times_of(grid, process, steps)
    columns: list[int] = []
    calls: list[Call] = []
    size = 4 * steps + 2  # two calls and a draw of every step, and the prior

    def column(kind: int) -> Tensor:
        unit = torch.zeros(1, size, dtype=torch.float64)
        unit[0, len(columns)] = 1.0
        columns.append(kind)
        return unit

    def weights(state: Tensor) -> tuple[float, ...]:
        return tuple(state[0, : len(columns)].tolist())

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        row = parameterization.coefficients(process, t[:1])
        c_skip, c_out, c_in, c_noise = (float(value) for value in row)
        calls.append(Call((c_skip, c_out, c_in, c_noise), weights(x), float(t[0])))
        return column(ESTIMATE)

    start = process.prior(column(0))
    result = sample(SAMPLERS[sampler](), denoise, process, start, times, noise=column)
    return Schedule((sampler, grid, steps), tuple(columns), tuple(calls), weights(result))


def record_all(
    process: Process, parameterization: Parameterization, recommended: Resolved, other: Sampling | None = None
) -> list[Schedule]:
    """Record what a model recommends at many numbers of steps, every other sampler at some, and `other`.

    Raises:
        AudiodiffError: `other` does not fit the process.
    """
    wanted = [replace(recommended, steps=steps) for steps in sorted({*_USUAL_STEPS, recommended.steps})]
    wanted += [
        replace(recommended, steps=len(few.times), sampler=few.sampler, grid=few.grid) for few in recommended.searched
    ]
    wanted += [replace(recommended, sampler=name, steps=steps) for name in SAMPLERS for steps in _OTHER_STEPS]
    wanted += [other.resolve(recommended)] if other is not None else []
    runs = {(each.sampler, each.grid, each.steps): each for each in wanted}
    return [record(process, parameterization, sampler=name, grid=grid, steps=steps) for name, grid, steps in runs]


def defaults_of(recommended: Resolved) -> dict[str, Any]:
    """What a model recommends, as JSON values for the runtime."""
    searched = [{"sampler": few.sampler, "grid": few.grid, "steps": len(few.times)} for few in recommended.searched]
    return {
        "steps": recommended.steps,
        "sampler": recommended.sampler,
        "grid": recommended.grid,
        **({"searched": searched} if searched else {}),
    }
