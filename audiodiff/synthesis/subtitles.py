"""Subtitles: what is said when, in the form that players show under a film. Imports no torch."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from audiodiff.atomic import atomic_file
from audiodiff.text.utterance import Utterance

LONGEST_CAPTION = 84
"""Characters that are shown at once: two lines of 42, as is usual."""

_SIGNS = re.compile(r"\[\s*pause\b[^\]]*\]|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)", re.IGNORECASE)

_MARKS = re.compile(r"[^\w\s]+")


class Caption(NamedTuple):
    """A text and when it is said (s), and the same of each of its words as they are written."""

    start: float
    end: float
    text: str
    words: tuple["Caption", ...] = ()


def captions(utterance: Utterance, times: Sequence[tuple[float, float]]) -> Iterator[Caption]:
    """What is shown while an utterance is said, a sentence or a part of it at a time.

    Args:
        utterance: what is said.
        times: beginning and end of each of its words (s).
    """
    words = utterance.words
    first = 0
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else None
        # Words that stand for one number stay together; those that are left over are not shown alone.
        if following is not None and following.start <= word.start:
            continue
        begin = words[first].start if first else 0
        until = len(utterance.text) if following is None else following.start
        rest = len(utterance.text) - begin
        parts = -(-rest // LONGEST_CAPTION)
        if following is None or (parts > 1 and following.end - begin > rest / parts):
            said = tuple(_words(utterance, times, range(first, index + 1)))
            yield Caption(times[first][0], times[index][1], _plain(utterance.text[begin:until]), said)
            first = index + 1


def _words(utterance: Utterance, times: Sequence[tuple[float, float]], part: range) -> Iterator[Caption]:
    """Words as they are written, with the marks after them; one may be said as several."""
    words = utterance.words
    for _, same in groupby(part, key=lambda index: words[index].start):
        indices = list(same)
        first, last = indices[0], indices[-1]
        marks = _MARKS.match(utterance.text, words[last].end)
        until = marks.end() if marks else words[last].end
        yield Caption(times[first][0], times[last][1], _plain(utterance.text[words[first].start : until]))


def _plain(text: str) -> str:
    """A text without what says how to read it."""
    return " ".join(_SIGNS.sub(" ", text).split())


def to_srt(shown: Iterable[Caption]) -> str:
    """Captions in the format SubRip (`.srt`)."""
    parts = [
        f"{number}\n{_clock(caption.start)} --> {_clock(caption.end)}\n{caption.text}\n"
        for number, caption in enumerate(shown, 1)
    ]
    return "\n".join(parts)


def write_srt(path: str | Path, shown: Iterable[Caption]) -> None:
    """Write captions as SubRip, atomically.

    Raises:
        AudiodiffError: the file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(to_srt(shown), encoding="utf-8")


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"
