from random import Random

import pytest

from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.melody import FIGURES, melody
from audiodiff.composer.plan import HarmonicPlan, Span
from audiodiff.composer.score import Note
from audiodiff.composer.theory import Key, diatonic

KEY = Key(0, "major")
PLAN = HarmonicPlan(
    KEY, 100.0, 4, 8, tuple(Span(4.0 * bar, 4.0, diatonic(KEY, (0, 3, 4, 0)[bar % 4])) for bar in range(8))
)


def bar_of(notes: list[Note], bar: int) -> list[tuple[float, int]]:
    return [
        (round(note.start - 4 * bar, 3), note.pitch) for note in notes if 4 * bar <= note.start + 1e-6 < 4 * bar + 4
    ]


@pytest.mark.parametrize("figure", sorted(FIGURES))
def test_a_phrase_comes_back(figure: str) -> None:
    same = 0
    for seed in range(30):
        notes = melody(Random(seed), PLAN, INSTRUMENTS["flute"], figure)
        first, again = bar_of(notes, 0), bar_of(notes, 4)
        assert [start for start, _ in first] == [start for start, _ in again]
        same += first == again
    assert same >= 5, "some come back note for note, others with another turn"


@pytest.mark.parametrize("figure", sorted(FIGURES))
def test_long_notes_belong_to_the_chord_and_most_strong_ones(figure: str) -> None:
    strong: list[bool] = []
    for seed in range(30):
        for note in melody(Random(seed), PLAN, INSTRUMENTS["violin"], figure):
            belongs = note.pitch % 12 in PLAN.chord_at(note.start).pitch_classes
            assert belongs or note.length < 1.0
            if note.start % 2 < 1e-6:
                strong.append(belongs)
    assert sum(strong) / len(strong) > 0.85


def test_ornaments_and_second_voices_are_heard() -> None:
    plain, grace, thirds = (
        sum(len(melody(Random(seed), PLAN, INSTRUMENTS["violin"], "medium" + extra)) for seed in range(10))
        for extra in ("", "+grace", "+thirds")
    )
    assert grace > 1.1 * plain
    assert thirds > 1.3 * plain
