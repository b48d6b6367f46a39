"""How to sample, and the settings that hold it: what the command line, Python and the demo share. Imports no torch.

`Sampling` is what was asked for, where `None` leaves a value to the model; `Resolved` is what is done, where nothing is
`None`. One is made of the other once, where a command begins.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from audiodiff.diffusion.names import SAMPLER_NAMES, grid_name, listed_times, sampler_name, times_text
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.text.chords import AUTO_CHORDS, BEATS_PER_BAR, parse_chords

Precision = Literal["fp32", "bf16"]
Level = Literal["match", "keep"]
AudioLevel = Literal["streaming", "limit", "peak", "loudness", "none"]
Settings = TypeVar("Settings")

MAX_STEPS = 10_000
MAX_SEED = 2**63 - 1
MAX_TIME = 1e6
MAX_SECONDS = 600.0
MIN_SECONDS = 0.5
MAX_BARS = 256

SEARCHED = "searched"
"""Key of what a checkpoint recommends that holds the times of a few steps (`FewSteps`)."""

RECOMMENDED = ("steps", "sampler", "grid", "precision")
GUIDED = (*RECOMMENDED, "guidance", "rescale", "guidance_hold")
"""What the checkpoint of a model without and with guidance may recommend."""


@dataclass(frozen=True)
class FewSteps:
    """Times of a few steps that were searched for a model (`audiodiff search-schedule`).

    Attributes:
        sampler: that they were searched for.
        times: one for each step, decreasing from pure noise; the 0 at the end is left out.
    """

    sampler: str
    times: tuple[float, ...]

    @property
    def grid(self) -> str:
        """The times as a grid of `Sampling`."""
        return times_text(self.times)


@dataclass(frozen=True)
class Resolved:
    """How a model samples: `Sampling` with every value filled in.

    Attributes:
        steps: sampling steps.
        sampler: one of `SAMPLER_NAMES`.
        grid: one of `GRID_NAMES`, or times such as "1,0.6,0.3".
        precision: what the networks compute in; the sampler always keeps float32.
        seed: of the noise.
        guidance: scale of classifier-free guidance; 1 is none.
        rescale: how far guidance is kept from raising the contrast, 0 to 1.
        guidance_hold: process time for which the change that guidance makes is used again.
        searched: of what a model recommends, the times of some numbers of steps; `Sampling.resolve` picks from them,
            and leaves none.
    """

    steps: int
    sampler: str
    grid: str
    precision: Precision = "fp32"
    seed: int = 0
    guidance: float = 1.0
    rescale: float = 0.0
    guidance_hold: float = 0.0
    searched: tuple[FewSteps, ...] = ()

    def __post_init__(self) -> None:
        """Take an alias of a sampler for its name."""
        object.__setattr__(self, "sampler", sampler_name(self.sampler))


@dataclass(frozen=True)
class Sampling:
    """How to sample; `None` means what the model recommends.

    Attributes:
        steps: sampling steps, 1 or more.
        sampler: the sampler, one of `SAMPLER_NAMES`.
        grid: spacing of the steps, one of `GRID_NAMES`, or falling times such as 1,0.6,0.3, one for each step. When
            `None`, the times that the model has for so many steps, or else its recommendation.
        precision: arithmetic of the networks. The sampler always keeps float32.
        seed: seed of the noise, of the first clip if there are several.
        guidance: how closely to follow the prompt, 1 for none. It is the scale of classifier-free guidance.
        rescale: how far guidance is kept from raising the contrast, 0 to 1.
        guidance_hold: process time for which the change that guidance makes is used again, which saves work; 0 finds
            it anew at every step.
    """

    steps: int | None = None
    sampler: str | None = None
    grid: str | None = None
    precision: Precision | None = None
    seed: int = 0
    guidance: float | None = None
    rescale: float | None = None
    guidance_hold: float | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        make_plain(self)
        check_whole("steps", self.steps)
        if not (isinstance(self.seed, int) and 0 <= self.seed <= MAX_SEED):
            raise AudiodiffError(f"seed is {self.seed!r}; it must be a whole number from 0 to {MAX_SEED}.")
        if isinstance(self.sampler, str):
            object.__setattr__(self, "sampler", sampler_name(self.sampler))
        check_name("sampler", self.sampler, SAMPLER_NAMES)
        self._check_grid()
        check_name("precision", self.precision, get_args(Precision))
        check_range("guidance", self.guidance, 0.0, 100.0, "(1 means none)")
        check_range("rescale", self.rescale, 0.0, 1.0, "(0 means off)")
        check_range("guidance_hold", self.guidance_hold, 0.0, MAX_TIME, "(0 means off)")

    def _check_grid(self) -> None:
        if self.grid is None:
            return
        if not isinstance(self.grid, str):
            raise AudiodiffError(f"grid is {self.grid!r}; it must be text.")
        object.__setattr__(self, "grid", grid_name(self.grid))
        times = listed_times(self.grid)
        if times is not None and self.steps not in (None, len(times)):
            raise AudiodiffError(
                f"the grid {self.grid} is of {len(times)} step{'' if len(times) == 1 else 's'}, and {self.steps} are "
                "asked for; leave out the steps, or give as many times."
            )

    @classmethod
    def from_metadata(
        cls,
        metadata: Mapping[str, Any],
        folder: Path,
        *,
        known: tuple[str, ...] = RECOMMENDED,
        others: tuple[str, ...] = (),
    ) -> Self:
        """Read what a checkpoint recommends: the table `sampling` of its metadata.

        Args:
            metadata: of the checkpoint.
            folder: where it is, for messages.
            known: fields that a model of its kind may recommend.
            others: keys of the same table that are read elsewhere.

        Raises:
            AudiodiffError: an unknown key, or a value that is out of range.
        """
        table = metadata.get("sampling", {})
        names = (*known, *others, SEARCHED)
        unknown = sorted(set(table) - set(names)) if isinstance(table, dict) else ["sampling"]
        if unknown:
            raise AudiodiffError(
                f'the config of {folder} has an unknown sampling key "{unknown[0]}"; known: {", ".join(names)}.'
            )
        with recommended_by(folder):
            found = cls(**{name: table[name] for name in known if name in table})
            if found.grid is not None and listed_times(found.grid) is not None:
                raise AudiodiffError(f'the grid {found.grid} is for one number of steps; list it under "{SEARCHED}".')
            return found

    def resolve(self, recommended: Resolved) -> Resolved:
        """Fill in what a model recommends: for the number of steps the times that were searched, if there are some."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        times = None if self.grid is None else listed_times(self.grid)
        if times is not None:
            given["steps"] = len(times)
        filled = replace(recommended, **{name: value for name, value in given.items() if value is not None})
        if self.grid is None:
            for few in recommended.searched:
                if len(few.times) == filled.steps and self.sampler in (None, few.sampler):
                    filled = replace(filled, sampler=few.sampler, grid=few.grid)
                    break
        return replace(filled, searched=())


