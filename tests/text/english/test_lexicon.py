"""The dictionary, the rules and the model behind it."""

import pytest

from audiodiff.text.english.lexicon import is_spelled, known, pronounce


@pytest.mark.parametrize(
    ("word", "phones", "source"),
    [
        ("hello", "HH AH0 L OW1", "dictionary"),
        ("F", "EH1 F", "dictionary"),
        ("D's", "D IY1 Z", "dictionary"),
        ("zoomer's", "Z UW1 M ER0 Z", "rule"),
        ("giraffe's", "JH ER0 AE1 F S", "rule"),
        ("fleshless", "F L EH1 SH L AH0 S", "rule"),
        ("smartwatch", "S M AA1 R T W AA2 CH", "letters"),
        ("xkcd", "EH1 K S K EY1 S IY1 D IY1", "rule"),
    ],
)
def test_pronounce(word: str, phones: str, source: str) -> None:
    found = pronounce(word)
    assert " ".join(found.variants[0]) == phones
    assert found.source == source


def test_variants_come_in_the_order_of_the_dictionary() -> None:
    assert [" ".join(phones) for phones in pronounce("either").variants] == ["IY1 DH ER0", "AY1 DH ER0"]


def test_known_and_spelled() -> None:
    assert known("cat")
    assert not known("smartwatch")
    assert is_spelled("fbi")
    assert not is_spelled("cat")


@pytest.mark.parametrize("word", ["q", "zzzz", "brrrr", "a" * 60, "o'", "'", "strčprst"])
def test_every_word_can_be_said(word: str) -> None:
    assert pronounce(word).variants[0]
