import math
from functools import cache
from hashlib import sha256

import pytest

from audiodiff.composer.compose import RECIPE, compose
from audiodiff.composer.deck import cards, style_and_key
from audiodiff.composer.drums import GROOVES
from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.midi import TICKS_PER_BEAT, midi_bytes
from audiodiff.composer.moods import MOODS
from audiodiff.composer.piece import Piece, chord_at
from audiodiff.composer.styles import STYLES
from audiodiff.composer.textures import TEXTURES
from audiodiff.composer.theory import Key

from .midi_reader import read_midi

DECK = 25 * max(len(cards("major")), len(cards("minor")), 12 * len(cards("percussion"))) // 12 + 25


@cache
def pieces() -> tuple[Piece, ...]:
    """One clip of each style."""
    found: dict[str, Piece] = {}
    for index in range(DECK):
        if style_and_key(3, index)[0].name not in found:
            found[style_and_key(3, index)[0].name] = compose(3, index)
    return tuple(found.values())


@pytest.fixture(params=range(len(STYLES)), ids=lambda number: STYLES[number].name)
def piece(request: pytest.FixtureRequest) -> Piece:
    return next(piece for piece in pieces() if piece.style is STYLES[request.param])


def test_a_clip_is_a_function_of_seed_and_index() -> None:
    for index in (0, 7, 399):
        assert compose(1, index) == compose(1, index)
        assert midi_bytes(compose(1, index).score) == midi_bytes(compose(1, index).score)
        assert compose(1, index).score != compose(2, index).score
    assert compose(0, 0).score != compose(0, DECK).score


def test_known_clips() -> None:
    """When the rules of composition change, so does `RECIPE`: folders begun with other rules must not be continued."""
    pitches = [[note.pitch for note in part.notes] for i in range(40) for part in compose(0, i).score.parts]
    labels = [
        (piece.name, piece.key.name, piece.mood, piece.score.us_per_beat)
        for piece in (compose(0, i) for i in range(40))
    ]
    digest = sha256(repr((pitches, labels)).encode()).hexdigest()[:16]
    assert (RECIPE, digest) == (2, "d588a64b4a10f220")


def test_tables_agree() -> None:
    assert len({style.name for style in STYLES}) == len(STYLES)
    for style in STYLES:
        assert style.moods, style.name
        assert {*style.moods, *style.minor_moods} <= MOODS.keys()
        for number, layer in enumerate(style.layers):
            assert layer.texture in TEXTURES
            for sound in layer.sounds:
                assert int(sound) < number if sound.isdigit() else sound in INSTRUMENTS
    for groove in (line for grooves in GROOVES.values() for lines in grooves for line in lines.values()):
        assert len(groove) in (6, 12, 16)


def test_labels_are_what_sounds(piece: Piece) -> None:
    ticks, (head, *tracks) = read_midi(midi_bytes(piece.score))
    assert ticks == TICKS_PER_BEAT
    assert head.tempi == [(0, piece.score.us_per_beat)]
    low, high = piece.style.tempo
    assert low - 0.05 <= piece.score.bpm <= high + 0.05
    assert head.metres == [(piece.style.beats_per_bar, 4)]
    sounding = {instrument.program for instrument in piece.instruments}
    assert {program for track in tracks for program in track.programs.values()} == sounding
    for part, track in zip(piece.score.parts, tracks, strict=True):
        assert list(track.programs.values()) == [part.instrument.program]
        assert (9 in track.programs) == part.instrument.drums
        assert track.hanging == 0
        assert {note[3] for note in track.notes} <= set(range(part.instrument.low, part.instrument.high + 1))


def allowed(piece: Piece, key: Key) -> set[int]:
    """Pitch classes that may sound in a key."""
    found = set(key.pitch_classes())
    if key.mode == "minor" and piece.style.harmonic:
        found.add((key.tonic + 11) % 12)  # the leading tone
    if piece.style.blues:
        found |= {(key.tonic + step) % 12 for step in (3, 6, 11)}  # blue notes, third of the dominant
    return found


