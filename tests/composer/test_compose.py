from collections import Counter
from functools import cache
from hashlib import sha256

import pytest

from audiodiff.composer.compose import RECIPE, Piece, compose, split_of, style_of
from audiodiff.composer.drums import GROOVES
from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.midi import TICKS_PER_BEAT, midi_bytes
from audiodiff.composer.moods import MOODS
from audiodiff.composer.styles import STYLES
from audiodiff.composer.textures import TEXTURES

from .midi_reader import read_midi

DECK = sum(style.weight for style in STYLES)


@cache
def pieces() -> tuple[Piece, ...]:
    """One clip of each style."""
    found: dict[str, Piece] = {}
    for index in range(DECK):
        if style_of(3, index).name not in found:
            found[style_of(3, index).name] = compose(3, index)
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
    assert (RECIPE, digest) == (1, "d44dd6df8f3561a4")


def test_every_deck_holds_every_style_by_its_weight() -> None:
    for deck in (0, 3):
        counted = Counter(style_of(5, index).name for index in range(deck * DECK, (deck + 1) * DECK))
        assert counted == {style.name: style.weight for style in STYLES}
    assert [style_of(5, i) for i in range(DECK)] != [style_of(6, i) for i in range(DECK)]


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


def test_split() -> None:
    splits = Counter(split_of(index) for index in range(400))
    assert splits == {"train": 380, "valid": 10, "test": 10}
    assert split_of(0) == split_of(40) == "valid"
    assert split_of(20) == "test"


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


def test_notes_belong_to_the_key(piece: Piece) -> None:
    allowed = set(piece.key.pitch_classes())
    if piece.key.mode == "minor" and piece.style.harmonic:
        allowed.add((piece.key.tonic + 11) % 12)  # the leading tone
    if piece.style.blues:
        allowed |= {(piece.key.tonic + step) % 12 for step in (3, 6, 11)}  # blue notes, third of the dominant
    pitched = [part for part in piece.score.parts if not part.instrument.drums]
    assert {note.pitch % 12 for part in pitched for note in part.notes} <= allowed


def test_everybody_plays_in_the_clip_and_nobody_starts_late(piece: Piece) -> None:
    beat = 60.0 / piece.score.bpm
    starts = [[note.start * beat for note in part.notes] for part in piece.score.parts]
    for played in starts:
        assert any(piece.offset <= start < piece.offset + piece.seconds for start in played)
    assert min(min(played) for played in starts) < 1.5
    assert piece.score.beats * beat >= piece.offset + piece.seconds


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
