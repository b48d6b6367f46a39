"""From written to spoken English: numbers, dates, money, abbreviations, addresses and symbols become words.

A spoken word is in lower case; a single capital is a letter that is called by its name ("F B I"), also with an ending
("C's"). Every word keeps the place in the text that it comes from.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from typing import NamedTuple

from audiodiff.errors import AudiodiffError
from audiodiff.text.english import lexicon
from audiodiff.text.english.numbers import cardinal
from audiodiff.text.english.quantities import QUANTITIES, Neighbours
from audiodiff.text.english.reader import LETTER, Reader, Token, ends_sentence, fold, spell
from audiodiff.text.english.short_forms import dotted, numeral, short_form
from audiodiff.text.english.tables import (
    ACRONYMS,
    GREEK,
    INITIALISMS,
    SYMBOLS,
    WEB_WORDS,
)
from audiodiff.text.markup import PLACEHOLDER
from audiodiff.text.phones import word_set

__all__ = ["Normalized", "Token", "fold", "normalize"]

_WORD = re.compile(rf"['’]?{LETTER}+(?:['’‘ʻ]{LETTER}+)*['’]?")
_MIXED = re.compile(rf"(?:{LETTER}+\d|\d+{LETTER})[^\W_]*")
_URL = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"“”()\[\]{}]+", re.IGNORECASE)
_MAIL = re.compile(r"[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+(?:com|org|net|edu|gov|info|io|ai|dev|app|co|uk|de|fr|eu|tv|pdf|txt|csv|zip|exe|jpe?g|"
    r"png|gif|wav|flac|mp3|mp4|html?|py|js|json|docx?|xlsx?)(?![\w@])(?:/[^\s<>\"“”()\[\]]*)?",
)
_TAG = re.compile(r"(?<![\w])([#@])([A-Za-z]\w*)")
_NUMBER_SIGN = re.compile(r"#(?=\d)")
_RANGE = re.compile(r"(?<=[\d%])\s?[–—]\s?(?=[$£€]?\d)|(?<=[\d%])-(?=[$£€]?\d)")
_BETWEEN_NUMBERS = re.compile(r"(?<=[\d)])\s+[-−]\s+(?=\d)")
_POWER = re.compile(r"\^(-?\d+)")
_DASH = re.compile(r"\s*(?:--+|[–—―]+)\s*|\s+[-−]+\s+")
_DOTS = re.compile(r"\.{2,}|…")
_NAMED = {
    "C++": "C plus plus",
    "C#": "C sharp",
    "F#": "F sharp",
    ".NET": "dot net",
    "iOS": "I O S",
    "macOS": "mac O S",
    "WWII": "world war two",
}
_WITH = re.compile(r"w/(o)?(?=\s)")
_AND = re.compile(r"([A-Z]{1,2})&([A-Z])(?!\w)")
_PAUSES = {
    **{",": ",", ";": ";", ":": ":", ".": ".", "!": "!", "?": "?", "‽": "?", "¿": "", "¡": "", "(": ",", ")": ","},
    **{"[": ",", "]": ",", "\n": "", "•": ",", "·": ",", "|": ",", "¦": ","},
}
_SILENT = frozenset("\"'`´‘’“”„‚«»‹›*_^~\\/#{}<>†‡-\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0f\ufe0e‐‑‒")
_BEFORE_LETTERS = word_set("an the letter straight vitamin grade plan exhibit type hepatitis group team apartment")


class Normalized(NamedTuple):
    """A text as it is said: its tokens in order, and what was left out or is worth knowing, a sentence each."""

    tokens: tuple[Token, ...]
    notes: tuple[str, ...]


def normalize(text: str, keep: Collection[str] = (), *, skip_unreadable: bool = False) -> Normalized:
    """Spoken words of an English text.

    Args:
        text: plain text; a `PLACEHOLDER` stands for a word that needs no reading.
        keep: words (in lower case) with a pronunciation of their own, which are neither spelled nor expanded.

        skip_unreadable: leave letters of other scripts out, with a note.

    Raises:
        AudiodiffError: letters of a script other than Latin.
    """
    capitals = re.findall("[A-Za-z]{2,}", text)
    shouting = len(capitals) >= 3 and sum(word.isupper() for word in capitals) > 0.6 * len(capitals)
    reader = Reader(text, keep, shouting, skip_unreadable)
    position = 0
    while position < len(text):
        if text[position] in " \t\r\n\f\v\u00a0\u202f\u2009\u2003\u2002":
            dash = _DASH.match(text, position)
            if not dash:
                position += 1
                continue
        for rule in _RULES:
            end = rule(reader, position)
            if end > position:
                position = end
                break
        else:
            position = _character(reader, position)
    notes = []
    if reader.dropped:
        notes.append(f"left out, since they cannot be read: {' '.join(dict.fromkeys(reader.dropped))}")
    return Normalized(tuple(reader.tokens), tuple(notes))


def _web(address: str) -> str:
    """Words of an address: known words as words, short unknown ones spelled, signs by name, figures one by one."""
    words = []
    for part in re.findall(r"[A-Za-z]+|\d+|.", address):
        lower = part.lower()
        if part.isdecimal():
            words.append(
                cardinal(int(part))
                if len(part) < 3 and part[0] != "0"
                else " ".join(cardinal(int(one)) for one in part)
            )
        elif part.isalpha() and part.isascii():
            spelled = lower in ("www", "edu", "io", "ai", "uk", "tv", "eu", "py", "js") or _spelled(part.upper(), False)
            words.append(spell(part) if spelled else lower)
        else:
            words.append(WEB_WORDS.get(part, ""))
    return " ".join(filter(None, words))


def _spelled(word: str, shouting: bool) -> bool:
    """Whether a word in capitals is read letter by letter."""
    lower = word.lower()
    if lower in ACRONYMS:
        return False
    if lower in INITIALISMS and not (shouting and lexicon.known(lower) and not lexicon.is_spelled(lower)):
        return True
    if lexicon.known(lower):
        return lexicon.is_spelled(lower)
    return not re.search("[AEIOUY]", word) or (len(word) <= 4 and not shouting and not _sayable(lower))


def _spelled_small(word: str) -> bool:
    """Whether a short word in lower case before figures is no word: "mp3", "h264"."""
    return word.islower() and len(word) < 4 and not re.search("[aeiouy]", word)


def _sayable(word: str) -> bool:
    """Whether an unknown short word has the shape of a syllable or two, so that it can be read as a word."""
    return re.fullmatch(r"(?:[^aeiouy]{0,2}[aeiou]{1,2}[^aeiou]{0,2}){1,2}e?", word) is not None and len(word) > 3


def _placeholder(reader: Reader, position: int) -> int:
    if reader.text[position] != PLACEHOLDER:
        return position
    return reader.say(PLACEHOLDER, position, position + 1)


def _named(reader: Reader, position: int) -> int:
    if position and reader.text[position - 1].isalnum():
        return position
    for name, words in _NAMED.items():
        if (
            reader.text.startswith(name, position)
            and not reader.text[position + len(name) : position + len(name) + 1].isalnum()
        ):
            return reader.say(words, position, position + len(name))
    found = _WITH.match(reader.text, position)
    if found:
        return reader.say("without" if found[1] else "with", position, found.end())
    found = _AND.match(reader.text, position)
    return reader.say(f"{spell(found[1])} and {spell(found[2])}", position, found.end()) if found else position


def _address(reader: Reader, position: int) -> int:
    for pattern in (_URL, _MAIL, _DOMAIN):
        found = pattern.match(reader.text, position)
        if found and not (position and reader.text[position - 1].isalnum()):
            address = found[0].rstrip(".,;:!?'/")
            said = re.sub(r"^(?:https?|ftp)://", "", address, flags=re.IGNORECASE)
            return reader.say(_web(said), position, position + len(address))
    found = _TAG.match(reader.text, position)
    if found:
        words = " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", found[2])) or found[2]
        said = " ".join(
            cardinal(int(word)) if word.isdecimal() else _word_reading(reader, word) for word in words.split()
        )
        return reader.say(f"{'hashtag' if found[1] == '#' else 'at'} {said}", position, found.end())
    return position


def _quantity(reader: Reader, position: int) -> int:
    text = reader.text
    found = _NUMBER_SIGN.match(text, position)
    if found:
        return reader.say("number", position, found.end())
    for pattern, words in ((_BETWEEN_NUMBERS, "minus"), (_RANGE, "to")):
        found = pattern.match(text, position)
        if found:
            return reader.say(words, position, found.end())
    if not (text[position].isdecimal() or text[position] in "-−+±.$£€¥₹₩₽₿(UuCANHEGJI'’" or text[position].isupper()):
        return position
    if position and text[position - 1].isalnum() and not (text[position - 1].isdecimal() and text[position] in "$"):
        if not text[position - 1].isalpha() or text[position].isalpha():
            return position
        if text[position] in "-−+.'’(":
            return position
    for pattern, reading in QUANTITIES:
        match = pattern.match(text, position)
        if match and match.end() > position:
            neighbours = Neighbours(reader.before.lower(), text[match.end() : match.end() + 40])
            words_ = reading(match, neighbours)
            if words_ is not None and not (_mixed_end(text, match.end())):
                return reader.say(words_, position, match.end())
    return position


def _mixed_end(text: str, end: int) -> bool:
    """Whether letters go on directly after a quantity, as in "3D" or "5G"."""
    return text[end - 1].isdecimal() and end < len(text) and text[end].isalpha()


def _letters_and_figures(reader: Reader, position: int) -> int:
    """ "MP3", "H2O", "B2B", "5G": short words spelled, figures as numbers."""
    found = _MIXED.match(reader.text, position)
    if not found or (position and reader.text[position - 1].isalnum()):
        return position
    if fold(found[0]) in reader.keep:
        return reader.say(fold(found[0]), position, found.end())
    words = []
    for part in re.findall(rf"{LETTER}+|\d+", found[0]):
        if part.isdecimal():
            words.append(
                cardinal(int(part))
                if part[0] != "0" and len(part) < 4
                else " ".join(cardinal(int(one)) for one in part)
            )
        elif len(part) == 1 or (part.isupper() and (len(part) == 2 or _spelled(part, False))) or _spelled_small(part):
            words.append(spell(part))
        else:
            words.append(_word_reading(reader, part))
    return reader.say(" ".join(words), position, found.end())


def _word(reader: Reader, position: int) -> int:
    found = _WORD.match(reader.text, position)
    if not found:
        return position
    written, start = found[0], position
    folded = fold(written)
    if folded[-1:] == "'" and lexicon.known(folded[:-1]) and folded[0] == "'":
        return reader.say(folded[:-1], start, start + len(written))  # cut off on both sides: "rock 'n' roll"
    if folded.startswith("'") and not (lexicon.known(folded) or folded in reader.keep):
        written, start = written[1:], start + 1
    end = start + len(written)
    if written[-1:] in "'’" and not (lexicon.known(fold(written)) or fold(written[:-1])[-1:] == "s"):
        written, end = written[:-1], end - 1
    elif written[-1:] in "'’" and not lexicon.known(fold(written)):
        written = written[:-1]  # the plural's own apostrophe: "the boys' room"
    return reader.say(_word_reading(reader, written), start, end)


def _word_reading(reader: Reader, written: str) -> str:
    folded = fold(written)
    if folded in reader.keep:
        return folded
    if len(written) == 1 and written.isupper() and written not in "AIO":
        return written
    if written == "A" and reader.before in _BEFORE_LETTERS:
        return "A"
    stem = re.fullmatch(r"([A-Z]{2,})(['’]?s)?", written) or re.fullmatch(r"([A-Z])(['’]s)", written)
    if stem and _spelled(stem[1], reader.shouting) and not (stem[1] in ("A", "I") and not stem[2]):
        return spell(stem[1]) + ("'s" if stem[2] else "")
    if stem and stem[2] and stem[2][0] not in "'’" and stem[1].lower() in ACRONYMS:
        return folded
    if not written.isupper() and not lexicon.known(folded.removesuffix("'s")):
        humps = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-zß-öø-ɏ]+(?:['’]s)?", written)
        if len(humps) > 1 and "".join(humps) == written and all(len(hump) > 1 or hump in "iex" for hump in humps):
            return " ".join(
                spell(hump) if len(hump) == 1 or (hump.isupper() and _spelled(hump, False)) else fold(hump)
                for hump in humps
            )
    return folded


def _latin(letter: str, position: int) -> None:
    """Refuse a letter of another script."""
    script = unicodedata.name(letter, "unknown").split()[0].capitalize()
    if script not in ("Latin", "Modifier", "Feminine", "Masculine"):
        raise AudiodiffError(
            f"the letter {letter!r} at character {position + 1} is {script}, and only English in Latin letters can be "
            "read; write it in Latin letters, or give its phonemes in braces such as {HH AH0 L OW1}."
        )


def _symbols(reader: Reader, position: int) -> int:
    """Signs that are said or that are pauses, in groups of their own."""
    text = reader.text
    found = _POWER.match(text, position)
    if found and position and text[position - 1].isalnum():
        value = int(found[1])
        words = {2: "squared", 3: "cubed"}.get(value) or f"to the power of {cardinal(value)}"
        return reader.say(words, position, found.end())
    found = _DOTS.match(text, position)
    if found:
        return reader.mark("." if ends_sentence(text, found.end()) else ",", position, found.end())
    found = _DASH.match(text, position)
    if found and found[0].strip():
        return reader.mark("-" if reader.tokens else "", position, found.end())
    character = text[position]
    following = text[position + 1 : position + 2]
    if character.lower() in GREEK and not (following.isalpha() or (position and text[position - 1].isalpha())):
        return reader.say(GREEK[character.lower()], position, position + 1)
    if character == "~" and not following.isdecimal():
        return position
    if character in "<>" and not re.match(r"[<>]=?\s*[-\d$]|[<>]\s+\w", text[position:]):
        return position
    if (
        character == "/"
        and re.match(r"/[A-Za-z]", text[position:])
        and position
        and text[position - 1] in "0123456789$£€¥₹"
    ):
        return reader.say("per", position, position + 1)
    if character in SYMBOLS:
        return reader.say(SYMBOLS[character], position, position + 1)
    return position


def _character(reader: Reader, position: int) -> int:
    """A character that no rule took: a pause, a sign that is passed over, or one that is left out with a note."""
    character = reader.text[position]
    if character in _PAUSES:
        return reader.mark(_PAUSES[character], position, position + 1)
    if character in _SILENT or character.isspace():
        return position + 1
    if character.isalpha() and not reader.skip_unreadable:
        _latin(character, position)
    if not unicodedata.category(character).startswith(("M", "Cf")):
        reader.dropped.append(character)
    return position + 1


_RULES: tuple[Callable[[Reader, int], int], ...] = (
    _placeholder,
    _named,
    _address,
    _quantity,
    _letters_and_figures,
    dotted,
    short_form,
    numeral,
    _word,
    _symbols,
)
