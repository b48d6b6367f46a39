"""Numbers as words."""

import pytest

from audiodiff.text.english.numbers import cardinal, decimal, fraction, ordinal, roman, year


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (20, "twenty"),
        (110, "one hundred ten"),
        (1_000, "one thousand"),
        (1_000_001, "one million one"),
        (-7, "minus seven"),
        (10**35, "one hundred decillion"),
        (10**36, "one" + " zero" * 36),
    ],
)
def test_cardinal(value: int, words: str) -> None:
    assert cardinal(value) == words


def test_ordinals_years_fractions_decimals() -> None:
    assert [ordinal(value) for value in (1, 5, 12, 20, 40, 103)] == [
        *("first", "fifth", "twelfth", "twentieth", "fortieth", "one hundred third")
    ]
    assert [year(value) for value in (800, 1066, 1900, 1909, 2000, 2009, 2019)] == [
        *("eight hundred", "ten sixty six", "nineteen hundred", "nineteen oh nine", "two thousand"),
        *("two thousand nine", "twenty nineteen"),
    ]
    assert [fraction(*pair) for pair in ((1, 2), (3, 2), (3, 4), (2, 3))] == [
        *("one half", "three halves", "three quarters", "two thirds")
    ]
    assert [decimal(text) for text in ("1,000.05", ".5", "007", "3.")] == [
        *("one thousand point zero five", "point five", "zero zero seven", "three")
    ]


@pytest.mark.parametrize(("text", "value"), [("XIV", 14), ("MCMXCIX", 1999), ("IIII", 0), ("IC", 0), ("", 0), ("A", 0)])
def test_roman(text: str, value: int) -> None:
    assert roman(text) == value
