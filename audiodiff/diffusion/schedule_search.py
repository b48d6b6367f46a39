"""The times of a few steps that suit a given model, searched without training it.

The search starts from the built-in grids and, where the sampler adds no noise, from the path over the levels of a run
of many steps whose one-step errors are smallest, found by dynamic programming (Chen et al. 2024, "On the Trajectory
Regularity of ODE-based Diffusion Sampling", Section 4; Watson et al. 2021, "Learning to Efficiently Sample from
Diffusion Probabilistic Models", Section 4). The best start is then improved one level at a time on what counts: the
distance of the samples that come out, from the samples of many steps or from whatever else an item compares with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from audiodiff.diffusion.names import sampler_name
from audiodiff.diffusion.process import Process
from audiodiff.diffusion.samplers import SAMPLERS, STOCHASTIC_SAMPLERS, Denoise, Noise, sample
from audiodiff.diffusion.times import GRIDS, angle_grid, explicit_grid
from audiodiff.errors import AudiodiffError

REFERENCE_STEPS: Final = 64
"""Steps of the run that the samples of a few steps are compared with."""

REFERENCE_SAMPLER: Final = "dpmpp_2m"
"""Its sampler: of second order, without noise."""

MAX_STEPS: Final = 32
"""The most steps whose times are searched; with more the built-in grids lose little."""

PATH: Final = "path"
"""Name of the start that dynamic programming finds."""

_SCALE = 0.25
"""Levels are moved by the angle ``atan(sigma / (scale * alpha))``, finite at both ends (``times.angle_grid``)."""

_DIGITS = 4
"""Significant digits of the times that are found."""

_FIRST_MOVE, _LAST_MOVE = 0.4, 0.03
"""Moves of a level, first and last, in parts of the mean distance between levels."""

Distance = Callable[[Tensor], float]
"""``distance(x_0)`` -> how far a sample is from what it should be; 0 is best."""

OnProgress = Callable[[float, float], None]
"""``on_progress(done, total)`` in runs of the sampler over all items."""


@dataclass(frozen=True)
class SearchItem:
    """One thing to sample, the same in every run.

    Attributes:
        denoise: under its condition.
        x: its state at ``t_max``, ``[batch, ...]``.
        noise: draws for samplers that add noise, from a seed of its own.
        distance: of a sample; the root mean square difference from the sample of many steps when ``None``.
    """

    denoise: Denoise
    x: Tensor
    noise: Noise | None = None
    distance: Distance | None = None


@dataclass(frozen=True)
class FoundTimes:
    """What a search found.

    Attributes:
        times: decreasing, one for each step, the first is ``t_max``; the 0 at the end is left out.
        distance: mean over the items.
        start: name of the grid that the search began from, or ``PATH``.
        starts: mean distance on every grid that could be run, by name.
    """

    times: tuple[float, ...]
    distance: float
    start: str
    starts: dict[str, float]


@dataclass(frozen=True)
class Run:
    """A run of many steps without added noise.

    Attributes:
        times: ``[levels + 1]``, decreasing to 0.
        states: the state at each time but the last.
        estimates: ``x0_hat`` at each time but the last.
        end: what came out.
    """

    times: Tensor
    states: tuple[Tensor, ...]
    estimates: tuple[Tensor, ...]
    end: Tensor


class ScheduleSearch:
    """The search for one model, sampler and set of items; runs of many steps are made once."""

    def __init__(
        self, process: Process, sampler: str, items: Sequence[SearchItem], *, reference_steps: int = REFERENCE_STEPS
    ) -> None:
        """Run many steps on every item, where the sampler adds no noise.

        Args:
            process: the law of ``x_t``.
            sampler: a name of ``SAMPLERS``.
            items: what is sampled.
            reference_steps: steps of the run that items without a distance of their own are compared with.

        Raises:
            AudiodiffError: there is no item or no such sampler, or the sampler adds noise and an item has no distance.
        """
        self.process, self.sampler, self.items = process, sampler_name(sampler), tuple(items)
        if self.sampler not in SAMPLERS:
            raise AudiodiffError(f"sampler {sampler!r} is unknown; choose one of {', '.join(SAMPLERS)}.")
        if not self.items:
            raise AudiodiffError("there is nothing to search with; give at least one item.")
        noisy = self.sampler in STOCHASTIC_SAMPLERS
        if noisy and any(item.distance is None for item in self.items):
            raise AudiodiffError(
                f"{self.sampler} adds noise, so that its samples cannot be compared with those of many steps; choose a "
                f"sampler that adds none ({', '.join(name for name in SAMPLERS if name not in STOCHASTIC_SAMPLERS)})."
            )
        times = angle_grid(process, reference_steps, _SCALE)
        self._runs = () if noisy else tuple(many_steps(process, item, times) for item in self.items)

    def distance(self, times: Sequence[float] | Tensor) -> float:
        """Mean distance of all items on decreasing times; infinite if a sample has values that are no numbers.

        Raises:
            AudiodiffError: they are no times of the process.
        """
        grid, total = explicit_grid(self.process, times), 0.0
        for index, item in enumerate(self.items):
            made = sample(self.sampler, item.denoise, self.process, item.x, grid, item.noise)
            far = _rms(made - self._runs[index].end) if item.distance is None else item.distance(made)
            total += far if math.isfinite(far) else math.inf
        return total / len(self.items)

    def find(self, steps: int, *, evaluations: int | None = None, on_progress: OnProgress | None = None) -> FoundTimes:
        """Search the times of ``steps`` steps.

        Args:
            steps: 2 to ``MAX_STEPS``; one step has no time to choose.
            evaluations: runs over all items at most, those of the starts not counted; 24 for each free time, 96 at
                most, when ``None``.
            on_progress: see ``OnProgress``.

        Raises:
            AudiodiffError: a number of steps that cannot be searched, or samples that are no numbers on every grid.
        """
        check_searchable(steps)
        budget = min(24 * (steps - 1), 96) if evaluations is None else evaluations
        starts = {name: grid(self.process, steps) for name, grid in GRIDS.items()}
        if self._runs:
            starts[PATH] = cheapest_path(self.process, self._runs, steps)
        total, done = len(starts) + budget, 0
        known: dict[tuple[float, ...], float] = {}

        def measured(times: tuple[float, ...]) -> float:
            nonlocal done
            if times not in known:
                known[times] = self.distance(times)
                done += 1
                if on_progress is not None:
                    on_progress(float(done), float(total))
            return known[times]

        distances = {name: measured(_rounded(times)) for name, times in starts.items()}
        start = min(distances, key=lambda name: distances[name])
        if math.isinf(distances[start]):
            raise AudiodiffError("the model gave values that are not numbers on every grid; check the model.")
        best = self._improved(_rounded(starts[start]), measured, lambda: done >= total)
        if on_progress is not None:
            on_progress(float(total), float(total))
        return FoundTimes(best, known[best], start, distances)

    def _improved(
        self, best: tuple[float, ...], measured: Callable[[tuple[float, ...]], float], spent: Callable[[], bool]
    ) -> tuple[float, ...]:
        """Move one level at a time, and all together, by less and less; whatever comes closer is kept."""
        free = range(1, len(best))
        groups = [[index] for index in free] + ([list(free)] if len(free) > 1 else [])
        move = _FIRST_MOVE
        while move >= _LAST_MOVE and not spent():
            improved = False
            for group in groups:
                for sign in (1.0, -1.0):
                    moved = self._moved(best, group, sign * move)
                    if moved is None or spent():
                        continue
                    if measured(moved) < measured(best):
                        best, improved = moved, True
                        break
            move = move if improved else 0.5 * move
        return best

    def _moved(self, times: tuple[float, ...], group: Sequence[int], move: float) -> tuple[float, ...] | None:
        """The times with those of ``group`` at another angle, or ``None`` if they would not decrease any more."""
        angles = [_angle(self.process, time) for time in (*times, 0.0)]
        for index in group:
            angles[index] += move * angles[0] / len(times)
        least = 0.01 * angles[0] / len(times)
        if any(later > earlier - least for earlier, later in pairwise(angles)):
            return None
        ratios = [_SCALE * math.tan(angle) for angle in angles[1:-1]]
        inner = self.process.time_at(-2.0 * torch.log(torch.tensor(ratios, dtype=torch.float64)))
        moved = _rounded([times[0], *inner.tolist()])
        return moved if all(a > b for a, b in zip(moved, (*moved[1:], 0.0), strict=True)) else None


def check_searchable(steps: int) -> None:
    """Refuse a number of steps whose times are not searched.

    Raises:
        AudiodiffError: it is one, or more than ``MAX_STEPS``.
    """
    if not 2 <= steps <= MAX_STEPS:
        raise AudiodiffError(
            f"times are searched for 2 to {MAX_STEPS} steps, got {steps}: one step always starts at pure noise, and "
            "with many the built-in grids lose little."
        )


def many_steps(process: Process, item: SearchItem, times: Tensor) -> Run:
    """Sample an item along ``times`` ``[levels + 1]`` without added noise, and keep what was on the way."""
    states: list[Tensor] = []
    estimates: list[Tensor] = []

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        states.append(x)
        estimates.append(item.denoise(x, t))
        return estimates[-1]

    end = sample(REFERENCE_SAMPLER, denoise, process, item.x, times)
    return Run(times, tuple(states), tuple(estimates), end)


def cheapest_path(process: Process, runs: Sequence[Run], steps: int) -> Tensor:
    """The ``steps`` steps over the levels of the runs, whose one-step errors sum to least: ``[steps + 1]``.

    The error of a step from level ``i`` to ``j`` is the root mean square difference between the state of the run at
    ``j`` and a step of DDIM from its state at ``i``, which needs no further call of the network. It is divided by the
    root mean square of ``alpha_j`` and ``sigma_j``, so that it is the same for processes that scale the state.

    Raises:
        AudiodiffError: there are fewer levels than steps, or the runs have values that are not numbers.
    """
    times = runs[0].times
    levels = len(times) - 1
    if steps > levels:
        raise AudiodiffError(f"a path of {steps} steps needs as many levels; the runs have {levels}.")
    alphas, sigmas = process.alpha(times).tolist(), process.sigma(times).tolist()

    def error(i: int, j: int) -> float:
        kept = sigmas[j] / sigmas[i]
        shift = alphas[j] - alphas[i] * kept
        total = 0.0
        for run in runs:
            state = run.end if j == levels else run.states[j]
            total += _rms(kept * run.states[i] + shift * run.estimates[i] - state)
        return total / len(runs) / math.hypot(alphas[j], sigmas[j])

    # cost[j]: of the cheapest path of so many steps from level 0 to level j
    cost = [0.0] + [math.inf] * levels
    errors = [[error(i, j) for j in range(i + 1, levels + 1)] for i in range(levels)]
    before: list[list[int]] = []
    for _ in range(steps):
        reached, came_from = [math.inf] * (levels + 1), [0] * (levels + 1)
        for i in range(levels):
            if math.isinf(cost[i]):
                continue
            for j in range(i + 1, levels + 1):
                candidate = cost[i] + errors[i][j - i - 1]
                if candidate < reached[j]:
                    reached[j], came_from[j] = candidate, i
        cost = reached
        before.append(came_from)
    if not math.isfinite(cost[levels]):
        raise AudiodiffError("the model gave values that are not numbers in a run of many steps; check the model.")
    path = [levels]
    for came_from in reversed(before):
        path.append(came_from[path[-1]])
    return times[path[::-1]]


def _rms(difference: Tensor) -> float:
    return float(difference.double().square().mean().sqrt())


def _angle(process: Process, time: float) -> float:
    t = torch.tensor(time, dtype=torch.float64)
    return math.atan2(float(process.sigma(t)), _SCALE * float(process.alpha(t)))


def _rounded(times: Sequence[float] | Tensor) -> tuple[float, ...]:
    """Times of the steps, without a 0 at the end, as short numbers; the first stays what it is."""
    given = [float(time) for time in times if float(time) > 0.0]
    return (given[0], *(float(f"{time:.{_DIGITS}g}") for time in given[1:]))
