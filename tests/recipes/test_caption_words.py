import re

import pytest

from audiodiff_recipes.caption_words import ClipTraits, captions, moods, scenes

SAD = ClipTraits(("piano", "strings"), "classical", ("sad",), 66.0, "A minor", -24.0, 1.5)
BOSS = ClipTraits(("guitar", "drums"), "heavy metal", ("energetic",), 168.0, "E minor", -10.0, 7.0)
LOFI = ClipTraits(("piano", "drums"), "hip hop", ("relaxed",), 82.0, "", -18.0, 2.5)
UNKNOWN = ClipTraits()


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
    "traits",
    [SAD, BOSS, LOFI, UNKNOWN, ClipTraits(genre="ambient"), ClipTraits(("flute",)), ClipTraits(moods=("sad",))],
)
def test_captions_read_well_whatever_is_unknown(traits: ClipTraits) -> None:
    for number in range(40):
        made = captions(traits, f"{number}.wav")
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
    unsure = ClipTraits(SAD.instruments, SAD.genre, SAD.moods, None, "", SAD.loudness, SAD.density)
    told = " ".join(text for number in range(40) for text in captions(unsure, f"{number}.wav"))
    assert not re.search(r"bpm|slow|minor|major", told)


def test_moods() -> None:
    busy = ClipTraits(tempo=150.0, key="E minor", loudness=-10.0, density=7.0)
    assert moods((), busy) == ("energetic",)
    assert moods(("relaxed",), busy) == ("relaxed",)
    assert "energetic" not in moods((), ClipTraits(tempo=105.0, key="E minor", loudness=-10.0, density=7.0))
    assert "energetic" in moods((), ClipTraits(("drums",), tempo=105.0, loudness=-10.0, density=7.0))
    slow = ClipTraits(tempo=60.0, key="E minor", loudness=-20.0, density=1.0)
    assert moods((), slow) == ("calm", "sad")
    assert moods((), ClipTraits(genre="ambient", key="E minor", density=1.0)) == ("calm", "dark")
    assert "cheerful" in moods((), ClipTraits(key="C major", density=4.0))
    assert "cheerful" not in moods(("sad",), ClipTraits(key="C major", density=4.0))
