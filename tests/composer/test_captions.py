import re

import pytest

from audiodiff.composer.captions import COLUMNS, captions, metadata_row, players, tempo_word
from audiodiff.composer.compose import compose
from audiodiff.composer.styles import STYLES

PIECES = [compose(4, index) for index in range(150)]


@pytest.mark.parametrize(
    ("bpm", "word"),
    [(59.9, "very slow"), (60, "slow"), (80, "moderate tempo"), (108, "fast"), (149.9, "fast"), (150, "very fast")],
)
def test_tempo_words(bpm: float, word: str) -> None:
    assert tempo_word(bpm) == word


def test_captions_say_what_is_played() -> None:
    for piece in PIECES:
        full, tags, sentence, short, plain = said = captions(piece)
        assert said == captions(piece)
        assert piece.mood in full
        for name in players(piece):
            assert name in full
        assert tempo_word(piece.score.bpm) in full or f"{piece.score.bpm:.0f} bpm" in full
        assert (piece.key.name in full) is not piece.style.keyless
        for text in said:
            assert not re.search(r"[{}]|  |, ,|^,|,$|\ba [aeio](?!u)", text), text
            assert not re.search(r"\b(\w+) \1\b", text), text
            keys = re.findall(r"\b(major|minor) key", text)
            assert keys in ([], [piece.key.third])
            numbers = re.findall(r"(\d+) b(?:pm|eats)", text)
            assert numbers in ([], [f"{piece.score.bpm:.0f}"])
        assert len(short) <= len(full)
        assert tags
        assert sentence
        scenes = [re.sub("^(an?|the) ", "", scene) for scene in piece.style.scenes]
        assert not scenes or any(scene in plain for scene in scenes)


def test_wordings_vary() -> None:
    texts = [text for piece in PIECES for text in captions(piece)]
    assert len(set(texts)) > 0.8 * len(texts)
    assert any(text == "solo piano" or text.startswith("solo piano,") for text in texts)


def test_solo_is_said_of_one_player() -> None:
    for piece in PIECES:
        full = captions(piece)[0].replace(piece.style.genre, "")
        single = len(piece.instruments) == 1 and not piece.instruments[0].plural
        assert ("solo" in full) is single


def test_a_change_of_key_is_told() -> None:
    piece = next(piece for index in range(400) if len((piece := compose(2, index, 20.0)).keys) == 2)
    row = metadata_row(piece, "a.flac", "x")
    first, second = (key.name for key in piece.keys)
    assert f"{first}, then {second}" in row["text"]
    assert (row["key"], row["modulation"]) == (first, f"{second} at {piece.change_seconds:.3f}")


def test_row() -> None:
    piece = next(piece for piece in PIECES if len(piece.instruments) > 2 and piece.chords)
    row = metadata_row(piece, "clips/a.flac", "FluidR3_GM (MIT)")
    assert tuple(row) == COLUMNS
    assert row["tempo"] == f"{60e6 / piece.score.us_per_beat:.1f}"
    assert row["first_beat"] == f"{piece.first_beat:.3f}"
    assert row["key"] == piece.key.name
    assert row["license"] == "CC0-1.0"
    assert row["source"] == "procedurally composed; rendered with FluidR3_GM (MIT)"
    assert row["instrument"].split("; ") == [instrument.name for instrument in piece.instruments]
    assert row["time_signature"] == piece.style.time_signature
    assert row["chords"].split()[0].split(",")[0] == piece.chords[0][0]
    assert 0.0 <= float(row["intensity"]) <= 1.0
    assert all(row[column] for column in COLUMNS if column != "modulation")
    drums = next(piece for piece in PIECES if piece.style.keyless)
    said = metadata_row(drums, "a.flac", "x")
    assert (said["key"], said["modulation"], said["chords"]) == ("", "", "")
    assert all(style.keyless == all(layer.texture == "drums" for layer in style.layers) for style in STYLES)
