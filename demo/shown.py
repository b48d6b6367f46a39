"""What others wrote, made fit to be shown: their names, tags, prompts and cards are text, and nothing else."""

import html
import re

from audiodiff.printable import printable

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:/@$^=])")


def as_html(text: str, *, lines: bool = False) -> str:
    """Return text as HTML that shows it.

    Args:
        text: anything.
        lines: keep the ends of lines.
    """
    return html.escape(printable(text, lines=lines), quote=False)


def as_markdown(text: str) -> str:
    """Return text as Markdown that shows it: no links, no pictures, no HTML."""
    return _MARKS.sub(r"\\\1", as_html(text))
