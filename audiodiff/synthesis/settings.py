"""How to vocode: the one settings class that the command line, Python and the demo share. Imports no torch."""

import math
import numbers
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

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
        make_plain(self)
        _check_steps("steps", self.steps)
        _check_seed(self.seed)
        _check_name("sampler", self.sampler, SAMPLER_NAMES)
        _check_name("grid", self.grid, GRID_NAMES)
        _check_name("precision", self.precision, get_args(Precision))
        _check_name("level", self.level, get_args(Level))
        seconds = self.window_seconds
        if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0.0):
            raise AudiodiffError(f"window_seconds is {seconds!r}; it must be a number above 0 (or math.inf).")

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


AudioLevel = Literal["peak", "loudness", "none"]

MAX_SECONDS = 600.0
MIN_SECONDS = 0.5


@dataclass(frozen=True)
class GenerateSettings:
    """Settings of one generated clip; `None` means what the model recommends.

    Attributes:
        prompt: what to hear, in the syntax of `audiodiff.text.prompt`; empty for anything.
        negative: what to avoid.
        seconds: length of the clip (s).
        steps: sampling steps, 1 or more.
        sampler: one of `SAMPLER_NAMES`.
        grid: one of `GRID_NAMES`.
        guidance: scale of classifier-free guidance; 1 for none.
        rescale: how far guidance is kept from raising the contrast, 0 to 1.
        guidance_interval: guide only at these process times, low and high; everywhere when `None`.
        seed: seed of the noise, 0 or more.
        tempo: beats per minute; read from the prompt ("106 bpm") when `None`.
        key: such as "F# minor"; read from the prompt when empty.
        source: one of the model's classes of that name, such as "recorded" or "rendered".
        precision: what the networks compute in.
        level: `peak` brings the clip to -1 dBFS, `loudness` to -23 LUFS, `none` leaves it as it came.
        vocoder_steps: sampling steps of the vocoder.
        loop: the clip's end leads into its beginning; its length becomes a whole number of latents.
    """

    prompt: str = ""
    negative: str = ""
    seconds: float = 10.0
    steps: int | None = None
    sampler: str | None = None
    grid: str | None = None
    guidance: float | None = None
    rescale: float | None = None
    guidance_interval: tuple[float, float] | None = None
    seed: int = 0
    tempo: float | None = None
    key: str = ""
    source: str = ""
    precision: Precision | None = None
    level: AudioLevel = "peak"
    vocoder_steps: int | None = None
    loop: bool = False

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        make_plain(self)
        for name in ("prompt", "negative", "key", "source"):
            if not isinstance(getattr(self, name), str):
                raise AudiodiffError(f"{name} is {getattr(self, name)!r}; it must be text.")
        for name in ("steps", "vocoder_steps"):
            _check_steps(name, getattr(self, name))
        if not isinstance(self.loop, bool):
            raise AudiodiffError(f"loop is {self.loop!r}; it must be true or false.")
        _check_seed(self.seed)
        _check_name("sampler", self.sampler, SAMPLER_NAMES)
        _check_name("grid", self.grid, GRID_NAMES)
        _check_name("precision", self.precision, get_args(Precision))
        _check_name("level", self.level, get_args(AudioLevel))
        check_range("seconds", self.seconds, MIN_SECONDS, MAX_SECONDS, "s")
        check_range("guidance", self.guidance, 0.0, 100.0, "(1 means none)")
        check_range("rescale", self.rescale, 0.0, 1.0, "(0 means off)")
        check_range("tempo", self.tempo, 10.0, 400.0, "beats per minute")
        if self.guidance_interval is not None:
            pair = self.guidance_interval
            if not (
                isinstance(pair, tuple | list)
                and len(pair) == 2
                and all(isinstance(time, int | float) and math.isfinite(time) for time in pair)
                and 0.0 <= pair[0] <= pair[1]
            ):
                raise AudiodiffError(
                    f"guidance_interval is {pair!r}; it must be two process times, the lower one first."
                )

    def to_dict(self) -> dict[str, object]:
        """Return the settings as plain JSON values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def plain_number(value: Any) -> Any:
    """Return a number of NumPy, alone or in a tuple, as Python's own, and anything else as it is."""
    if isinstance(value, tuple | list):
        return type(value)(plain_number(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def make_plain(settings: Any) -> None:
    """Turn the numbers in the fields of a frozen dataclass into Python's own, which JSON can hold."""
    for item in fields(settings):
        object.__setattr__(settings, item.name, plain_number(getattr(settings, item.name)))


def check_range(what: str, value: float | None, low: float, high: float, unit: str) -> None:
    """Refuse a number that is out of range; `None` is none.

    Raises:
        AudiodiffError: it is, or is no number.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AudiodiffError(f"{what} is {value!r}; it must be a number from {low:g} to {high:g} {unit}.")


def _check_steps(what: str, value: int | None) -> None:
    if value is not None and not (isinstance(value, int) and 1 <= value <= MAX_STEPS):
        raise AudiodiffError(f"{what} is {value!r}; it must be a whole number from 1 to {MAX_STEPS}.")


def _check_seed(value: int) -> None:
    if not (isinstance(value, int) and 0 <= value <= MAX_SEED):
        raise AudiodiffError(f"seed is {value!r}; it must be a whole number from 0 to {MAX_SEED}.")
