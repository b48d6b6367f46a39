"""From written notes to played ones: timing, strength, pedals, swells and places on the stage."""

import math
from random import Random

from audiodiff.composer.plan import HarmonicPlan
from audiodiff.composer.score import Control, Instrument, Note
from audiodiff.composer.styles.base import Layer, Style


def _swung(beat: float, share: float) -> float:
    """Move the second half of a beat to `share` of it, and all between in proportion."""
    whole, part = divmod(beat, 1.0)
    return whole + (part * 2 * share if part < 0.5 else share + (part - 0.5) * 2 * (1 - share))


def perform(
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
    drift = touch = 0.0  # and wanders slowly about that, in time and in strength
    played = []
    for note in sorted(notes, key=lambda note: (note.start, note.pitch)):
        start, end = note.start, note.start + note.length
        if style.swing != 0.5:
            start, end = _swung(start, style.swing), _swung(end, style.swing)
        drift = 0.9 * drift + rng.gauss(0.0, 0.3 * style.loose)
        touch = 0.9 * touch + rng.gauss(0.0, 1.5)
        shift = (lag + drift + rng.gauss(0.0, style.loose)) / beat_seconds
        shift = max(-0.04, min(0.04, shift))
        # Phrases of four bars rise to the third and fall.
        arch = 4.0 * math.sin(math.pi * ((note.start / plan.beats_per_bar) % 4) / 4)
        accent = 3.0 if note.start % plan.beats_per_bar < 1e-6 else 0.0
        velocity = note.velocity + layer.level + instrument.gain + 10.0 * energy + arch + accent + touch
        velocity = max(18, min(127, round(velocity + rng.gauss(0.0, 3.0))))
        length = (end - start) * rng.uniform(0.94, 1.0)
        played.append(Note(max(0.0, start + shift), max(0.05, length), note.pitch, velocity))
    return tuple(played)


def controls(rng: Random, style: Style, plan: HarmonicPlan, instrument: Instrument) -> tuple[Control, ...]:
    """Pedal through each chord, and swells of whoever can swell."""
    found = []
    if style.pedal and not instrument.sustained and not instrument.drums:
        for span in plan.spans:
            found.append(Control(span.start, 64, 0))
            found.append(Control(span.start + 0.08, 64, 127))
    if instrument.sustained:
        period = rng.choice((2, 4)) * plan.beats_per_bar
        depth = rng.uniform(8, 24)
        for step in range(math.ceil(plan.beats * 2)):
            beat = step / 2
            swell = math.sin(math.pi * (beat % period) / period)
            found.append(Control(beat, 11, round(127 - depth + depth * swell)))
        if not instrument.plural:  # vibrato comes and goes
            found += [
                Control(step * period / 2, 1, rng.randrange(4, 48)) for step in range(int(plan.beats / period * 2))
            ]
    return tuple(found)


def place(rng: Random, layer: Layer, style: Style) -> int:
    """Return where a player stands: low parts and soloists near the middle, others to a side."""
    if layer.pan != 64:
        return layer.pan if rng.random() < 0.5 else 127 - layer.pan
    if layer.texture in ("bass", "walking", "riff", "drums", "melody") or len(style.layers) == 1:
        return rng.randrange(56, 73)
    return 64 + rng.choice((-1, 1)) * rng.randrange(10, 44)
