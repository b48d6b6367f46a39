"""Pronunciations of words: CMU's dictionary, rules for words made of its words, and a model for all others."""

import functools
import lzma
import re
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Literal, NamedTuple

from audiodiff.text.english import letters
from audiodiff.text.phones import base, word_set

__all__ = ["Phones", "Pronunciation", "Source", "is_spelled", "known", "letter_name", "pronounce"]

Phones = tuple[str, ...]
Source = Literal["dictionary", "rule", "letters", "lexicon", "text"]
"""Where a pronunciation comes from; "letters" is the letter-to-sound model, "text" was written with the word."""


class Pronunciation(NamedTuple):
    """How a word may be said, the usual way first, and how that is known."""

    variants: tuple[Phones, ...]
    source: Source


_VOICELESS = word_set("P T K F TH")
_SIBILANTS = word_set("S Z SH ZH CH JH")
_LETTERS = {
    **{"a": "EY1", "b": "B IY1", "c": "S IY1", "d": "D IY1", "e": "IY1", "f": "EH1 F", "g": "JH IY1", "h": "EY1 CH"},
    **{"i": "AY1", "j": "JH EY1", "k": "K EY1", "l": "EH1 L", "m": "EH1 M", "n": "EH1 N", "o": "OW1", "p": "P IY1"},
    **{
        "q": "K Y UW1",
        "r": "AA1 R",
        "s": "EH1 S",
        "t": "T IY1",
        "u": "Y UW1",
        "v": "V IY1",
        "w": "D AH1 B AH0 L Y UW0",
    },
    **{"x": "EH1 K S", "y": "W AY1", "z": "Z IY1"},
}
_EXTRA = {
    "miz": "M IH1 Z",
    "messers": "M EH1 S ER0 Z",
    "mix": "M IH1 K S",
    "url": "Y UW2 AA2 R EH1 L",
    "blog": "B L AO1 G",
    "wifi": "W AY1 F AY2",
    "wi": "W AY1",
    "fi": "F AY1",
    "covid": "K OW1 V IH0 D",
    "emoji": "IH0 M OW1 JH IY0",
    "podcast": "P AA1 D K AE2 S T",
    "hashtag": "HH AE1 SH T AE2 G",
    "selfie": "S EH1 L F IY0",
    "google": "G UW1 G AH0 L",
    "iphone": "AY1 F OW2 N",
    "youtube": "Y UW1 T UW2 B",
    "bitcoin": "B IH1 T K OY2 N",
    "unicode": "Y UW1 N IH0 K OW2 D",
    "gigabyte": "G IH1 G AH0 B AY2 T",
    "terabyte": "T EH1 R AH0 B AY2 T",
    "kilowatt": "K IH1 L AH0 W AA2 T",
    "megapixel": "M EH1 G AH0 P IH2 K S AH0 L",
    "gigahertz": "G IH1 G AH0 HH ER2 T S",
    "kilohertz": "K IH1 L AH0 HH ER2 T S",
    "megahertz": "M EH1 G AH0 HH ER2 T S",
    "terahertz": "T EH1 R AH0 HH ER2 T S",
    "canto": "K AE1 N T OW0",
    "rupee": "R UW0 P IY1",
    "rupees": "R UW0 P IY1 Z",
    "jpeg": "JH EY1 P EH2 G",
    "naan": "N AA1 N",
    "ai": "EY1 AY1",
    "app": "AE1 P",
    "apps": "AE1 P S",
    "online": "AO1 N L AY1 N",
    "kcal": "K EY1 K AE2 L",
    "yolo": "Y OW1 L OW0",
    "et": "EH1 T",
    "cetera": "S EH1 T ER0 AH0",
}
"""Words that the dictionary lacks or gives another sense."""

_SUFFIXES = {
    **{
        "ful": "F AH0 L",
        "less": "L AH0 S",
        "ness": "N AH0 S",
        "ment": "M AH0 N T",
        "ish": "IH0 SH",
        "ship": "SH IH2 P",
    },
    **{"hood": "HH UH2 D", "like": "L AY2 K", "wise": "W AY2 Z", "ward": "W ER0 D", "wards": "W ER0 D Z"},
}
"""Endings that leave the word before them as it is. The model is better at others (-er, -y, -able), at prefixes and at
joined words, measured on words held out of the dictionary: `benchmarks/letter_to_sound.py`."""


