"""The one training loss, for every prediction type: ``w * metric(network_output - target)``, per item."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.process import pad_to
from audiodiff.errors import AudiodiffError

Weighting = Callable[[Tensor, Tensor], Tensor]
"""``weighting(log_snr, c_out)`` -> weight of the network's squared error, all ``[batch]``.

An error of the network is ``c_out`` times as large in ``x0_hat``: a weighting that is defined on the error of
``x0_hat`` multiplies by ``c_out^2``.
"""

Metric = Callable[[Tensor], Tensor]
"""``metric(network_output - target)`` -> elementwise error ``[batch, ...]``, not averaged."""


class DenoisingLoss(NamedTuple):
    """The loss of each item, and what it was computed from."""

    per_item: Tensor
    x0_hat: Tensor
    x_t: Tensor


def uniform_weight(log_snr: Tensor, c_out: Tensor) -> Tensor:
    """1: the network's error as it is."""
    return torch.ones_like(log_snr)


@dataclass(frozen=True)
class MinSNR:
    """``min(SNR, gamma)`` on the error of ``x0_hat`` (Hang et al. 2023): noise prediction gets that over SNR."""

    gamma: float = 5.0

    def __post_init__(self) -> None:
        """Refuse an impossible bound."""
        if not 0.0 < self.gamma < math.inf:
            raise AudiodiffError(f"MinSNR needs a positive gamma, got {self.gamma}.")

    def __call__(self, log_snr: Tensor, c_out: Tensor) -> Tensor:
        """Weight of the network's squared error."""
        return log_snr.exp().clamp(max=self.gamma) * c_out**2


@dataclass(frozen=True)
class EDMWeight:
    """``SNR + 1 / sigma_data^2`` on the error of ``x0_hat`` (Karras et al. 2022, Table 1); 1 for the EDM row."""

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        """Refuse an impossible standard deviation."""
        if not 0.0 < self.sigma_data < math.inf:
            raise AudiodiffError(f"EDMWeight needs a positive sigma_data, got {self.sigma_data}.")

    def __call__(self, log_snr: Tensor, c_out: Tensor) -> Tensor:
        """Weight of the network's squared error."""
        return (log_snr.exp() + self.sigma_data**-2) * c_out**2


def square(difference: Tensor) -> Tensor:
    """The default metric."""
    return difference**2


def length_mask(lengths: Tensor, n_steps: int) -> Tensor:
    """Boolean ``[batch, 1, n_steps]``: true below the item's length (``lengths``, ``[batch]``)."""
    positions = torch.arange(n_steps, device=lengths.device)
    return (positions[None, :] < lengths[:, None])[:, None, :]


def masked_mean(error: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of ``error`` ``[batch, ...]`` per item, weighted by a broadcastable ``mask``: ``[batch]``.

    What lies outside the mask has no influence, not even when it is NaN. An item without any valid element gives 0.

    Raises:
        AudiodiffError: the mask does not broadcast to the error.
    """
    if mask is None:
        return error.flatten(1).mean(1)
    try:
        weight = torch.broadcast_to(mask.to(error.dtype), error.shape)
    except RuntimeError as mismatch:
        raise AudiodiffError(
            f"mask of shape {list(mask.shape)} does not broadcast to the error of shape {list(error.shape)}; "
            "pass [batch, 1, length]."
        ) from mismatch
    total = torch.where(weight != 0, error * weight, torch.zeros_like(error)).flatten(1).sum(1)
    count = weight.flatten(1).sum(1)
    return total / torch.where(count == 0, torch.ones_like(count), count)


def denoising_loss(
    denoiser: Denoiser,
    x_0: Tensor,
    cond: Any,
    t: Tensor,
    noise: Tensor,
    *,
    weighting: Weighting = uniform_weight,
    mask: Tensor | None = None,
    metric: Metric = square,
    wanted: Tensor | None = None,
) -> DenoisingLoss:
    """``weighting * metric(network_output - target)`` at ``x_t = alpha * x_0 + sigma * noise``, averaged per item.

    Args:
        denoiser: its parameterization decides the target ``(x_0 - c_skip * x_t) / c_out``.
        x_0: clean data ``[batch, ...]``.
        cond: handed to the network.
        t: times ``[batch]``, above 0.
        noise: like ``x_0``; may be shaped by the condition (then pass the matching ``metric``).
        weighting: see ``Weighting``.
        mask: broadcastable to the metric's result; see ``masked_mean``.
        metric: see ``Metric``.
        wanted: what ``x0_hat`` is to be at that ``x_t``, like ``x_0``: the estimate of a teacher (distillation,
            Hinton et al. 2015). ``x_0`` if None.

    Raises:
        AudiodiffError: shapes disagree, or a time has no target (``t = 0``).
    """
    if noise.shape != x_0.shape:
        raise AudiodiffError(f"noise must have the shape of x_0 {list(x_0.shape)}, got {list(noise.shape)}.")
    process = denoiser.process
    row = denoiser.coefficients(t)
    alpha, sigma = process.alpha(t), process.sigma(t)
    # the target as a x_0 + b noise: (x_0 - c_skip x_t) / c_out would cancel catastrophically in float32 at small t
    of_data, of_noise = (1.0 - row.c_skip * alpha) / row.c_out, -row.c_skip * sigma / row.c_out
    weight = weighting(process.log_snr(t), row.c_out)
    if not bool((torch.isfinite(of_data) & torch.isfinite(of_noise) & torch.isfinite(weight)).all()):
        raise AudiodiffError(
            "the network has no training target or no finite weight at one of the times; "
            "draw t inside (0, t_max) (for Consistency above t_min)."
        )
    x_t = process.mix(x_0, noise, t)
    output = denoiser.network_output(x_t, t, cond)
    target = pad_to(of_data, output) * x_0 + pad_to(of_noise, output) * noise
    if wanted is not None:
        target = target + (wanted - x_0) / pad_to(row.c_out, output)
    error = metric(output - target)
    per_item = masked_mean(error, mask)
    x0_hat = pad_to(row.c_skip, output) * x_t + pad_to(row.c_out, output) * output
    return DenoisingLoss(weight.to(per_item.dtype).to(per_item.device) * per_item, x0_hat, x_t)
