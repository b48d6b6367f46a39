"""Beta tables for ``DiscreteVP``: the noise schedules of published discrete diffusion models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from audiodiff.errors import AudiodiffError

Betas = tuple[float, ...]


def linear_betas(steps: int, start: float = 1e-4, end: float = 0.02) -> Betas:
    """Equally spaced betas (Ho et al. 2020)."""
    _check(steps, start, end)
    return tuple(start + (end - start) * n / (steps - 1) for n in range(steps))


def scaled_linear_betas(steps: int, start: float = 0.00085, end: float = 0.012) -> Betas:
    """Equally spaced square roots of beta (latent diffusion, Rombach et al. 2022)."""
    _check(steps, start, end)
    low, high = math.sqrt(start), math.sqrt(end)
    return tuple((low + (high - low) * n / (steps - 1)) ** 2 for n in range(steps))


def cosine_betas(steps: int, offset: float = 0.008, max_beta: float = 0.999) -> Betas:
    """Alpha-bar follows a squared cosine (Nichol & Dhariwal 2021, Eq. 17), beta capped at ``max_beta``."""
    _check(steps, max_beta, max_beta)

    def alpha_bar(u: float) -> float:
        return math.cos((u + offset) / (1.0 + offset) * math.pi / 2.0) ** 2

    return tuple(min(1.0 - alpha_bar((n + 1) / steps) / alpha_bar(n / steps), max_beta) for n in range(steps))


def zero_terminal_snr(betas: Sequence[float]) -> Betas:
    """The table rescaled so that nothing of the data is left at its last step (Lin et al. 2023, Algorithm 1).

    The square root of alpha-bar is shifted and scaled: its first value stays and its last becomes 0,
    so the last beta is 1.

    Raises:
        AudiodiffError: fewer than two betas, or one outside (0, 1).
    """
    if len(betas) < 2 or not all(0.0 < beta < 1.0 for beta in betas):
        raise AudiodiffError("zero_terminal_snr needs at least two betas strictly between 0 and 1; check the table.")
    roots = []
    log_alpha_bar = 0.0
    for beta in betas:
        log_alpha_bar += math.log1p(-beta)
        roots.append(math.exp(0.5 * log_alpha_bar))
    first, last = roots[0], roots[-1]
    bars = [((root - last) * first / (first - last)) ** 2 for root in roots[:-1]] + [0.0]
    return tuple(1.0 - now / before for before, now in zip([1.0, *bars], bars, strict=False))


BETA_SCHEDULES: Final[dict[str, Callable[[], Betas]]] = {
    "ddpm": lambda: linear_betas(1000),
    "latent_diffusion": lambda: scaled_linear_betas(1000),
    "cosine": lambda: cosine_betas(1000),
    "diffwave": lambda: linear_betas(50, 1e-4, 0.05),
    "diffwave_fast_6": lambda: (1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5),
    "wavegrad": lambda: linear_betas(1000, 1e-6, 0.01),
    "priorgrad_fast_12": lambda: (1e-4, 5e-4, 8e-4, 1e-3, 5e-3, 8e-3, 1e-2, 5e-2, 8e-2, 0.1, 0.2, 0.5),
    "fastdiff": lambda: linear_betas(1000, 1e-6, 0.01),
    "fastdiff_fast_3": lambda: (9.0e-5, 9.0e-3, 6.0e-1),
    "fastdiff_fast_4": lambda: (3.2176e-4, 2.5743e-3, 2.5376e-2, 7.0414e-1),
    "fastdiff_fast_6": lambda: (1.7838e-6, 2.7984e-5, 4.3231e-4, 6.6343e-3, 9.3570e-2, 6.0e-1),
    "fastdiff_fast_8": lambda: (
        6.6893e-7,
        1.00339e-5,
        1.549685e-4,
        2.387222e-3,
        3.559763e-2,
        3.681158e-1,
        4.735414e-1,
        5.0e-1,
    ),
}
"""Name -> function that makes the table. ``*_fast_N`` are sampling schedules: give them to ``times.betas_grid``."""


def beta_schedule(name: str) -> Betas:
    """The table called ``name`` in ``BETA_SCHEDULES``.

    Raises:
        AudiodiffError: no such table.
    """
    if name not in BETA_SCHEDULES:
        raise AudiodiffError(f"unknown beta schedule {name!r}; expected one of {', '.join(BETA_SCHEDULES)}.")
    return BETA_SCHEDULES[name]()


def _check(steps: int, start: float, end: float) -> None:
    if steps < 2 or not 0.0 < start < 1.0 or not 0.0 < end < 1.0:
        raise AudiodiffError(
            f"a beta table needs at least two steps and betas between 0 and 1, got steps={steps}, {start}, {end}."
        )
