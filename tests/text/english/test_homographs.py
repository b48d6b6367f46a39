"""Words said in two ways, on labelled sentences: the rules against always taking the usual reading."""

import csv
import re
from pathlib import Path

from audiodiff.text.english.homograph_readings import READINGS
from audiodiff.text.english.homographs import choose
from audiodiff.text.phones import parse_arpabet

CASES = list(csv.DictReader((Path(__file__).parent / "homographs.csv").read_text("utf-8").splitlines()))


def reading(word: str, sentence: str) -> str:
    for clause in re.split("[.,;:!?]", sentence):
        words = re.findall("[A-Za-z']+", clause)
        for index, found in enumerate(words):
            if found.lower() == word:
                return choose(words, index)
    raise AssertionError(sentence)


def test_there_are_enough_cases() -> None:
    words = [case["word"] for case in CASES]
    assert len(set(words)) >= 45
    assert min(words.count(word) for word in words) >= 4
    assert all(case["reading"] in READINGS[case["word"]] for case in CASES)


def test_the_rules_find_the_reading() -> None:
    wrong = [case for case in CASES if reading(case["word"], case["sentence"]) != case["reading"]]
    assert len(wrong) <= 0.03 * len(CASES), wrong


def test_the_usual_reading_alone_would_not_do() -> None:
    usual = [next(iter(READINGS[case["word"]])) == case["reading"] for case in CASES]
    assert sum(usual) < 0.6 * len(CASES)


def test_every_reading_has_phonemes() -> None:
    assert len(READINGS) >= 60
    for readings in READINGS.values():
        assert all(parse_arpabet(phones) for phones in readings.values())


def test_other_words_have_no_readings() -> None:
    assert choose(["the", "cat"], 1) == ""
