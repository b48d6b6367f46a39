"""A small reader of standard MIDI files, independent of the writer."""

from dataclasses import dataclass, field


@dataclass
class Track:
    """What a track holds; times in ticks."""

    programs: dict[int, int] = field(default_factory=dict)
    notes: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """(start, end, channel, pitch, velocity)"""
    controls: list[tuple[int, int, int, int]] = field(default_factory=list)
    tempi: list[tuple[int, int]] = field(default_factory=list)
    metres: list[tuple[int, int]] = field(default_factory=list)
    hanging: int = 0
    end: int = 0


def read_midi(data: bytes) -> tuple[int, list[Track]]:
    """Return ticks per beat and the tracks."""
    assert data[:4] == b"MThd"
    assert int.from_bytes(data[4:8], "big") == 6
    form, count, ticks = (int.from_bytes(data[i : i + 2], "big") for i in (8, 10, 12))
    assert form == 1
    tracks, place = [], 14
    while place < len(data):
        assert data[place : place + 4] == b"MTrk"
        size = int.from_bytes(data[place + 4 : place + 8], "big")
        tracks.append(_track(data[place + 8 : place + 8 + size]))
        place += 8 + size
    assert len(tracks) == count
    return ticks, tracks


def _number(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | data[place] & 0x7F
        place += 1
        if data[place - 1] < 0x80:
            return value, place


def _track(data: bytes) -> Track:
    track, place, now = Track(), 0, 0
    sounding: dict[tuple[int, int], tuple[int, int]] = {}
    while place < len(data):
        delta, place = _number(data, place)
        now += delta
        status = data[place]
        if status == 0xFF:
            kind = data[place + 1]
            size, place = _number(data, place + 2)
            content, place = data[place : place + size], place + size
            if kind == 0x51:
                track.tempi.append((now, int.from_bytes(content, "big")))
            elif kind == 0x58:
                track.metres.append((content[0], 2 ** content[1]))
            elif kind == 0x2F:
                assert place == len(data)
                track.end = now
            continue
        kind, channel = status & 0xF0, status & 0x0F
        if kind == 0xC0:
            track.programs[channel] = data[place + 1]
            place += 2
            continue
        first, second = data[place + 1], data[place + 2]
        place += 3
        assert max(first, second) < 128
        if kind == 0xB0:
            track.controls.append((now, channel, first, second))
        elif kind == 0x90:
            assert (channel, first) not in sounding, "a key is struck while it is down"
            sounding[channel, first] = (now, second)
        elif kind == 0x80:
            start, velocity = sounding.pop((channel, first))
            track.notes.append((start, now, channel, first, velocity))
        else:
            raise AssertionError(hex(status))
    track.hanging = len(sounding)
    return track
