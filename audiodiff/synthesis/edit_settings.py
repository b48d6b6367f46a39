"""What to do with a recording: settings of each way to edit one. Imports no torch."""

import math
from dataclasses import dataclass, field, replace

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import MAX_SECONDS, GenerateSettings, check_range, make_plain

MIN_SECONDS_ADDED = 0.1
MIN_REGION_SECONDS = 0.02
MAX_CROSSFADE = 1.0


def _as_it_comes() -> GenerateSettings:
    return GenerateSettings(level="none")


@dataclass(frozen=True)
class VarySettings:
    """Settings of a variation.

    Attributes:
        clip: prompt, seed, sampler and the rest; its `seconds` are those of the recording. Its level "none" is as
            loud as the recording, or as loud as full scale allows. Its `loop` says that the recording is a loop, and
            is to stay one.
        strength: how much is new, from 0 (nothing) to 1 (everything). It is the share of noise in the state that
            denoising starts from.
    """

    clip: GenerateSettings = field(default_factory=_as_it_comes)
    strength: float = 0.4

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        _check_number("strength", self.strength, 0.0, 1.0, "(1 keeps nothing)")


@dataclass(frozen=True)
class InpaintSettings:
    """Settings of new sound inside a recording.

    Attributes:
        regions: what is replaced, as (start, stop) in seconds; all else is kept sample for sample. In order, and
            joined where they overlap.
        clip: prompt, seed, sampler and the rest; its `seconds` and `level` are those of the recording.
        strength: how much is new inside the regions, from 0 (nothing) to 1 (everything), as in `VarySettings`.
        crossfade: how long old and new fade into each other, inside the regions (s).
    """

    regions: tuple[tuple[float, float], ...]
    clip: GenerateSettings = field(default_factory=_as_it_comes)
    strength: float = 1.0
    crossfade: float = 0.05

    def __post_init__(self) -> None:
        """Check every field, and bring the regions in order.

        Raises:
            AudiodiffError: a field is out of range, or there is no region.
        """
        make_plain(self)
        _check_clip(self.clip)
        _check_number("strength", self.strength, 0.0, 1.0, "(1 keeps nothing of a region)")
        _check_number("crossfade", self.crossfade, 0.0, MAX_CROSSFADE, "s")
        if not isinstance(self.regions, tuple | list) or not self.regions:
            raise AudiodiffError("no region is given, so nothing would change; give a start and a stop in seconds.")
        joined: list[tuple[float, float]] = []
        for start, stop in sorted(_region(each) for each in self.regions):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        object.__setattr__(self, "regions", tuple(joined))


@dataclass(frozen=True)
class ExtendSettings:
    """Settings of a recording that goes on.

    Attributes:
        seconds: how much longer it becomes (s).
        clip: prompt, seed, sampler and the rest; its `seconds` and `level` are those of the recording.
        before: lead into the recording instead of following it.
        crossfade: how long the recording fades into the new sound, beyond its end (s). What fades is what it would have
            gone on with; the recording itself is kept sample for sample.
        trim: seconds to replace at the end that is extended, such as a fade; the only part that is not kept.
    """

    seconds: float = 10.0
    clip: GenerateSettings = field(default_factory=_as_it_comes)
    before: bool = False
    crossfade: float = 0.05
    trim: float = 0.0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        _check_clip(self.clip)
        _check_number("seconds", self.seconds, MIN_SECONDS_ADDED, MAX_SECONDS, "s")
        _check_number("crossfade", self.crossfade, 0.0, MAX_CROSSFADE, "s")
        _check_number("trim", self.trim, 0.0, MAX_SECONDS, "s")
        if not isinstance(self.before, bool):
            raise AudiodiffError(f"before is {self.before!r}; it must be true or false.")


@dataclass(frozen=True)
class InterpolateSettings:
    """Settings of one clip between two recordings, two prompts, or both.

    Attributes:
        position: 0 is the first, 1 the second.
        clip: seed, sampler and the rest, and the prompt, unless there are two. Between recordings its `seconds` are
            those of the shorter one.
        strength: how much of the recordings is new, from 0 (nothing) to 1 (everything), as in `VarySettings`.
        prompts: to go from one to the other; there is no other prompt then.
    """

    position: float
    clip: GenerateSettings = field(default_factory=GenerateSettings)
    strength: float = 0.5
    prompts: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        _check_clip(self.clip)
        _check_number("position", self.position, 0.0, 1.0, "(0 is the first, 1 the second)")
        _check_number("strength", self.strength, 0.0, 1.0, "(1 keeps nothing)")
        if self.prompts is not None and not (
            isinstance(self.prompts, tuple | list)
            and len(self.prompts) == 2
            and all(isinstance(prompt, str) for prompt in self.prompts)
        ):
            raise AudiodiffError(f"prompts is {self.prompts!r}; it must be two texts.")
        if self.prompts is not None and self.clip.prompt:
            # Nothing may be read from it, such as a tempo.
            object.__setattr__(self, "clip", replace(self.clip, prompt=""))


EditSettings = VarySettings | InpaintSettings | ExtendSettings | InterpolateSettings


def clip_of_edit(settings: EditSettings) -> GenerateSettings:
    """The clip that an edit asks for: without guidance, where nothing is asked for that it could be guided to.

    A recording tells by itself what fits; guidance would only double the work.
    """
    clip = settings.clip
    asked = any(word.strip() for word in (clip.prompt, clip.negative, clip.key, clip.source)) or clip.tempo is not None
    if asked or clip.sampling.guidance is not None or (isinstance(settings, InterpolateSettings) and settings.prompts):
        return clip
    return replace(clip, sampling=replace(clip.sampling, guidance=1.0))


def parse_region(text: str) -> tuple[float, float]:
    """Read a region such as "2:4" or "1:02.5:1:10": start and stop, each in seconds or as minutes:seconds.

    Raises:
        AudiodiffError: it is none.
    """
    parts = text.split(":")
    if len(parts) not in {2, 4}:
        raise AudiodiffError(f"region {text!r} cannot be read; write START:STOP in seconds, such as 2:4 or 0.5:1.25.")
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise AudiodiffError(
            f"region {text!r} cannot be read; write START:STOP in seconds, such as 2:4 or 0.5:1.25."
        ) from error
    if len(parts) == 4:
        numbers = [60.0 * numbers[0] + numbers[1], 60.0 * numbers[2] + numbers[3]]
    return _region((numbers[0], numbers[1]))


def _region(region: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(region, tuple | list) or len(region) != 2:
        raise AudiodiffError(f"region {region!r} is not a start and a stop in seconds.")
    start, stop = region
    for edge in region:
        if isinstance(edge, bool) or not isinstance(edge, int | float) or not math.isfinite(edge):
            raise AudiodiffError(f"region {start}:{stop} is not two numbers of seconds.")
    if start < 0.0:
        raise AudiodiffError(f"region {start:g}:{stop:g} begins before the recording; the earliest start is 0.")
    if stop - start < MIN_REGION_SECONDS:
        raise AudiodiffError(
            f"region {start:g}:{stop:g} is empty; its stop must be {MIN_REGION_SECONDS:g} s or more after its start."
        )
    return float(start), float(stop)


def _check_clip(clip: GenerateSettings) -> None:
    if clip.loop:
        raise AudiodiffError("loop makes a new clip that repeats; of edits, only a variation of a loop can be one.")


def _check_number(what: str, value: float, low: float, high: float, unit: str) -> None:
    if value is None:
        raise AudiodiffError(f"{what} is missing; it must be a number from {low:g} to {high:g} {unit}.")
    check_range(what, value, low, high, unit)
