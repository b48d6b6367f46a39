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
        full, tags, sentence, short = said = captions(piece, 0)
        assert said == captions(piece, 0)
        assert piece.mood in full
        for name in players(piece):
            assert name in full
        assert tempo_word(piece.score.bpm) in full or f"{piece.score.bpm:.0f} bpm" in full
        assert (piece.key.name in full) is not piece.style.keyless
        for text in said:
            assert not re.search(r"[{}]|  |, ,|^,|,$|\ba [aeio](?!u)", text), text
            assert not re.search(r"\b(\w+) \1\b", text), text
            keys = re.findall(r"\b(major|minor) key", text)
            assert keys in ([], [piece.key.mode])
            numbers = re.findall(r"(\d+) b(?:pm|eats)", text)
            assert numbers in ([], [f"{piece.score.bpm:.0f}"])
        assert len(short) <= len(full)
        assert tags
        assert sentence


def test_wordings_vary() -> None:
    texts = [text for piece in PIECES for text in captions(piece, 0)]
    assert len(set(texts)) > 0.8 * len(texts)
    assert any(text == "solo piano" or text.startswith("solo piano,") for text in texts)


def test_solo_is_said_of_one_player() -> None:
    for piece in PIECES:
        full = captions(piece, 0)[0].replace(piece.style.genre, "")
        single = len(piece.instruments) == 1 and not piece.instruments[0].plural
        assert ("solo" in full) is single


def test_row() -> None:
    piece = next(piece for piece in PIECES if len(piece.instruments) > 2)
    row = metadata_row(piece, 0, "clips/a.flac", "FluidR3_GM (MIT)")
    assert tuple(row) == COLUMNS
    assert row["tempo"] == f"{60e6 / piece.score.us_per_beat:.1f}"
    assert row["first_beat"] == f"{piece.first_beat:.3f}"
    assert row["key"] == piece.key.name
    assert row["license"] == "CC0-1.0"
    assert row["source"] == "procedurally composed; rendered with FluidR3_GM (MIT)"
    assert row["instrument"].split("; ") == [instrument.name for instrument in piece.instruments]
    assert all(row[column] for column in COLUMNS)
    drums = compose(4, next(i for i in range(400) if compose(4, i).style.keyless))
    assert metadata_row(drums, 0, "a.flac", "x")["key"] == ""
    assert all(style.keyless == all(layer.texture == "drums" for layer in style.layers) for style in STYLES)
