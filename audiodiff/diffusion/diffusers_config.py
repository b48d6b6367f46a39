"""Scheduler configs of diffusers (``scheduler_config.json``) to and from our settings; diffusers is not needed.

A config is read when our samplers give the same trajectory, and refused with the setting that stands in the way
otherwise. Two things are theirs alone: the network's timesteps of ``use_karras_sigmas`` are rounded to whole ones by
some of their solvers, and the sigmas between the timesteps of Euler's "linspace" are interpolated in another way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from audiodiff.diffusion.betas import cosine_betas, linear_betas, scaled_linear_betas, zero_terminal_snr
from audiodiff.diffusion.diffusers_grids import FlowGrid, SigmaGrid, SpacedSigmas, TimestepGrid
from audiodiff.diffusion.parameterization import EDM, X0, Eps, Parameterization, V, Velocity
from audiodiff.diffusion.process import CosineVP, DiscreteVP, RectifiedFlow, VarianceExploding
from audiodiff.diffusion.scheduler import SchedulerSettings
from audiodiff.diffusion.times import Grid, shifted_grid, uniform_grid
from audiodiff.errors import AudiodiffError

_Config = Mapping[str, Any]


@dataclass(frozen=True)
class _Class:
    """One of their classes: how it is read, the sampler that it is, and what else its settings must be."""

    read: Callable[[_Config, str], SchedulerSettings]
    sampler: str
    required: Mapping[str, tuple[Any, ...]]


def from_diffusers(config: _Config) -> SchedulerSettings:
    """Read a scheduler config of diffusers: ``scheduler_config.json``, or ``dict(scheduler.config)``.

    Keys that are missing have the defaults of their class; keys of other classes count for nothing, as in diffusers.

    Returns:
        settings of a ``Scheduler``; with ``sample``, take its ``process``, ``grid`` and ``sampler``.

    Raises:
        AudiodiffError: the class is not one that our samplers follow, or one of its settings is not.
    """
    name = config.get("_class_name")
    found = _CLASSES.get(name) if isinstance(name, str) else None
    if found is None:
        raise AudiodiffError(f"scheduler class {name!r} cannot be read; expected one of {', '.join(_CLASSES)}.")
    for key, allowed in {**_REQUIRED, **found.required}.items():
        if key in config and config[key] not in allowed:
            raise AudiodiffError(
                f"{name} with {key} = {config[key]!r} has no equal here; expected {' or '.join(map(repr, allowed))}."
            )
    sampler = found.sampler
    if str(config.get("algorithm_type", "")).startswith("sde-"):
        sampler = "dpmpp_2m_sde"
    return found.read(config, sampler)


def to_diffusers(settings: SchedulerSettings) -> dict[str, Any]:
    """Write settings as a config of diffusers: ``getattr(diffusers, config["_class_name"]).from_config(config)``.

    ``uniform_grid`` becomes "trailing" on a table of betas, and the nearest even spacing that a config can say on
    ``RectifiedFlow``; ``FlowGrid`` and the others of ``diffusers_grids`` are written exactly.

    Raises:
        AudiodiffError: diffusers has no scheduler of this process, prediction, sampler and grid.
    """
    process, sampler = settings.process, settings.sampler
    config: dict[str, Any] = {}
    if isinstance(process, DiscreteVP):
        config = _table_config(settings, process)
    elif isinstance(process, RectifiedFlow):
        config = _flow_config(settings)
    elif isinstance(process, VarianceExploding):
        config = _edm_config(settings)
    elif isinstance(process, CosineVP) and sampler == "dpmpp_2m_sde" and settings.parameterization == V():
        config = {"_class_name": "CosineDPMSolverMultistepScheduler", "prediction_type": "v_prediction"}
        config |= _sigma_keys(settings.grid)
    if not config:
        raise _no_equal(settings)
    return config


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_table(config: _Config, sampler: str, *, multistep: bool = False, rounded: bool = True) -> SchedulerSettings:
    spacing = config.get("timestep_spacing", "linspace" if multistep or not rounded else "leading")
    if spacing not in ("leading", "trailing", "linspace"):
        raise AudiodiffError(f"timestep_spacing is {spacing!r}; expected leading, trailing or linspace.")
    offset = int(_number(config, "steps_offset", 0.0)) if spacing == "leading" else 0
    grid: Grid = TimestepGrid(spacing, offset, multistep, rounded)
    if config.get("use_karras_sigmas") or config.get("use_exponential_sigmas"):
        rho = 7.0 if config.get("use_karras_sigmas") else None
        grid = SpacedSigmas(rho, None if multistep else TimestepGrid(spacing, offset, multistep, rounded))
    if config.get("use_flow_sigmas"):
        return _read_solver_flow(config, sampler)
    return SchedulerSettings(
        DiscreteVP(_betas(config)), _prediction(config, "epsilon"), sampler, grid, clip=_clip(config)
    )


def _read_ddim(config: _Config, sampler: str) -> SchedulerSettings:
    _refuse_linspace(config)
    settings = _read_table(config, sampler)
    end = 0.0 if config.get("set_alpha_to_one", True) else 1.0
    clip = _clip({"clip_sample": True, **config})
    return SchedulerSettings(settings.process, settings.parameterization, sampler, settings.grid, clip, end)


def _read_ddpm(config: _Config, sampler: str) -> SchedulerSettings:
    _refuse_linspace(config)
    return _read_table({"clip_sample": True, **config}, sampler)


def _read_multistep(config: _Config, sampler: str) -> SchedulerSettings:
    return _read_table(config, sampler, multistep=True)


def _read_euler(config: _Config, sampler: str) -> SchedulerSettings:
    return _read_table(config, sampler, rounded=False)


def _read_flow(config: _Config, sampler: str) -> SchedulerSettings:
    steps = int(_number(config, "num_train_timesteps", 1000.0))
    grid = FlowGrid(_number(config, "shift", 1.0), steps)
    return SchedulerSettings(RectifiedFlow(), Velocity(), sampler, grid, timestep_scale=float(steps))


def _read_solver_flow(config: _Config, sampler: str) -> SchedulerSettings:
    if config.get("prediction_type") != "flow_prediction":
        raise AudiodiffError("use_flow_sigmas goes with prediction_type flow_prediction; set both.")
    steps = int(_number(config, "num_train_timesteps", 1000.0))
    grid = FlowGrid(_number(config, "flow_shift", 1.0), steps, multistep=True)
    return SchedulerSettings(RectifiedFlow(), Velocity(), sampler, grid, timestep_scale=float(steps))


def _read_edm(config: _Config, sampler: str) -> SchedulerSettings:
    grid = _sigma_grid(config, 0.002, 80.0, "karras")
    parameterization = EDM(_number(config, "sigma_data", 0.5))
    return SchedulerSettings(VarianceExploding(grid.sigma_max), parameterization, sampler, grid)


def _read_cosine(config: _Config, sampler: str) -> SchedulerSettings:
    return SchedulerSettings(CosineVP(), V(), sampler, _sigma_grid(config, 0.3, 500.0, "exponential"))


def _sigma_grid(config: _Config, low: float, high: float, schedule: str) -> SigmaGrid:
    chosen = config.get("sigma_schedule", schedule)
    if chosen not in ("karras", "exponential"):
        raise AudiodiffError(f"sigma_schedule is {chosen!r}; expected karras or exponential.")
    rho = _number(config, "rho", 7.0) if chosen == "karras" else None
    return SigmaGrid(_number(config, "sigma_min", low), _number(config, "sigma_max", high), rho)


def _betas(config: _Config) -> tuple[float, ...]:
    steps = int(_number(config, "num_train_timesteps", 1000.0))
    kind, given = config.get("beta_schedule", "linear"), config.get("trained_betas")
    ends = _number(config, "beta_start", 1e-4), _number(config, "beta_end", 0.02)
    if given is not None:
        try:
            betas = tuple(float(beta) for beta in given)
        except (TypeError, ValueError) as error:
            raise AudiodiffError(f"trained_betas must be a list of numbers, got {str(given)[:60]!r}.") from error
    elif kind == "linear":
        betas = linear_betas(steps, *ends)
    elif kind == "scaled_linear":
        betas = scaled_linear_betas(steps, *ends)
    elif kind == "squaredcos_cap_v2":
        betas = cosine_betas(steps)
    else:
        raise AudiodiffError(f"beta_schedule is {kind!r}; expected linear, scaled_linear or squaredcos_cap_v2.")
    return zero_terminal_snr(betas) if config.get("rescale_betas_zero_snr") else betas


def _prediction(config: _Config, default: str) -> Parameterization:
    name = config.get("prediction_type", default)
    if name not in _PREDICTIONS:
        raise AudiodiffError(f"prediction_type is {name!r}; expected one of {', '.join(_PREDICTIONS)}.")
    return _PREDICTIONS[name]


def _clip(config: _Config) -> float | None:
    return _number(config, "clip_sample_range", 1.0) if config.get("clip_sample") else None


def _refuse_linspace(config: _Config) -> None:
    if config.get("timestep_spacing") == "linspace":
        raise AudiodiffError(
            f"{config['_class_name']} with timestep_spacing linspace steps to times that are not the next of its list; "
            "choose leading or trailing."
        )


def _number(config: _Config, key: str, default: float) -> float:
    value = config.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AudiodiffError(f"{key} of the scheduler config must be a number, got {str(value)[:60]!r}.")
    return float(value)


_PREDICTIONS: Final[dict[str, Parameterization]] = {"epsilon": Eps(), "sample": X0(), "v_prediction": V()}

_NOTHING: Final = (False, None)
_REQUIRED: Final[dict[str, tuple[Any, ...]]] = {
    "thresholding": _NOTHING,
    "use_beta_sigmas": _NOTHING,
    "use_lu_lambdas": _NOTHING,
    "use_dynamic_shifting": _NOTHING,
    "euler_at_final": _NOTHING,
    "invert_sigmas": _NOTHING,
    "stochastic_sampling": _NOTHING,
    "shift_terminal": (None,),
    "final_sigmas_type": ("zero",),
}
"""Settings of any class that our samplers have not."""

_SOLVER: Final[dict[str, tuple[Any, ...]]] = {
    "solver_order": (2,),
    "solver_type": ("midpoint",),
    "algorithm_type": ("dpmsolver++", "sde-dpmsolver++"),
    "lambda_min_clipped": (-math.inf,),
    "variance_type": (None,),
}
_UNIPC: Final[dict[str, tuple[Any, ...]]] = {
    "solver_order": (2,),
    "solver_type": ("bh2",),
    "predict_x0": (True,),
    "disable_corrector": ([], ()),
    "solver_p": (None,),
    "sigma_min": (None,),
    "sigma_max": (None,),
}
_EULER: Final[dict[str, tuple[Any, ...]]] = {
    "interpolation_type": ("linear",),
    "timestep_type": ("discrete",),
    "sigma_min": (None,),
    "sigma_max": (None,),
}
_FLOW: Final[dict[str, tuple[Any, ...]]] = {"use_karras_sigmas": _NOTHING, "use_exponential_sigmas": _NOTHING}
_EPS: Final[dict[str, tuple[Any, ...]]] = {"prediction_type": ("epsilon",)}
_COSINE: Final[dict[str, tuple[Any, ...]]] = {"prediction_type": ("v_prediction",), "sigma_data": (1.0,)}

_CLASSES: Final[dict[str, _Class]] = {
    "DDIMScheduler": _Class(_read_ddim, "ddim", {}),
    "DDPMScheduler": _Class(_read_ddpm, "ddpm", {"variance_type": ("fixed_small",)}),
    "DPMSolverMultistepScheduler": _Class(_read_multistep, "dpmpp_2m", _SOLVER),
    "UniPCMultistepScheduler": _Class(_read_multistep, "unipc", _UNIPC),
    "EulerDiscreteScheduler": _Class(_read_euler, "ddim", _EULER),
    "EulerAncestralDiscreteScheduler": _Class(_read_euler, "ddpm", {}),
    "FlowMatchEulerDiscreteScheduler": _Class(_read_flow, "euler", _FLOW),
    "FlowMatchHeunDiscreteScheduler": _Class(_read_flow, "heun", {}),
    "EDMEulerScheduler": _Class(_read_edm, "euler", _EPS),
    "EDMDPMSolverMultistepScheduler": _Class(_read_edm, "dpmpp_2m", {**_SOLVER, **_EPS}),
    "CosineDPMSolverMultistepScheduler": _Class(
        _read_cosine, "dpmpp_2m_sde", {"solver_order": (2,), "solver_type": ("midpoint",), **_COSINE}
    ),
}

# --- writing ----------------------------------------------------------------------------------------------------------

_ALGORITHMS: Final = {"dpmpp_2m": "dpmsolver++", "dpmpp_2m_sde": "sde-dpmsolver++"}


def _table_config(settings: SchedulerSettings, process: DiscreteVP) -> dict[str, Any]:
    """A config on a table of betas; empty where there is none."""
    grid, sampler = settings.grid, settings.sampler
    spaced = isinstance(grid, SpacedSigmas)
    unrounded = isinstance(grid, TimestepGrid) and not grid.rounded
    multistep = sampler in _ALGORITHMS or sampler == "unipc"
    if multistep:
        name = "UniPCMultistepScheduler" if sampler == "unipc" else "DPMSolverMultistepScheduler"
    elif sampler == "ddim":
        name = "EulerDiscreteScheduler" if spaced or unrounded else "DDIMScheduler"
    elif sampler == "ddpm" and not spaced:
        name = "EulerAncestralDiscreteScheduler" if unrounded else "DDPMScheduler"
    else:
        return {}
    predictions = {value: key for key, value in _PREDICTIONS.items()}
    clips = name in ("DDIMScheduler", "DDPMScheduler")
    if settings.parameterization not in predictions or (settings.clip is not None and not clips):
        return {}
    if settings.end not in ((0.0, 1.0) if name == "DDIMScheduler" else (0.0,)):
        return {}
    config = {
        "_class_name": name,
        "num_train_timesteps": len(process.betas),
        "trained_betas": list(process.betas),
        "prediction_type": predictions[settings.parameterization],
        **_spacing_keys(grid, multistep, settings),
    }
    if sampler in _ALGORITHMS:
        config["algorithm_type"] = _ALGORITHMS[sampler]
    if clips:
        config |= {"clip_sample": settings.clip is not None, "clip_sample_range": settings.clip or 1.0}
    if name == "DDIMScheduler":
        config["set_alpha_to_one"] = settings.end == 0.0
    return config


def _spacing_keys(grid: Grid, multistep: bool, settings: SchedulerSettings) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if isinstance(grid, SpacedSigmas):
        keys["use_exponential_sigmas" if grid.rho is None else "use_karras_sigmas"] = True
        if grid.rho not in (None, 7.0) or (grid.ends is None) is not multistep:
            raise _no_equal(settings)
        grid = grid.ends or TimestepGrid("linspace", multistep=True)
    if grid is uniform_grid:
        grid = TimestepGrid("trailing", multistep=multistep)
    if not isinstance(grid, TimestepGrid) or grid.multistep is not multistep:
        raise _no_equal(settings)
    return {**keys, "timestep_spacing": grid.spacing, "steps_offset": grid.offset}


def _flow_config(settings: SchedulerSettings) -> dict[str, Any]:
    """A config of flow matching; empty where there is none."""
    solver, grid = settings.sampler in _ALGORITHMS or settings.sampler == "unipc", settings.grid
    if grid in (uniform_grid, shifted_grid):
        grid = FlowGrid(1.0 if grid is uniform_grid else 3.0, multistep=solver)
    known = isinstance(grid, FlowGrid) and grid.multistep is solver and settings.clip is None and settings.end == 0.0
    if not known or settings.parameterization != Velocity():
        return {}
    assert isinstance(grid, FlowGrid)
    if solver:
        name = "UniPCMultistepScheduler" if settings.sampler == "unipc" else "DPMSolverMultistepScheduler"
        config = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": grid.shift}
        if settings.sampler in _ALGORITHMS:
            config["algorithm_type"] = _ALGORITHMS[settings.sampler]
    elif settings.sampler in ("euler", "ddim", "heun"):
        kind = "Heun" if settings.sampler == "heun" else "Euler"
        name, config = f"FlowMatch{kind}DiscreteScheduler", {"shift": grid.shift}
    else:
        return {}
    return {"_class_name": name, "num_train_timesteps": grid.train_steps, **config}


def _edm_config(settings: SchedulerSettings) -> dict[str, Any]:
    """A config of Karras et al. 2022; empty where there is none."""
    row = settings.parameterization
    if not isinstance(row, EDM) or settings.clip is not None or settings.end != 0.0:
        return {}
    if settings.sampler in ("euler", "ddim"):
        config: dict[str, Any] = {"_class_name": "EDMEulerScheduler"}
    elif settings.sampler in _ALGORITHMS:
        config = {"_class_name": "EDMDPMSolverMultistepScheduler", "algorithm_type": _ALGORITHMS[settings.sampler]}
    else:
        return {}
    keys = _sigma_keys(settings.grid)
    return {**config, "prediction_type": "epsilon", "sigma_data": row.sigma_data, **keys} if keys else {}


def _sigma_keys(grid: Grid) -> dict[str, Any]:
    if not isinstance(grid, SigmaGrid):
        return {}
    keys: dict[str, Any] = {"sigma_min": grid.sigma_min, "sigma_max": grid.sigma_max}
    if grid.rho is None:
        return {**keys, "sigma_schedule": "exponential"}
    return {**keys, "sigma_schedule": "karras", "rho": grid.rho}


def _no_equal(settings: SchedulerSettings) -> AudiodiffError:
    parts = type(settings.process).__name__, type(settings.parameterization).__name__, settings.sampler
    grid = getattr(settings.grid, "__name__", type(settings.grid).__name__)
    return AudiodiffError(
        f"diffusers has no scheduler for {', '.join(parts)} on {grid}; use audiodiff.diffusion.Scheduler in its place."
    )
