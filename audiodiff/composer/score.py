"""What a composed clip is made of: instruments, notes, parts, the score."""

from dataclasses import dataclass

BEATS_OF_MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Instrument:
    """An instrument of General MIDI.

    Attributes:
        name: as captions call it, without "solo".
        program: General MIDI program counted from 0; for a drum kit the kit's number.
        low: lowest pitch it is given.
        high: highest pitch it is given.
        aliases: other names in captions.
        sustained: it can swell while a note sounds (strings, winds, voices, pads).
        drums: it is a kit on the drum channel.
        plural: the name stands for itself ("synth pads"), so that no "solo" goes before it.
        gain: velocity offset that makes it as loud as others.
    """

    name: str
    program: int
    low: int
    high: int
    aliases: tuple[str, ...] = ()
    sustained: bool = False
    drums: bool = False
    plural: bool = False
    gain: int = 0


@dataclass(frozen=True)
class Note:
    """A note: start and length in beats, pitch (MIDI number; a drum of the kit), velocity 1 to 127."""

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Control:
    """A control change: start in beats, number (11 = expression, 64 = sustain pedal), value 0 to 127."""

    start: float
    number: int
    value: int


@dataclass(frozen=True)
class Part:
    """What one player plays.

    Attributes:
        instrument: the player's.
        notes: in any order.
        controls: in any order.
        volume: control change 7, 0 to 127.
        pan: control change 10, 0 (left) to 127.
    """

    instrument: Instrument
    notes: tuple[Note, ...]
    controls: tuple[Control, ...] = ()
    volume: int = 100
    pan: int = 64


@dataclass(frozen=True)
class Score:
    """Parts that sound together at one tempo.

    Attributes:
        us_per_beat: length of a beat in whole microseconds, as MIDI keeps it.
        beats_per_bar: quarter notes in a bar.
        beats: length up to the end of the file.
        parts: the players, at most 15 and the drums.
    """

    us_per_beat: int
    beats_per_bar: int
    beats: float
    parts: tuple[Part, ...]

    @property
    def bpm(self) -> float:
        """Beats per minute."""
        return BEATS_OF_MINUTE_US / self.us_per_beat
