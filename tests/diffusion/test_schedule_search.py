"""The times of a few steps are better than every built-in grid, on what they were not fitted to as well."""

from dataclasses import replace
from itertools import combinations, pairwise

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import CosineVP, Process, RectifiedFlow, VarianceExploding, positional_noise, sample
from audiodiff.diffusion.schedule_search import (
    PATH,
    Run,
    ScheduleSearch,
    SearchItem,
    cheapest_path,
    many_steps,
)
from audiodiff.diffusion.times import GRIDS, uniform_grid
from tests.refusals import refused

CENTRES = torch.tensor([-1.0, -0.2, 0.9])
WIDTH = 0.05


def denoise_mixture(process: Process):
    """The exact estimate for data from three narrow clusters."""

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = float(process.alpha(t[0])), float(process.sigma(t[0]))
        variance = (alpha * WIDTH) ** 2 + sigma**2
        apart = x[..., None] - alpha * CENTRES
        share = torch.softmax(-0.5 * apart.square() / variance, dim=-1)
        within = CENTRES + alpha * WIDTH**2 / variance * apart
        return (share * within).sum(-1)

    return denoise


def items(process: Process, seeds: range, **more: object) -> list[SearchItem]:
    def item(seed: int) -> SearchItem:
        def noise(draw: int) -> Tensor:
            return positional_noise(seed, draw, 0, 64, channels=1)[None]

        return SearchItem(denoise_mixture(process), process.prior(noise(0)), noise, **more)  # type: ignore[arg-type]

    return [item(seed) for seed in seeds]


@pytest.mark.parametrize(
    ("process", "sampler"), [(RectifiedFlow(), "euler"), (CosineVP(), "dpmpp_2m"), (VarianceExploding(), "unipc")]
)
def test_what_is_found_is_better_than_every_grid_on_other_items(process: Process, sampler: str) -> None:
    search = ScheduleSearch(process, sampler, items(process, range(3)), reference_steps=32)
    found = search.find(3, evaluations=24)
    assert found.distance < min(found.starts.values())
    assert set(found.starts) == {*GRIDS, PATH}
    assert (len(found.times), found.times[0]) == (3, process.t_max)
    assert search.distance(found.times) == found.distance  # of the very numbers that are given
    others = ScheduleSearch(process, sampler, items(process, range(50, 54)), reference_steps=32)
    best = min(others.distance(grid(process, 3)) for grid in GRIDS.values())
    assert others.distance(found.times) < best


def test_the_same_search_finds_the_same() -> None:
    process = RectifiedFlow()
    first, second = (
        ScheduleSearch(process, "euler", items(process, range(2)), reference_steps=8).find(2) for _ in range(2)
    )
    assert first == second


def test_the_path_is_the_cheapest_of_all() -> None:
    process = RectifiedFlow()
    times = uniform_grid(process, 8)
    runs = [many_steps(process, item, times) for item in items(process, range(2))]

    def step(run: Run, i: int, j: int) -> float:
        kept = float(process.sigma(times[j]) / process.sigma(times[i]))
        made = float(process.alpha(times[j])) * run.estimates[i]
        made = made + kept * (run.states[i] - float(process.alpha(times[i])) * run.estimates[i])
        target = run.end if j == 8 else run.states[j]
        size = float((process.alpha(times[j]) ** 2 + process.sigma(times[j]) ** 2).sqrt())
        return float((made - target).square().mean().sqrt()) / size

    def cost(inner: tuple[int, ...]) -> float:
        path = (0, *inner, 8)
        return sum(step(run, i, j) for run in runs for i, j in pairwise(path))

    best = min(combinations(range(1, 8), 2), key=cost)
    assert cheapest_path(process, runs, 3).tolist() == times[[0, *best, 8]].tolist()
    refused("needs as many levels", lambda: cheapest_path(process, runs, 9))


def test_many_steps_keep_the_states_that_were_met() -> None:
    process = RectifiedFlow()
    item, times = items(process, range(1))[0], uniform_grid(process, 5)
    run = many_steps(process, item, times)
    assert torch.equal(run.end, sample("dpmpp_2m", item.denoise, process, item.x, times))
    assert torch.equal(run.states[0], item.x)
    assert torch.equal(run.estimates[2], item.denoise(run.states[2], times[2].reshape(1)))
    assert len(run.states) == len(run.estimates) == 5


def test_samplers_that_add_noise_take_a_distance_of_the_items() -> None:
    process = RectifiedFlow()

    def distance(x_0: Tensor) -> float:
        return float((x_0[..., None] - CENTRES).abs().amin(-1).mean())

    found = ScheduleSearch(process, "consistency", items(process, range(4), distance=distance)).find(3, evaluations=12)
    assert PATH not in found.starts
    assert found.distance < found.starts["uniform"]
    refused(
        "cannot be compared with those of many steps", lambda: ScheduleSearch(process, "ddpm", items(process, range(1)))
    )


def test_the_runs_are_limited_and_told() -> None:
    process, told = RectifiedFlow(), []
    search = ScheduleSearch(process, "euler", items(process, range(1)), reference_steps=8)
    found = search.find(5, evaluations=3, on_progress=lambda done, total: told.append((done, total)))
    assert len(told) <= len(found.starts) + 3 + 1
    assert told[-1] == (len(found.starts) + 3.0,) * 2
    assert found.distance <= min(found.starts.values())


def test_what_cannot_be_searched_is_refused() -> None:
    process = RectifiedFlow()
    search = ScheduleSearch(process, "euler", items(process, range(1)))
    refused("2 to 32 steps, got 1", lambda: search.find(1))
    refused("2 to 32 steps, got 33", lambda: search.find(33))
    refused("sampler 'magic' is unknown", lambda: ScheduleSearch(process, "magic", items(process, range(1))))
    refused("nothing to search with", lambda: ScheduleSearch(process, "euler", []))
    broken = SearchItem(lambda x, t: x * float("nan"), torch.ones(1, 1, 4))
    refused("not numbers in a run of many steps", lambda: ScheduleSearch(process, "euler", [broken]).find(2))
    broken = replace(broken, noise=lambda draw: torch.ones(1, 1, 4), distance=lambda x_0: float(x_0.mean()))
    refused("not numbers on every grid", lambda: ScheduleSearch(process, "ddpm", [broken]).find(2))
