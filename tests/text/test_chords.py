import math

import pytest

from audiodiff.text.chords import (
    CHORD_FEATURES,
    NO_CHORD,
    QUALITIES,
    Chord,
    chord_features,
    chord_name,
    chord_track,
    has_chords,
    parse_chords,
)
from tests.refusals import refused


def test_one_word_a_bar_and_commas_divide_a_bar() -> None:
    assert parse_chords("Am F,G7 Bbmaj7") == (
        (Chord(9, "m"),),
        (Chord(5, ""), Chord(7, "7")),
        (Chord(10, "maj7"),),
    )
    assert parse_chords("  ") == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [("Db", "C#"), ("Gbm", "F#m"), ("Amin7", "Am7"), ("CM7", "Cmaj7"), ("B♭-", "Bbm"), ("Cmaj", "C"), ("E#ø", "Fm7b5")],
)
def test_usual_spellings_are_read(text: str, name: str) -> None:
    ((chord,),) = parse_chords(text)
    assert chord_name(chord) == name


def test_every_chord_is_written_as_it_is_read() -> None:
    bars = tuple((Chord(root, quality), Chord(0, "m")) for root in range(12) for quality in QUALITIES)
    assert parse_chords(chord_track(bars)) == bars


def test_features_are_the_root_and_the_notes() -> None:
    features = chord_features(Chord(9, "m7"))  # A C E G
    assert len(features) == CHORD_FEATURES
    assert [pitch for pitch in range(12) if features[pitch]] == [9]
    assert [pitch for pitch in range(12) if features[12 + pitch]] == [0, 4, 7, 9]


def test_a_track_without_chords_asks_for_none() -> None:
    assert [has_chords(parse_chords(text)) for text in ("", "N.C.", "N.C. N.C.", "N.C.,C", "Am")] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_bar_may_be_without_a_chord() -> None:
    assert parse_chords("Am N.C. F,N.C.") == ((Chord(9, "m"),), (NO_CHORD,), (Chord(5, ""), NO_CHORD))
    assert chord_track(parse_chords("Am N.C. F,N.C.")) == "Am N.C. F,N.C."
    assert len(chord_features(NO_CHORD)) == CHORD_FEATURES
    assert all(math.isnan(feature) for feature in chord_features(NO_CHORD))


@pytest.mark.parametrize("text", ["H", "am", "Cx", "C,,G", ",", "C/G", "Am F hello", "C" * 5000, "7"])
def test_what_is_no_chord_is_refused(text: str) -> None:
    refused("no chord that is known", lambda: parse_chords(text))


def test_tracks_have_an_end() -> None:
    refused("1025 bars", lambda: parse_chords("C " * 1025))
    refused("more than 16 chords", lambda: parse_chords(",".join(["C"] * 17)))