def sounding(piece: Piece, first: float, last: float) -> list[int]:
    """Pitch classes of all notes that begin between two beats."""
    pitched = [part for part in piece.score.parts if not part.instrument.drums]
    return [note.pitch % 12 for part in pitched for note in part.notes if first <= note.start < last]


def test_notes_belong_to_the_key(piece: Piece) -> None:
    assert set(sounding(piece, 0.0, math.inf)) <= allowed(piece, piece.key)


def test_chords_are_what_the_players_play(piece: Piece) -> None:
    """Chord players sound notes of the chord; the names begin at the first bar line and fill the clip."""
    chordal = [
        part
        for part, layer in zip(piece.score.parts, piece.style.layers, strict=True)
        if layer.texture in ("chords", "arpeggio", "ostinato", "line")
    ]
    late = 0.045 * piece.score.bpm / 60.0
    for note in (note for part in chordal for note in part.notes):
        around = [chord_at(piece.harmony, note.start + shift).pitch_classes for shift in (-late, 0.0, late)]
        assert any(note.pitch % 12 in classes for classes in around) or piece.style.swing != 0.5
    bar = 60.0 / piece.score.bpm * piece.score.beats_per_bar
    assert 0.0 <= piece.first_bar < bar
    if piece.chords:
        assert len(piece.chords) == math.ceil(round((piece.seconds - piece.first_bar) / bar, 6))
        start = round((piece.offset + piece.first_bar) / bar) * piece.score.beats_per_bar
        assert piece.chords[0][0] == chord_at(piece.harmony, start).name


def test_everybody_plays_in_the_clip_and_nobody_starts_late(piece: Piece) -> None:
    beat = 60.0 / piece.score.bpm
    starts = [[note.start * beat for note in part.notes] for part in piece.score.parts]
    for played in starts:
        assert any(piece.offset <= start < piece.offset + piece.seconds for start in played)
    assert min(min(played) for played in starts) < 1.5
    assert piece.score.beats * beat >= piece.offset + piece.seconds


def test_the_key_is_heard_everywhere() -> None:
    """Of one clip of each style nine in ten name their key in every 10 s; blues and power chords are vaguer."""
    clear = [piece.key_clarity() > 0.0 for piece in pieces() if not piece.style.keyless]
    assert sum(clear) >= 0.95 * len(clear)
    unclear = [piece.style for piece in pieces() if not piece.style.keyless and piece.key_clarity() <= 0.0]
    assert all(style.blues or style.family in ("rock", "vamp") for style in unclear)


def modulating() -> Piece:
    return next(piece for index in range(400) if len((piece := compose(2, index, 20.0)).keys) == 2)


def test_a_modulation_is_the_same_music_in_another_key() -> None:
    piece = modulating()
    assert piece.change_seconds == pytest.approx(10.0, abs=3.0)
    assert piece.change % piece.score.beats_per_bar == 0
    before, after = piece.keys
    assert before.mode == after.mode
    assert before.tonic != after.tonic
    late = 0.05 * piece.score.bpm / 60.0  # players are not exactly together
    for key, first, last in ((before, 0.0, piece.change - late), (after, piece.change + late, math.inf)):
        assert set(sounding(piece, first, last)) <= allowed(piece, key)
        chords = [span.chord.pitch_classes for span in piece.harmony if first <= span.start < last]
        assert set().union(*chords) <= allowed(piece, key)


def test_length() -> None:
    for seconds in (3.0, 30.0):
        piece = compose(0, 5, seconds)
        beat = 60.0 / piece.score.bpm
        assert piece.seconds == seconds
        assert piece.score.beats * beat == pytest.approx(piece.offset + seconds + 0.5)
        last = max(note.start for part in piece.score.parts for note in part.notes) * beat
        assert last > piece.offset + seconds - 4.0


def test_the_first_beat_of_a_clip_is_one_of_the_score() -> None:
    pieces = [compose(0, index) for index in range(40)]
    for piece in pieces:
        beat = 60.0 / piece.score.bpm
        assert 0.0 <= piece.first_beat < beat
        passed = (piece.offset + piece.first_beat) / beat
        assert passed == pytest.approx(round(passed), abs=1e-6)
    assert len({piece.first_beat > 0.0 for piece in pieces}) == 2
