import pytest

from audiodiff.text.advice import advice

WORDS = {
    "genres": ["jazz ballad", "lo-fi hip hop", "techno"],
    "instruments": ["solo piano", "upright bass", "drum kit", "violin", "choir aahs"],
    "moods": ["slow", "warm", "sad"],
    "keys": ["F# minor"],
}


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "jazz ballad, piano and upright bass, 72 bpm, F# minor",
        "(warm:1.3) piano | violins:0.5",
        "(warm",  # while it is typed
        "lofi, drum kit, very slow, lento",
        "techno, no vocals",
        "a choir",
    ],
)
def test_nothing_is_said_of_what_the_model_knows(prompt: str) -> None:
    assert advice(prompt, WORDS) == []


@pytest.mark.parametrize(
    ("prompt", "told", "quoted"),
    [
        ("female vocals singing, sad piano", "no vocals or lyrics", ["vocals", "singing"]),
        ("Lyrics about rain", "no vocals or lyrics", ["Lyrics"]),
        ("laser, techno", "no sound effects", ["laser"]),
        ("a sound effect", "no sound effects", ["sound effect"]),
        ("trauriges Klavier, langsam", "reads English", ["trauriges", "Klavier", "langsam"]),
        ("guitarra triste", "reads English", ["guitarra", "triste"]),
        ("悲伤的钢琴曲", "reads English", ["悲伤的钢琴曲"]),
        ("qwer zxcv", "reads English", ["qwer", "zxcv"]),
        ("sad piano for a rainy dragon", "may do little", ["rainy", "dragon"]),
    ],
)
def test_what_is_asked_in_vain_is_said(prompt: str, told: str, quoted: list[str]) -> None:
    (sentence,) = (each for each in map(str, advice(prompt, WORDS)) if told in each)
    assert all(f"“{word}”" in sentence for word in quoted)
    assert "“piano”" not in sentence


def test_a_model_that_was_trained_on_voices_is_not_denied_them() -> None:
    assert advice("vocals, sad", {**WORDS, "words": ["vocals"]}) == []


def test_nothing_is_said_for_a_model_that_lists_no_words() -> None:
    assert advice("qwer vocals", {}) == []


def test_long_prompts_and_hostile_words_make_short_sentences() -> None:
    told = advice(" ".join(f"qwer{chr(97 + n % 26)}{chr(97 + n // 26)}\u202e" for n in range(400)), WORDS)
    assert sum(len(str(each)) for each in told) < 300
    assert "\u202e" not in "".join(map(str, told))
