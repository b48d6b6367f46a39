"""The harmonic plan that all players of a clip share, and the rhythm strings they play by."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from audiodiff.composer.theory import Chord, Key


@dataclass(frozen=True)
class Span:
    """A chord and the beats during which it sounds."""

    start: float
    length: float
    chord: Chord


def span_at(spans: tuple[Span, ...], beat: float) -> int:
    """Return the index of the chord that sounds at a beat."""
    return max(0, bisect_right(spans, beat + 1e-6, key=lambda span: span.start) - 1)


def chord_at(spans: tuple[Span, ...], beat: float) -> Chord:
    """Return the chord that sounds at a beat."""
    return spans[span_at(spans, beat)].chord


@dataclass(frozen=True)
class HarmonicPlan:
    """What is fixed before anybody plays.

    Attributes:
        key: of the clip.
        bpm: beats per minute.
        beats_per_bar: beats (quarter notes) in a bar.
        n_bars: bars from the start of the score.
        spans: the chords, without gaps, from beat 0 to the end of the last bar.
        colour: degrees that melodies use, a name of `theory.COLOURS` or "blues".
        density: -1 (sparse) to 1 (busy), from the mood.
    """

    key: Key
    bpm: float
    beats_per_bar: int
    n_bars: int
    spans: tuple[Span, ...]
    colour: str = "scale"
    density: float = 0.0

    @property
    def beats(self) -> float:
        """Length in beats."""
        return float(self.n_bars * self.beats_per_bar)

    @cached_property
    def chords(self) -> list[Chord]:
        """The chords of the spans."""
        return [span.chord for span in self.spans]

    @cached_property
    def melody_classes(self) -> tuple[int, ...]:
        """Pitch classes that melodies use."""
        if self.colour == "blues":
            return tuple((self.key.tonic + step) % 12 for step in (0, 3, 5, 6, 7, 10))
        return self.key.pitch_classes(self.colour)

    def span_at(self, beat: float) -> int:
        """Return the index of the chord that sounds at a beat."""
        return span_at(self.spans, beat)

    def chord_at(self, beat: float) -> Chord:
        """Return the chord that sounds at a beat."""
        return chord_at(self.spans, beat)


@dataclass(frozen=True)
class Onset:
    """A sign of a rhythm string: start (beats from the start of the score), length (beats), the sign."""

    start: float
    length: float
    sign: str


def onsets(figure: str, plan: HarmonicPlan) -> Iterator[Onset]:
    """Repeat a rhythm string over the whole plan.

    Each character is an equal share of a bar (of two bars if there is a "|" in the middle): "." is silence, "-" holds
    what sounds, anything else begins a note. Blanks are for the eye.
    """
    bars = figure.replace(" ", "").split("|")
    for bar in range(plan.n_bars):
        text = bars[bar % len(bars)]
        step = plan.beats_per_bar / len(text)
        place = 0
        while place < len(text):
            end = place + 1
            while end < len(text) and text[end] == "-":
                end += 1
            if text[place] not in ".-":
                start = bar * plan.beats_per_bar + place * step
                yield Onset(start, (end - place) * step, text[place])
            place = end
