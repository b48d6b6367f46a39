"""Signs in a text that tell how to say it: `[pause 0.5]`, `*emphasis*`, `{HH AH0 L OW1}` and `/həˈloʊ/`.

They are taken out of the text and replaced by blanks and place-holders of the same length, so that every character
keeps its place.
"""

import re
import unicodedata
from typing import NamedTuple

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import from_ipa, parse_arpabet
from audiodiff.text.utterance import MAX_PAUSE

__all__ = ["PLACEHOLDER", "Markup", "check_characters", "read_markup"]

PLACEHOLDER = "\ue000"
"""Stands where a word is given by its phonemes."""

_PAUSE = re.compile(r"\[\s*pause\b\s*([^\]\[\n]*?)\s*\]", re.IGNORECASE)
_PAUSE_START = re.compile(r"\[\s*pause\b", re.IGNORECASE)
_EMPHASIS = re.compile(rf"(?<![\w*])\*(?=[^\s*])([^*\n]{{0,200}}?(?:[^\s*]|{PLACEHOLDER} +))\*(?![\w*])")
# Slashes are also "and/or", dates and paths: IPA has no space inside and at least one letter that English lacks.
_IPA = re.compile(r"(?<![\w/])/([^/\s]*[^\x00-\x7f][^/\s]*)/(?![\w/])")
_IPA_ONLY = frozenset("ˈˌːɑæəɚɝɛɪɔʊʌŋʃʒθðɹɡɾʔɐɒɜɨᵻøœɲʎβɣχçʁʤʧɫɥ")
_DEFAULT_PAUSE = 0.5


class Markup(NamedTuple):
    """A text without its signs, and what they said.

    `text` is as long as the original; `phones` maps the character of a place-holder to (end, phonemes), `pauses` a
    character to seconds, and `emphasis` lists (start, end) of stressed stretches.
    """

    text: str
    phones: dict[int, tuple[int, tuple[str, ...]]]
    pauses: dict[int, float]
    emphasis: tuple[tuple[int, int], ...]


def check_characters(text: str) -> None:
    """Refuse control characters and characters that come from a wrong encoding.

    Raises:
        AudiodiffError: the first of them, with its place.
    """
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        if character == "\ufffd" or category in ("Cs", "Co"):
            raise AudiodiffError(
                f"character {index + 1} of the text (U+{ord(character):04X}) is not text; it was read in a wrong "
                "encoding: save it as UTF-8."
            )
        if category == "Cc" and character not in "\t\n\r\f\v\x85":
            raise AudiodiffError(
                f"character {index + 1} of the text is a control character (U+{ord(character):04X}); take it out."
            )


def read_markup(text: str) -> Markup:
    """Take the signs out of a text.

    Raises:
        AudiodiffError: a brace or a bracket without its end, an unknown phoneme, a pause that is no number of seconds;
            the message names the character.
    """
    letters = list(text)
    phones: dict[int, tuple[int, tuple[str, ...]]] = {}
    pauses: dict[int, float] = {}
    emphasis = []

    def blank(start: int, end: int) -> None:
        letters[start:end] = " " * (end - start)

    position = 0
    while (
        position := min((p for p in (text.find("{", position), text.find("}", position)) if p >= 0), default=-1)
    ) >= 0:
        end = text.find("}", position)
        again = text.find("{", position + 1)
        if text[position] == "}":
            raise AudiodiffError(
                f"the brace at character {position + 1} closes nothing; phonemes are written {{HH AH0 L OW1}}."
            )
        if end < 0 or 0 <= again < end:
            raise AudiodiffError(
                f"the brace at character {position + 1} is not closed; phonemes are written {{HH AH0 L OW1}}."
            )
        inside = text[position + 1 : end]
        phones[position] = (end + 1, parse_arpabet(inside, position + 1))
        blank(position, end + 1)
        letters[position] = PLACEHOLDER
        position = end + 1
    for found in _PAUSE_START.finditer("".join(letters)):
        whole = _PAUSE.match(text, found.start())
        if not whole:
            raise AudiodiffError(
                f"the bracket at character {found.start() + 1} is not closed; a pause is written [pause 0.5]."
            )
        pauses[whole.start()] = _seconds(whole)
        blank(*whole.span())
    for found in _IPA.finditer("".join(letters)):
        if _IPA_ONLY & set(found[1]):
            phones[found.start()] = (found.end(), from_ipa(found[1], found.start(1)))
            blank(*found.span())
            letters[found.start()] = PLACEHOLDER
    for found in _EMPHASIS.finditer("".join(letters)):
        if any(letter.isalnum() or letter == PLACEHOLDER for letter in found[1]):
            emphasis.append(found.span(1))
            blank(found.start(), found.start() + 1)
            blank(found.end() - 1, found.end())
    return Markup("".join(letters), phones, pauses, tuple(emphasis))


def _seconds(found: re.Match[str]) -> float:
    wanted = re.sub(r"\s*(?:s|sec|seconds?)$", "", found[1])
    if not wanted:
        return _DEFAULT_PAUSE
    if not re.fullmatch(r"\d*\.?\d+|\d+\.", wanted) or not float(wanted) <= MAX_PAUSE:
        raise AudiodiffError(
            f"the pause {found[1]!r} at character {found.start() + 1} is no time; expected 0 to {MAX_PAUSE:g} seconds, "
            "such as [pause 0.5]."
        )
    return float(wanted)
