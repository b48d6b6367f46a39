from dataclasses import replace
from random import Random

from audiodiff.composer.instruments import INSTRUMENTS
from audiodiff.composer.perform import controls, perform, place
from audiodiff.composer.plan import HarmonicPlan, Span
from audiodiff.composer.score import Note
from audiodiff.composer.styles import STYLES
from audiodiff.composer.styles.base import layer
from audiodiff.composer.theory import Key, diatonic

KEY = Key(0, "major")
PLAN = HarmonicPlan(KEY, 120.0, 4, 8, tuple(Span(4.0 * bar, 4.0, diatonic(KEY, 0)) for bar in range(8)))
STYLE = next(style for style in STYLES if style.name == "pop")
PIANO = INSTRUMENTS["piano"]


def test_players_are_not_machines() -> None:
    written = [Note(beat / 2, 0.5, 60, 80) for beat in range(64)]
    played = perform(Random(1), STYLE, layer("piano", "melody", "medium"), PLAN, PIANO, written, 0.0)
    shifts = [after.start - before.start for before, after in zip(written, played, strict=True)]
    assert max(map(abs, shifts)) <= 0.04 + 1e-9
    assert len({round(shift, 4) for shift in shifts}) > 30
    assert len({note.velocity for note in played}) > 8
    assert all(0.9 * 0.5 <= note.length <= 0.5 for note in played)
    tight = perform(Random(1), replace(STYLE, loose=0.0), STYLE.layers[0], PLAN, PIANO, written, 0.0)
    # the first note of the score cannot come early
    assert [note.start for note in tight] == [note.start for note in written]


def test_the_low_and_the_leading_stand_in_the_middle_and_others_aside() -> None:
    def places(texture: str, pan: int = 64) -> set[int]:
        return {place(Random(seed), layer("piano", texture, "x", 0, pan), STYLE) for seed in range(200)}

    assert all(abs(pan - 64) <= 8 for pan in places("bass") | places("melody") | places("drums"))
    aside = places("chords")
    assert all(10 <= abs(pan - 64) <= 43 for pan in aside)
    assert min(aside) < 40
    assert max(aside) > 88
    assert places("chords", 84) == {84, 43}


def test_soloists_have_vibrato_and_sections_swell() -> None:
    def numbers(sound: str) -> set[int]:
        return {control.number for control in controls(Random(0), STYLE, PLAN, INSTRUMENTS[sound])}

    assert numbers("violin") == {1, 11}
    assert numbers("violins") == {11}
    assert numbers("piano") == set()