def with_searched(recommended: Resolved, metadata: Mapping[str, Any], folder: Path) -> Resolved:
    """Add the times of a few steps that a checkpoint has: `searched` in the table `sampling` of its metadata.

    Raises:
        AudiodiffError: they are no such times.
    """
    given = metadata.get("sampling", {}).get(SEARCHED, [])
    with recommended_by(folder):
        if not isinstance(given, list) or not all(
            isinstance(each, dict)
            and set(each) == {"sampler", "times"}
            and isinstance(each["sampler"], str)
            and isinstance(each["times"], list)
            and all(type(time) in {int, float} and abs(time) < MAX_TIME for time in each["times"])
            for each in given
        ):
            raise AudiodiffError(f'"{SEARCHED}" is no list of tables, each with a sampler and its times.')
        found = []
        for each in given:
            chosen = Sampling(sampler=each["sampler"], grid=times_text(each["times"]))
            found.append(FewSteps(chosen.sampler or "", listed_times(chosen.grid or "") or ()))
    return replace(recommended, searched=tuple(found))


@contextmanager
def recommended_by(folder: Path) -> Iterator[None]:
    """Say of every error inside that it is in the recommendations of a checkpoint."""
    try:
        yield
    except AudiodiffError as error:
        raise AudiodiffError(f"the config of {folder} recommends what does not exist: {error}") from error


@dataclass(frozen=True)
class VocodeSettings:
    """Settings of one vocoding run.

    Attributes:
        sampling: how to sample; channel k of a recording has a seed of its own, made from that.
        level: `match` brings the mel to the loudness that the model was trained at and takes the gain out of the
            waveform again; `keep` leaves the mel as it is.
        window_seconds: seconds of new audio per window; the output does not depend on it (within 1e-4), memory does.
            The model's own when `None`.
    """

    sampling: Sampling = field(default_factory=Sampling)
    level: Level = "match"
    window_seconds: float | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        make_plain(self)
        check_unguided(self.sampling)
        check_name("level", self.level, get_args(Level))
        seconds = self.window_seconds
        if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0.0):
            raise AudiodiffError(f"window_seconds is {seconds!r}; it must be a number above 0 (or math.inf).")


