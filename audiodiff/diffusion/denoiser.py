"""The only code that calls a network."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from audiodiff.diffusion.parameterization import Coefficients, Parameterization
from audiodiff.diffusion.process import Process, pad_to
from audiodiff.errors import AudiodiffError


class Network(Protocol):
    """``network(x, c_noise, cond)`` -> a tensor like ``x``; ``c_noise`` is ``[batch]``."""

    def __call__(self, x: Tensor, c_noise: Tensor, cond: Any, /) -> Tensor:
        """Evaluate the network."""


class Denoiser:
    """``x0_hat = c_skip * x + c_out * network(c_in * x, c_noise, cond)``.

    Args:
        network: see ``Network``.
        process: the law of ``x_t``.
        parameterization: what the network predicts.
        compute_dtype: dtype in which the network receives ``x`` and a tensor ``cond``; None leaves them alone.
            ``c_noise`` stays in float32: a noise level in bfloat16 is no longer the same noise level.

    Raises:
        AudiodiffError: the parameterization has no finite coefficients at ``t_max`` (noise prediction where
            ``alpha(t_max) = 0``).
    """

    def __init__(
        self,
        network: Network,
        process: Process,
        parameterization: Parameterization,
        *,
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        """Check that the parameterization is defined up to ``t_max``."""
        end = parameterization.coefficients(process, torch.tensor([process.t_max], dtype=torch.float64, device="cpu"))
        if not all(bool(torch.isfinite(c).all()) for c in end):
            raise AudiodiffError(
                f"{type(parameterization).__name__} is not defined at t_max of {type(process).__name__}, where no data "
                "is left in x_t (alpha = 0); choose V, Velocity, X0 or EDM, or a process that ends with alpha above 0."
            )
        self.network = network
        self.process = process
        self.parameterization = parameterization
        self.compute_dtype = compute_dtype

    def coefficients(self, t: Tensor) -> Coefficients:
        """The parameterization's row at times ``t``."""
        return self.parameterization.coefficients(self.process, t)

    def network_output(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
        """The raw network output for ``x`` ``[batch, ...]`` at ``t`` ``[batch]``, in the dtype of ``x0_hat``."""
        return self._call(x, self.coefficients(t), cond)

    def _call(self, x: Tensor, row: Coefficients, cond: Any) -> Tensor:
        dtype = torch.promote_types(x.dtype, torch.float32)
        x = x.to(dtype)
        scaled = pad_to(row.c_in, x) * x
        c_noise = row.c_noise.to(dtype=dtype).to(device=x.device).expand(x.shape[0])
        if self.compute_dtype is not None:
            scaled = scaled.to(self.compute_dtype)
            if isinstance(cond, Tensor) and cond.is_floating_point():
                cond = cond.to(self.compute_dtype)
        return self.network(scaled, c_noise, cond).to(dtype)

    def __call__(self, x: Tensor, t: Tensor, cond: Any = None) -> Tensor:
        """Estimate ``x_0`` from ``x`` ``[batch, ...]`` at ``t`` ``[batch]``; float32 (float64 for float64 ``x``)."""
        row = self.coefficients(t)
        output = self._call(x, row, cond)
        return pad_to(row.c_skip, output) * x.to(output.dtype) + pad_to(row.c_out, output) * output
