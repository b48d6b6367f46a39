"""How to vocode: the one settings class that the command line, Python and the demo share. Imports no torch."""

import math
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from audiodiff.errors import AudiodiffError

SAMPLER_NAMES = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "arc", "consistency")
"""Names of the samplers, as in `audiodiff.diffusion.samplers.SAMPLERS` (which needs torch)."""

GRID_NAMES = ("uniform", "karras", "log_snr", "angle", "shifted", "late")
"""Names of the time grids, as in `audiodiff.diffusion.times.GRIDS` (which needs torch)."""

Precision = Literal["fp32", "bf16"]
Level = Literal["match", "keep"]

MAX_STEPS = 10_000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class VocodeSettings:
    """Settings of one vocoding run; `None` means what the model recommends.

    Attributes:
        steps: sampling steps, 1 or more.
        sampler: one of `SAMPLER_NAMES`.
        grid: one of `GRID_NAMES`.
        seed: seed of the noise, 0 or more; channel k of a recording has its own seed made from this one.
        precision: what the network computes in; the sampler always keeps float32.
        level: `match` brings the mel to the loudness that the model was trained at and takes the gain out of the
            waveform again; `keep` leaves the mel as it is.
        window_seconds: seconds of new audio per window; the output does not depend on it (within 1e-4), memory does.
    """

    steps: int | None = None
    sampler: str | None = None
    grid: str | None = None
    seed: int = 0
    precision: Precision | None = None
    level: Level = "match"
    window_seconds: float | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        if self.steps is not None and not (isinstance(self.steps, int) and 1 <= self.steps <= MAX_STEPS):
            raise AudiodiffError(f"steps is {self.steps!r}; it must be a whole number from 1 to {MAX_STEPS}.")
        if not (isinstance(self.seed, int) and 0 <= self.seed <= MAX_SEED):
            raise AudiodiffError(f"seed is {self.seed!r}; it must be a whole number from 0 to {MAX_SEED}.")
        _check_name("sampler", self.sampler, SAMPLER_NAMES)
        _check_name("grid", self.grid, GRID_NAMES)
        _check_name("precision", self.precision, get_args(Precision))
        _check_name("level", self.level, get_args(Level))
        if self.window_seconds is not None and not self.window_seconds > 0.0:
            raise AudiodiffError(f"window_seconds is {self.window_seconds!r}; it must be more than 0 (or math.inf).")
        if self.window_seconds is not None and math.isnan(self.window_seconds):
            raise AudiodiffError("window_seconds is not a number; give the seconds of audio per window.")

    def to_dict(self) -> dict[str, object]:
        """Return the settings as plain JSON values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def merge_settings(
    settings: VocodeSettings | None,
    *,
    steps: int | None = None,
    sampler: str | None = None,
    grid: str | None = None,
    seed: int | None = None,
) -> VocodeSettings:
    """Return `settings` (or the defaults) with the given fields replaced; `None` leaves a field alone."""
    merged = settings or VocodeSettings()
    if steps is not None:
        merged = replace(merged, steps=steps)
    if sampler is not None:
        merged = replace(merged, sampler=sampler)
    if grid is not None:
        merged = replace(merged, grid=grid)
    if seed is not None:
        merged = replace(merged, seed=seed)
    return merged


def _check_name(what: str, name: str | None, known: tuple[str, ...]) -> None:
    if name is not None and name not in known:
        raise AudiodiffError(f"{what} {name!r} is unknown; choose one of {', '.join(known)}.")
