"""Steppers, each a pure function of one step, and the one loop that runs them.

A stepper moves the state from ``t`` to ``s < t`` and gets everything it remembers handed in as ``carry``, so a step can
be run and tested alone. Where ``s = 0`` all but ``adams_pc`` return ``x0_hat`` itself. ``lambda`` below is half of
log-SNR: ``log(alpha / sigma)``, the variable of the DPM-Solver papers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, cast

import torch
from torch import Tensor

from audiodiff.diffusion.names import sampler_name
from audiodiff.diffusion.process import Process
from audiodiff.diffusion.times import check_grid
from audiodiff.errors import AudiodiffError
from audiodiff.torch_state import standard_state

Denoise = Callable[[Tensor, Tensor], Tensor]
"""``denoise(x, t)`` -> ``x0_hat``; ``t`` is ``[batch]``."""

Noise = Callable[[int], Tensor]
"""``noise(draw)`` -> unit normal noise like ``x``; different for every draw."""

OnStep = Callable[[int, int, Tensor], None]
"""``on_step(index, total, x0_hat)`` after step ``index`` (from 0) of ``total``; what it raises stops the sampling."""


class Level(NamedTuple):
    """The process at one time, as plain numbers: what multiplies a float32 state is computed in float64."""

    alpha: float
    sigma: float
    lam: float


class Past(NamedTuple):
    """One earlier estimate, and the level at which it was made."""

    level: Level
    x0_hat: Tensor


@dataclass(frozen=True)
class Carry:
    """What a multistep stepper remembers.

    Attributes:
        past: earlier estimates, newest first.
        x: the state at ``past[0]`` after correction (predictor-corrector steppers only).
        order: how many estimates the last prediction used (predictor-corrector steppers only).
    """

    past: tuple[Past, ...] = ()
    x: Tensor | None = None
    order: int = 1


class StepResult(NamedTuple):
    """The state at ``s``, the estimate made at ``t``, and the memory for the next step (None where there is none)."""

    x_s: Tensor
    x0_hat: Tensor
    carry: Carry | None


Step = Callable[[Denoise, Process, Tensor, Tensor, Tensor, Carry | None, Noise | None], StepResult]
"""``step(denoise, process, x, t, s, carry, noise)``; ``t``, ``s``: float64 scalars; the first ``carry`` is None."""


def _level(process: Process, t: Tensor) -> Level:
    return Level(float(process.alpha(t)), float(process.sigma(t)), 0.5 * float(process.log_snr(t)))


def _estimate(denoise: Denoise, x: Tensor, t: Tensor) -> Tensor:
    return denoise(x, t.reshape(1).expand(x.shape[0]))


def _draw(noise: Noise | None) -> Tensor:
    if noise is None:
        raise AudiodiffError("this sampler adds noise at every step: pass noise=, a function from draw index to noise.")
    return noise(0)


def ddim(eta: float = 0.0) -> Step:
    """DDIM (Song et al. 2021, Eq. 12): first order in lambda, one call.

    Args:
        eta: 0 is deterministic, 1 is DDPM's ancestral sampling.
    """
    if not 0.0 <= eta <= 1.0:
        raise AudiodiffError(f"eta of ddim must be between 0 (deterministic) and 1 (ancestral), got {eta}.")

    def ddim_step(
        denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
    ) -> StepResult:
        x0_hat = _estimate(denoise, x, t)
        at, to = _level(process, t), _level(process, s)
        if to.sigma == 0.0:
            return StepResult(x0_hat, x0_hat, None)
        kept = at.alpha * to.sigma / (at.sigma * to.alpha)
        fresh = eta * to.sigma * math.sqrt(max(1.0 - kept**2, 0.0))
        noise_hat = (x - at.alpha * x0_hat) / at.sigma
        x_s = to.alpha * x0_hat + math.sqrt(to.sigma**2 - fresh**2) * noise_hat
        if eta > 0.0:
            x_s = x_s + fresh * _draw(noise)
        return StepResult(x_s, x0_hat, None)

    return ddim_step


def ddpm(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """Ancestral sampling: a draw from ``q(x_s | x_t, x0_hat)`` (Ho et al. 2020, Eq. 6 and 7, the smaller variance)."""
    x0_hat = _estimate(denoise, x, t)
    at, to = _level(process, t), _level(process, s)
    if to.sigma == 0.0:
        return StepResult(x0_hat, x0_hat, None)
    ratio = at.alpha / to.alpha
    added = at.sigma**2 - (ratio * to.sigma) ** 2
    mean = (ratio * to.sigma**2 * x + to.alpha * added * x0_hat) / at.sigma**2
    return StepResult(mean + math.sqrt(max(added, 0.0)) * to.sigma / at.sigma * _draw(noise), x0_hat, None)


def _velocity(process: Process, x: Tensor, x0_hat: Tensor, t: Tensor, other_end: Tensor) -> Tensor:
    """``dx_t/dt = alpha_dot * x_0 + sigma_dot * noise`` at the end ``t`` of a step."""
    # derivatives of a beta table jump at its steps: the one that counts is that inside the step
    inside = torch.lerp(t, other_end, 1e-9)
    at = _level(process, t)
    noise_hat = (x - at.alpha * x0_hat) / at.sigma
    return float(process.alpha_dot(inside)) * x0_hat + float(process.sigma_dot(inside)) * noise_hat


def euler(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """Euler on ``dx/dt``: first order in ``t``, one call.

    Equal to ``ddim()`` only where alpha and sigma are linear in ``t`` (RectifiedFlow, VarianceExploding).
    """
    x0_hat = _estimate(denoise, x, t)
    if float(s) == 0.0:
        return StepResult(x0_hat, x0_hat, None)
    return StepResult(x + float(s - t) * _velocity(process, x, x0_hat, t, s), x0_hat, None)


def heun(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """Heun on ``dx/dt`` (Karras et al. 2022, Algorithm 1): second order in ``t``, two calls (one in the last step)."""
    x0_hat = _estimate(denoise, x, t)
    if float(s) == 0.0:
        return StepResult(x0_hat, x0_hat, None)
    h = float(s - t)
    slope = _velocity(process, x, x0_hat, t, s)
    x_euler = x + h * slope
    slope_s = _velocity(process, x_euler, _estimate(denoise, x_euler, s), s, t)
    return StepResult(x + 0.5 * h * (slope + slope_s), x0_hat, None)


def dpmpp_2m(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """DPM-Solver++(2M) (Lu et al. 2022b, Algorithm 2): second order in lambda, one call.

    First order in the first step, and after a step from ``alpha = 0``, where lambda is infinite.
    """
    x0_hat = _estimate(denoise, x, t)
    at, to = _level(process, t), _level(process, s)
    carry_s = Carry((Past(at, x0_hat),))
    if to.sigma == 0.0:
        return StepResult(x0_hat, x0_hat, carry_s)
    extrapolated = x0_hat
    if carry is not None and carry.past:
        before = carry.past[0]
        step_ratio = (at.lam - before.level.lam) / (to.lam - at.lam)
        extrapolated = x0_hat + (x0_hat - before.x0_hat) / (2.0 * step_ratio)
    kept = to.sigma / at.sigma
    # alpha_s - alpha_t * sigma_s / sigma_t is -alpha_s * expm1(-h), finite where alpha_t = 0
    return StepResult(kept * x + (to.alpha - at.alpha * kept) * extrapolated, x0_hat, carry_s)


def dpmpp_2m_sde(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """SDE-DPM-Solver++(2M), midpoint form (Lu et al. 2022b, Section 5): ``dpmpp_2m`` with as much noise as the SDE."""
    x0_hat = _estimate(denoise, x, t)
    at, to = _level(process, t), _level(process, s)
    carry_s = Carry((Past(at, x0_hat),))
    if to.sigma == 0.0:
        return StepResult(x0_hat, x0_hat, carry_s)
    h = to.lam - at.lam
    extrapolated = x0_hat
    if carry is not None and carry.past:
        before = carry.past[0]
        step_ratio = (at.lam - before.level.lam) / h
        extrapolated = x0_hat + (x0_hat - before.x0_hat) / (2.0 * step_ratio)
    kept = to.sigma / at.sigma * math.exp(-h)
    data = -to.alpha * math.expm1(-2.0 * h)
    fresh = to.sigma * math.sqrt(-math.expm1(-2.0 * h))
    return StepResult(kept * x + data * extrapolated + fresh * _draw(noise), x0_hat, carry_s)


def unipc(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """UniPC of order 2 with ``B(h) = exp(h) - 1`` (Zhao et al. 2023): predictor and corrector for one call a step.

    The call at ``t`` first corrects the state that the last step predicted there, then predicts the next one.
    """
    x0_hat = _estimate(denoise, x, t)
    at, to = _level(process, t), _level(process, s)
    past = carry.past if carry is not None else ()
    if carry is not None and carry.x is not None and math.isfinite(past[0].level.lam):
        x = _corrected(carry, x0_hat, at)
    if to.sigma == 0.0:
        return StepResult(x0_hat, x0_hat, Carry((Past(at, x0_hat), *past[:1]), x, 1))
    h = to.lam - at.lam
    order = 2 if past and math.isfinite(past[0].level.lam) else 1
    extrapolated = x0_hat
    if order == 2:
        # the paper's choice of weight 1/2 in the second-order predictor makes it dpmpp_2m
        extrapolated = x0_hat + 0.5 * h / (at.lam - past[0].level.lam) * (x0_hat - past[0].x0_hat)
    kept = to.sigma / at.sigma
    x_s = kept * x + (to.alpha - at.alpha * kept) * extrapolated
    return StepResult(x_s, x0_hat, Carry((Past(at, x0_hat), *past[:1]), x, order))


def _corrected(carry: Carry, x0_hat: Tensor, at: Level) -> Tensor:
    """UniC: redo the last step, to ``at``, with the estimate that was made at its end (Zhao et al. 2023, Eq. 5)."""
    assert carry.x is not None
    last, newest = carry.past[0]
    h = at.lam - last.lam
    ahead = x0_hat - newest
    if carry.order == 1:
        correction = 0.5 * ahead
    else:
        # the parabola through three estimates, integrated exactly: w_older + w_ahead = b_1, r w_older + w_ahead = b_2
        older = carry.past[1]
        r = (older.level.lam - last.lam) / h
        b_1 = -1.0 / h - 1.0 / math.expm1(-h)
        b_2 = (2.0 / h**2 * (math.expm1(-h) + h) - 1.0) / math.expm1(-h)
        w_older = (b_1 - b_2) / (1.0 - r)
        correction = w_older / r * (older.x0_hat - newest) + (b_1 - w_older) * ahead
    kept = at.sigma / last.sigma
    return kept * carry.x + (at.alpha - last.alpha * kept) * (newest + correction)


def adams_pc(scale: float = 0.25) -> Step:
    """Adams predictor-corrector of third order in the share of data in the state, one call a step.

    The exact solution from ``t`` to ``s`` is ``sigma_s / sigma_t * x + sigma_s * integral of x0_hat dq`` over
    ``q = alpha / sigma``. The DPM-Solver family takes ``x0_hat`` for a polynomial in ``lambda``, which is infinite at
    both ends. Here it is a polynomial in ``u = scale * q / sqrt(1 + (scale * q)^2)``, which runs from 0 (noise) to 1
    (data): on Gaussian data of standard deviation ``scale`` it is exactly linear in ``u`` along every path. Nothing is
    infinite, so the first step from ``alpha = 0`` counts as history and the last step extrapolates to clean data.
    As in UniPC, the call at ``t`` first corrects the state that was predicted there.

    Args:
        scale: the ``sigma / alpha`` at which the details of the data are decided; half the standard deviation of the
            data is a good choice, and 0.25 suits data scaled to 0.5. Goes with ``angle_grid`` of the same scale.
    """
    if not 0.0 < scale < math.inf:
        raise AudiodiffError(
            f"the scale of adams_pc must be positive, about half the standard deviation of the data, got {scale}."
        )

    def adams_pc_step(
        denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
    ) -> StepResult:
        x0_hat = _estimate(denoise, x, t)
        newest = Past(_level(process, t), x0_hat)
        past = carry.past if carry is not None else ()
        if carry is not None and carry.x is not None:
            x = _adams_move(carry.x, past[0].level, newest.level, (newest, *past[:2]), scale)
        known = (newest, *past[:1])
        x_s = _adams_move(x, newest.level, _level(process, s), known, scale)
        return StepResult(x_s, x0_hat, Carry(known, x, len(known)))

    return adams_pc_step


def _adams_move(x: Tensor, at: Level, to: Level, known: tuple[Past, ...], scale: float) -> Tensor:
    """Integrate the polynomial in ``u`` through ``known`` from ``at`` to ``to``."""

    # u = tanh(p), q = sinh(p) / scale: smooth and finite from pure noise (p = 0) on
    def position(level: Level) -> float:
        return math.asinh(scale * level.alpha / level.sigma) if level.sigma > 0.0 else math.inf

    nodes = [math.tanh(position(past.level)) for past in known]

    def basis(u: float) -> list[float]:
        return [
            math.prod((u - other) / (node - other) for k, other in enumerate(nodes) if k != j)
            for j, node in enumerate(nodes)
        ]

    if to.sigma == 0.0:
        weights = basis(1.0)
        return sum((w * past.x0_hat for w, past in zip(weights, known, strict=True)), torch.zeros_like(x))
    low, high = position(at), position(to)
    middle, half = 0.5 * (high + low), 0.5 * (high - low)
    weights = [0.0] * len(known)
    for abscissa, weight in _gauss_legendre():
        p = middle + half * abscissa
        dq = half * weight * math.cosh(p) / scale
        for j, value in enumerate(basis(math.tanh(p))):
            weights[j] += to.sigma * dq * value
    return sum((w * past.x0_hat for w, past in zip(weights, known, strict=True)), to.sigma / at.sigma * x)


@lru_cache(maxsize=1)
def _gauss_legendre(points: int = 20) -> tuple[tuple[float, float], ...]:
    """Abscissas and weights on [-1, 1], from the eigenvectors of the Jacobi matrix (Golub & Welsch 1969)."""
    k = torch.arange(1, points, dtype=torch.float64, device="cpu")
    side = torch.diag(k / torch.sqrt(4.0 * k**2 - 1.0), 1)
    abscissas, vectors = torch.linalg.eigh(side + side.T)
    return tuple((float(a), 2.0 * float(v) ** 2) for a, v in zip(abscissas, vectors[0], strict=True))


def consistency(
    denoise: Denoise, process: Process, x: Tensor, t: Tensor, s: Tensor, carry: Carry | None, noise: Noise | None
) -> StepResult:
    """Denoise, then add fresh noise of level ``s`` (Song et al. 2023, Algorithm 1): for consistency networks."""
    x0_hat = _estimate(denoise, x, t)
    to = _level(process, s)
    if to.sigma == 0.0:
        return StepResult(x0_hat, x0_hat, None)
    return StepResult(to.alpha * x0_hat + to.sigma * _draw(noise), x0_hat, None)


SAMPLERS: Final[dict[str, Callable[[], Step]]] = {
    "ddpm": lambda: ddpm,
    "ddim": ddim,
    "euler": lambda: euler,
    "heun": lambda: heun,
    "dpmpp_2m": lambda: dpmpp_2m,
    "dpmpp_2m_sde": lambda: dpmpp_2m_sde,
    "unipc": lambda: unipc,
    "adams_pc": adams_pc,
    "consistency": lambda: consistency,
}
"""Name -> function that makes the stepper with its default settings."""

STOCHASTIC_SAMPLERS: Final[frozenset[str]] = frozenset({"ddpm", "dpmpp_2m_sde", "consistency"})
"""The names in ``SAMPLERS`` whose steppers need ``noise``."""


def sample(
    step: Step | Callable[[], Step] | str,
    denoise: Denoise,
    process: Process,
    x: Tensor,
    times: Tensor,
    noise: Noise | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Run ``step`` along a grid: from ``x`` at ``times[0]`` to clean data at ``times[-1] = 0``.

    Args:
        step: a name of ``SAMPLERS`` or the function of that name; ``ddim`` and ``adams_pc`` may be given settings.
        denoise: ``denoise(x, t [batch])`` -> ``x0_hat``.
        process: the law of ``x_t``.
        x: state at ``times[0]``, ``[batch, ...]``; usually ``process.prior(noise)``.
        times: decreasing ``[steps + 1]``, see ``times.py``.
        noise: draws for stochastic steppers. Step ``i`` (from 0) uses draw ``i + 1``: draw 0 is left for the prior.
        on_step: see ``OnStep``.

    Raises:
        AudiodiffError: a bad grid, no sampler, or a stochastic stepper without ``noise``.
    """
    stepper = _stepper(step)
    times = times.detach().to(device="cpu").to(dtype=torch.float64)
    check_grid(process, times)
    total = len(times) - 1
    carry: Carry | None = None
    # On devices of the caller, whose denoiser may count on the default one.
    with standard_state(device=False):
        for index in range(total):
            step_noise = None if noise is None else _numbered(noise, index + 1, total)
            x, x0_hat, carry = stepper(denoise, process, x, times[index], times[index + 1], carry, step_noise)
            if on_step is not None:
                on_step(index, total, x0_hat)
    return x


def _stepper(step: Step | Callable[[], Step] | str) -> Step:
    if isinstance(step, str):
        name = sampler_name(step)
        if name not in SAMPLERS:
            raise AudiodiffError(f"sampler {step!r} is unknown; choose one of {', '.join(SAMPLERS)}.")
        return SAMPLERS[name]()
    if step is ddim or step is adams_pc:
        return SAMPLERS[step.__name__]()  # with its usual settings
    if not callable(step):
        raise AudiodiffError(f"the sampler is {step!r}; give a name or a function of audiodiff.diffusion.SAMPLERS.")
    return cast("Step", step)


def _numbered(noise: Noise, first: int, stride: int) -> Noise:
    """The draws of one step: ``first``, ``first + stride``, ..."""
    return lambda draw: noise(first + draw * stride)
