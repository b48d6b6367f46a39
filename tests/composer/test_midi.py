from dataclasses import replace

from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.midi import TICKS_PER_BEAT, midi_bytes
from audiodiff.composer.score import Control, Note, Part, Score
from tests.refusals import refused

from .midi_reader import read_midi

PIANO = Part(INSTRUMENTS["piano"], (Note(0.0, 1.0, 60, 80), Note(1.0, 0.5, 64, 90)), (Control(0.5, 64, 127),), pan=30)
SCORE = Score(400_000, 3, 12.0, (PIANO,))


def test_round_trip() -> None:
    ticks, (head, piano) = read_midi(midi_bytes(SCORE))
    assert ticks == TICKS_PER_BEAT
    assert head.tempi == [(0, 400_000)]
    assert head.metres == [(3, 4)]
    assert head.end == piano.end == 12 * ticks
    assert piano.programs == {0: 0}
    assert piano.notes == [(0, ticks, 0, 60, 80), (ticks, ticks * 3 // 2, 0, 64, 90)]
    assert (ticks // 2, 0, 64, 127) in piano.controls
    assert (0, 0, 10, 30) in piano.controls
    assert SCORE.bpm == 150.0


def test_a_key_struck_again_ends_before() -> None:
    notes = (Note(0.0, 4.0, 60, 80), Note(1.0, 2.0, 60, 80), Note(1.0, 1.0, 60, 70))
    _, (_, track) = read_midi(midi_bytes(replace(SCORE, parts=(replace(PIANO, notes=notes),))))
    assert [(start, end) for start, end, *_ in track.notes] == [(0, 480), (480, 1440)]


def test_no_note_hangs_at_the_end() -> None:
    notes = (Note(11.0, 5.0, 60, 80), Note(13.0, 1.0, 62, 80), Note(12.0, 1.0, 65, 80))
    _, (_, track) = read_midi(midi_bytes(replace(SCORE, parts=(replace(PIANO, notes=notes),))))
    assert track.hanging == 0
    assert [note[:4] for note in track.notes] == [(11 * 480, 12 * 480, 0, 60)]


def test_channels() -> None:
    drums = Part(INSTRUMENTS["jazz kit"], (Note(0.0, 0.1, 36, 80),))
    _, tracks = read_midi(midi_bytes(replace(SCORE, parts=(*[PIANO] * 10, drums))))
    channels = [next(iter(track.programs)) for track in tracks[1:]]
    assert channels == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 9]
    assert tracks[-1].programs == {9: 32}
    refused("16 parts", lambda: midi_bytes(replace(SCORE, parts=(PIANO,) * 16)))
