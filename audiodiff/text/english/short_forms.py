"""Short forms with dots and Roman numerals: "U.S.", "Dr.", "J. Smith", "Henry VIII"."""

import re

from audiodiff.text.english.numbers import cardinal, ordinal, roman
from audiodiff.text.english.quantities import Neighbours
from audiodiff.text.english.reader import SENTENCE_STARTS, Reader, ends_sentence, fold, spell
from audiodiff.text.english.tables import ABBREVIATIONS, BEFORE_NAMES, DAYS, MONTHS, NEED_NUMBER, NUMBERED, REGNAL
from audiodiff.text.phones import word_set

__all__ = ["dotted", "numeral", "short_form"]

_DOTTED = re.compile(r"(?:[A-Za-z]\.){2,}(?:[A-Za-z](?![A-Za-z]))?(?:['’]s\b|s\b)?")
_DEGREE = re.compile(r"(Ph\.\s?D|M\.\s?Sc|B\.\s?Sc|Ed\.D|M\.Ed)\.?")
_SHORT = re.compile(r"([A-Za-z]+)\.")
_ROMAN_WORD = re.compile(r"(?:[IVXLCDM]+|[ivx]+)(?![\w’'])")
_NOT_ROMAN = word_set("MIX DIM MILD CIVIC ILL LID DID VIM MD CD DC MC CV DM MI CC MM DI LI CM CL ML DIV CIV MDC DL LCD")


def dotted(reader: Reader, position: int) -> int:
    """ "U.S.", "e.g.", "Ph.D.": letters with dots."""
    text = reader.text
    degree = _DEGREE.match(text, position)
    found = degree or _DOTTED.match(text, position)
    if not found or (position and text[position - 1].isalnum()):
        return position
    letters = re.sub(r"['’]?s$", "", found[0]) if not degree else found[0]
    letters = re.sub(r"[^A-Za-z]", "", letters)
    words = {"eg": "for example", "ie": "that is"}.get(letters.lower()) if letters.islower() else None
    if words is None:
        words = spell(letters) + ("'s" if found[0].rstrip(".")[-1:] == "s" and letters[-1:] != "s" else "")
    end = reader.say(words, position, found.end())
    if found[0].endswith(".") and ends_sentence(text, end):
        reader.mark(".", end - 1, end)
    return end


def short_form(reader: Reader, position: int) -> int:
    """ "Mr.", "St.", "approx.", "J." before a name, and "Mr", "Mrs", "Dr" without their dots."""
    text = reader.text
    found = _SHORT.match(text, position)
    if position and (text[position - 1].isalnum() or text[position - 1] in "'’"):
        return position
    if not found:
        bare = re.compile(r"(Mr|Mrs|Ms|Dr|Prof|Jr|Sr|vs)(?=\s+\w|\s*,|$)").match(text, position)
        if not bare:
            return position
        short = bare[1].lower()
        return reader.say(BEFORE_NAMES.get(short) or ABBREVIATIONS[short], position, bare.end())
    short, end = found[1].lower(), found.end()
    rest = text[end : end + 30]
    capital = re.match(r"\s+[A-ZÀ-Þ]", rest) is not None
    number = re.match(r"\s*#?[\dIVX]", rest) is not None
    words = None
    if short in reader.keep:
        return position
    if short in BEFORE_NAMES and (
        short not in ABBREVIATIONS or (capital and not (reader.before and _follows_name(reader)))
    ):
        words = BEFORE_NAMES[short] if capital or short not in ("gen", "rep", "sen", "hon", "fr", "col") else None
    elif short in DAYS and re.match(
        r"\s*,?\s*(?:\d|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|[ap]\.?m)|\s*,", rest
    ):
        words = DAYS[short]
    elif (
        (short in ("no", "nos", "p", "pp") and not re.match(r"\s*\d", rest))
        or (short in NEED_NUMBER and not (number or _after_number(reader, position)))
        or (short in ABBREVIATIONS and ABBREVIATIONS[short] in MONTHS and not found[1][0].isupper())
    ):
        words = None
    elif short in ABBREVIATIONS and not (
        short in ("co", "mass", "al", "est", "sq", "pl") and not _takes_dot(reader, short, rest)
    ):
        words = ABBREVIATIONS[short]
    elif (
        len(short) == 1
        and found[1].isupper()
        and capital
        and (found[1] != "I" or reader.before == "")
        and not ends_sentence(text, end)
    ):
        words = found[1]
    if words is None:
        return position
    reader.say(words, position, end)
    if ends_sentence(text, end) and short not in ("mr", "mrs", "ms", "prof"):
        reader.mark(".", end - 1, end)
    return end


def _takes_dot(reader: Reader, short: str, rest: str) -> bool:
    """Whether a short form that is also a word is one here: "et al.", "Smith & Co.", "est. 1920"."""
    if short == "al":
        return reader.before == "et"
    if short == "est":
        return re.match(r"\s*\d", rest) is not None
    return _follows_name(reader) or reader.before == "and"


def _follows_name(reader: Reader) -> bool:
    """Whether the word before was written with a capital, or a number: "Elm St.", "5th Ave."."""
    last = reader.tokens[-1] if reader.tokens else None
    written = reader.text[last.start : last.end] if last and last.words else ""
    return (written[:1].isupper() and written.lower() not in SENTENCE_STARTS) or (
        written[-2:] in ("st", "nd", "rd", "th") and written[:1].isdecimal()
    )


def _after_number(reader: Reader, position: int) -> bool:
    return re.search(r"\d(?:st|nd|rd|th)?\s*$", reader.text[max(0, position - 5) : position]) is not None


def numeral(reader: Reader, position: int) -> int:
    """Roman numerals: after the name of a king or a pope, after "chapter" and the like, and long ones anywhere."""
    text = reader.text
    found = _ROMAN_WORD.match(text, position)
    if not found or (position and (text[position - 1].isalnum() or text[position - 1] in ".'’-")):
        return position
    value = roman(found[0].upper())
    before = reader.before
    if not value or (found[0].islower() and before not in NUMBERED) or fold(found[0]) in reader.keep:
        return position
    after = Neighbours("", text[found.end() :]).next_word
    if before in REGNAL and (len(found[0]) > 1 or found[0] in "VX" or (after == "of" or not after.islower())):
        return reader.say(f"the {ordinal(value)}", position, found.end())
    if after in ("century", "centuries"):
        return reader.say(ordinal(value), position, found.end())
    if before in NUMBERED and (len(found[0]) > 1 or found[0] in "VX" or not after.islower()):
        return reader.say(cardinal(value), position, found.end())
    if len(found[0]) > 1 and found[0] not in _NOT_ROMAN and value < 90 and (before or value < 40):
        return reader.say(cardinal(value), position, found.end())
    return position
