"""Our denoisers under the samplers of k-diffusion and diffusers, and models of k-diffusion under ours.

Neither library is imported: their objects are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.process import Process, pad_to
from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError

KModel = Callable[[Tensor, Tensor], Tensor]
"""``model(x, sigma)`` -> ``x0_hat``, where ``x = x_0 + sigma * noise`` and ``sigma`` is ``[batch]``."""


def as_k_diffusion(denoise: Denoise, process: Process) -> KModel:
    """A denoiser on any process as k-diffusion's samplers take it: ``sample_heun(as_k_diffusion(...), x, sigmas)``.

    Args:
        denoise: ``denoise(x, t)`` -> ``x0_hat``, such as a ``Denoiser`` with its condition filled in.
        process: its law of ``x_t``; its state is ``alpha`` times theirs.

    The result raises ``AudiodiffError`` for a sigma above the largest ``sigma / alpha`` of the process.
    """
    end = torch.tensor(process.t_max, dtype=torch.float64)
    alpha = float(process.alpha(end))
    largest = float(process.sigma(end)) / alpha if alpha > 0.0 else math.inf

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        exact = sigma.detach().to(device="cpu").to(torch.float64).reshape(-1)
        # a thousandth above is the rounding of float32 tables
        if bool((exact > 1.001 * largest).any()):
            raise AudiodiffError(
                f"sigma {float(exact.max()):.4g} is above {largest:.4g}, the noisiest of {type(process).__name__}; "
                "start the list of sigmas there."
            )
        t = process.time_at(-2.0 * torch.log(exact)).expand(x.shape[0])
        return denoise(pad_to(process.alpha(t), x) * x, t)

    return model


def from_k_diffusion(model: KModel, process: Process) -> Denoise:
    """A model of k-diffusion as ``sample`` takes it, on any process: ``denoise(x, t)`` -> ``x0_hat``.

    Args:
        model: ``model(x, sigma)`` -> denoised; fill further arguments in with ``functools.partial``.
        process: that of ``sample``; the model sees its state divided by ``alpha``.

    The result raises ``AudiodiffError`` at a time where ``alpha = 0``: such a model knows no infinite sigma, so give
    ``sample`` a grid that starts below.
    """

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha(t), process.sigma(t)
        if bool((alpha <= 0.0).any()):
            raise AudiodiffError(
                f"at t = {float(t.max())} of {type(process).__name__} sigma / alpha is infinite, which a model of "
                "k-diffusion cannot take; start the grid below."
            )
        ratio = (sigma / alpha).to(x.dtype).to(device=x.device).expand(x.shape[0])
        return model(x / pad_to(alpha, x), ratio)

    return denoise


def sample_with_diffusers(
    scheduler: Any,
    denoise: Denoise,
    process: Process,
    noise: Tensor,
    steps: int,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Sample one of our denoisers with a scheduler object of diffusers.

    Its tables of noise levels are its own: at each of its steps the denoiser is asked at the time of ``process`` that
    is as noisy, and the answer given in the form that ``scheduler.config.prediction_type`` says.

    Args:
        scheduler: a ``SchedulerMixin`` with ``sigmas`` or ``alphas_cumprod``; set up by its own config.
        denoise: ``denoise(x, t)`` -> ``x0_hat``.
        process: the law of ``x_t`` of the denoiser.
        noise: unit normal, ``[batch, ...]``.
        steps: of the scheduler.
        generator: of the noise of stochastic schedulers.

    Returns:
        Clean data like ``noise``.

    Raises:
        AudiodiffError: the scheduler has no such tables, or a prediction type that is none of diffusion or flow.
    """
    if not all(hasattr(scheduler, name) for name in ("set_timesteps", "step", "config")):
        raise AudiodiffError(
            f"{type(scheduler).__name__} is not a scheduler of diffusers; it has no step or no config."
        )
    scheduler.set_timesteps(steps)
    is_flow = _is_flow(scheduler)
    x = noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    extra = {} if generator is None else {"generator": generator}
    for index, timestep in enumerate(scheduler.timesteps):
        alpha, sigma = _level(scheduler, index, timestep, is_flow)
        log_snr = torch.tensor([2.0 * (math.log(alpha) - math.log(sigma)) if alpha else -math.inf], dtype=torch.float64)
        t = process.time_at(log_snr).expand(x.shape[0])
        size = math.hypot(alpha, sigma)
        ours = torch.hypot(process.alpha(t), process.sigma(t))
        x0_hat = denoise(pad_to(ours / size, x) * x, t).to(x.dtype)
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(x, timestep)  # some count their steps by it
        output = _prediction(scheduler, x, x0_hat, alpha, sigma, is_flow)
        x = scheduler.step(output, timestep, x, **extra).prev_sample
    return x


def _is_flow(scheduler: Any) -> bool:
    """Whether the state is ``(1 - sigma) * x_0 + sigma * noise``."""
    return type(scheduler).__name__.startswith("FlowMatch") or bool(scheduler.config.get("use_flow_sigmas", False))


def _level(scheduler: Any, index: int, timestep: Tensor, is_flow: bool) -> tuple[float, float]:
    """``alpha`` and ``sigma`` of the scheduler's own state."""
    if hasattr(scheduler, "sigmas"):
        sigma = float(scheduler.sigmas[index])
        if is_flow:
            return 1.0 - sigma, sigma
        # who starts from larger noise than 1 keeps the state divided by alpha
        if float(scheduler.init_noise_sigma) != 1.0:
            return 1.0, sigma
        return 1.0 / math.hypot(1.0, sigma), sigma / math.hypot(1.0, sigma)
    if hasattr(scheduler, "alphas_cumprod"):
        alpha_bar = float(scheduler.alphas_cumprod[int(timestep)])
        return math.sqrt(alpha_bar), math.sqrt(1.0 - alpha_bar)
    raise AudiodiffError(
        f"{type(scheduler).__name__} has neither sigmas nor alphas_cumprod; its noise levels are unknown."
    )


def _prediction(scheduler: Any, x: Tensor, x0_hat: Tensor, alpha: float, sigma: float, is_flow: bool) -> Tensor:
    """What a network of the scheduler's prediction type would have given."""
    noise_hat = (x - alpha * x0_hat) / sigma
    if is_flow:
        return noise_hat - x0_hat
    if hasattr(scheduler, "precondition_outputs"):
        # affine in the output, with coefficients of the scheduler's own
        level = torch.tensor(sigma, dtype=x.dtype)
        skipped: Tensor = scheduler.precondition_outputs(x, torch.zeros_like(x), level)
        scale: Tensor = scheduler.precondition_outputs(torch.zeros_like(x), torch.ones_like(x), level)
        return (x0_hat - skipped) / scale
    kind = scheduler.config.get("prediction_type", "epsilon")
    if kind == "epsilon":
        return noise_hat
    if kind == "sample":
        return x0_hat
    if kind == "v_prediction":
        size = math.hypot(alpha, sigma)
        return (alpha * noise_hat - sigma * x0_hat) / size
    raise AudiodiffError(f"prediction_type {kind!r} of {type(scheduler).__name__} is unknown here.")
