from pathlib import Path

import pytest

from audiodiff.data.corpora import AudioItem
from audiodiff.data.shards import TimedChord
from audiodiff_recipes.clip_labels import Segment, chords_of
from tests.refusals import refused

RATE = 1000


def item(**extra: str) -> AudioItem:
    return AudioItem(
        Path("clip.wav"), sample_rate=RATE, n_samples=8 * RATE, extra={"tempo": "120", "first_bar": "0.5", **extra}
    )


def chords(first: float = 0.0, last: float = 8.0, **extra: str) -> list[tuple[float, str]]:
    return [tuple(chord) for chord in chords_of(item(**extra), Segment(int(first * RATE), int(last * RATE)), RATE)]


def test_chords_begin_with_their_bars() -> None:
    assert chords(chords="Am F,Gm7 C") == [(0.5, "Am"), (2.5, "F"), (3.5, "Gm7"), (4.5, "C"), (6.5, "")]


def test_a_bar_is_as_long_as_its_metre_says() -> None:
    assert chords(chords="C G", time_signature="3/4") == [(0.5, "C"), (2.0, "G"), (3.5, "")]
    assert chords(chords="C G", time_signature="6/8") == [(0.5, "C"), (2.0, "G"), (3.5, "")]


def test_a_part_begins_with_the_chord_that_sounds_there() -> None:
    assert chords(3.0, 5.0, chords="Am F,Gm7 C") == [(0.0, "F"), (0.5, "Gm7"), (1.5, "C")]


def test_clips_without_chords_a_tempo_or_a_first_bar_have_none() -> None:
    assert chords() == []
    assert chords(chords="C", tempo="") == []
    assert chords(chords="C", first_bar="") == []
    assert chords(7.0, 8.0, chords="C") == []


def test_what_cannot_be_read_is_refused_with_the_clip() -> None:
    refused("clip.wav.*'H'", lambda: chords(chords="H"))
    refused("time_signature", lambda: chords(chords="C", time_signature="waltz"))
    refused("first_bar", lambda: chords(chords="C", first_bar="soon"))


def test_every_clip_knows_its_times() -> None:
    assert chords_of(item(chords="C"), Segment(0, RATE), RATE) == (TimedChord(0.5, "C"),)


@pytest.mark.parametrize("bars", [1, 3])
def test_silence_after_the_last_bar_has_no_chord(bars: int) -> None:
    assert chords(chords="C " * bars)[-1] == (0.5 + 2.0 * bars, "")
