"""Our samplers in a loop that calls the network itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    EDM,
    SAMPLERS,
    CosineVP,
    Denoiser,
    Parameterization,
    Process,
    RectifiedFlow,
    Scheduler,
    SchedulerSettings,
    V,
    VarianceExploding,
    Velocity,
    sample,
    uniform_grid,
)
from audiodiff.errors import AudiodiffError

CASES = [(RectifiedFlow(), Velocity()), (CosineVP(), V()), (VarianceExploding(), EDM())]
SETTINGS = SchedulerSettings(CosineVP(), V(), "heun")


def network(x: Tensor, c_noise: Tensor, cond: object = None) -> Tensor:
    return torch.sin(2.0 * x + c_noise.to(x.dtype).reshape(-1, 1))


def unit(seed: int = 0) -> Tensor:
    return torch.randn(3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop(scheduler: Scheduler, x: Tensor, generator: torch.Generator | None = None, skip: int = 0) -> Tensor:
    for timestep in scheduler.timesteps[skip:]:
        output = network(scheduler.scale_model_input(x, timestep), timestep.expand(len(x)))
        x = scheduler.step(output, timestep, x, generator=generator).prev_sample
    return x


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("process", "parameterization"), CASES, ids=["flow", "cosine", "edm"])
def test_the_loop_is_sample(sampler: str, process: Process, parameterization: Parameterization) -> None:
    scheduler = Scheduler(SchedulerSettings(process, parameterization, sampler))
    scheduler.set_timesteps(7)
    x = scheduler.init_noise_sigma * unit()
    drawn = torch.Generator().manual_seed(4)
    expected = sample(
        sampler,
        Denoiser(network, process, parameterization),
        process,
        x,
        uniform_grid(process, 7),
        lambda draw: torch.randn(x.shape, generator=drawn, dtype=x.dtype),
    )
    result = loop(scheduler, x, torch.Generator().manual_seed(4))
    # labels go through float32
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    assert scheduler.order == (2 if sampler == "heun" else 1)
    assert len(scheduler.timesteps) == (13 if sampler == "heun" else 7)


def test_a_second_run_is_the_first_again() -> None:
    scheduler = Scheduler(SchedulerSettings(CosineVP(), V(), "unipc"))
    scheduler.set_timesteps(5)
    first = loop(scheduler, unit())
    scheduler.set_timesteps(5)
    assert torch.equal(loop(scheduler, unit()), first)


@pytest.mark.parametrize(("sampler", "skip"), [("heun", 5), ("dpmpp_2m", 3)])
def test_a_loop_may_start_in_the_middle(sampler: str, skip: int) -> None:
    """As image-to-image pipelines do; heun has two calls for each step but the last."""
    scheduler = Scheduler(SchedulerSettings(CosineVP(), V(), sampler))
    scheduler.set_timesteps(6)
    start = scheduler.add_noise(0.1 * unit(1), unit(2), scheduler.timesteps[skip].expand(3))
    result = loop(scheduler, start, skip=skip + (sampler == "heun"))
    times = uniform_grid(CosineVP(), 6)[3:]
    expected = sample(sampler, Denoiser(network, CosineVP(), V()), CosineVP(), start, times)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def test_half_precision_states_stay_so() -> None:
    scheduler = Scheduler(SETTINGS)
    scheduler.set_timesteps(3)
    x = unit().to(torch.bfloat16)
    stepped = scheduler.step(x, scheduler.timesteps[0], x)
    assert stepped.prev_sample.dtype == stepped.pred_original_sample.dtype == torch.bfloat16
    assert stepped[0] is stepped.prev_sample


def test_estimates_are_clipped() -> None:
    scheduler = Scheduler(SchedulerSettings(CosineVP(), V(), "ddim", clip=0.2))
    scheduler.set_timesteps(3)
    result = loop(scheduler, unit())
    assert float(result.abs().max()) <= 0.2


def test_what_is_out_of_order_is_refused() -> None:
    scheduler = Scheduler(SETTINGS)
    with pytest.raises(AudiodiffError, match="set_timesteps first"):
        _ = scheduler.init_noise_sigma
    with pytest.raises(AudiodiffError, match="set_timesteps first"):
        scheduler.step(unit(), 1.0, unit())
    scheduler.set_timesteps(3)
    with pytest.raises(AudiodiffError, match="not one of the timesteps"):
        scheduler.step(unit(), 0.123, unit())
    scheduler.step(unit(), scheduler.timesteps[0], unit())
    with pytest.raises(AudiodiffError, match="not the next"):
        scheduler.step(unit(), scheduler.timesteps[-1], unit())


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"sampler": "plms"}, "plms"), ({"clip": 0.0}, "clip"), ({"end": 1.0}, "end"), ({"timestep_scale": 0.0}, "scale")],
)
def test_impossible_settings_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        SchedulerSettings(CosineVP(), V(), **changes)  # type: ignore[arg-type]
