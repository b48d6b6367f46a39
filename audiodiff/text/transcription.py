"""Utterances written as phonemes in braces, such as `{HH AH0 L OW1}, {W ER1 L D}.`, and read back exactly as they were.

It is the notation that `audiodiff.text.markup` allows inside of texts, so it can be edited and spoken like any text;
here it is read without dictionary or normalization, a line for an utterance and an empty line after a paragraph.
"""

import re
from collections.abc import Iterable, Iterator

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import parse_arpabet
from audiodiff.text.utterance import BOUNDARY_OF, Utterance, Word

__all__ = ["read_transcription", "transcribe"]

_MARKS = {symbol: mark for mark, symbol in BOUNDARY_OF.items()}
_PAUSE = r"\[pause (\d+(?:\.\d+)?)\]"
_LEAD = re.compile(_PAUSE)
_WORD = re.compile(rf"\s*(\*?)\{{([^{{}}]*)\}}\1( -|[,;:.!?]?)(?: {_PAUSE})?")


def transcribe(utterances: Iterable[Utterance]) -> str:
    """Phonemes, boundaries, pauses and emphasis of utterances."""
    lines = []
    for utterance in utterances:
        words = [_transcribed(word) for word in utterance.words]
        lead = [] if utterance.lead is None else [_pause(utterance.lead)]
        lines.append(" ".join([*lead, *words]) + ("\n" if utterance.ends_paragraph else ""))
    return "\n".join(lines).rstrip("\n")


def read_transcription(text: str) -> Iterator[Utterance]:
    """Utterances of what `transcribe` wrote, whose text is the line.

    Raises:
        AudiodiffError: a line is no such notation; the message names line and character.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        lead = _LEAD.match(line)
        position = lead.end() if lead else 0
        words: list[Word] = []
        while position < len(line):
            found = _WORD.match(line, position)
            if found is None:
                raise AudiodiffError(
                    f"line {number} of the phonemes cannot be read at character {position + 1}; expected words such as "
                    "{HH AH0 L OW1}, each with its punctuation mark."
                )
            star, phones, mark, pause = found.groups()
            try:
                words.append(
                    Word(
                        found[0].strip(),
                        parse_arpabet(phones, found.start(2)),
                        found.start(),
                        found.end(),
                        "text",
                        BOUNDARY_OF[mark.strip()],
                        None if pause is None else float(pause),
                        bool(star),
                    )
                )
            except AudiodiffError as error:
                raise AudiodiffError(f"line {number} of the phonemes: {error}") from error
            position = found.end()
        if not words:
            raise AudiodiffError(f"line {number} of the phonemes has no word; expected such as {{HH AH0 L OW1}}.")
        last = number == len(lines) or not lines[number].strip()
        yield Utterance(line, tuple(words), float(lead[1]) if lead else None, ends_paragraph=last)


def _transcribed(word: Word) -> str:
    star = "*" if word.emphasis else ""
    mark = _MARKS[word.boundary]
    pause = "" if word.pause is None else f" {_pause(word.pause)}"
    return f"{star}{{{' '.join(word.phones)}}}{star}{' ' if mark == '-' else ''}{mark}{pause}"


def _pause(seconds: float) -> str:
    return f"[pause {seconds:.6f}".rstrip("0").rstrip(".") + "]"
