import itertools

import pytest

from audiodiff.composer.score import Note
from audiodiff.composer.theory import Key
from audiodiff.composer.tonality import key_margin, pitch_class_shares, windows


@pytest.mark.parametrize(("start", "stop"), [(0.0, 4.0), (2.0, 12.0), (3.0, 14.0), (0.0, 20.0), (1.0, 61.0)])
def test_windows_cover_and_overlap(start: float, stop: float) -> None:
    found = list(windows(start, stop, 10.0))
    assert found[0][0] == start
    assert found[-1][1] == pytest.approx(stop)
    assert all(last - first == pytest.approx(min(10.0, stop - start)) for first, last in found)
    assert all(after[0] - before[0] <= 5.0 + 1e-9 for before, after in itertools.pairwise(found))


def test_a_cadence_is_clear_and_lone_notes_are_not() -> None:
    chords = ((57, 60, 64), (62, 65, 69), (64, 68, 71), (57, 60, 64))  # Am Dm E Am
    notes = [Note(4.0 * bar, 4.0, pitch, 80) for bar, chord in enumerate(chords) for pitch in chord]
    shares = pitch_class_shares(notes, 0.0, 16.0)
    assert key_margin(shares, Key(9, "minor")) > 0.05
    assert key_margin(shares, Key(0, "major")) < 0.0
    assert key_margin(pitch_class_shares(notes, 20.0, 30.0), Key(9, "minor")) == -1.0


def test_shares_count_what_sounds_in_the_window() -> None:
    notes = [Note(0.0, 4.0, 60, 100), Note(3.0, 4.0, 74, 50)]
    shares = pitch_class_shares(notes, 2.0, 5.0)
    assert shares == [200.0, 0.0, 100.0, *[0.0] * 9]
