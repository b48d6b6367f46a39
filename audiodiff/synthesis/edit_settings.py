"""What the settings of every edit have in common: the clip that is asked for. Imports no torch."""

from dataclasses import replace
from typing import Any, Protocol

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import GenerateSettings, check_range

MAX_CROSSFADE = 1.0


class EditSettings(Protocol):
    """Settings of an edit, a frozen dataclass."""

    @property
    def clip(self) -> GenerateSettings:
        """Prompt, seed, sampler and the rest."""


def as_it_comes() -> GenerateSettings:
    """Return a clip whose level is that of the recording that is edited, below -1 dBTP."""
    return GenerateSettings(level="limit")


def clip_of_edit(settings: EditSettings) -> GenerateSettings:
    """The clip that an edit asks for: without guidance, where nothing is asked for that it could be guided to.

    A recording tells by itself what fits; guidance would only double the work.

    Raises:
        AudiodiffError: there is variety, or an idea.
    """
    clip = settings.clip
    check_no_take(clip)
    asked = (
        any(word.strip() for word in (clip.prompt, clip.negative, clip.key, clip.chords, clip.source))
        or clip.tempo is not None
    )
    if asked or clip.sampling.guidance is not None:
        return clip
    return replace(clip, sampling=replace(clip.sampling, guidance=1.0))


def resolve_edit(synthesizer: Any, settings: EditSettings) -> Any:
    """Fill in what the model recommends.

    Raises:
        AudiodiffError: a setting does not fit the model.
    """
    return synthesizer.resolve(clip_of_edit(settings))


TAKES = ("variety", "prior", "idea")
"""Settings that are for takes of new clips alone, and hidden from edits."""


def check_no_take(clip: GenerateSettings) -> None:
    """Refuse what is for takes of new clips: variety, and ideas.

    Raises:
        AudiodiffError: there is some.
    """
    if clip.prior:
        raise AudiodiffError("prior and idea are for new clips; leave them out. What an edit starts from is its clip.")
    if clip.variety:
        raise AudiodiffError("variety is for new clips; leave it out. Of edits, strength says how much is new.")


def check_no_loop(clip: GenerateSettings) -> None:
    """Refuse a loop.

    Raises:
        AudiodiffError: it is one.
    """
    if clip.loop:
        raise AudiodiffError("loop makes a new clip that repeats; of edits, only a variation of a loop can be one.")


def check_number(what: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuse a number that is missing or out of range.

    Raises:
        AudiodiffError: it is.
    """
    if value is None:
        raise AudiodiffError(f"{what} is missing; it must be a number from {low:g} to {high:g} {unit}.")
    check_range(what, value, low, high, unit)
