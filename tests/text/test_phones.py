"""The inventory of symbols and IPA both ways."""

import pytest

from audiodiff.text.english.lexicon import pronounce
from audiodiff.text.phones import BOUNDARIES, PHONES, SYMBOL_ID, SYMBOLS, from_ipa, parse_arpabet, to_ipa
from tests.refusals import refused


def test_the_symbols_and_their_numbers_never_change() -> None:
    assert SYMBOLS[:3] == ("<pad>", "<start>", "<sp>")
    assert len(SYMBOLS) == len(set(SYMBOLS)) == 1 + len(BOUNDARIES) + 45 + 24
    assert SYMBOL_ID["AA0"] == 11
    assert SYMBOL_ID["ZH"] == len(SYMBOLS) - 1


def test_every_phoneme_survives_ipa() -> None:
    for phone in PHONES:
        assert from_ipa(to_ipa((phone,))) == (phone,)


@pytest.mark.parametrize("word", ["hello", "strengths", "extraordinary", "nation", "beautiful"])
def test_words_survive_ipa(word: str) -> None:
    phones = pronounce(word).variants[0]
    assert from_ipa(to_ipa(phones)) == phones


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("həˈloʊ", "HH AH0 L OW1"),
        ("həlˈo\u200dʊ", "HH AH0 L OW1"),
        ("ˈtʃɜːtʃ", "CH ER1 CH"),
        ("d͡ʒɛt", "JH EH0 T"),
        ("ˈvãː", "V AA1"),
        ("ɪç", "IH0 HH"),
        ("ˈbʌɾɚ", "B AH1 D ER0"),
    ],
)
def test_from_ipa(ipa: str, phones: str) -> None:
    assert " ".join(from_ipa(ipa)) == phones


def test_to_ipa_puts_the_stress_before_the_syllable() -> None:
    assert to_ipa(["HH", "AH0", "L", "OW1"]) == "həˈloʊ"
    assert to_ipa(["AH0", "S", "T", "R", "AO1", "N", "AH0", "M", "IY0"]) == "əˈstɹɔnəmi"


def test_arpabet_without_stress_and_in_lower_case() -> None:
    assert parse_arpabet("hh ah l ow1") == ("HH", "AH0", "L", "OW1")


@pytest.mark.parametrize(
    ("text", "message"), [("HH QQ", "'QQ' at character 14"), (" ", "no phoneme"), ("AH3", "'AH3'")]
)
def test_mistakes_are_pointed_at(text: str, message: str) -> None:
    refused(message, lambda: parse_arpabet(text, 10))
