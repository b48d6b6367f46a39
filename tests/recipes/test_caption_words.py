import re

import pytest

from audiodiff_recipes.caption_words import Heard, captions, moods, scenes

SAD = Heard(("piano", "strings"), "classical", ("sad",), 66.0, "A minor", -24.0, 1.5)
BOSS = Heard(("guitar", "drums"), "heavy metal", ("energetic",), 168.0, "E minor", -10.0, 7.0)
LOFI = Heard(("piano", "drums"), "hip hop", ("relaxed",), 82.0, "", -18.0, 2.5)
UNKNOWN = Heard()


def test_people_ask_for_it_in_their_words() -> None:
    assert scenes(SAD)[0] == "something sad for a rainy scene"
    assert scenes(BOSS)[0] == "boss fight"
    assert scenes(LOFI)[0] == "lofi beat to study to"
    assert "menu music" in scenes(LOFI)
    for loud in ("boss fight", "racing game music", "music to dance to"):
        assert loud not in scenes(SAD)
    for calm in ("something sad for a rainy scene", "menu music", "cosy village theme", "lofi beat to study to"):
        assert calm not in scenes(BOSS)
    assert scenes(UNKNOWN)


@pytest.mark.parametrize(
    "heard", [SAD, BOSS, LOFI, UNKNOWN, Heard(genre="ambient"), Heard(("flute",)), Heard(moods=("sad",))]
)
def test_captions_read_well_whatever_is_unknown(heard: Heard) -> None:
    for number in range(40):
        made = captions(heard, f"{number}.wav")
        assert len(made) == len(set(made)) >= 2
        for text in made:
            assert text == text.strip(" ,")
            assert "  " not in text
            assert ", ," not in text
            assert "None" not in text
            assert not re.search(r"\ba [aeio]", text)
            assert not re.search(r"\b(\w+) \1\b", text)


def test_captions_are_the_same_every_time_and_differ_between_clips() -> None:
    assert captions(SAD, "a.wav") == captions(SAD, "a.wav")
    assert len({captions(SAD, f"{number}.wav") for number in range(20)}) > 10


def test_only_what_is_sure_is_said() -> None:
    told = " ".join(text for number in range(40) for text in captions(SAD, f"{number}.wav"))
    assert "A minor" in told
    assert "66 bpm" in told
    unsure = Heard(SAD.instruments, SAD.genre, SAD.moods, None, "", SAD.loudness, SAD.density)
    told = " ".join(text for number in range(40) for text in captions(unsure, f"{number}.wav"))
    assert not re.search(r"bpm|slow|minor|major", told)


def test_moods() -> None:
    busy = Heard(tempo=150.0, key="E minor", loudness=-10.0, density=7.0)
    assert moods((), busy) == ("energetic",)
    assert moods(("relaxed",), busy) == ("relaxed",)
    assert "energetic" not in moods((), Heard(tempo=105.0, key="E minor", loudness=-10.0, density=7.0))
    assert "energetic" in moods((), Heard(("drums",), tempo=105.0, loudness=-10.0, density=7.0))
    slow = Heard(tempo=60.0, key="E minor", loudness=-20.0, density=1.0)
    assert moods((), slow) == ("calm", "sad")
    assert moods((), Heard(genre="ambient", key="E minor", density=1.0)) == ("calm", "dark")
    assert "cheerful" in moods((), Heard(key="C major", density=4.0))
    assert "cheerful" not in moods(("sad",), Heard(key="C major", density=4.0))
