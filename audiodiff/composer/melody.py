"""Melodies: a motif, its repetitions and answers, phrases of four bars that breathe."""

from random import Random

from audiodiff.composer.plan import HarmonicPlan
from audiodiff.composer.score import Instrument, Note
from audiodiff.composer.theory import Chord, ladder

# Ways to fill one beat and two beats, by figure; a negative length is a rest.
_ONE = {
    "sparse": ((1.0,), (1.0,), (0.5, 0.5)),
    "medium": ((1.0,), (0.5, 0.5), (0.5, 0.5), (0.75, 0.25)),
    "dense": ((0.5, 0.5), (0.25, 0.25, 0.5), (0.5, 0.25, 0.25), (0.25,) * 4, (0.75, 0.25)),
    "running": ((0.25,) * 4, (0.25,) * 4, (0.5, 0.25, 0.25)),
    "eighths": ((0.5, 0.5),),
    "jig": ((1 / 3,) * 3, (1 / 3,) * 3, (2 / 3, 1 / 3)),
    "syncopated": ((0.5, 0.5), (0.25, 0.5, 0.25), (-0.5, 0.5), (0.75, 0.25), (0.25, 0.75)),
    "fanfare": ((1.0,), (0.75, 0.25), (0.5, 0.25, 0.25), (0.5, 0.5)),
}
_TWO = {
    "sparse": ((2.0,), (2.0,), (1.5, 0.5), (1.0, 1.0), (-1.0, 1.0)),
    "medium": ((2.0,), (1.5, 0.5), (1.0, 0.5, 0.5), (-0.5, 0.5, 0.5, 0.5)),
    "dense": ((1.0, 0.5, 0.5), (0.75, 0.75, 0.5), (-0.5, 0.5, 0.5, 0.5)),
    "running": ((0.25,) * 8,),
    "eighths": ((0.5,) * 4, (1.0, 0.5, 0.5)),
    "jig": ((2 / 3, 1 / 3, 2 / 3, 1 / 3), (1 / 3,) * 6, (1 / 3, 1 / 3, 1 / 3, 1.0)),
    "syncopated": ((0.75, 0.75, 0.5), (-0.5, 1.0, 0.5), (0.5, 1.0, 0.5), (1.5, 0.5), (-1.0, 0.5, 0.5)),
    "fanfare": ((1.5, 0.5), (2.0,), (1.0, 1 / 3, 1 / 3, 1 / 3)),
}
FIGURES = frozenset(_ONE)

_FORMS = ("AABC", "ABAC", "AABA", "ABAB", "AAAC")
_ARCHES = ((0, 1, 3, 1), (0, 2, 1, -1), (2, 1, 0, -1), (0, 2, 4, 1), (1, 0, 2, 0))
_STEPS = (-2, -1, -1, -1, 0, 1, 1, 1, 2)
_LEAPS = (-4, -3, 3, 4)

Motif = tuple[tuple[float, ...], tuple[int, ...]]


def _rhythm(rng: Random, figure: str, beats: int) -> tuple[float, ...]:
    lengths: list[float] = []
    left = beats
    while left:
        if left >= 2 and rng.random() < 0.5:
            lengths += rng.choice(_TWO[figure])
            left -= 2
        else:
            lengths += rng.choice(_ONE[figure])
            left -= 1
    return tuple(lengths)


def _contour(rng: Random, count: int) -> tuple[int, ...]:
    """Steps of the scale away from the bar's anchor; a leap is answered by a step back."""
    place, path, leapt = 0, [0], 0
    for _ in range(count - 1):
        if leapt:
            step, leapt = -1 if leapt > 0 else 1, 0
        elif rng.random() < 0.15:
            step = leapt = rng.choice(_LEAPS)
        else:
            step = rng.choice(_STEPS)
        if abs(place + step) > 5:
            step = -step
        place += step
        path.append(place)
    return tuple(path)


def _motif(rng: Random, figure: str, beats: int) -> Motif:
    rhythm = _rhythm(rng, figure, beats)
    return rhythm, _contour(rng, len(rhythm))


