"""Clip number `index` of seed `seed`: its score and its labels, a pure function of the two."""

import math
from dataclasses import dataclass
from functools import cache
from random import Random

from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.moods import MOODS
from audiodiff.composer.plan import HarmonicPlan, Span
from audiodiff.composer.score import BEATS_OF_MINUTE_US, Control, Instrument, Note, Part, Score
from audiodiff.composer.styles import STYLES
from audiodiff.composer.styles.base import Layer, Style
from audiodiff.composer.textures import TEXTURES
from audiodiff.composer.theory import TONICS, Chord, Key, diatonic, dominant, nearest, progression

RECIPE = 1
"""Number of the rules of composition: the same recipe, seed and index give the same score."""

# Silence for echoes after the clip's end in the score (s).
_TAIL = 0.5


@dataclass(frozen=True)
class Piece:
    """A composed clip.

    Attributes:
        index: number of the clip.
        style: its style.
        mood: its mood word.
        key: its key; meaningless when the style is keyless.
        score: the notes.
        offset: where the clip begins in the score (s).
        seconds: length of the clip (s).
        split: "train", "valid" or "test".
    """

    index: int
    style: Style
    mood: str
    key: Key
    score: Score
    offset: float
    seconds: float
    split: str

    @property
    def name(self) -> str:
        """Stem of the clip's file."""
        return f"{self.style.name}_{self.index:06d}"

    @property
    def first_beat(self) -> float:
        """Time of the first beat in the clip (s); the others follow at the score's tempo."""
        return -self.offset % (60.0 / self.score.bpm)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments that sound, each once, in order of the layers."""
        return tuple({part.instrument.name: part.instrument for part in self.score.parts}.values())


def split_of(index: int) -> str:
    """Return the split of a clip: of forty, one is for validation and one for tests."""
    return {0: "valid", 20: "test"}.get(index % 40, "train")


@cache
def _deck(seed: int, number: int) -> tuple[Style, ...]:
    """Return the styles of one deck, each as often as its weight, shuffled."""
    cards = [style for style in STYLES for _ in range(style.weight)]
    Random(f"audiodiff rendered {seed} deck {number}").shuffle(cards)
    return tuple(cards)


def style_of(seed: int, index: int) -> Style:
    """Return the style of a clip; every deck of clips holds each style as often as its weight."""
    size = sum(style.weight for style in STYLES)
    return _deck(seed, index // size)[index % size]


def compose(seed: int, index: int, seconds: float = 10.0) -> Piece:
    """Compose one clip.

    Args:
        seed: of the collection.
        index: of the clip in it.
        seconds: length of the clip (s).
    """
    rng = Random(f"audiodiff rendered {seed} clip {index}")
    style = style_of(seed, index)
    key = Key(rng.randrange(len(TONICS)), rng.choice(style.modes))
    mood = rng.choice(style.minor_moods if key.is_minor and style.minor_moods else style.moods)
    energy = MOODS[mood]
    low, high = style.tempo
    # A lively mood leans to the faster side of the style's range, a calm one to the slower.
    lean = rng.triangular(0.0, 1.0, min(1.0, max(0.0, 0.5 + 0.5 * energy)))
    us_per_beat = round(BEATS_OF_MINUTE_US / round(low + (high - low) * lean, 1))
    beat_seconds = us_per_beat / 1e6
    bar_seconds = beat_seconds * style.beats_per_bar

    # Most clips begin with the piece; others are cut out of its middle. Some of them reach its last chord.
    lead_bars = rng.choice((0, 0, 0, 1, 2, 4)) if not style.blues else rng.choice((0, 0, 1, 2))
    offset = lead_bars * bar_seconds
    if lead_bars and rng.random() < 0.5:
        offset -= rng.random() * beat_seconds
    ends = rng.random() < 0.18
    n_bars = math.ceil((offset + seconds + _TAIL) / bar_seconds)
    final_bar = math.floor((offset + seconds - 2.2) / bar_seconds)
    ends = ends and final_bar > lead_bars + 1
    plan = _plan(rng, style, key, us_per_beat, n_bars, energy, final_bar if ends else None)

    parts: list[Part] = []
    drawn: list[str] = []
    for layer in style.layers:
        choice = rng.choice(layer.sounds)
        drawn.append(drawn[int(choice)] if choice.isdigit() else choice)
        instrument = INSTRUMENTS[drawn[-1]]
        notes = TEXTURES[layer.texture](rng, plan, instrument, rng.choice(layer.figures))
        if ends:
            notes = _finish(plan, notes, instrument, float(final_bar * style.beats_per_bar))
        played = _perform(rng, style, layer, plan, instrument, notes, energy)
        controls = _controls(rng, style, plan, instrument)
        parts.append(Part(instrument, played, controls, pan=layer.pan))
    beats = (offset + seconds + _TAIL) / beat_seconds
    score = Score(us_per_beat, style.beats_per_bar, beats, tuple(parts))
    return Piece(index, style, mood, key, score, offset, seconds, split_of(index))


def _plan(
    rng: Random, style: Style, key: Key, us_per_beat: int, n_bars: int, energy: float, final_bar: int | None
) -> HarmonicPlan:
    """Lay out the chords; the bar of the last chord is the tonic."""
    length = float(rng.choice(style.chord_beats) or style.beats_per_bar)
    beats = n_bars * style.beats_per_bar
    degrees = progression(rng, style.family, key, math.ceil(beats / length))
    colour = rng.choice(style.colours)
    spans = []
    for number, degree in enumerate(degrees):
        start = number * length
        is_last = final_bar is not None and start >= final_bar * style.beats_per_bar - 1e-6
        spans.append(Span(start, min(length, beats - start), _chord(style, key, 0 if is_last else degree)))
    bpm = BEATS_OF_MINUTE_US / us_per_beat
    return HarmonicPlan(key, bpm, style.beats_per_bar, n_bars, tuple(spans), colour, energy)


def _chord(style: Style, key: Key, degree: int) -> Chord:
    if style.blues:
        return dominant(key, degree)
    return diatonic(key, degree, sevenths=style.sevenths, harmonic=style.harmonic)


def _finish(plan: HarmonicPlan, notes: list[Note], instrument: Instrument, final: float) -> list[Note]:
    """Stop at beat `final` and hold the last chord's notes nearest to where each player was."""
    kept = [
        Note(n.start, min(n.length, max(final - n.start, 0.1)), n.pitch, n.velocity)
        for n in notes
        if n.start < final - 0.02
    ]
    if not kept:
        return notes
    hold = plan.beats - final
    if instrument.drums:
        return [*kept, Note(final, 0.1, 49, 100), Note(final, 0.1, 36, 104)]
    last = max(n.start for n in kept)
    chord = plan.chord_at(final)
    pitches = {
        nearest(chord.pitch_classes[:3], n.pitch, instrument.low, max(instrument.high, instrument.low + 12))
        for n in kept
        if n.start >= last - 0.15
    }
    return [*kept, *(Note(final, hold, pitch, 88) for pitch in sorted(pitches))]


