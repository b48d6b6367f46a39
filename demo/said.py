"""What the server says while it works, and of what it made, in the language of the page that it says it to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "languages"
ENGLISH, LANGUAGES = "en", ("de", "es")
"""What is written in the code, and the languages that there are tables for."""


@dataclass(frozen=True)
class Said:
    """A text with values, to be put into a language where it is shown.

    Attributes:
        text: the English text, a format string; the key of the tables.
        values: what stands in it, by name; texts of this kind are put into the language, too.
    """

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it in English."""
        return self.shown(ENGLISH)

    def shown(self, language: str) -> str:
        """Return it in a language; in English where that is not known."""
        values = {name: shown(value, language) for name, value in self.values.items()}
        return said_in(language).get(self.text, self.text).format(**values)


def said(text: str, **values: Any) -> Said:
    """Return a text with values."""
    return Said(text, values)


def counted(one: str, many: str, count: int, **values: Any) -> Said:
    """Return a text with a number of things, `count`, in the singular or the plural."""
    return Said(one if count == 1 else many, {"count": count, **values})


def shown(text: Any, language: str) -> Any:
    """Return a text in a language; what is no `Said` stays."""
    return text.shown(language) if isinstance(text, Said) else text


@cache
def said_in(language: str) -> Mapping[str, str]:
    """Return English text -> text in a language, for texts of the server; nothing for an unknown language."""
    if language not in LANGUAGES:
        return {}
    return read_table(f"said-{language}")


def read_table(name: str) -> dict[str, str]:
    """Return a table of `languages/`: English text -> text in a language."""
    table: dict[str, str] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return table


def language_of(accepted: str) -> str:
    """Return the language of a page, from the header Accept-Language of its requests.

    It is the first that the browser names, as for the labels, which the browser itself puts into its language.
    """
    first = accepted.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip().split("-")[0].lower()
    return first if first in LANGUAGES else ENGLISH
