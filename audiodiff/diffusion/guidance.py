"""Guidance: functions that make or wrap ``denoise(x, t) -> x0_hat``; no stepper knows of them.

All arithmetic is on ``x0_hat``, which is the same as on noise or velocity: they differ by terms that cancel.
``scale = 1`` means no guidance, everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError

ConditionalDenoise = Callable[[Tensor, Tensor, Any], Tensor]
"""``denoiser(x, t, cond)`` -> ``x0_hat``, such as a ``Denoiser``."""

Pair = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""``pair(x, t)`` -> the estimates to go towards and away from."""

Adjust = Callable[[Tensor, Tensor], Tensor]
"""``adjust(guided, conditional)`` -> ``x0_hat``: a correction of the guided estimate."""


def classifier_free(
    denoiser: ConditionalDenoise,
    cond: Any,
    null_cond: Any,
    scale: float,
    *,
    adjust: Adjust | None = None,
    pair: Pair | None = None,
) -> Denoise:
    """``null + scale * (conditional - null)`` (Ho & Salimans 2022).

    Two network calls, in the place of which ``pair`` may give both estimates at once; one call where ``scale`` is 1
    (the condition alone) or 0 (``null_cond`` alone).
    """
    _check_scale(scale)
    if scale == 1.0:
        return lambda x, t: denoiser(x, t, cond)
    if scale == 0.0:
        return lambda x, t: denoiser(x, t, null_cond)
    return _extrapolate(pair or (lambda x, t: (denoiser(x, t, cond), denoiser(x, t, null_cond))), scale, adjust)


def auto_guidance(
    denoiser: ConditionalDenoise,
    weak_denoiser: ConditionalDenoise,
    cond: Any,
    scale: float,
    *,
    adjust: Adjust | None = None,
) -> Denoise:
    """``weak + scale * (strong - weak)``, away from a worse version of the model (Karras et al. 2024)."""
    _check_scale(scale)
    if scale == 1.0:
        return lambda x, t: denoiser(x, t, cond)
    return _extrapolate(lambda x, t: (denoiser(x, t, cond), weak_denoiser(x, t, cond)), scale, adjust)


def _check_scale(scale: float) -> None:
    if not math.isfinite(scale):
        raise AudiodiffError(f"the guidance scale must be a finite number (1 means none), got {scale}.")


def _extrapolate(pair: Pair, scale: float, adjust: Adjust | None) -> Denoise:
    def guided(x: Tensor, t: Tensor) -> Tensor:
        wanted, unwanted = pair(x, t)
        estimate = unwanted + scale * (wanted - unwanted)
        return estimate if adjust is None else adjust(estimate, wanted)

    return guided


def rescale(amount: float = 0.7) -> Adjust:
    """Bring the guided estimate's standard deviation back to the conditional one's (Lin et al. 2023, Eq. 15 and 16).

    Args:
        amount: 0 changes nothing, 1 matches the deviation of each item exactly.
    """
    if not 0.0 <= amount <= 1.0:
        raise AudiodiffError(f"the amount of rescaling must be between 0 and 1, got {amount}.")

    def adjust(guided: Tensor, conditional: Tensor) -> Tensor:
        axes = tuple(range(1, guided.ndim))
        wanted = conditional.std(dim=axes, keepdim=True)
        factor = wanted / guided.std(dim=axes, keepdim=True).clamp(min=torch.finfo(guided.dtype).tiny)
        return guided * (1.0 + amount * (factor - 1.0))

    return adjust


def interval(guided: Denoise, plain: Denoise, t_low: float, t_high: float) -> Denoise:
    """``guided`` where ``t_low <= t <= t_high``, ``plain`` elsewhere (Kynkaanniemi et al. 2024).

    All items of a batch must be at the same time, as they are in ``sample``.
    """
    if not t_low <= t_high:
        raise AudiodiffError(f"the guidance interval needs t_low <= t_high, got {t_low} and {t_high}.")

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        low, high = float(t.min()), float(t.max())
        if low != high:
            raise AudiodiffError("guidance in an interval needs one time for the whole batch; sample items together.")
        return guided(x, t) if t_low <= low <= t_high else plain(x, t)

    return denoise


def dynamic_thresholding(denoise: Denoise, quantile: float = 0.995, limit: float = 1.0) -> Denoise:
    """Compress estimates that leave ``[-limit, limit]`` (Imagen, Saharia et al. 2022, Section 2.3).

    Each item is clipped to ``m`` and multiplied by ``limit / m``, where ``m`` is the ``quantile`` of its absolute
    values, ``limit`` at least.
    """
    if not 0.0 < quantile <= 1.0 or not 0.0 < limit < math.inf:
        raise AudiodiffError(f"thresholding needs a quantile in (0, 1] and a positive limit, got {quantile}, {limit}.")

    def thresholded(x: Tensor, t: Tensor) -> Tensor:
        x0_hat = denoise(x, t)
        sizes = x0_hat.abs().flatten(1)
        # kthvalue, because torch.quantile refuses rows of more than 16 million values
        rank = max(1, min(sizes.shape[1], math.ceil(quantile * sizes.shape[1])))
        bound = sizes.kthvalue(rank, dim=1).values.clamp(min=limit).reshape(-1, *([1] * (x0_hat.ndim - 1)))
        return torch.maximum(torch.minimum(x0_hat, bound), -bound) * (limit / bound)

    return thresholded


def region_mask(denoise: Denoise, known: Tensor, mask: Tensor) -> Denoise:
    """Keep ``known`` data where ``mask`` is 1 and let the model fill in where it is 0 (inpainting, continuation).

    ``known`` and ``mask`` broadcast to ``x``; a mask between 0 and 1 cross-fades. Under every stepper the result
    equals ``known`` exactly where the mask is 1.

    Raises:
        AudiodiffError: the mask leaves [0, 1].
    """
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise AudiodiffError("a region mask must be between 0 (generate) and 1 (keep); check its values.")

    def denoise_region(x: Tensor, t: Tensor) -> Tensor:
        x0_hat = denoise(x, t)
        keep = mask.to(dtype=x0_hat.dtype, device=x0_hat.device)
        kept = known.to(dtype=x0_hat.dtype, device=x0_hat.device)
        return torch.where(keep == 1, kept, torch.where(keep == 0, x0_hat, torch.lerp(x0_hat, kept, keep)))

    return denoise_region
