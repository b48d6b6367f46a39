"""Closed-form truths and independent libraries that prove the diffusion core; no trained weights."""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion import Process, pad_to


@dataclass(frozen=True)
class Mixture:
    """Independent values from a 1-D Gaussian mixture, so that one tensor holds many problems.

    In one dimension the probability-flow ODE keeps the order of points, so its exact solution is the quantile map.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]

    def _components(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights, means, stds = (
            torch.tensor(v, dtype=like.dtype).reshape(-1, *([1] * like.ndim))
            for v in (self.weights, self.means, self.stds)
        )
        return weights, means, stds

    @property
    def mean(self) -> float:
        return sum(w * m for w, m in zip(self.weights, self.means, strict=True))

    @property
    def std(self) -> float:
        second = sum(w * (m**2 + s**2) for w, m, s in zip(self.weights, self.means, self.stds, strict=True))
        return math.sqrt(second - self.mean**2)

    def x0_hat(self, process: Process, x: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t = x] for ``t`` ``[batch]``."""
        alpha, sigma = pad_to(process.alpha(t), x), pad_to(process.sigma(t), x)
        weights, means, stds = self._components(x)
        variance = (alpha * stds) ** 2 + sigma**2
        log_density = torch.log(weights) - 0.5 * torch.log(variance) - 0.5 * (x - alpha * means) ** 2 / variance
        responsibility = torch.softmax(log_density, 0)
        return (responsibility * (means + alpha * stds**2 / variance * (x - alpha * means))).sum(0)

    def denoise(self, process: Process) -> Any:
        return lambda x, t: self.x0_hat(process, x, t)

    def cdf(self, process: Process, x: Tensor, t: float) -> Tensor:
        """P(x_t < x)."""
        time = torch.tensor(t, dtype=torch.float64)
        alpha, sigma = float(process.alpha(time)), float(process.sigma(time))
        weights, means, stds = self._components(x)
        return (weights * torch.special.ndtr((x - alpha * means) / torch.sqrt((alpha * stds) ** 2 + sigma**2))).sum(0)

    def quantile(self, process: Process, u: Tensor, t: float) -> Tensor:
        """Inverse of ``cdf`` by bisection, to the last digit of float64."""
        time = torch.tensor(t, dtype=torch.float64)
        reach = 10.0 * (
            max(abs(m) + s for m, s in zip(self.means, self.stds, strict=True)) + float(process.sigma(time))
        )
        low, high = torch.full_like(u, -reach), torch.full_like(u, reach)
        for _ in range(80):
            middle = 0.5 * (low + high)
            below = self.cdf(process, middle, t) < u
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return 0.5 * (low + high)

    def flow(self, process: Process, x: Tensor, t: float, s: float) -> Tensor:
        """The exact solution of the probability-flow ODE at ``s`` from ``x`` at ``t``."""
        return self.quantile(process, self.cdf(process, x, t), s)


GAUSSIAN = Mixture((1.0,), (0.3,), (0.5,))
OVERLAPPING = Mixture((0.3, 0.5, 0.2), (-0.6, 0.1, 0.7), (0.4, 0.3, 0.35))
SEPARATED = Mixture((0.4, 0.35, 0.25), (-1.0, 0.2, 1.2), (0.1, 0.05, 0.2))


def quantile_grid(n: int) -> Tensor:
    """Midpoints of ``n`` equal parts of (0, 1): with them the RMS error is the W2 distance without sampling noise."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def load_k_diffusion_sampling() -> Any | None:
    """``k_diffusion/sampling.py`` alone, or None where the package is not installed.

    The package's ``__init__`` imports all of its 17 requirements; the samplers need one function of its ``utils``.
    ``pip install --no-deps k-diffusion`` is enough.
    """
    found = importlib.util.find_spec("k_diffusion")
    if found is None or not found.submodule_search_locations:
        return None
    source = Path(next(iter(found.submodule_search_locations))) / "sampling.py"
    package, utils = types.ModuleType("k_diffusion_part"), types.ModuleType("k_diffusion_part.utils")
    utils.append_dims = lambda x, n: x[(...,) + (None,) * (n - x.ndim)]  # type: ignore[attr-defined]
    package.utils = utils  # type: ignore[attr-defined]
    package.__path__ = []
    stubs = {"k_diffusion_part": package, "k_diffusion_part.utils": utils}
    for name in ("torchsde", "torchdiffeq"):
        if importlib.util.find_spec(name) is None:
            stubs[name] = types.ModuleType(name)
            stubs[name].odeint = None  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("k_diffusion_part.sampling", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.update(stubs)
    try:
        spec.loader.exec_module(module)
    finally:
        for name in stubs:
            del sys.modules[name]
    return module
