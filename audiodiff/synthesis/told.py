"""Settings as a file tells them. Imports no torch."""

from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import Sampling

if TYPE_CHECKING:
    from audiodiff.synthesis.provenance import Story


def setting(story: "Story", name: str, kind: type, *, optional: bool = False) -> Any:
    """Return one setting of a story; stories are written by anybody, so its type is looked at.

    Raises:
        AudiodiffError: it is missing, or of another type.
    """
    value = story.settings.get(name)
    if kind is float and type(value) is int:
        value = float(value)
    if not (type(value) is kind or (optional and value is None and name in story.settings)):
        raise AudiodiffError(
            f"the story has the setting {name} {str(value)[:60]!r}; expected a value of type {kind.__name__}."
        )
    return value


def sampling_of(story: "Story") -> Sampling:
    """How a model without guidance sampled."""
    return Sampling(
        steps=setting(story, "steps", int),
        sampler=setting(story, "sampler", str),
        grid=setting(story, "grid", str),
        precision=setting(story, "precision", str),
        seed=story.seed,
    )
