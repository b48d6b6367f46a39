"""Agreement with independent libraries, step for step on the same noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    DiscreteVP,
    RectifiedFlow,
    Step,
    VarianceExploding,
    ddim,
    ddpm,
    dpmpp_2m,
    dpmpp_2m_sde,
    euler,
    explicit_grid,
    heun,
    karras_grid,
    linear_betas,
    log_snr_grid,
    sample,
    uniform_grid,
    unipc,
)
from tests.oracles import OVERLAPPING, load_k_diffusion_sampling


def draws(x: Tensor, seed: int = 5) -> Callable[[], Tensor]:
    """Successive draws, the same for every caller with the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(x.shape, generator=generator, dtype=x.dtype)


# --- k-diffusion ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def k_sampling() -> Any:
    module = load_k_diffusion_sampling()
    if module is None:
        pytest.skip("k-diffusion is not installed; `pip install --no-deps k-diffusion` is enough")
    return module


@pytest.mark.parametrize(
    ("ours", "theirs", "stochastic"),
    [
        (ddim(), "sample_euler", False),
        (euler, "sample_euler", False),
        (heun, "sample_heun", False),
        (dpmpp_2m, "sample_dpmpp_2m", False),
        (ddpm, "sample_euler_ancestral", True),
        (dpmpp_2m_sde, "sample_dpmpp_2m_sde", True),
    ],
    ids=["ddim", "euler", "heun", "dpmpp_2m", "ddpm", "dpmpp_2m_sde"],
)
def test_same_as_k_diffusion(k_sampling: Any, ours: Step, theirs: str, stochastic: bool) -> None:
    process = VarianceExploding()
    grid = karras_grid(process, 14)
    x = process.prior(torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    denoise = OVERLAPPING.denoise(process)
    our_draw, their_draw = draws(x), draws(x)
    extra = {"noise_sampler": lambda sigma, sigma_next: their_draw()} if stochastic else {}
    expected = getattr(k_sampling, theirs)(denoise, x, grid, disable=True, **extra)
    result = sample(ours, denoise, process, x, grid, lambda draw: our_draw())
    torch.testing.assert_close(result, expected, rtol=1e-8, atol=1e-8)


def test_grids_are_k_diffusions(k_sampling: Any) -> None:
    process = VarianceExploding()
    for ours, theirs in (
        (karras_grid(process, 20), k_sampling.get_sigmas_karras(20, 0.002, 80.0)),
        (log_snr_grid(process, 20), k_sampling.get_sigmas_exponential(20, 0.002, 80.0)),
    ):
        torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-6)


# --- diffusers --------------------------------------------------------------------------------------------------------

STEPS = 20
# raised inside diffusers with recent numpy
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DDPM_BETAS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


def run_diffusers(scheduler: Any, process: Any, x: Tensor, time_of: Callable[[Any, int], float], answer: str) -> Tensor:
    """Their usual loop; ``time_of`` maps their timestep and step index to our ``t``."""
    generator = torch.Generator().manual_seed(5)
    for index, timestep in enumerate(scheduler.timesteps):
        t = torch.tensor([time_of(timestep, index)], dtype=torch.float64)
        x0_hat = OVERLAPPING.x0_hat(process, x, t)
        noise_hat = (x - float(process.alpha(t)) * x0_hat) / float(process.sigma(t))
        output = noise_hat if answer == "epsilon" else noise_hat - x0_hat
        extra = {"generator": generator} if type(scheduler).__name__ == "DDPMScheduler" else {}
        x = scheduler.step(output, timestep, x, **extra).prev_sample
    return x


@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (ddpm, "DDPMScheduler", {"timestep_spacing": "trailing", "clip_sample": False}),
        (ddim(), "DDIMScheduler", {"timestep_spacing": "trailing", "clip_sample": False}),
        (dpmpp_2m, "DPMSolverMultistepScheduler", {"timestep_spacing": "trailing", "solver_order": 2}),
        (unipc, "UniPCMultistepScheduler", {"timestep_spacing": "trailing", "solver_order": 2, "solver_type": "bh2"}),
    ],
    ids=["ddpm", "ddim", "dpmpp_2m", "unipc"],
)
def test_same_as_diffusers(ours: Step, theirs: str, settings: dict[str, Any]) -> None:
    diffusers = pytest.importorskip("diffusers")
    process = DiscreteVP(linear_betas(1000))
    scheduler = getattr(diffusers, theirs)(**DDPM_BETAS, **settings)
    scheduler.set_timesteps(STEPS)
    grid = uniform_grid(process, STEPS)
    torch.testing.assert_close(scheduler.timesteps.double() + 1.0, grid[:-1])
    x = torch.randn(16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draw = draws(x)
    result = sample(ours, OVERLAPPING.denoise(process), process, x, grid, lambda index: draw())
    expected = run_diffusers(scheduler, process, x, lambda timestep, index: float(timestep) + 1.0, "epsilon")
    # their tables and intermediate levels are float32
    torch.testing.assert_close(result, expected, rtol=0, atol=3e-4)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(euler, "FlowMatchEulerDiscreteScheduler"), (heun, "FlowMatchHeunDiscreteScheduler")],
    ids=["euler", "heun"],
)
def test_same_as_diffusers_on_the_flow(ours: Step, theirs: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    process = RectifiedFlow()
    scheduler = getattr(diffusers, theirs)(num_train_timesteps=1000, shift=1.0)
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double()
    grid = explicit_grid(process, torch.unique_consecutive(sigmas))
    x = torch.randn(16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = sample(ours, OVERLAPPING.denoise(process), process, x, grid)
    expected = run_diffusers(scheduler, process, x, lambda timestep, index: float(sigmas[index]), "velocity")
    torch.testing.assert_close(result, expected, rtol=0, atol=3e-4)
