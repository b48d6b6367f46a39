"""Text encoders by name: those of this package, and those that installed packages register.

A package adds one by an entry point whose value is a function `(place: str) -> TextEncoder`; `place` is what follows
the colon in a name such as `echo:place`::

    [project.entry-points."audiodiff.encoders"]
    echo = "echoes.text:open_echo"
"""

from audiodiff.errors import AudiodiffError
from audiodiff.plugins import load_plugin, plugins
from audiodiff.text.encoder import TextEncoder

__all__ = ["GROUP", "encoders_of", "open_encoder", "recorded_encoder"]

GROUP = "audiodiff.encoders"
"""The group of entry points that are text encoders."""

_SHIPPED, _PUBLISHED = "minilm:6bit", "minilm:fp32"


def encoders_of(name: str) -> tuple[str, ...]:
    """Return the exact names of the encoders that a model which says `name` can use, the usual one first."""
    return (_SHIPPED, _PUBLISHED) if name == "minilm" else (name,)


def recorded_encoder(told: str) -> str:
    """Return the exact name of what a record tells: "minilm" alone is from when the published weights were used."""
    return _PUBLISHED if told == "minilm" else told


def open_encoder(name: str = "minilm") -> TextEncoder:
    """Load a text encoder.

    Args:
        name: "minilm" or "minilm:6bit" (all-MiniLM-L6-v2, 384 numbers per token, comes with this package);
            "minilm:fp32" for its published weights, from an installed package; "t5:ORG/NAME" or "clap:ORG/NAME" for the
            T5 encoder or the text half of a CLAP model on the Hugging Face Hub or in a folder; or what an installed
            package registers.

    Raises:
        AudiodiffError: the name is unknown, or its weights or the library that reads them are missing.
    """
    kind, _, place = name.partition(":")
    if name in ("minilm", _SHIPPED, _PUBLISHED):
        from audiodiff.text.minilm import open_minilm, open_published

        return open_published() if name == _PUBLISHED else open_minilm()
    if place.strip() and kind == "t5":
        from audiodiff.text.hub import open_t5

        return open_t5(place)
    if place.strip() and kind == "clap":
        from audiodiff.text.hub import open_clap

        return open_clap(place)
    entry = None if kind in ("minilm", "t5", "clap") else plugins(GROUP).get(kind)
    if entry is None:
        raise AudiodiffError(f"The text encoder {name!r} is unknown; expected minilm, t5:ORG/NAME or clap:ORG/NAME.")
    encoder: TextEncoder = load_plugin(entry, "text encoder")(place)
    return encoder
