"""Scheduler configs of diffusers: read, written, and sampled to the same trajectory as by diffusers itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    EDM,
    X0,
    CosineVP,
    DiscreteVP,
    FlowGrid,
    RectifiedFlow,
    Scheduler,
    SchedulerSettings,
    V,
    VarianceExploding,
    Velocity,
    from_diffusers,
    karras_grid,
    linear_betas,
    to_diffusers,
    uniform_grid,
)
from audiodiff.errors import AudiodiffError

# raised inside diffusers with recent numpy
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STEPS = 10
UNCLIPPED = {"clip_sample": False}
V_ZERO = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}

EXACT: dict[str, dict[str, Any]] = {
    "ddim": {"_class_name": "DDIMScheduler", **UNCLIPPED},
    "ddim of AudioLDM": {
        "_class_name": "DDIMScheduler",
        "beta_start": 0.0015,
        "beta_end": 0.0195,
        "beta_schedule": "scaled_linear",
        "set_alpha_to_one": False,
        "steps_offset": 1,
        **UNCLIPPED,
    },
    "ddim, no signal left, v": {"_class_name": "DDIMScheduler", **V_ZERO, **UNCLIPPED},
    "ddim, data predicted": {"_class_name": "DDIMScheduler", "prediction_type": "sample", **UNCLIPPED},
    "ddpm, clipped": {"_class_name": "DDPMScheduler"},
    "ddpm, given betas": {
        "_class_name": "DDPMScheduler",
        "trained_betas": list(linear_betas(50, 1e-4, 0.05)),
        "num_train_timesteps": 50,
        **UNCLIPPED,
    },
    "dpm-solver": {"_class_name": "DPMSolverMultistepScheduler"},
    "dpm-solver, cosine, leading": {
        "_class_name": "DPMSolverMultistepScheduler",
        "beta_schedule": "squaredcos_cap_v2",
        "timestep_spacing": "leading",
    },
    "dpm-solver, sde": {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
    "dpm-solver, flow": {
        "_class_name": "DPMSolverMultistepScheduler",
        "use_flow_sigmas": True,
        "flow_shift": 3.0,
        "prediction_type": "flow_prediction",
    },
    "unipc": {"_class_name": "UniPCMultistepScheduler", "timestep_spacing": "trailing"},
    "euler": {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", "steps_offset": 1},
    "euler, karras": {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True},
    "euler, exponential, trailing": {
        "_class_name": "EulerDiscreteScheduler",
        "use_exponential_sigmas": True,
        "timestep_spacing": "trailing",
    },
    "euler ancestral": {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"},
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "flow, heun": {"_class_name": "FlowMatchHeunDiscreteScheduler"},
    "edm": {"_class_name": "EDMEulerScheduler"},
    "edm, dpm-solver": {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_schedule": "exponential"},
    "Stable Audio": {"_class_name": "CosineDPMSolverMultistepScheduler"},
}
"""Configs whose whole trajectory, network calls included, must be that of diffusers."""

TRUNCATED = ("dpm-solver, flow",)
"""Those whose timesteps diffusers cuts to whole numbers, so that its network is told another time than its solver."""


def network(x: Tensor, label: Tensor) -> Tensor:
    """Any function of state and noise label; labels count to 1000 or are small."""
    share = label.double() / 1000.0 if abs(float(label)) > 5.0 else label.double()
    return torch.tanh(1.3 * x + 0.4 * torch.cos(3.0 * share))


def deaf(x: Tensor, label: Tensor) -> Tensor:
    """A function of the state alone."""
    return torch.tanh(1.3 * x)


def run(scheduler: Any, network: Any = network) -> tuple[Tensor, list[Tensor], Tensor]:
    """The usual loop, the same for their objects and ours -> result, inputs of the network, timesteps."""
    scheduler.set_timesteps(STEPS)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x = x * float(getattr(scheduler, "init_noise_sigma", 1.0))
    generator = torch.Generator().manual_seed(5)
    if type(scheduler).__name__.startswith("Cosine"):  # it draws by another package otherwise
        scheduler.noise_sampler = lambda t, s: torch.randn(x.shape, generator=generator, dtype=x.dtype)
    seen = []
    takes = not any(word in type(scheduler).__name__ for word in ("DDIM", "UniPC", "EDMEuler", "Cosine", "Heun"))
    for timestep in scheduler.timesteps:
        scale = getattr(scheduler, "scale_model_input", lambda x, t: x)
        seen.append(scale(x, timestep))
        extra = {"generator": generator} if takes else {}
        x = scheduler.step(network(seen[-1], timestep), timestep, x, **extra).prev_sample
    return x, seen, scheduler.timesteps


def theirs(config: dict[str, Any]) -> Any:
    diffusers = pytest.importorskip("diffusers")
    if config["_class_name"].startswith("CosineDPM"):
        pytest.importorskip("torchsde")
    return getattr(diffusers, config["_class_name"]).from_config(config)


@pytest.mark.parametrize("name", EXACT)
def test_a_config_gives_the_trajectory_of_diffusers(name: str) -> None:
    cut = name in TRUNCATED
    answer = deaf if cut else network
    expected, expected_inputs, expected_timesteps = run(theirs(EXACT[name]), answer)
    result, inputs, timesteps = run(Scheduler(from_diffusers(EXACT[name])), answer)
    assert len(inputs) == len(expected_inputs)
    torch.testing.assert_close(timesteps.double(), expected_timesteps.double(), rtol=1e-5, atol=1.0 if cut else 2e-2)
    # their tables and intermediate levels are float32
    for ours, others in zip(inputs, expected_inputs, strict=True):
        torch.testing.assert_close(ours, others, rtol=2e-4, atol=2e-3)
    torch.testing.assert_close(result, expected, rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("name", EXACT)
def test_what_is_written_is_what_was_read(name: str) -> None:
    settings = from_diffusers(EXACT[name])
    written = to_diffusers(settings)
    again = from_diffusers(written)
    assert again == settings
    expected, _, _ = run(theirs(EXACT[name]))
    # Euler in EDM's form and on the flow are one class each; the classes come back
    assert written["_class_name"] == EXACT[name]["_class_name"] or name == "euler"
    result, _, _ = run(theirs(written))
    torch.testing.assert_close(result, expected, rtol=2e-4, atol=2e-3)


def test_the_config_of_an_object_is_read_too() -> None:
    scheduler = theirs(EXACT["unipc"])
    assert from_diffusers(dict(scheduler.config)) == from_diffusers(EXACT["unipc"])


@pytest.mark.parametrize("name", sorted({config["_class_name"] for config in EXACT.values()}))
def test_defaults_are_those_of_diffusers(name: str) -> None:
    """A config without any key but the class is read as the object with all of its keys."""
    alone = {"_class_name": name}
    assert from_diffusers(dict(theirs(alone).config)) == from_diffusers(alone)


def test_named_grids_are_written() -> None:
    music = SchedulerSettings(RectifiedFlow(), Velocity(), "dpmpp_2m", uniform_grid)
    written = to_diffusers(music)
    assert written["use_flow_sigmas"]
    assert from_diffusers(written).grid == FlowGrid(1.0, 1000, multistep=True)
    table = to_diffusers(SchedulerSettings(DiscreteVP(linear_betas(100)), V(), "ddim", uniform_grid))
    assert table["timestep_spacing"] == "trailing"
    torch.testing.assert_close(
        from_diffusers(table).grid(DiscreteVP(linear_betas(100)), 20), uniform_grid(DiscreteVP(linear_betas(100)), 20)
    )


@pytest.mark.parametrize(
    "settings",
    [
        SchedulerSettings(RectifiedFlow(), X0(), "euler", uniform_grid),
        SchedulerSettings(RectifiedFlow(), Velocity(), "consistency", uniform_grid),
        SchedulerSettings(RectifiedFlow(), Velocity(), "euler", karras_grid),
        SchedulerSettings(CosineVP(), V(), "ddim", uniform_grid),
        SchedulerSettings(VarianceExploding(), EDM(), "heun", karras_grid),
        SchedulerSettings(DiscreteVP(linear_betas(100)), V(), "dpmpp_2m", uniform_grid, clip=1.0),
        SchedulerSettings(DiscreteVP(linear_betas(100)), V(), "ddim", karras_grid),
    ],
)
def test_what_diffusers_has_not_is_refused(settings: SchedulerSettings) -> None:
    with pytest.raises(AudiodiffError, match="diffusers has no scheduler"):
        to_diffusers(settings)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "scheduler class None"),
        ({"_class_name": ["DDIMScheduler"]}, "scheduler class"),
        ({"_class_name": "PNDMScheduler"}, "PNDMScheduler"),
        ({"_class_name": "DDIMScheduler", "thresholding": True}, "thresholding = True"),
        ({"_class_name": "DDIMScheduler", "timestep_spacing": "linspace"}, "not the next"),
        ({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}, "solver_order = 3"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}, "flow_prediction"),
        ({"_class_name": "DDPMScheduler", "beta_schedule": "sigmoid"}, "sigmoid"),
        ({"_class_name": "DDPMScheduler", "prediction_type": "noise"}, "prediction_type"),
        ({"_class_name": "DDPMScheduler", "beta_end": "0.02"}, "beta_end"),
        ({"_class_name": "DDPMScheduler", "trained_betas": [0.1, "x"]}, "trained_betas"),
        ({"_class_name": "DDPMScheduler", "num_train_timesteps": 1}, "two steps"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}, "use_dynamic_shifting"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": -1.0}, "shift"),
        ({"_class_name": "EDMEulerScheduler", "sigma_schedule": "linear"}, "sigma_schedule"),
        ({"_class_name": "EDMEulerScheduler", "sigma_min": 90.0}, "sigma_min"),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        from_diffusers(config)
