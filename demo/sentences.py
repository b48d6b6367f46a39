"""The sentences of the library, notes and errors, in the language of a page.

The library speaks English, and so do its records, its command and the reports of the API. The tables
`languages/sentences-*.json` have its sentences as format strings, with a name for each value; a finished sentence
is put into a language by the one that it fits. What fits none stays English.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter

from .said import ENGLISH, LANGUAGES, read_table

NESTED = frozenset({"error", "many", "misfit", "refusal", "shown", "unit", "what", "why"})
"""Places whose value is a sentence, or a part of one, that the tables may have, too; others keep what stands there."""

_DEEPEST = 3
"""Sentences within sentences that are looked at."""


def split(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what stands around the places of a format string, one piece more than places, and their names."""
    literals, places = [""], []
    for literal, name, _, _ in Formatter().parse(template):
        literals[-1] += literal
        if name is not None:
            places.append(name)
            literals.append("")
    return tuple(literals), tuple(places)


@dataclass(frozen=True)
class Template:
    """An English sentence with places, and the same in another language.

    Attributes:
        literals: what stands around the places, in English.
        places: their names.
        text: format string of the other language.
    """

    literals: tuple[str, ...]
    places: tuple[str, ...]
    text: str

    @property
    def weight(self) -> int:
        """Letters outside of the places."""
        return sum(map(len, self.literals))

    def values(self, sentence: str) -> dict[str, str] | None:
        """Return what stands in the places of a sentence, as little as possible in each; `None` if it does not fit.

        Each piece is looked for once, from where the one before it ends: whatever a visitor wrote takes no longer
        than its length.
        """
        first, last = self.literals[0], self.literals[-1]
        if not self.places:
            return {} if sentence == first else None
        at, stop = len(first), len(sentence) - len(last)
        if at > stop or not (sentence.startswith(first) and sentence.endswith(last)):
            return None
        found: dict[str, str] = {}
        for place, literal in zip(self.places, self.literals[1:-1], strict=False):
            end = sentence.find(literal, at, stop)
            if end < 0:
                return None
            found[place], at = sentence[at:end], end + len(literal)
        return {**found, self.places[-1]: sentence[at:stop]}


def translated(sentence: str, language: str) -> str:
    """Return a finished sentence in a language; in English where it is not known there."""
    return sentence if language == ENGLISH else _translated(sentence, language, _DEEPEST)


def _translated(sentence: str, language: str, depth: int) -> str:
    for template in templates(language):
        values = template.values(sentence)
        if values is not None:
            return template.text.format(**{name: _value(name, values[name], language, depth) for name in values})
    return sentence


def _value(name: str, value: str, language: str, depth: int) -> str:
    if name == "what" and value in _labels(language):
        return _labels(language)[value]
    return _translated(value, language, depth - 1) if name in NESTED and depth else value


@cache
def templates(language: str) -> tuple[Template, ...]:
    """Return what is known in a language; the more of a sentence is known, the earlier it comes."""
    table = read_table(f"sentences-{language}") if language in LANGUAGES else {}
    found = (Template(*split(english), text) for english, text in table.items())
    return tuple(sorted(found, key=lambda template: template.weight, reverse=True))


@cache
def _labels(language: str) -> Mapping[str, str]:
    """Return fields as errors name them, by their labels in lower case -> the labels in a language."""
    table = read_table(language) if language in LANGUAGES else {}
    return {english[:1].lower() + english[1:]: text for english, text in table.items()}
