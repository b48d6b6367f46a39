import math

import torch

from audiodiff.nn.condition import CHORD_FEATURES as NETWORK_FEATURES
from audiodiff.synthesis.chord_track import chords_at
from audiodiff.text.chords import CHORD_FEATURES, chord_features, parse_chords

TRACK = parse_chords("Am F,G C")


def names(beats: list[float]) -> list[str]:
    """The chord at each beat, by its features."""
    known = {chord_features(chord): name for name in ("Am", "F", "G", "C") for chord in parse_chords(name)[0]}
    found = chords_at(torch.tensor(beats), TRACK)
    assert found.shape == (CHORD_FEATURES, len(beats))
    return [known[tuple(column)] if column[0] == column[0] else "" for column in found.T.tolist()]


def test_a_bar_has_four_beats_and_its_chords_share_it() -> None:
    assert names([0.0, 3.99, 4.0, 5.99, 6.0, 7.9, 8.0, 11.9]) == ["Am", "Am", "F", "F", "G", "G", "C", "C"]


def test_the_track_begins_again_after_its_end_and_goes_back_before_its_beginning() -> None:
    assert names([12.5, 18.5, -0.5, -5.0]) == ["Am", "G", "C", "G"]


def test_without_beats_or_chords_nothing_is_known() -> None:
    assert names([math.nan, 1.0]) == ["", "Am"]
    assert chords_at(torch.tensor([0.0, 1.0]), ()).isnan().all()


def test_networks_take_as_many_numbers_as_a_chord_has() -> None:
    assert NETWORK_FEATURES == CHORD_FEATURES
