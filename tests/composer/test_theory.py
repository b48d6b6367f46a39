from itertools import pairwise
from random import Random

import pytest

from audiodiff.composer.theory import (
    LOOPS,
    MODES,
    Key,
    diatonic,
    dominant,
    ladder,
    lead_voices,
    nearest,
    progression,
)

C_MAJOR, A_MINOR = Key(0, "major"), Key(9, "minor")


def test_keys() -> None:
    assert C_MAJOR.name == "C major"
    assert (Key(3, "dorian").name, Key(9, "mixolydian").name) == ("Eb minor", "A major")
    assert sorted(C_MAJOR.pitch_classes()) == sorted(A_MINOR.pitch_classes()) == [0, 2, 4, 5, 7, 9, 11]
    assert [mode for mode in MODES if Key(0, mode).is_minor] == ["minor", "dorian"]
    assert A_MINOR.pitch_classes("pentatonic") == (9, 0, 2, 4, 7)
    assert A_MINOR.pitch_classes("hirajoshi") == (9, 11, 0, 4, 5)


def test_chords() -> None:
    assert diatonic(C_MAJOR, 0).pitch_classes == (0, 4, 7)
    assert diatonic(C_MAJOR, 1, sevenths=True).pitch_classes == (2, 5, 9, 0)
    assert dominant(C_MAJOR, 3).pitch_classes == (5, 9, 0, 3)
    leading = diatonic(A_MINOR, 4)
    assert leading.pitch_classes == (4, 8, 11)
    assert [leading.adjust(pitch) for pitch in (55, 57, 67)] == [56, 57, 68]
    assert diatonic(A_MINOR, 4, harmonic=False).pitch_classes == (4, 7, 11)


@pytest.mark.parametrize("family", [*LOOPS, "blues", "functional"])
@pytest.mark.parametrize("mode", MODES)
def test_progressions(family: str, mode: str) -> None:
    key = Key(2, mode)
    for seed in range(20):
        degrees = progression(Random(seed), family, key, 16)
        assert len(degrees) == 16
        assert set(degrees) <= set(range(7))
        assert degrees == progression(Random(seed), family, key, 16)
        assert degrees[:5] == progression(Random(seed), family, key, 5), "a longer clip goes on as a shorter one"


def test_functional_phrases_end_on_dominant_or_tonic() -> None:
    for seed in range(50):
        degrees = progression(Random(seed), "functional", C_MAJOR, 16)
        assert degrees[0] == 0
        assert set(degrees[3::4]) <= {0, 4}
        assert 6 not in degrees, "the diminished chord has no root position in a hymn"


def test_voices_are_led() -> None:
    chords = [diatonic(C_MAJOR, degree) for degree in (0, 3, 4, 0, 5, 1, 4, 0)]
    for size in (3, 4):
        voicings = lead_voices(chords, size, 52, 74)
        for chord, voicing in zip(chords, voicings, strict=True):
            assert len(voicing) == size
            assert list(voicing) == sorted(voicing)
            assert {pitch % 12 for pitch in voicing} == set(chord.pitch_classes)
            assert voicing[0] >= 52
            assert voicing[-1] <= 74
        moves = [abs(a - b) for one, two in pairwise(voicings) for a, b in zip(one, two, strict=True)]
        assert max(moves) <= 7
        assert sum(moves) / len(moves) < 3.5


def test_ladder_and_nearest() -> None:
    assert ladder((0, 4, 7), 60, 72) == [60, 64, 67, 72]
    assert nearest((0,), 65, 48, 84) == 60
    assert nearest((0,), 67, 48, 84) == 72
