"""Everything written with digits: dates, times, money, measures, telephone numbers, years, ranges, plain numbers.

`QUANTITIES` is an ordered list of (pattern, reading): the first pattern that matches at a place and whose reading is
not None wins. A reading gets the match and the words around it, and returns what is said.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from audiodiff.text.english.numbers import cardinal, decimal, digits, fraction, ordinal, year
from audiodiff.text.english.tables import CURRENCIES, CURRENCY_CODES, MONTHS, SCALES, UNITS
from audiodiff.text.phones import word_set

__all__ = ["QUANTITIES", "Neighbours"]


class Neighbours(NamedTuple):
    """What stands around a place in a text: the last word said, in lower case, and the text that follows."""

    before: str
    after: str

    @property
    def next_word(self) -> str:
        """The word that follows directly, as written; "" for none."""
        found = re.match(r"\s*([A-Za-z]+)", self.after)
        return found[1] if found else ""


Reading = Callable[[re.Match[str], Neighbours], str | None]

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_MONTH_NAMES = "|".join(
    sorted([name.capitalize() for name in MONTHS] + [f"{name.capitalize()[:3]}\\.?" for name in MONTHS] + ["Sept\\.?"])[
        ::-1
    ]
)
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_END = r"(?![\w])"
_CURRENCY = "".join(map(re.escape, CURRENCIES))
_SCALE = "|".join(sorted(SCALES, key=len, reverse=True))
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_QUANTITY_WORDS = word_set("people men women children feet percent times pounds dollars words more fewer less")
_NOT_PLURALS = word_set("is was has as this his its us thus across always perhaps unless yes towards besides les")
_DETERMINERS = word_set("a an the this that its his her their our my your each every another")
_FUNCTION_WORDS = word_set(
    "and or of in on at to for from by with is was were are be been has had have will would they we he she i you "
    "it that which who per a the an but as than when if while so then each more less away ago later old long tall "
    "wide high deep apart above below into onto over under"
)
_BEFORE_YEARS = word_set("in since by before after until till from of year circa")
_BEFORE_DECADES = word_set("the mid early late his her their its my our your in")


def _plural(words: str) -> str:
    """Plural of the name of a unit: of its first word in "mile per hour", of its last in "square mile"."""
    head, per, tail = words.partition(" per ")
    if head.startswith("degree "):
        head = head.replace("degree", "degrees", 1)
    elif head.endswith("foot"):
        head = f"{head[:-4]}feet"
    elif head.endswith("inch"):
        head = f"{head}es"
    elif not head.endswith(("hertz", "bel bel")):
        head = f"{head}s"
    return head + per + tail


def _attributive(neighbours: Neighbours) -> bool:
    """Whether a measure stands before its noun, so that it has no plural: "a 5 km run"."""
    word = neighbours.next_word
    return (
        neighbours.before in _DETERMINERS
        and word.islower()
        and neighbours.after[:1] in " -"
        and word not in _FUNCTION_WORDS
    )


def _month(name: str) -> str:
    start = name.rstrip(".").lower()[:3]
    return next(month for month in MONTHS if month.startswith(start))


def _year(text: str) -> str:
    if len(text) == 2:
        return f"oh {cardinal(int(text))}" if text[0] == "0" else cardinal(int(text))
    return year(int(text))


def _date(month: str, day: str, year_: str | None) -> str:
    return f"{month} {ordinal(int(day))}" + (f" {_year(year_)}" if year_ else "")


def _month_first(found: re.Match[str], neighbours: Neighbours) -> str:
    return _date(_month(found["month"]), found["day"], found["year"])


def _day_first(found: re.Match[str], neighbours: Neighbours) -> str:
    article = "" if neighbours.before == "the" else "the "
    spoken = f"{article}{ordinal(int(found['day']))} of {_month(found['month'])}"
    return spoken + (f" {_year(found['year'])}" if found["year"] else "")


def _figures_date(found: re.Match[str], neighbours: Neighbours) -> str | None:
    """12/25/2020 and 25/12/2020; ISO dates; with dots the day comes first. Month first where both would do."""
    if "iso" in found.re.groupindex:
        month, day, year_ = int(found["month"]), found["day"], found["iso"]
    else:
        first, second, year_ = int(found["first"]), int(found["second"]), found["year"]
        day_first = found["sign"] == "." or first > 12
        month, day = (second, str(first)) if day_first else (first, str(second))
    if not (1 <= month <= 12 and 1 <= int(day) <= 31):
        return None
    return _date(list(MONTHS)[month - 1], day, year_)


def _half_day(text: str | None) -> str:
    return " ".join(letter.upper() for letter in text if letter in "apmAPM") if text else ""


def _time(found: re.Match[str], neighbours: Neighbours) -> str | None:
    hour, minute, second = int(found["hour"]), found["minute"], found["second"]
    half = _half_day(found["half"])
    if hour > 24 or (half and not 1 <= hour <= 12):
        return None
    words = [cardinal(hour)]
    if int(minute):
        words.append(f"oh {cardinal(int(minute))}" if minute[0] == "0" else cardinal(int(minute)))
    elif not half:
        words.append("hundred" if hour > 12 else "o'clock" if hour else "hundred")
    if second:
        words += ["and", cardinal(int(second)), "second" if int(second) == 1 else "seconds"]
    return " ".join([*words, *([half] if half else [])]).replace("o'clock and", "and")


def _hour(found: re.Match[str], neighbours: Neighbours) -> str | None:
    hour = int(found["hour"])
    return f"{cardinal(hour)} {_half_day(found['half'])}" if 1 <= hour <= 12 else None


def _money(found: re.Match[str], neighbours: Neighbours) -> str:
    groups = found.groupdict()
    sign = groups.get("sign") or CURRENCY_CODES[found["code"]]
    one, many, cent, cents = CURRENCIES[sign]
    amount = found["amount"].replace(",", "")
    country = {
        "US": "U S ",
        "C": "canadian ",
        "CA": "canadian ",
        "A": "australian ",
        "AU": "australian ",
        "NZ": "new zealand ",
        "HK": "hong kong ",
    }.get(groups.get("country") or "", "")
    minus = "minus " if groups.get("minus") else ""
    one_only = _attributive(neighbours)
    if found["scale"]:
        scale = SCALES.get(found["scale"]) or SCALES[found["scale"].lower()]
        return f"{minus}{decimal(amount)} {scale} {country}{one if one_only else many}"
    whole, _, rest = amount.partition(".")
    if len(rest) != 2:
        return f"{minus}{decimal(amount)} {country}{one if amount == '1' or one_only else many}"
    parts = []
    if int(whole or 0) or not int(rest):
        parts.append(f"{cardinal(int(whole or 0))} {country}{one if int(whole or 0) == 1 or one_only else many}")
    if int(rest):
        parts.append(f"{cardinal(int(rest))} {cent if int(rest) == 1 or one_only else cents}")
    return minus + " and ".join(parts)


def _cents(found: re.Match[str], neighbours: Neighbours) -> str:
    return f"{decimal(found['amount'])} {'cent' if found['amount'] == '1' else 'cents'}"


def _measure(found: re.Match[str], neighbours: Neighbours) -> str | None:
    amount, unit = found["amount"], found["unit"]
    # "5K", "1A", "2N" written together are names as often as measures; and "at 5 A man ..." is none.
    if (unit in ("A", "K", "N", "J") and found["gap"] == "") or (unit == "A" and neighbours.next_word):
        return None
    words = _raised(UNITS[unit], found["square"])
    one = (amount == "1" and not found["half"]) or _attributive(neighbours)
    spoken = _amount(amount, found["half"])
    words = words if one else _plural(words)
    if found["per"]:
        words += f" per {_raised(UNITS[found['per']], found['cubed'])}"
    return f"{'minus ' if found['minus'] else ''}{spoken} {words}"


def _raised(unit: str, power: str) -> str:
    return {"²": "square ", "³": "cubic "}.get(power, "") + unit


def _amount(amount: str, half: str | None) -> str:
    spoken = decimal(amount)
    return f"{spoken} and {_HALVES[half]}" if half else spoken


_HALVES = {
    **{"½": "a half", "¼": "a quarter", "¾": "three quarters", "⅓": "a third", "⅔": "two thirds", "⅛": "an eighth"},
    **{"1/2": "a half", "1/4": "a quarter", "3/4": "three quarters", "1/3": "a third", "2/3": "two thirds"},
}
_HALF = "|".join(map(re.escape, _HALVES))


def _mixed(found: re.Match[str], neighbours: Neighbours) -> str:
    return _amount(found["amount"], found["half"])


def _feet(found: re.Match[str], neighbours: Neighbours) -> str:
    return f"{cardinal(int(found['feet']))} foot {cardinal(int(found['inches']))}"


def _percent(found: re.Match[str], neighbours: Neighbours) -> str:
    return f"{'minus ' if found['minus'] else ''}{decimal(found['amount'])} percent"


def _phone(found: re.Match[str], neighbours: Neighbours) -> str:
    groups = re.findall(r"\d+", found[0])
    return " , ".join(digits(group) for group in groups)


def _sides(found: re.Match[str], neighbours: Neighbours) -> str:
    return f"{decimal(found['first'])} by {decimal(found['second'])}"


_FAMILIAR = {
    "20/20": "twenty twenty",
    "911": "nine one one",
    "411": "four one one",
    "24/7": "twenty four seven",
    "9/11": "nine eleven",
    "50/50": "fifty fifty",
    "7/11": "seven eleven",
}


def _fraction(found: re.Match[str], neighbours: Neighbours) -> str:
    if found[0] in _FAMILIAR:
        return _FAMILIAR[found[0]]
    first, second = int(found["first"]), int(found["second"])
    if first == second > 2:
        return f"{cardinal(first)} out of {cardinal(second)}"
    if 2 <= second <= 100 and first < 100 and (first < second or second <= 10):
        return fraction(first, second)
    return f"{cardinal(first)} over {cardinal(second)}"


def _ratio(found: re.Match[str], neighbours: Neighbours) -> str:
    return f"{cardinal(int(found['first']))} to {cardinal(int(found['second']))}"


def _ordinal(found: re.Match[str], neighbours: Neighbours) -> str:
    return ordinal(int(found["amount"].replace(",", "")))


def _decade(found: re.Match[str], neighbours: Neighbours) -> str | None:
    text = found["year"]
    if len(text) == 2 and found[0][0].isdecimal() and neighbours.before not in _BEFORE_DECADES:
        return None  # "30s" are seconds as well
    spoken = _year(text) if len(text) == 4 else cardinal(int(text))
    if text in ("00",):
        return "two thousands"
    return f"{spoken[:-1]}ies" if spoken.endswith("y") else f"{spoken}s"


def _dotted(found: re.Match[str], neighbours: Neighbours) -> str:
    """Versions "3.2.1", and internet addresses digit by digit."""
    parts = found[0].split(".")
    address = len(parts) == 4 and any(len(part) == 3 for part in parts)
    return " dot ".join(digits(part) if address else cardinal(int(part)) for part in parts).replace(
        " dot ", " dot " if address else " point "
    )


def _number(found: re.Match[str], neighbours: Neighbours) -> str:
    text = found["amount"]
    sign = {"-": "minus ", "−": "minus ", "+": "plus ", "±": "plus or minus "}.get(found["minus"] or "", "")
    first_year = 1001 if neighbours.before in _BEFORE_YEARS else 1100
    if not sign and len(text) == 4 and text.isdecimal() and first_year <= int(text) <= 2099 and not _counts(neighbours):
        return year(int(text))
    if text in _FAMILIAR and not sign and not _counts(neighbours):
        return _FAMILIAR[text]
    if text.isdecimal() and len(text) > 1 and text[0] == "0":
        return sign + digits(text)
    if text.isdecimal() and len(text) > 12:
        return sign + digits(text)
    return sign + decimal(text)


def _counts(neighbours: Neighbours) -> bool:
    """Whether a four-figure number counts things, and is no year: "1500 people", "over 1200 votes"."""
    word = neighbours.next_word
    if word in _QUANTITY_WORDS:
        return True
    return (
        word.islower() and len(word) > 3 and word.endswith("s") and not word.endswith("ss") and word not in _NOT_PLURALS
    )


_MINUS = r"(?:(?<![\w.)])(?P<minus>[-−+±])(?=[\d.$£€]))?"
_YEAR_AFTER = r"(?:,?\s+(?P<year>[12]\d{3})(?!\d|:|,\d))?"
_HALF_DAY = r"(?P<half>[ap]\.?\s?m\.?(?![a-z])|[AP]\.?M\.?(?![A-Za-z]))"


def _q(pattern: str, reading: Reading) -> tuple[re.Pattern[str], Reading]:
    return re.compile(pattern), reading


QUANTITIES: tuple[tuple[re.Pattern[str], Reading], ...] = (
    _q(r"(?:\+?\d{1,3}[ .-])?\(\d{3}\)\s?\d{3}[-. ]\d{4}(?!\d)", _phone),
    _q(r"\+?\d{1,3}[-. ]\d{3}[-. ]\d{3}[-. ]\d{4}(?!\d)", _phone),
    _q(r"\+\d{1,3}(?:[ -]\d{2,5}){2,5}(?!\d)", _phone),
    _q(r"\d{3}[-.]\d{3}[-.]\d{4}(?!\d)", _phone),
    _q(r"\d{3}-\d{4}(?![-\d])", _phone),
    _q(r"(?P<iso>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?!\d)", _figures_date),
    _q(
        r"(?P<first>\d{1,2})(?P<sign>[/.])(?P<second>\d{1,2})(?P=sign)(?P<year>\d{4}|\d{2})(?![\d/])(?!\.\d)",
        _figures_date,
    ),
    _q(rf"(?P<month>{_MONTH_NAMES})\s+{_DAY}(?![\d:]|[.,]\d|\s?[%$]){_END}{_YEAR_AFTER}", _month_first),
    _q(rf"{_DAY}\s+(?:of\s+)?(?P<month>{_MONTH_NAMES}){_END}{_YEAR_AFTER}", _day_first),
    _q(rf"(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?!\d)(?:\s?{_HALF_DAY})?", _time),
    _q(rf"(?P<hour>\d{{1,2}})\s?{_HALF_DAY}", _hour),
    _q(
        rf"{_MINUS}(?P<country>US|CA?|AU?|NZ|HK)?(?P<sign>[{_CURRENCY}])\s?(?P<amount>{_NUMBER})"
        rf"(?:[ -]?(?P<scale>{_SCALE}|[KMBT]){_END})?(?![\d])",
        _money,
    ),
    _q(rf"(?P<amount>{_NUMBER})(?:\s?(?P<scale>{_SCALE}|[KMBT]))?\s?(?P<sign>[{_CURRENCY}])(?!\d)", _money),
    _q(
        rf"(?P<amount>{_NUMBER})(?:\s?(?P<scale>{_SCALE}|[KMBT]))?\s?(?P<code>{'|'.join(CURRENCY_CODES)}){_END}", _money
    ),
    _q(
        rf"(?P<code>{'|'.join(CURRENCY_CODES)})\s?(?P<amount>{_NUMBER})(?:\s?(?P<scale>{_SCALE}|[KMBT]){_END})?", _money
    ),
    _q(rf"(?P<amount>{_NUMBER})\s?¢", _cents),
    _q(r"['’]?(?P<year>1[1-9]\d0|20\d0|\d0)['’]?s(?!\w)", _decade),
    _q(r"(?P<feet>\d)\s?['′]\s?(?P<inches>\d{1,2})\s?(?:\"|″|'')", _feet),
    _q(rf"{_MINUS}(?P<amount>{_NUMBER})\s?%", _percent),
    _q(rf"(?P<first>{_NUMBER})(?:\s?x\s?|×)(?P<second>{_NUMBER})(?!\w)", _sides),
    _q(
        rf"{_MINUS}(?P<amount>{_NUMBER})(?:\s?(?P<half>[½¼¾⅓⅔⅛]))?(?P<gap>[\s-]?)(?P<unit>{_UNIT})(?P<square>[²³]?)"
        rf"(?:/(?P<per>{_UNIT})(?P<cubed>[²³]?))?(?![\w²³/])(?:\.(?=\s[a-z]))?",
        _measure,
    ),
    _q(rf"(?P<amount>\d+)(?:\s?(?=[½¼¾⅓⅔⅛])|\s(?=\d/))(?P<half>{_HALF})(?![\d/])", _mixed),
    _q(r"(?P<first>\d+)\s?/\s?(?P<second>\d+)(?![\d/])", _fraction),
    _q(r"(?P<amount>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)(?!\w)", _ordinal),
    _q(r"\d+(?:\.\d+){2,}(?!\d)", _dotted),
    _q(r"(?P<first>\d{1,3}):(?P<second>\d{1,3})(?![\d:])", _ratio),
    _q(rf"{_MINUS}(?P<amount>{_NUMBER})", _number),
)
