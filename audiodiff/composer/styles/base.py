"""What a style is, and words that its tables share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """What one player does.

    Attributes:
        sounds: keys of `instruments.INSTRUMENTS`, one of which is drawn; a digit is the sound of the layer with that
            number, for a second hand on the same instrument.
        texture: a name of `textures.TEXTURES`.
        figures: figures of that texture, one of which is drawn.
        level: velocity offset.
        pan: 0 (left) to 127.
    """

    sounds: tuple[str, ...]
    texture: str
    figures: tuple[str, ...]
    level: int = 0
    pan: int = 64


@dataclass(frozen=True)
class Style:
    """A kind of music.

    Attributes:
        name: unique, goes into file names.
        genre: as captions call it.
        weight: clips of this style in a deck of all styles.
        tempo: slowest and fastest (beats per minute).
        modes: modes of `theory.MODES`, one of which is drawn.
        moods: mood words for major and mixolydian.
        minor_moods: mood words for minor and dorian; empty for `moods`.
        layers: the players.
        family: chord progressions, see `theory.progression`.
        beats_per_bar: quarter notes in a bar.
        chord_beats: beats per chord, one of which is drawn; 0 stands for a bar.
        sevenths: chords of four notes.
        harmonic: minor has a major dominant.
        blues: dominant sevenths on every degree, not diatonic.
        colours: degrees that melodies use, see `theory.COLOURS`, and "blues".
        swing: share of the beat before its second half (0.5 is straight).
        pedal: sustain pedal held through each chord.
        loose: timing deviation of the players (s).
        keyless: percussion; captions name no key.
        compound: the beat is a dotted quarter, so that three beats of a bar make 9/8.
        scenes: what people would ask such music for, such as "a boss fight".
    """

    name: str
    genre: str
    weight: int
    tempo: tuple[int, int]
    modes: tuple[str, ...]
    moods: tuple[str, ...]
    layers: tuple[Layer, ...]
    minor_moods: tuple[str, ...] = ()
    family: str = "pop"
    beats_per_bar: int = 4
    chord_beats: tuple[int, ...] = (0,)
    sevenths: bool = False
    harmonic: bool = True
    blues: bool = False
    colours: tuple[str, ...] = ("scale",)
    swing: float = 0.5
    pedal: bool = False
    loose: float = 0.008
    keyless: bool = False
    compound: bool = False
    scenes: tuple[str, ...] = ()

    @property
    def time_signature(self) -> str:
        """Such as "3/4"."""
        return f"{3 * self.beats_per_bar}/8" if self.compound else f"{self.beats_per_bar}/4"


BOTH = ("major", "minor")
SUSTAIN = "x---------------"
ROLLED = "02435342/2/43~;0243/1/43~;02453542/2/43~;02343234/2/43~;0245/2/43~"
"""Broken chords of a pianist's left hand."""


def layer(sounds: str, texture: str, figures: str, level: int = 0, pan: int = 64) -> Layer:
    """Write a layer briefly: alternatives are separated by ";"."""
    return Layer(tuple(sounds.split(";")), texture, tuple(figures.split(";")), level, pan)


def words(text: str) -> tuple[str, ...]:
    """Write a tuple of words briefly."""
    return tuple(text.split())
