from collections import Counter
from dataclasses import replace

import pytest

from audiodiff.composer.compose import compose
from audiodiff.composer.piece import split_of
from audiodiff.composer.plan import Span
from audiodiff.composer.theory import Key, diatonic

PIECE = next(piece for index in range(100) if (piece := compose(1, index)).chords and piece.score.beats_per_bar == 4)


def test_split() -> None:
    splits = Counter(split_of(index) for index in range(400))
    assert splits == {"train": 380, "valid": 10, "test": 10}
    assert split_of(0) == split_of(40) == "valid"
    assert split_of(20) == "test"


@pytest.mark.parametrize(
    ("lengths", "names"),
    [
        ((4.0,) * 8, [("Am",), ("Dm",)]),
        ((2.0,) * 16, [("Am", "Dm"), ("Em", "Am")]),
        ((8.0,) * 8, [("Am",), ("Am",), ("Dm",)]),
        ((1.0, 2.0, 1.0) + (4.0,) * 8, [("Am", "Dm", "Dm", "Em")]),
    ],
)
def test_several_chords_of_a_bar_divide_it_evenly(lengths: tuple[float, ...], names: list[tuple[str, ...]]) -> None:
    chords = [diatonic(Key(9, "minor"), degree, harmonic=False) for degree in (0, 3, 4)]
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    spans = tuple(
        Span(start, length, chords[n % 3]) for n, (start, length) in enumerate(zip(starts, lengths, strict=True))
    )
    piece = replace(PIECE, harmony=spans, offset=0.0)
    assert list(piece.chords[: len(names)]) == names


def test_the_first_bar_of_a_clip_that_begins_before_it() -> None:
    beat = 60.0 / PIECE.score.bpm
    assert replace(PIECE, offset=0.0).first_bar == 0.0
    assert replace(PIECE, offset=3.25 * beat).first_bar == pytest.approx(0.75 * beat)
    assert replace(PIECE, offset=8 * beat).first_bar == pytest.approx(0.0, abs=1e-9)


def test_intensity_rises_with_strength_and_density() -> None:
    score = PIECE.score

    def played(velocity: int, every: int) -> float:
        parts = tuple(
            replace(part, notes=tuple(replace(note, velocity=velocity) for note in part.notes[::every]))
            for part in score.parts
        )
        return replace(PIECE, score=replace(score, parts=parts)).intensity

    assert 0.0 < played(40, 4) < played(40, 1) < played(110, 1) <= 1.0
    assert replace(PIECE, score=replace(score, parts=())).intensity == 0.0