@dataclass(frozen=True)
class GenerateSettings:
    """Settings of one generated clip.

    Attributes:
        prompt: what to hear, in the syntax of `audiodiff.text.prompt`; empty for anything.
        negative: what to avoid.
        seconds: length of the clip (s).
        sampling: how to sample.
        guidance_interval: guide only at these process times, low and high; everywhere when `None`.
        tempo: beats per minute; read from the prompt ("106 bpm") when `None`.
        key: such as "F# minor"; read from the prompt when empty.
        chords: such as "Am F C G", one word for each bar of four beats, over and over; commas divide a bar ("Am,F C").
            Without a tempo they change at 100 beats per minute. "auto" draws a usual progression in the key, as a new
            clip in a key does where this is empty and the model takes chords; "N.C." asks for none.
        source: kind of sound, such as "recorded" or "rendered". One of the model's classes of that name.
        level: `streaming` brings the clip to -16 LUFS with true peaks of at most -1 dBTP, `limit` only lowers peaks
            above these, `peak` brings it to -1 dBFS, `loudness` to -23 LUFS, `none` leaves it as it came.
        fade_out: seconds over which the clip fades out at its end.
        vocoder_steps: sampling steps of the vocoder; its own recommendation when `None`.
        loop: the clip's end leads into its beginning.
        mono: mix the clip of a stereo model to one channel; those of mono models have one already.
        bars: length of a loop in bars of four beats, at exactly the tempo asked for, instead of `seconds`; as many as
            come next to `seconds` when `None` and there is a tempo. Bars make a loop; 0 is a whole number of latents.
        variety: how far the takes of a prompt are to differ, 0 to 1. More of it takes more of the guidance away.
        prior: draw an idea from the prompt first, by the model's prior. Takes that share it are variations of it.
        idea: seed of that idea, to go back to one of before; that of the clip when `None`.
    """

    prompt: str = ""
    negative: str = ""
    seconds: float = 10.0
    sampling: Sampling = field(default_factory=Sampling)
    guidance_interval: tuple[float, float] | None = None
    tempo: float | None = None
    key: str = ""
    chords: str = ""
    source: str = ""
    level: AudioLevel = "streaming"
    fade_out: float = 0.0
    vocoder_steps: int | None = None
    loop: bool = False
    mono: bool = False
    bars: int | None = None
    variety: float = 0.0
    prior: bool = False
    idea: int | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range or names something unknown.
        """
        make_plain(self)
        check_sampling(self.sampling)
        for name in ("prompt", "negative", "key", "chords", "source"):
            if not isinstance(getattr(self, name), str):
                raise AudiodiffError(f"{name} is {getattr(self, name)!r}; it must be text.")
        check_whole("vocoder_steps", self.vocoder_steps)
        for name in ("loop", "mono", "prior"):
            check_switch(name, getattr(self, name))
        check_name("level", self.level, get_args(AudioLevel))
        check_range("seconds", self.seconds, MIN_SECONDS, MAX_SECONDS, "s")
        check_bars(self.bars, 0)
        if self.chords != AUTO_CHORDS:
            parse_chords(self.chords)
        check_whole("idea", self.idea, 0, MAX_SEED)
        for name, implied in (("loop", self.bars), ("prior", self.idea is not None)):
            if implied:
                object.__setattr__(self, name, True)
        check_range("fade_out", self.fade_out, 0.0, MAX_SECONDS, "s")
        check_range("variety", self.variety, 0.0, 1.0, "(0 means off)")
        if self.loop and self.fade_out > 0.0:
            raise AudiodiffError("a loop has no end that could fade out; leave out loop or fade_out.")
        check_tempo(self.tempo)
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
            object.__setattr__(self, "guidance_interval", tuple(pair))


HELD = (Sampling, VocodeSettings, GenerateSettings)
"""Settings that other settings hold in a field."""


def values_of(settings: Any) -> dict[str, Any]:
    """Return the values of settings by name, those of the settings that they hold among them.

    Of two that have one name the outer one counts.
    """
    own = {item.name: getattr(settings, item.name) for item in fields(settings)}
    inner = [values_of(value) for value in own.values() if isinstance(value, HELD)]
    plain = {name: value for name, value in own.items() if not isinstance(value, HELD)}
    return {name: value for values in (*inner, plain) for name, value in values.items()}


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return settings with other values, each found by its name as `values_of` gives them.

    Raises:
        AudiodiffError: a name is unknown, or a value is out of range.
    """
    unknown = sorted(set(values) - set(values_of(settings)))
    if unknown:
        raise AudiodiffError(f"there is no setting {unknown[0]!r}; known: {', '.join(values_of(settings))}.")
    own: dict[str, Any] = {}
    for item in fields(settings):  # type: ignore[arg-type]  # every caller has a dataclass
        inner = getattr(settings, item.name)
        if not isinstance(inner, HELD):
            own |= {item.name: values[item.name]} if item.name in values else {}
            continue
        hidden = {other.name for other in fields(settings)}  # type: ignore[arg-type]
        mine = {name: values[name] for name in values_of(inner) if name in values and name not in hidden}
        own |= {item.name: changed(inner, mine)} if mine else {}
    return replace(settings, **own)  # type: ignore[type-var]


