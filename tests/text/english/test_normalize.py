"""What is said for what is written: 350 cases with their words, and the kinds of input that must be refused."""

import csv
from pathlib import Path

import pytest

from audiodiff.text.english.normalize import normalize
from audiodiff.text.english.reader import fold
from tests.refusals import refused

CASES = list(csv.DictReader((Path(__file__).parent / "normalization.csv").read_text("utf-8").splitlines()))


def spoken(text: str) -> str:
    return " ".join(word for token in normalize(text).tokens for word in token.words)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 340
    assert len({case["kind"] for case in CASES}) >= 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["written"])
def test_written_becomes_spoken(case: dict[str, str]) -> None:
    assert spoken(case["written"]) == case["spoken"]


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: case["written"])
def test_every_word_knows_its_place(case: dict[str, str]) -> None:
    tokens = normalize(case["written"]).tokens
    assert all(0 <= token.start < token.end <= len(case["written"]) for token in tokens)
    starts = [token.start for token in tokens]
    assert starts == sorted(starts)


def test_punctuation_is_kept() -> None:
    marks = [token.mark for token in normalize("Well, who (if any) came? No; he: yes - no!").tokens if token.mark]
    assert marks == [",", ",", ",", "?", ";", ":", "-", "!"]


def test_a_dot_of_an_abbreviation_ends_a_sentence_only_where_one_ends() -> None:
    assert [token.mark for token in normalize("He has cats, dogs, etc. The end.").tokens if token.mark][-2:] == [
        ".",
        ".",
    ]
    assert not any(token.mark for token in normalize("Mr. Smith vs. Dr. Who").tokens)


def test_emoji_are_left_out_with_a_note() -> None:
    assert normalize("Hi 😀 and 🎉🎉").notes == ("left out, since they cannot be read: 😀 🎉",)
    assert normalize("Hi").notes == ()


def test_own_words_are_not_spelled_or_expanded() -> None:
    assert spoken("the SQL mp3") == "the S Q L M P three"
    words = [word for token in normalize("SQL mp3", keep={"sql", "mp3"}).tokens for word in token.words]
    assert words == ["sql", "mp3"]


@pytest.mark.parametrize(
    ("text", "place", "script"), [("say привет", 5, "Cyrillic"), ("你好", 1, "Cjk"), ("a γεια", 3, "Greek")]
)
def test_another_script_is_refused_with_its_place(text: str, place: int, script: str) -> None:
    refused(f"at character {place} is {script}", lambda: normalize(text))
    said = normalize(text, skip_unreadable=True)
    assert said.notes


def test_fold() -> None:
    assert [fold(word) for word in ("Café", "Straße", "Łódź", "it’s")] == ["cafe", "strasse", "lodz", "it's"]


def test_a_long_text_takes_no_long_time() -> None:
    assert len(normalize("On 5 May 1999 he paid $5.50 to Dr. Smith. " * 250).tokens) > 2000
