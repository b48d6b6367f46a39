"""Chords by name, and chord tracks: "Am F C,G Dm7" is one word a bar, and a comma divides a bar evenly.

"N.C." stands where no chord is asked for, as it does in printed music.
"""

import math
import re
from typing import NamedTuple

from audiodiff.errors import AudiodiffError
from audiodiff.text.keys import PITCHES, pitch_class

__all__ = [
    "AUTO_CHORDS",
    "BEATS_PER_BAR",
    "CHORD_FEATURES",
    "CHORD_TEMPO",
    "NO_CHORD",
    "QUALITIES",
    "Chord",
    "chord_features",
    "chord_name",
    "chord_track",
    "has_chords",
    "parse_chords",
]

QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
}
"""What stands behind the root in a chord's name, and its notes in semitones above the root."""

BEATS_PER_BAR = 4

CHORD_TEMPO = 100.0
"""Beats per minute at which chords change where no tempo is given."""

AUTO_CHORDS = "auto"
"""Asks for a usual progression in the key."""

CHORD_FEATURES = 24
"""How many numbers `chord_features` gives, as many as a network takes (`Condition.chords`)."""

_ALIASES = {"maj": "", "M": "", "min": "m", "-": "m", "M7": "maj7", "min7": "m7", "-7": "m7", "ø": "m7b5", "°": "dim"}
_CHORD = re.compile(r"(?P<root>[A-G][#♯b♭]?)(?P<quality>.*)")
_MOST_BARS, _MOST_IN_A_BAR = 1024, 16


class Chord(NamedTuple):
    """A chord.

    Attributes:
        root: pitch class of the root, 0 (C) to 11 (B).
        quality: one of `QUALITIES`.
    """

    root: int
    quality: str


NO_CHORD = Chord(-1, "")
"""Whatever fits; written N.C."""

_NO_CHORD_NAME = "N.C."


def parse_chords(text: str) -> tuple[tuple[Chord, ...], ...]:
    """Read a chord track, a tuple of chords for each bar; () for an empty text.

    Raises:
        AudiodiffError: a word is no chord that is known, a bar has no chord, or there are too many.
    """
    words = text.split()
    if len(words) > _MOST_BARS:
        raise AudiodiffError(f"the chord track has {len(words)} bars; expected {_MOST_BARS} at most.")
    bars = tuple(tuple(_parse_chord(name, word) for name in word.split(",")) for word in words)
    if any(len(bar) > _MOST_IN_A_BAR for bar in bars):
        raise AudiodiffError(f"a bar has more than {_MOST_IN_A_BAR} chords; expected fewer.")
    return bars


def chord_name(chord: Chord) -> str:
    """The name of a chord as `parse_chords` reads it."""
    return _NO_CHORD_NAME if chord == NO_CHORD else PITCHES[chord.root] + chord.quality


def chord_track(bars: tuple[tuple[Chord, ...], ...]) -> str:
    """The text of a chord track as `parse_chords` reads it."""
    return " ".join(",".join(map(chord_name, bar)) for bar in bars)


def has_chords(bars: tuple[tuple[Chord, ...], ...]) -> bool:
    """Whether a chord track asks for any chord; one of N.C. alone does not."""
    return any(chord != NO_CHORD for bar in bars for chord in bar)


def chord_features(chord: Chord) -> tuple[float, ...]:
    """A chord as zeros and ones: 12 for its root, then 12 for its notes, from C upwards; NaN for no chord."""
    if chord == NO_CHORD:
        return (math.nan,) * CHORD_FEATURES
    notes = {(chord.root + step) % 12 for step in QUALITIES[chord.quality]}
    return (*(float(pitch == chord.root) for pitch in range(12)), *(float(pitch in notes) for pitch in range(12)))


def _parse_chord(name: str, word: str) -> Chord:
    if name == _NO_CHORD_NAME:
        return NO_CHORD
    found = _CHORD.fullmatch(name)
    quality = "" if found is None else _ALIASES.get(found["quality"], found["quality"])
    if found is None or quality not in QUALITIES:
        shown = repr(name[:40]) if name == word else f"{name[:40]!r} in the bar {word[:40]!r}"
        raise AudiodiffError(
            f"{shown} is no chord that is known; expected a root such as C, F# or Bb with "
            f"{', '.join(filter(None, QUALITIES))} or nothing behind it, one chord a bar, or several with commas, "
            "and N.C. for none."
        )
    return Chord(pitch_class(found["root"]), quality)
