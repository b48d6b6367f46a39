"""A composed clip and its labels."""

import math
from dataclasses import dataclass

from audiodiff.composer.plan import Span, chord_at
from audiodiff.composer.score import Instrument, Score
from audiodiff.composer.styles.base import Style
from audiodiff.composer.theory import Key
from audiodiff.composer.tonality import WINDOW_SECONDS, key_margin, pitch_class_shares, windows

_CHORDAL = ("chords", "arpeggio", "chorale", "ostinato", "power", "line")
"""Textures that play the notes of the chord."""

_BUSY = 8.0
"""Onsets per second of the busiest music."""


@dataclass(frozen=True)
class Piece:
    """A composed clip.

    Attributes:
        seed: of the collection.
        index: number of the clip.
        style: its style.
        mood: its mood word.
        keys: its key, and the one that it changes to, if it does; meaningless when the style is keyless.
        change: beat of the score at which the key changes; the score's end if it does not.
        harmony: the chords, from beat 0 to the end of the last bar.
        score: the notes.
        offset: where the clip begins in the score (s).
        seconds: length of the clip (s).
    """

    seed: int
    index: int
    style: Style
    mood: str
    keys: tuple[Key, ...]
    change: float
    harmony: tuple[Span, ...]
    score: Score
    offset: float
    seconds: float

    @property
    def name(self) -> str:
        """Stem of the clip's file."""
        return f"{self.style.name}_{self.index:06d}"

    @property
    def split(self) -> str:
        """Either "train", "valid" or "test"."""
        return split_of(self.index)

    @property
    def key(self) -> Key:
        """The key in which the clip begins."""
        return self.keys[0]

    @property
    def span(self) -> tuple[float, float]:
        """Beats of the score at which the clip begins and ends."""
        return self.offset * self.score.bpm / 60.0, (self.offset + self.seconds) * self.score.bpm / 60.0

    @property
    def first_beat(self) -> float:
        """Time of the first beat in the clip (s); the others follow at the score's tempo."""
        return -self.offset % (60.0 / self.score.bpm)

    @property
    def first_bar(self) -> float:
        """Time of the first bar line in the clip (s)."""
        late = -self.offset % (60.0 / self.score.bpm * self.score.beats_per_bar)
        return 0.0 if math.isclose(late, 60.0 / self.score.bpm * self.score.beats_per_bar) else late

    @property
    def change_seconds(self) -> float | None:
        """Time in the clip (s) at which the key changes."""
        return None if len(self.keys) == 1 else self.change * 60.0 / self.score.bpm - self.offset

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments that sound, each once, in order of the layers."""
        return tuple({part.instrument.name: part.instrument for part in self.score.parts}.values())

    @property
    def chords(self) -> tuple[tuple[str, ...], ...]:
        """Names of the chords of each bar from `first_bar` on; none where nobody plays chords.

        Several chords of a bar divide it evenly.
        """
        if not any(layer.texture in _CHORDAL for layer in self.style.layers):
            return ()
        beats = self.score.beats_per_bar
        bar = round((self.offset + self.first_bar) * self.score.bpm / 60.0 / beats)
        bars = []
        while bar * beats < self.span[1] - 1e-6:
            names = [chord_at(self.harmony, bar * beats + beat).name for beat in range(beats)]
            count = next(n for n in range(1, beats + 1) if beats % n == 0 and _is_constant_in(names, beats // n))
            bars.append(tuple(names[:: beats // count]))
            bar += 1
        return tuple(bars)

    @property
    def intensity(self) -> float:
        """How hard and how busily it is played, 0 to 1."""
        start, stop = self.span
        notes = [note for part in self.score.parts for note in part.notes if start <= note.start < stop]
        if not notes:
            return 0.0
        strength = sum(note.velocity for note in notes) / len(notes) / 127.0
        # Chords count once.
        onsets = len({round(note.start * 8) for note in notes})
        return 0.5 * strength + 0.5 * min(1.0, onsets / self.seconds / _BUSY)

    def key_clarity(self) -> float:
        """By how much the key fits better than any other in that stretch of the clip where it does so least."""
        start, stop = self.span
        stretches = zip(self.keys, (start, self.change), (min(self.change, stop), stop), strict=False)
        notes = [note for part in self.score.parts if not part.instrument.drums for note in part.notes]
        length = WINDOW_SECONDS * self.score.bpm / 60.0
        return min(
            key_margin(pitch_class_shares(notes, *window), key)
            for key, first, last in stretches
            for window in windows(first, last, length)
        )


def _is_constant_in(names: list[str], size: int) -> bool:
    return all(len(set(names[place : place + size])) == 1 for place in range(0, len(names), size))


def split_of(index: int) -> str:
    """Return the split of a clip: of forty, one is for validation and one for tests."""
    return {0: "valid", 20: "test"}.get(index % 40, "train")