def _swung(beat: float, share: float) -> float:
    """Move the second half of a beat to `share` of it, and all between in proportion."""
    whole, part = divmod(beat, 1.0)
    return whole + (part * 2 * share if part < 0.5 else share + (part - 0.5) * 2 * (1 - share))


def _perform(
    rng: Random,
    style: Style,
    layer: Layer,
    plan: HarmonicPlan,
    instrument: Instrument,
    notes: list[Note],
    energy: float,
) -> tuple[Note, ...]:
    """Turn the written notes into played ones: swing, small deviations of time and strength, phrasing."""
    beat_seconds = 60.0 / plan.bpm
    lag = rng.gauss(0.0, style.loose / 2)  # a player is a little early or late all through
    played = []
    for note in notes:
        start, end = note.start, note.start + note.length
        if style.swing != 0.5:
            start, end = _swung(start, style.swing), _swung(end, style.swing)
        shift = (lag + rng.gauss(0.0, style.loose)) / beat_seconds
        shift = max(-0.04, min(0.04, shift))
        # Phrases of four bars rise to the third and fall.
        arch = 4.0 * math.sin(math.pi * ((note.start / plan.beats_per_bar) % 4) / 4)
        velocity = note.velocity + layer.level + instrument.gain + 10.0 * energy + arch + rng.gauss(0.0, 3.0)
        velocity = max(18, min(127, round(velocity)))
        played.append(Note(max(0.0, start + shift), max(0.05, end - start), note.pitch, velocity))
    return tuple(played)


def _controls(rng: Random, style: Style, plan: HarmonicPlan, instrument: Instrument) -> tuple[Control, ...]:
    """Pedal through each chord, and swells of whoever can swell."""
    controls = []
    if style.pedal and not instrument.sustained and not instrument.drums:
        for span in plan.spans:
            controls.append(Control(span.start, 64, 0))
            controls.append(Control(span.start + 0.08, 64, 127))
    if instrument.sustained:
        period = rng.choice((2, 4)) * plan.beats_per_bar
        depth = rng.uniform(8, 24)
        for step in range(math.ceil(plan.beats * 2)):
            beat = step / 2
            swell = math.sin(math.pi * (beat % period) / period)
            controls.append(Control(beat, 11, round(127 - depth + depth * swell)))
    return tuple(controls)