@functools.cache
def _dictionary() -> dict[str, list[str]]:
    """Word to its pronunciations as written in CMU's file, with comments and numbers of variants taken off."""
    packed = resources.files("audiodiff").joinpath("assets/cmudict.dict.xz").read_bytes()
    entries: dict[str, list[str]] = {}
    for line in lzma.decompress(packed).decode("utf-8").splitlines():
        word, _, phones = line.partition(" ")
        entries.setdefault(word.partition("(")[0], []).append(phones.partition(" #")[0])
    entries.update((word, [phones]) for word, phones in _EXTRA.items())
    return entries


def known(word: str) -> bool:
    """Whether the dictionary has the word (lower case)."""
    return word in _dictionary()


def _listed(word: str) -> tuple[Phones, ...]:
    return tuple(tuple(phones.split()) for phones in _dictionary().get(word, ()))


def letter_name(letter: str) -> Phones:
    """Phonemes of the name of a letter."""
    return tuple(_LETTERS[letter.lower()].split())


@functools.lru_cache(maxsize=4096)
def is_spelled(word: str) -> bool:
    """Whether the dictionary lists the word as the names of its letters, as it does "fbi"."""
    names = [base(phone) for letter in word if letter in _LETTERS for phone in letter_name(letter)]
    return any([base(phone) for phone in phones] == names for phones in _listed(word))


@functools.lru_cache(maxsize=65_536)
def pronounce(word: str) -> Pronunciation:
    """Pronunciations of a word as normalization says it: lower case, or a capital for the name of a letter.

    Of words outside the dictionary possessives, plurals and a few endings are taken off; what is unknown then goes to
    the letter-to-sound model.
    """
    if re.fullmatch(r"[A-Z](?:'s)?", word):
        name = letter_name(word[0])
        return Pronunciation((_with_s(name) if word.endswith("s") and len(word) > 1 else name,), "dictionary")
    listed = _listed(word) or _listed(word.strip("'"))
    if listed:
        return Pronunciation(listed, "dictionary")
    for rule in _RULES:
        for phones in rule(word):
            return Pronunciation((phones,), "rule")
    plain = re.sub("[^a-z]", "", word)
    if not re.search("[aeiouy]", plain):  # no syllable: letter by letter
        return Pronunciation((tuple(phone for letter in plain or "x" for phone in letter_name(letter)),), "rule")
    return Pronunciation((letters.phones_of(plain),), "letters")


def _with_s(phones: Phones) -> Phones:
    """With the ending of plurals and possessives."""
    last = base(phones[-1])
    return (*phones, *(("IH0", "Z") if last in _SIBILANTS else ("S",) if last in _VOICELESS else ("Z",)))


def _possessive(word: str) -> Iterator[Phones]:
    stem, mark, rest = word.partition("'")
    if mark and rest in ("s", "") and stem:
        phones = pronounce(stem).variants[0]
        yield _with_s(phones) if rest else phones
    elif mark and rest in ("ll", "d", "ve", "re", "m") and stem:
        ending = {"ll": ("AH0", "L"), "d": ("D",), "ve": ("AH0", "V"), "re": ("ER0",), "m": ("M",)}[rest]
        yield (*pronounce(stem).variants[0], *ending)


def _plural(word: str) -> Iterator[Phones]:
    """Plurals, and the third person of verbs."""
    if word.endswith("s") and not word.endswith("ss"):
        stems = [f"{word[:-3]}y"] if word.endswith("ies") else [word[:-1]]
        if re.search("(?:s|x|z|ch|sh)es$", word):
            stems.append(word[:-2])
        yield from (_with_s(listed[0]) for stem in stems if len(stem) > 1 and (listed := _listed(stem)))


def _suffixed(word: str) -> Iterator[Phones]:
    for ending, tail in _SUFFIXES.items():
        if word.endswith(ending):
            stem = word[: -len(ending)]
            listed = _listed(f"{stem[:-1]}y" if stem.endswith("i") else stem) if len(stem) > 2 else ()
            if listed:
                yield (*listed[0], *tail.split())


_RULES: tuple[Callable[[str], Iterator[Phones]], ...] = (_possessive, _plural, _suffixed)