def built(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Return settings of a class with the values given, each found by its name as `values_of` gives them.

    `None` leaves a value to its default.

    Raises:
        AudiodiffError: a value is missing, unknown or out of range.
    """
    given = {name: value for name, value in values.items() if value is not None}
    needed = [item.name for item in fields(kind) if item.default is item.default_factory is MISSING]  # type: ignore[arg-type]
    missing = [name for name in needed if name not in given]
    if missing:
        raise AudiodiffError(f"{missing[0]} is missing; give it.")
    return changed(kind(**{name: given[name] for name in needed}), given)


def with_given(settings: Settings, **values: Any) -> Settings:
    """Return settings with the values that are not `None` in the place of theirs."""
    return changed(settings, {name: value for name, value in values.items() if value is not None})


def check_range(what: str, value: float | None, low: float, high: float, unit: str) -> None:
    """Refuse a number that is out of range; `None` is none.

    Raises:
        AudiodiffError: it is, or is no number.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AudiodiffError(f"{what} is {value!r}; it must be a number from {low:g} to {high:g} {unit}.")


def check_switch(what: str, value: object) -> None:
    """Refuse what is neither true nor false.

    Raises:
        AudiodiffError: it is not.
    """
    if not isinstance(value, bool):
        raise AudiodiffError(f"{what} is {value!r}; it must be true or false.")


def check_name(what: str, name: str | None, known: tuple[str, ...]) -> None:
    """Refuse a name that is not among the known ones; `None` is none.

    Raises:
        AudiodiffError: it is not.
    """
    if name is not None and name not in known:
        raise AudiodiffError(f"{what} {name!r} is unknown; choose one of {', '.join(known)}.")


def check_whole(what: str, value: int | None, low: int = 1, high: int = MAX_STEPS) -> None:
    """Refuse a whole number that is out of range, which is that of steps if not given; `None` is none.

    Raises:
        AudiodiffError: it is.
    """
    if value is not None and not (isinstance(value, int) and low <= value <= high):
        raise AudiodiffError(f"{what} is {value!r}; it must be a whole number from {low} to {high}.")


def check_tempo(value: float | None) -> None:
    """Refuse a tempo that no music has; `None` is none.

    Raises:
        AudiodiffError: it is out of range.
    """
    check_range("tempo", value, 10.0, 400.0, "beats per minute")


def bar_seconds(tempo: float) -> float:
    """Length of a bar at a tempo in beats per minute (s)."""
    return 60.0 * BEATS_PER_BAR / tempo


def check_bars(value: int | None, least: int) -> None:
    """Refuse a number of bars that is out of range; `None` is none.

    Raises:
        AudiodiffError: it is.
    """
    if value is not None and not (type(value) is int and least <= value <= MAX_BARS):
        raise AudiodiffError(
            f"bars is {value!r}; it must be a whole number from {least} to {MAX_BARS}, such as 4 or 8."
        )


def check_sampling(sampling: Sampling) -> None:
    """Refuse what is no `Sampling`.

    Raises:
        AudiodiffError: it is something else.
    """
    if not isinstance(sampling, Sampling):
        raise AudiodiffError(f"sampling is {sampling!r}; it must be a Sampling.")


def check_unguided(sampling: Sampling) -> None:
    """Refuse guidance for a model that takes no prompt.

    Raises:
        AudiodiffError: there is some, or this is no `Sampling`.
    """
    check_sampling(sampling)
    if any(getattr(sampling, name) is not None for name in GUIDED if name not in RECOMMENDED):
        raise AudiodiffError(
            "guidance, rescale and guidance_hold are for models that take a prompt; leave them out here."
        )
