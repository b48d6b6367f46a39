"""What others wrote, made fit to be shown: their names, tags, prompts and cards are text, and nothing else."""

import html
import re

_JOINERS = "\u200c\u200d"
"""Characters without width that words of some languages, and pictures of emoji, are made with."""

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:/@$^=])")


def clean(text: str, *, lines: bool = False) -> str:
    """Return text without control characters and without marks that turn the direction of what follows.

    Args:
        text: anything.
        lines: keep the ends of lines.
    """
    kept = _JOINERS + ("\n" if lines else "")
    return "".join(char if char.isprintable() or char in kept else " " for char in text)


def as_html(text: str, *, lines: bool = False) -> str:
    """Return text as HTML that shows it."""
    return html.escape(clean(text, lines=lines), quote=False)


def as_markdown(text: str) -> str:
    """Return text as Markdown that shows it: no links, no pictures, no HTML."""
    return _MARKS.sub(r"\\\1", as_html(text))
