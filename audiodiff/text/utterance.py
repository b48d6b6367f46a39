"""What a speech model is asked to say: words with their phonemes and places in the text, and the symbols they make."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import BOUNDARIES, SYMBOL_ID, VOWELS

__all__ = ["BOUNDARY_OF", "MAX_PAUSE", "NothingToSayError", "Utterance", "Word", "emphasized", "stronger"]

BOUNDARY_OF = {"": "<sp>", ",": "<,>", ";": "<;>", ":": "<:>", "-": "<->", ".": "<.>", "!": "<!>", "?": "<?>"}
"""Boundary symbol of a punctuation mark."""

_STRENGTH = tuple(BOUNDARY_OF)
MAX_PAUSE = 10.0
"""Longest pause that may be asked for (s)."""


class NothingToSayError(AudiodiffError):
    """A text without a word in it."""


def stronger(first: str, second: str) -> str:
    """The mark that counts where two follow each other: "?" of "?!", "." of '."'."""
    return max(first, second, key=_STRENGTH.index)


@dataclass(frozen=True)
class Word:
    """A word as it is said.

    Attributes:
        text: the spoken word; several words may stand for one written number.
        phones: its ARPAbet phonemes.
        start: first character of what it stands for in the utterance's text.
        end: one past the last character.
        source: "dictionary", "rule", "letters" (the letter-to-sound model), "lexicon", "text", or "espeak".
        boundary: symbol of the boundary after it, one of `BOUNDARIES`.
        pause: silence asked for after it (s); None leaves it to the model.
        emphasis: whether it is to be stressed.
    """

    text: str
    phones: tuple[str, ...]
    start: int
    end: int
    source: str
    boundary: str = "<sp>"
    pause: float | None = None
    emphasis: bool = False

    def __post_init__(self) -> None:
        """Refuse what no model could read."""
        unknown = [phone for phone in self.phones if phone not in SYMBOL_ID or phone.startswith("<")]
        if unknown or not self.phones:
            raise AudiodiffError(
                f"word {self.text!r} has {unknown or 'no'} phonemes; expected ARPAbet such as HH AH0 L OW1."
            )
        if self.boundary not in BOUNDARIES:
            raise AudiodiffError(f"boundary {self.boundary!r} is not one of {', '.join(BOUNDARIES)}.")
        if self.pause is not None and not (math.isfinite(self.pause) and 0 <= self.pause <= MAX_PAUSE):
            raise AudiodiffError(f"a pause of {self.pause:g} s cannot be made; expected 0 to {MAX_PAUSE:g} s.")


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech, as a rule a sentence.

    Attributes:
        text: what was written.
        words: its words in order, at least one.
        lead: silence asked for before the first word (s); None leaves it to the model.
        notes: what was left out or is worth knowing, a sentence each.
        offset: where `text` begins in a longer text.
        ends_paragraph: whether a paragraph ends here.
    """

    text: str
    words: tuple[Word, ...]
    lead: float | None = None
    notes: tuple[str, ...] = ()
    offset: int = 0
    ends_paragraph: bool = False

    @functools.cached_property
    def symbols(self) -> tuple[str, ...]:
        """`<start>`, the phonemes and the boundary of each word, `<end>`; after the last word its mark and `<end>`."""
        return ("<start>", *(symbol for word in self.words for symbol in (*word.phones, word.boundary)), "<end>")

    @property
    def ids(self) -> tuple[int, ...]:
        """Numbers of the symbols in `SYMBOLS`."""
        return tuple(SYMBOL_ID[symbol] for symbol in self.symbols)

    @property
    def word_of_symbol(self) -> tuple[int, ...]:
        """For each symbol the index of the word that it belongs to, -1 for boundaries."""
        inside = [[index] * len(word.phones) + [-1] for index, word in enumerate(self.words)]
        return (-1, *(index for part in inside for index in part), -1)

    @property
    def pauses(self) -> tuple[float | None, ...]:
        """For each symbol the silence asked for there (s), None where the model decides."""
        silences: list[float | None] = [self.lead]
        for word in self.words:
            silences += [*[None] * len(word.phones), word.pause]
        return (*silences, None)

    def word_times(self, durations: Sequence[float]) -> tuple[tuple[float, float], ...]:
        """Beginning and end of each word, in the unit of `durations`, one value a symbol.

        Raises:
            AudiodiffError: not one duration a symbol.
        """
        if len(durations) != len(self.symbols):
            raise AudiodiffError(
                f"{len(durations)} durations were given for {len(self.symbols)} symbols; expected one each."
            )
        times = []
        position = durations[0]
        index = 1
        for word in self.words:
            length = sum(durations[index : index + len(word.phones)])
            times.append((float(position), float(position + length)))
            index += len(word.phones) + 1
            position += length + durations[index - 1]
        return tuple(times)


def emphasized(phones: tuple[str, ...]) -> tuple[str, ...]:
    """Phonemes with a primary stress: on the first vowel where there is none."""
    if any(phone.endswith("1") for phone in phones):
        return phones
    first = next((index for index, phone in enumerate(phones) if phone[:-1] in VOWELS), None)
    return tuple(phone[:-1] + "1" if index == first else phone for index, phone in enumerate(phones))