def _cadence(rng: Random, motif: Motif, beats: int) -> Motif:
    """Keep the first beat or two of a motif and let the last note ring, perhaps followed by a breath."""
    lengths: list[float] = []
    keep = 1 if beats <= 3 or rng.random() < 0.5 else 2
    for length in motif[0]:
        if sum(map(abs, lengths)) + abs(length) > keep + 1e-6:
            break
        lengths.append(length)
    rest = beats - sum(map(abs, lengths))
    breath = min(1.0, rest / 3) if rng.random() < 0.6 else 0.0
    lengths += [rest - breath] + ([-breath] if breath else [])
    return tuple(lengths), (*motif[1], *(0 for _ in lengths))[: len(lengths)]


def snap(chord: Chord, rungs: list[int], index: int, reach: int = 2) -> int:
    """Return the index of the rung nearest to `index` that is a note of the chord, or `index` if none is in reach."""
    for distance in range(reach + 1):
        for candidate in (index - distance, index + distance):
            if 0 <= candidate < len(rungs) and chord.adjust(rungs[candidate]) % 12 in chord.pitch_classes:
                return candidate
    return index


def melody(rng: Random, plan: HarmonicPlan, instrument: Instrument, figure: str) -> list[Note]:
    """Compose a melody over the plan.

    Args:
        rng: source of all choices.
        plan: harmony and metre.
        instrument: gives the range; the melody keeps to about an octave and a half around its upper middle.
        figure: a name of `FIGURES`, possibly with "+grace" (ornaments before long notes) or "+thirds" (a second
            voice below long notes).
    """
    name, *extras = figure.split("+")
    middle = instrument.low + 0.58 * (instrument.high - instrument.low)
    low, high = max(instrument.low, round(middle) - 10), min(instrument.high, round(middle) + 11)
    rungs = ladder(plan.melody_classes, low, high)
    per_octave = len(plan.melody_classes)
    centre = len(rungs) // 2 - per_octave // 4
    form, arch = rng.choice(_FORMS), rng.choice(_ARCHES)
    motifs = {letter: _motif(rng, name, plan.beats_per_bar) for letter in "ABC"}
    legato = rng.choice((0.8, 0.92, 0.98))
    notes: list[Note] = []
    for bar in range(plan.n_bars):
        place = bar % 4
        rhythm, contour = motifs[form[place]]
        if place == 3 or (place == 1 and rng.random() < 0.3):
            rhythm, contour = _cadence(rng, motifs[form[place]], plan.beats_per_bar)
        start = float(bar * plan.beats_per_bar)
        # A repeated bar comes back where it was: the same anchor, moved only by the arch and the chord.
        chord = plan.chord_at(start)
        lift = round(arch[place] * per_octave / 7)
        anchor = snap(chord, rungs, max(0, min(len(rungs) - 1, centre + lift)))
        before = anchor
        for number, (length, step) in enumerate(zip(rhythm, contour, strict=True)):
            if length < 0:
                start -= length
                continue
            chord = plan.chord_at(start)
            index = max(0, min(len(rungs) - 1, anchor + step))
            # Sums of thirds miss the whole beat by a rounding error now and then: a passing note on a strong beat.
            strong = (start % 1) < 1e-6 and (start % plan.beats_per_bar) in (0, 2)
            last = number == len(rhythm) - 1
            if strong or length >= 1 or last or name == "fanfare":
                index = snap(chord, rungs, index)
            if last and place == 3 and plan.key.tonic in chord.pitch_classes:
                # A phrase comes home.
                homes = (rung for rung, pitch in enumerate(rungs) if pitch % 12 == plan.key.tonic)
                index = min(homes, key=lambda home: abs(home - index))
            if index == before and number and length < 0.5 and rng.random() < 0.5:
                index = max(0, min(len(rungs) - 1, index + rng.choice((-1, 1))))
            before = index
            pitch = chord.adjust(rungs[index])
            velocity = 86 + (6 if strong else 0) + (3 if length >= 1 else 0)
            if "grace" in extras and length >= 0.5 and rng.random() < 0.35:
                neighbour = chord.adjust(rungs[min(len(rungs) - 1, index + 1)])
                tick = min(0.12, length / 4)
                notes.append(Note(start, tick, neighbour, velocity - 14))
                notes.append(Note(start + tick, length * legato - tick, pitch, velocity))
            else:
                notes.append(Note(start, length * legato, pitch, velocity))
            if "thirds" in extras and length >= 0.5:
                lower = snap(chord, rungs, max(0, index - 2), 1)
                if lower < index:
                    notes.append(Note(start, length * legato, chord.adjust(rungs[lower]), velocity - 14))
            start += length
    return notes
