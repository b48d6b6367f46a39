"""Which verb of a name a loaded model does: ours, or that of another library in a way of its own."""

from typing import Any

from audiodiff.models.kinds import imported
from audiodiff.models.libraries import Library
from audiodiff.synthesis.verbs import VERBS, Verb

__all__ = ["verb_of"]


def verb_of(name: str, synthesizer: Any) -> Verb:
    """Return a verb as a loaded model does it: that of another library in a way of its own.

    Raises:
        AudiodiffError: the model cannot do it.
    """
    library: Library | None = getattr(synthesizer, "library", None)
    if library is None:
        return VERBS[name]
    verb: Verb = imported(library.verbs)(VERBS[name], synthesizer)
    return verb
