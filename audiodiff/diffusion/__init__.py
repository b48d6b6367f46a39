"""The diffusion core: the mathematics that waveform and latent models share, for tensors of any shape.

Notation, one meaning each:

- ``x_t = alpha(t) * x_0 + sigma(t) * noise``: ``x_0`` is clean data, ``noise`` unit normal, ``x_t`` their mixture.
- ``t``: time of the process; ``t = 0`` is clean and ``t`` grows with noise up to ``t_max``.
- ``alpha``, ``sigma``: coefficients of the data and of the noise, neither squared nor cumulated.
- ``log_snr = log(alpha^2 / sigma^2)``; its half is called ``lam`` (lambda) inside the steppers.
- ``x0_hat``: the denoiser's estimate of ``x_0``; ``denoise(x, t)`` is the call that gives it.
- ``v = alpha * noise - sigma * x_0``, and *velocity* is ``dx_t/dt``: two different targets.
- ``cond``, ``null_cond``, ``scale``: the condition, its absence, and the guidance weight, where 1 means none.
- *process*, *grid*, *stepper*: the law of ``x_t``, a list of times, one solver step. *Scheduler* is only said of noise.

Four parts, kept apart because they multiply:

- a ``Process`` (``process.py``, beta tables in ``betas.py``; ``gaussian.py`` makes one from its two coefficients),
- a ``Parameterization`` (``parameterization.py``), joined with a network by ``Denoiser`` (``denoiser.py``),
- a stepper and the loop ``sample`` (``samplers.py``) over a grid (``times.py``; ``schedule_search.py`` searches one),
- guidance (``guidance.py``).

Training is ``denoising_loss`` (``losses.py``) at times from a quantile function (``times.py``).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES

if TYPE_CHECKING:
    from audiodiff.diffusion.betas import (
        BETA_SCHEDULES,
        beta_schedule,
        cosine_betas,
        linear_betas,
        scaled_linear_betas,
        zero_terminal_snr,
    )
    from audiodiff.diffusion.config import (
        parameterization_from_dict,
        parameterization_to_dict,
        process_from_dict,
        process_to_dict,
    )
    from audiodiff.diffusion.denoiser import Denoiser, Network
    from audiodiff.diffusion.diffusers_config import from_diffusers, to_diffusers
    from audiodiff.diffusion.diffusers_grids import FlowGrid, SigmaGrid, SpacedSigmas, TimestepGrid
    from audiodiff.diffusion.foreign import as_k_diffusion, from_k_diffusion, sample_with_diffusers
    from audiodiff.diffusion.gaussian import GaussianProcess
    from audiodiff.diffusion.guidance import (
        auto_guidance,
        classifier_free,
        dynamic_thresholding,
        interval,
        region_mask,
        rescale,
    )
    from audiodiff.diffusion.held_differences import HeldDifferences
    from audiodiff.diffusion.losses import (
        DenoisingLoss,
        EDMWeight,
        MinSNR,
        denoising_loss,
        length_mask,
        masked_mean,
        square,
        uniform_weight,
    )
    from audiodiff.diffusion.noise import positional_noise
    from audiodiff.diffusion.parameterization import (
        EDM,
        X0,
        Coefficients,
        Consistency,
        Eps,
        Parameterization,
        V,
        Velocity,
    )
    from audiodiff.diffusion.process import (
        CosineVP,
        DiscreteVP,
        LinearVP,
        Process,
        RectifiedFlow,
        VarianceExploding,
        pad_to,
    )
    from audiodiff.diffusion.samplers import (
        SAMPLERS,
        STOCHASTIC_SAMPLERS,
        Carry,
        Denoise,
        Level,
        Noise,
        OnStep,
        Past,
        Step,
        StepResult,
        adams_pc,
        consistency,
        ddim,
        ddpm,
        dpmpp_2m,
        dpmpp_2m_sde,
        euler,
        heun,
        sample,
        unipc,
    )
    from audiodiff.diffusion.schedule_search import FoundTimes, ScheduleSearch, SearchItem
    from audiodiff.diffusion.scheduler import Scheduler, SchedulerOutput, SchedulerSettings
    from audiodiff.diffusion.times import (
        GRIDS,
        QUANTILES,
        angle_grid,
        betas_grid,
        check_grid,
        cosine_quantile,
        explicit_grid,
        karras_grid,
        late_grid,
        log_normal_quantile,
        log_snr_grid,
        logit_normal_quantile,
        shifted_grid,
        stratified_uniform,
        times_of,
        uniform_grid,
        uniform_quantile,
    )

__all__ = [
    "BETA_SCHEDULES",
    "EDM",
    "GRIDS",
    "GRID_NAMES",
    "QUANTILES",
    "SAMPLERS",
    "SAMPLER_NAMES",
    "STOCHASTIC_SAMPLERS",
    "X0",
    "Carry",
    "Coefficients",
    "Consistency",
    "CosineVP",
    "Denoise",
    "Denoiser",
    "DenoisingLoss",
    "DiscreteVP",
    "EDMWeight",
    "Eps",
    "FlowGrid",
    "FoundTimes",
    "GaussianProcess",
    "HeldDifferences",
    "Level",
    "LinearVP",
    "MinSNR",
    "Network",
    "Noise",
    "OnStep",
    "Parameterization",
    "Past",
    "Process",
    "RectifiedFlow",
    "ScheduleSearch",
    "Scheduler",
    "SchedulerOutput",
    "SchedulerSettings",
    "SearchItem",
    "SigmaGrid",
    "SpacedSigmas",
    "Step",
    "StepResult",
    "TimestepGrid",
    "V",
    "VarianceExploding",
    "Velocity",
    "adams_pc",
    "angle_grid",
    "as_k_diffusion",
    "auto_guidance",
    "beta_schedule",
    "betas_grid",
    "check_grid",
    "classifier_free",
    "consistency",
    "cosine_betas",
    "cosine_quantile",
    "ddim",
    "ddpm",
    "denoising_loss",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dynamic_thresholding",
    "euler",
    "explicit_grid",
    "from_diffusers",
    "from_k_diffusion",
    "heun",
    "interval",
    "karras_grid",
    "late_grid",
    "length_mask",
    "linear_betas",
    "log_normal_quantile",
    "log_snr_grid",
    "logit_normal_quantile",
    "masked_mean",
    "pad_to",
    "parameterization_from_dict",
    "parameterization_to_dict",
    "positional_noise",
    "process_from_dict",
    "process_to_dict",
    "region_mask",
    "rescale",
    "sample",
    "sample_with_diffusers",
    "scaled_linear_betas",
    "shifted_grid",
    "square",
    "stratified_uniform",
    "times_of",
    "to_diffusers",
    "uniform_grid",
    "uniform_quantile",
    "uniform_weight",
    "unipc",
    "zero_terminal_snr",
]

_MODULES = (
    "betas",
    "config",
    "denoiser",
    "diffusers_config",
    "diffusers_grids",
    "foreign",
    "gaussian",
    "guidance",
    "held_differences",
    "losses",
    "noise",
    "parameterization",
    "process",
    "samplers",
    "schedule_search",
    "scheduler",
    "times",
)


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that the names alone cost no torch."""
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
