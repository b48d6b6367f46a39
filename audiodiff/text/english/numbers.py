"""Numbers as American English says them: words in lower case with spaces between, no "and", no hyphens."""

import re

__all__ = ["cardinal", "decimal", "digits", "fraction", "ordinal", "ordinal_of", "roman", "year"]

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = (
    *("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion"),
    *("octillion", "nonillion", "decillion"),
)
_LARGEST = 10 ** (3 * len(_SCALES))
_ORDINALS = {
    **{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"},
    "twelve": "twelfth",
}
_ROMAN = re.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def cardinal(value: int) -> str:
    """Words of a whole number: 1234 is "one thousand two hundred thirty four". Beyond decillions: digit by digit."""
    if value < 0:
        return f"minus {cardinal(-value)}"
    if value >= _LARGEST:
        return digits(str(value))
    if value < 1000:
        return _below_thousand(value)
    words = []
    groups = []
    while value:
        value, group = divmod(value, 1000)
        groups.append(group)
    for index in range(len(groups) - 1, -1, -1):
        if groups[index]:
            words += [_below_thousand(groups[index]), _SCALES[index]]
    return " ".join(filter(None, words))


def _below_thousand(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10] + (f" {_ONES[rest % 10]}" if rest % 10 else ""))
    elif rest or not hundreds:
        words.append(_ONES[rest])
    return " ".join(words)


def ordinal(value: int) -> str:
    """Words of an ordinal: 21 is "twenty first"."""
    return ordinal_of(cardinal(value))


def ordinal_of(words: str) -> str:
    """Ordinal of the words of a cardinal."""
    head, _, last = words.rpartition(" ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ieth"
    else:
        last += "th"
    return f"{head} {last}".strip()


def digits(text: str) -> str:
    """Digits one by one: "2013" is "two zero one three"; what is not a digit is passed over."""
    return " ".join(_ONES[int(digit)] for digit in text if digit.isdecimal())


def decimal(text: str) -> str:
    """Words of "1,234.50": whole part as a cardinal, "point", the digits after it."""
    whole, point, rest = text.replace(",", "").partition(".")
    leading_zero = whole.startswith("0") and len(whole) > 1
    words = digits(whole) if leading_zero else cardinal(int(whole)) if whole else ""
    return f"{words} point {digits(rest)}".strip() if point and rest else words


def year(value: int) -> str:
    """A year: 1984 "nineteen eighty four", 1905 "nineteen oh five", 2007 "two thousand seven"."""
    century, rest = divmod(value, 100)
    if value < 1000 or value >= 10_000 or value % 1000 < 10:
        return cardinal(value)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


def fraction(numerator: int, denominator: int) -> str:
    """A fraction: 1/2 "one half", 3/4 "three quarters", 5/8 "five eighths", 7/100 "seven hundredths"."""
    name = {2: "half", 4: "quarter"}.get(denominator) or ordinal(denominator)
    if numerator != 1:
        name = "halves" if name == "half" else f"{name}s"
    return f"{cardinal(numerator)} {name}"


def roman(text: str) -> int:
    """Value of a Roman numeral in capitals; 0 for anything that is none."""
    if not text or not _ROMAN.fullmatch(text):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in text]
    return sum(-value if value < max(values[index:]) else value for index, value in enumerate(values))
