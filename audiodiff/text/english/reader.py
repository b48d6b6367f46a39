"""State of one pass over a text that is being read, and what all its rules share."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from audiodiff.text.phones import word_set

__all__ = ["LETTER", "SENTENCE_STARTS", "Reader", "Token", "ends_sentence", "fold", "spell"]

LETTER = "[A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ\u0300-\u036f]"
"""Pattern of a Latin letter, or of a mark upon one."""

SENTENCE_STARTS = word_set("the a an he she it they we i you this that these those but and so in on at when if")
_UNACCENTED = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "th",
        "þ": "th",
        "ı": "i",
        "’": "'",
        "‘": "",
        "ʻ": "",
    }
)


class Token(NamedTuple):
    """Spoken words, or a punctuation mark, and the characters `start` to `end` of the text that they stand for."""

    words: tuple[str, ...]
    mark: str
    start: int
    end: int


def fold(word: str) -> str:
    """Lower case without accents, typographic apostrophes made plain: the form that dictionaries list."""
    plain = unicodedata.normalize("NFKD", word.lower().translate(_UNACCENTED))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


@dataclass
class Reader:
    """One pass over a text."""

    text: str
    keep: Collection[str]
    shouting: bool
    skip_unreadable: bool
    tokens: list[Token] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def before(self) -> str:
        """The last word said, "" at the beginning and after punctuation."""
        return self.tokens[-1].words[-1] if self.tokens and self.tokens[-1].words else ""

    def say(self, words: str, start: int, end: int) -> int:
        """Add words; " , " among them is a short pause."""
        for part in re.split(r"\s*,\s*", words):
            if part:
                self.tokens.append(Token(tuple(part.split()), "", start, end))
            if part is not words and "," in words:
                self.tokens.append(Token((), ",", start, end))
        if "," in words:
            self.tokens.pop()
        return end

    def mark(self, mark: str, start: int, end: int) -> int:
        """Add a punctuation mark, if it is any."""
        if mark:
            self.tokens.append(Token((), mark, start, end))
        return end


def ends_sentence(text: str, end: int) -> bool:
    """Whether the dot before `end` also ends the sentence: nothing follows, or a word that likes to begin one."""
    rest = text[end:].lstrip(" \"'”’)")
    if not rest or text[end : end + 2].startswith("\n"):
        return True
    first = re.match(rf"{LETTER}+", rest)
    return bool(
        first and first[0][0].isupper() and first[0].lower() in SENTENCE_STARTS and text[end : end + 1].isspace()
    )


def spell(text: str) -> str:
    """The letters of a word one by one."""
    return " ".join(text.upper())
