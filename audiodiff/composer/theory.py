"""Keys, chords, progressions and voice leading."""

import itertools
from dataclasses import dataclass
from random import Random

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
"""Semitones above the tonic."""

KEY_PROFILES = {
    "major": (1.5, 0.0, 1.0, 0.0, 1.2, 1.0, 0.0, 1.3, 0.0, 1.0, 0.0, 1.0),
    "minor": (1.5, 0.0, 1.0, 1.2, 0.0, 1.0, 0.0, 1.3, 1.0, 0.0, 0.6, 0.6),
}
"""Weight of each pitch class above the tonic: the scale's notes 1, its triad more, both sevenths of minor less."""

_QUALITIES = {
    (0, 4, 7): "",
    (0, 3, 7): "m",
    (0, 3, 6): "dim",
    (0, 4, 7, 10): "7",
    (0, 4, 7, 11): "maj7",
    (0, 3, 7, 10): "m7",
    (0, 3, 6, 10): "m7b5",
}

COLOURS = {
    "scale": (0, 1, 2, 3, 4, 5, 6),
    "pentatonic": (0, 1, 2, 4, 5),
    "minor pentatonic": (0, 2, 3, 4, 6),
    "hirajoshi": (0, 1, 2, 4, 5),
}
"""Degrees that a melody uses; `pentatonic` means the minor one in a minor mode."""


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class, 0 = C) and a mode of `MODES`."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        """One of the 24 keys, such as "Eb minor"; dorian counts as minor and mixolydian as major."""
        return f"{TONICS[self.tonic]} {self.third}"

    @property
    def third(self) -> str:
        """Either "major" or "minor"."""
        return "minor" if self.is_minor else "major"

    @property
    def is_minor(self) -> bool:
        """Whether the third is minor."""
        return MODES[self.mode][2] == 3

    def pitch_class(self, degree: int) -> int:
        """Return the pitch class of a degree; 0 is the tonic, 7 the tonic again."""
        return (self.tonic + MODES[self.mode][degree % 7]) % 12

    def pitch_classes(self, colour: str = "scale") -> tuple[int, ...]:
        """Return the pitch classes of the scale, or of the part of it that a colour of `COLOURS` names."""
        if colour == "pentatonic" and self.is_minor:
            colour = "minor pentatonic"
        return tuple(self.pitch_class(degree) for degree in COLOURS[colour])


@dataclass(frozen=True)
class Chord:
    """Pitch classes of a chord, root first, and the notes it alters.

    Attributes:
        degree: of the root (0 = tonic).
        pitch_classes: root, third, fifth and possibly the seventh.
        raised: pitch class of the scale that sounds a semitone higher over this chord (the leading tone of minor).
    """

    degree: int
    pitch_classes: tuple[int, ...]
    raised: int | None = None

    @property
    def root(self) -> int:
        """Pitch class of the root."""
        return self.pitch_classes[0]

    @property
    def name(self) -> str:
        """In the usual letters, such as "F#m7"."""
        return TONICS[self.root] + _QUALITIES[tuple((p - self.root) % 12 for p in self.pitch_classes)]

    def adjust(self, pitch: int) -> int:
        """Return a pitch of the scale as it sounds over this chord."""
        return pitch + 1 if pitch % 12 == self.raised else pitch


def diatonic(key: Key, degree: int, *, sevenths: bool = False, harmonic: bool = True) -> Chord:
    """Return the chord of thirds on a degree (0 = tonic); the dominant of minor is major when `harmonic`."""
    steps = (0, 2, 4, 6) if sevenths else (0, 2, 4)
    chord = Chord(degree % 7, tuple(key.pitch_class(degree + step) for step in steps))
    if harmonic and key.mode == "minor" and degree % 7 == 4:
        leading = key.pitch_class(6)
        raised = tuple((p + 1) % 12 if p == leading else p for p in chord.pitch_classes)
        return Chord(4, raised, leading)
    return chord


def dominant(key: Key, degree: int) -> Chord:
    """Return the dominant seventh chord on a degree, as the blues uses on the tonic, fourth and fifth."""
    root = key.pitch_class(degree)
    return Chord(degree % 7, tuple((root + step) % 12 for step in (0, 4, 7, 10)))


LOOPS: dict[str, tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]] = {
    "pop": (
        ((1, 5, 6, 4), (6, 4, 1, 5), (1, 6, 4, 5), (1, 4, 6, 5), (1, 3, 4, 5), (4, 1, 5, 6), (1, 4, 1, 5)),
        ((1, 6, 3, 7), (1, 4, 6, 5), (1, 7, 6, 7), (1, 3, 7, 4), (6, 7, 1, 1), (1, 6, 4, 5), (1, 4, 7, 3)),
    ),
    "jazz": (
        ((2, 5, 1, 6), (1, 6, 2, 5), (3, 6, 2, 5), (1, 4, 3, 6), (2, 5, 1, 1), (4, 7, 3, 6)),
        ((2, 5, 1, 1), (1, 4, 7, 3), (6, 2, 5, 1), (1, 6, 2, 5), (4, 7, 3, 6)),
    ),
    "folk": (
        ((1, 4, 5, 1), (1, 1, 4, 5), (1, 5, 4, 1), (1, 4, 1, 5), (1, 6, 4, 5)),
        ((1, 7, 1, 7), (1, 7, 6, 7), (1, 4, 7, 1), (1, 3, 7, 1), (1, 1, 7, 7)),
    ),
    "modal": (
        ((1, 1, 4, 4), (1, 2, 4, 1), (1, 5, 4, 4), (1, 3, 4, 4)),
        ((1, 1, 6, 6), (1, 4, 1, 7), (1, 7, 6, 6), (1, 3, 4, 6), (1, 1, 4, 4)),
    ),
    "vamp": (
        ((1, 1, 4, 4), (1, 4, 1, 4), (1, 2, 1, 2), (1, 1, 1, 4)),
        ((1, 1, 1, 4), (1, 4, 1, 4), (1, 7, 1, 7), (1, 1, 7, 4)),
    ),
    "rock": (
        ((1, 4, 5, 4), (1, 5, 6, 4), (1, 1, 4, 5), (6, 4, 1, 5), (1, 4, 1, 5)),
        ((1, 6, 7, 1), (1, 1, 4, 7), (1, 7, 6, 7), (1, 3, 7, 6), (1, 1, 6, 7), (1, 4, 6, 7)),
    ),
    "epic": (
        ((1, 5, 6, 4), (6, 4, 1, 5), (1, 3, 4, 5)),
        ((1, 6, 3, 7), (1, 4, 6, 5), (1, 7, 6, 5), (1, 3, 6, 7)),
    ),
    "andalusian": (((1, 4, 5, 1),), ((1, 7, 6, 5), (1, 7, 6, 5), (6, 7, 1, 5), (4, 1, 6, 5))),
    "drone": (((1, 1, 1, 1),), ((1, 1, 1, 1),)),
    "cadence": (
        ((1, 4, 5, 1), (1, 5, 1, 4), (1, 6, 5, 1), (1, 4, 1, 5), (1, 2, 5, 1), (1, 5, 6, 1)),
        ((1, 4, 5, 1), (1, 5, 1, 4), (1, 6, 5, 1), (1, 4, 1, 5), (1, 7, 5, 1), (1, 6, 4, 1)),
    ),
    "ragtime": (((1, 1, 5, 5), (1, 6, 2, 5), (1, 4, 1, 5), (2, 5, 1, 1)), ((1, 4, 5, 1), (1, 1, 5, 1))),
    "fanfare": (((1, 4, 1, 5), (1, 5, 1, 4), (1, 6, 4, 5)), ((1, 6, 7, 1), (1, 4, 5, 1))),
}
"""Family -> (loops of major, loops of minor), as degrees counted from 1."""

BLUES = (1, 1, 1, 1, 4, 4, 1, 1, 5, 4, 1, 5)

# What may follow a degree in the functional harmony of the common practice, likely ones repeated.
_FOLLOWS = {1: (4, 5, 6, 2, 4, 5, 3), 2: (5, 5, 7), 3: (6, 4), 4: (5, 1, 2, 5), 5: (1, 1, 1, 6), 6: (2, 4, 5), 7: (1,)}


def progression(rng: Random, family: str, key: Key, count: int) -> list[int]:
    """Return the degrees (0 = tonic) of `count` chords.

    Args:
        rng: source of the choice.
        family: a name of `LOOPS`, "blues" (twelve bars, begun at a line of four) or "functional" (phrases of four
            chords that end on the dominant or the tonic).
        key: decides between the loops of major and minor.
        count: number of chords.
    """
    if family == "blues":
        start = rng.choice((0, 0, 4, 8))
        return [BLUES[(start + i) % 12] - 1 for i in range(count)]
    if family == "functional":
        degrees = [1]
        while len(degrees) < count:
            place = len(degrees) % 4
            following = _FOLLOWS[degrees[-1]]
            if place == 3:
                degrees.append(5 if (len(degrees) // 4) % 2 == 0 and degrees[-1] != 5 else 1)
            else:
                # The diminished chord of the seventh degree is kept for minor, where it is the subtonic.
                degrees.append(rng.choice([d for d in following if d != 7 or key.is_minor]))
        return [degree - 1 for degree in degrees[:count]]
    loop = rng.choice(LOOPS[family][key.is_minor])
    return [loop[i % len(loop)] - 1 for i in range(count)]


def ladder(pitch_classes: tuple[int, ...], low: int, high: int) -> list[int]:
    """Return the pitches from `low` to `high` that belong to the pitch classes, rising."""
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in pitch_classes]


def nearest(pitch_classes: tuple[int, ...], target: float, low: int, high: int) -> int:
    """Return the pitch of the classes that is nearest to a target within the range (at least an octave)."""
    return min(ladder(pitch_classes, low, high), key=lambda pitch: (abs(pitch - target), pitch))


def lead_voices(
    chords: list[Chord], size: int, low: int, high: int, *, bass_apart: bool = False
) -> list[tuple[int, ...]]:
    """Voice chords one after another so that each voice moves as little as it can.

    Args:
        chords: the progression.
        size: number of voices.
        low: lowest pitch.
        high: highest pitch (at least an octave and a half above `low`).
        bass_apart: somebody else plays the root, so a chord of four notes may go without it.

    Returns:
        one rising tuple of `size` pitches per chord.
    """
    voicings: list[tuple[int, ...]] = []
    previous: tuple[int, ...] | None = None
    centre = (low + high) / 2
    for chord in chords:
        classes = chord.pitch_classes
        if len(classes) > size:
            classes = classes[1:] if bass_apart and size == len(classes) - 1 else (classes[0], *classes[-size + 1 :])
        candidates = list(_close_positions(classes, size, low, high))
        if previous is None:
            best = min(candidates, key=lambda c: abs(sum(c) / size - centre))
        else:
            before = previous
            best = min(
                candidates,
                key=lambda c: (
                    sum(abs(a - b) for a, b in zip(c, before, strict=True)) + 0.15 * abs(sum(c) / size - centre) * size
                ),
            )
        voicings.append(best)
        previous = best
    return voicings


def _close_positions(classes: tuple[int, ...], size: int, low: int, high: int) -> itertools.chain[tuple[int, ...]]:
    def from_bass(bass: int) -> list[tuple[int, ...]]:
        voices = [bass]
        while len(voices) < size:
            voices.append(next(p for p in range(voices[-1] + 1, voices[-1] + 13) if p % 12 in classes))
        close = tuple(voices)
        found = [close] if close[-1] <= high else []
        if size >= 4:  # drop the second voice from above by an octave: open and mellow
            opened = tuple(sorted((*close[:-2], close[-2] - 12, close[-1])))
            found += [opened] if opened[0] >= low and opened[-1] <= high else []
        return found

    return itertools.chain.from_iterable(from_bass(b) for b in range(low, high + 1) if b % 12 in classes)
