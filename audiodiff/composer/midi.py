"""A score as the bytes of a standard MIDI file, format 1."""

import struct

from audiodiff.composer.score import Part, Score
from audiodiff.errors import AudiodiffError

TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9
_MELODIC_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)

# Order of events at one tick: a note ends before the next begins, controls take effect before notes.
_OFF, _CONTROL, _ON = 0, 1, 2


def midi_bytes(score: Score) -> bytes:
    """Write a score as a standard MIDI file: a track of tempo and metre, then a track per part.

    Raises:
        AudiodiffError: more than 15 melodic parts.
    """
    end = _tick(score.beats)
    tempo = b"\xff\x51\x03" + score.us_per_beat.to_bytes(3, "big")
    metre = b"\xff\x58\x04" + bytes((score.beats_per_bar, 2, 24, 8))
    tracks = [_track([(0, tempo), (0, metre)], end)]
    free = iter(_MELODIC_CHANNELS)
    for part in score.parts:
        channel = DRUM_CHANNEL if part.instrument.drums else next(free, None)
        if channel is None:
            raise AudiodiffError(
                f"A score has {len(score.parts)} parts; MIDI has channels for {len(_MELODIC_CHANNELS)} and the drums."
            )
        tracks.append(_track(_part_events(part, channel, end), end))
    header = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS_PER_BEAT)
    return header + b"".join(tracks)


def _tick(beats: float) -> int:
    return max(0, round(beats * TICKS_PER_BEAT))


def _part_events(part: Part, channel: int, end: int) -> list[tuple[int, bytes]]:
    """Return (tick, message) in playing order."""
    events: list[tuple[int, int, bytes]] = [(0, _CONTROL, bytes((0xC0 | channel, part.instrument.program)))]
    for number, value in ((7, part.volume), (10, part.pan)):
        events.append((0, _CONTROL, bytes((0xB0 | channel, number, value))))
    events += [(_tick(c.start), _CONTROL, bytes((0xB0 | channel, c.number, c.value))) for c in part.controls]
    sounding: dict[int, list[tuple[int, int, int]]] = {}
    for note in part.notes:
        start = _tick(note.start)
        sounding.setdefault(note.pitch, []).append(
            (start, max(start + 1, _tick(note.start + note.length)), note.velocity)
        )
    for pitch, spans in sounding.items():
        spans.sort()
        for number, (start, release, velocity) in enumerate(spans):
            following = spans[number + 1][0] if number + 1 < len(spans) else None
            if following == start:
                continue  # a key can be struck only once at a time
            if start >= end:
                break
            # The key is free again before it is struck again, or the old note's end would silence the new one.
            stop = release if following is None else min(release, following)
            events.append((start, _ON, bytes((0x90 | channel, pitch, velocity))))
            events.append((stop, _OFF, bytes((0x80 | channel, pitch, 64))))
    # What would end after the file ends with it: FluidSynth goes on for ever while a note is held.
    return [(min(tick, end), message) for tick, kind, message in sorted(events) if tick < end or kind == _OFF]


def _track(events: list[tuple[int, bytes]], end: int) -> bytes:
    data = bytearray()
    now = 0
    for tick, message in events:
        data += _variable_length(tick - now) + message
        now = tick
    data += _variable_length(end - now) + b"\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(data)) + bytes(data)


def _variable_length(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))
