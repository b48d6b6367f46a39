"""Chord tracks without torch."""

import math

import numpy as np
import pytest

from audiodiff.composer.theory import MODES
from audiodiff.nn.condition import CHORD_FEATURES as NETWORK_FEATURES
from audiodiff.runtime.chord_track import features_at, usual_chords
from audiodiff.text.chords import CHORD_FEATURES, chord_features, parse_chords
from audiodiff.text.keys import KEYS, pitch_class

TRACK = parse_chords("Am F,G C")


def names(beats: list[float]) -> list[str]:
    """The chord at each beat, by its features."""
    known = {chord_features(chord): name for name in ("Am", "F", "G", "C") for chord in parse_chords(name)[0]}
    found = features_at(np.array(beats), TRACK)
    assert found.shape == (CHORD_FEATURES, len(beats))
    return [known[tuple(column)] if column[0] == column[0] else "" for column in found.T.tolist()]


def test_a_bar_has_four_beats_and_its_chords_share_it() -> None:
    assert names([0.0, 3.99, 4.0, 5.99, 6.0, 7.9, 8.0, 11.9]) == ["Am", "Am", "F", "F", "G", "G", "C", "C"]


def test_the_track_begins_again_after_its_end_and_goes_back_before_its_beginning() -> None:
    assert names([12.5, 18.5, -0.5, -5.0]) == ["Am", "G", "C", "G"]


def test_without_beats_or_chords_nothing_is_known() -> None:
    assert names([math.nan, 1.0]) == ["", "Am"]
    assert np.isnan(features_at(np.array([0.0, 1.0]), ())).all()


def test_without_a_chord_nothing_is_known() -> None:
    found = features_at(np.array([0.0, 4.0, 8.0]), parse_chords("C N.C. G"))
    assert np.isnan(found).any(axis=0).tolist() == [False, True, False]


def test_networks_take_as_many_numbers_as_a_chord_has() -> None:
    assert NETWORK_FEATURES == CHORD_FEATURES


@pytest.mark.parametrize("key", KEYS)
def test_usual_chords_are_of_the_key_and_begin_on_its_tonic(key: str) -> None:
    tonic, mode = key.split()
    scale = {(pitch_class(tonic) + step) % 12 for step in MODES[mode]}
    drawn = {usual_chords(key, seed) for seed in range(40)}
    assert len(drawn) > 3
    for bars in drawn:
        assert len(bars) == 4
        assert bars[0] == parse_chords(tonic + ("m" if mode == "minor" else ""))[0]
        notes = {pitch % 12 for (chord,) in bars for pitch, told in enumerate(chord_features(chord)[12:]) if told}
        leading_tone = {(pitch_class(tonic) - 1) % 12} if mode == "minor" else set()
        assert notes <= scale | leading_tone
    assert usual_chords(key, 3) == usual_chords(key, 3)
