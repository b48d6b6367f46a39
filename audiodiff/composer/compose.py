"""Clip number `index` of seed `seed`: its score and its labels, a pure function of the two."""

import math
from dataclasses import replace
from random import Random
from typing import TypeVar

from audiodiff.composer.deck import style_and_key
from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.moods import MOODS
from audiodiff.composer.perform import controls, perform, place
from audiodiff.composer.piece import Piece
from audiodiff.composer.plan import HarmonicPlan, Span
from audiodiff.composer.score import BEATS_OF_MINUTE_US, Instrument, Note, Part, Score
from audiodiff.composer.styles.base import Style
from audiodiff.composer.textures import TEXTURES
from audiodiff.composer.theory import Chord, Key, diatonic, dominant, nearest, progression

T = TypeVar("T", Note, Span)

RECIPE = 2
"""Number of the rules of composition: the same recipe, seed and index give the same score."""

# Silence for echoes after the clip's end in the score (s).
_TAIL = 0.5

_ENDING = 0.3
"""Share of the clips that end with the piece."""

_MODULATING = 0.12
_LEAST_IN_A_KEY = 7.0
"""Share of the clips that change the key, of those in which either key lasts so long (s)."""

_STEPS_UP = (1, 2, 2, 3, 5)
"""Semitones from a key to the next one."""

_ATTEMPTS = 48
_CLEAR = 0.06
"""Other notes are tried, so often, until the key fits so much better than any other in all windows of the clip."""


def compose(seed: int, index: int, seconds: float = 10.0) -> Piece:
    """Compose one clip: of several attempts the first whose key is clear, or the clearest.

    Args:
        seed: of the collection.
        index: of the clip in it.
        seconds: length of the clip (s).
    """
    style, _ = style_and_key(seed, index)
    best, clearest = None, -math.inf
    for attempt in range(_ATTEMPTS):
        piece = _attempt(Random(f"audiodiff rendered {seed} clip {index} attempt {attempt}"), seed, index, seconds)
        clarity = 1.0 if style.keyless else piece.key_clarity()
        if clarity > clearest:
            best, clearest = piece, clarity
        if clearest >= _CLEAR:
            break
    assert best is not None
    return best


def _attempt(rng: Random, seed: int, index: int, seconds: float) -> Piece:
    style, key = style_and_key(seed, index)
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
    ends = rng.random() < _ENDING
    n_bars = math.ceil((offset + seconds + _TAIL) / bar_seconds)
    final_bar = math.floor((offset + seconds - 2.2) / bar_seconds)
    ends = ends and final_bar > lead_bars + 1

    keys, change = [key], (offset + seconds + _TAIL) / beat_seconds
    middle = round((offset + seconds / 2) / bar_seconds)
    sides = (middle * bar_seconds - offset, offset + seconds - middle * bar_seconds)
    if rng.random() < _MODULATING and min(sides) >= _LEAST_IN_A_KEY and not style.blues and not style.keyless:
        keys.append(Key((key.tonic + rng.choice(_STEPS_UP)) % 12, key.mode))
        change = float(middle * style.beats_per_bar)
    # The same music in both keys: each plan and each player begins with the same random state.
    state = rng.getstate()
    plans = []
    for one in keys:
        rng.setstate(state)
        plans.append(_plan(rng, style, one, us_per_beat, n_bars, energy, final_bar if ends else None))

    parts: list[Part] = []
    drawn: list[str] = []
    places: dict[str, int] = {}
    for layer in style.layers:
        choice = rng.choice(layer.sounds)
        drawn.append(drawn[int(choice)] if choice.isdigit() else choice)
        instrument = INSTRUMENTS[drawn[-1]]
        figure = rng.choice(layer.figures)
        state = rng.getstate()
        takes = []
        for plan in plans:
            rng.setstate(state)
            takes.append(TEXTURES[layer.texture](rng, plan, instrument, figure))
        notes = _joined(takes, change)
        if ends:
            notes = _finish(plans[-1], notes, instrument, float(final_bar * style.beats_per_bar))
        played = perform(rng, style, layer, plans[0], instrument, notes, energy)
        pan = places.setdefault(drawn[-1], place(rng, layer, style))
        parts.append(Part(instrument, played, controls(rng, style, plans[0], instrument), pan=pan))
    harmony = _joined([list(plan.spans) for plan in plans], change)
    beats = (offset + seconds + _TAIL) / beat_seconds
    score = Score(us_per_beat, style.beats_per_bar, beats, tuple(parts))
    return Piece(seed, index, style, mood, tuple(keys), change, tuple(harmony), score, offset, seconds)


def _joined(takes: list[list[T]], change: float) -> list[T]:
    """Go over from the first take to the last at a beat; what sounds there is cut."""
    if len(takes) == 1:
        return takes[0]
    before = [replace(e, length=min(e.length, change - e.start)) for e in takes[0] if e.start < change - 1e-6]
    return before + [event for event in takes[-1] if event.start >= change - 1e-6]


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
