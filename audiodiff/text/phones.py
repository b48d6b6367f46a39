"""The phonemes that speech models read: ARPAbet with stress, boundaries with punctuation, and IPA for both ways.

A model sees a sequence of `SYMBOLS`: `<start>`, the phonemes of a word, the boundary after it, ..., the closing
punctuation, `<end>`. The order of `SYMBOLS` is part of every checkpoint that reads them: append, never reorder.
"""

import unicodedata
from collections.abc import Iterable

from audiodiff.errors import AudiodiffError

__all__ = [
    "BOUNDARIES",
    "CONSONANTS",
    "PHONES",
    "SYMBOLS",
    "SYMBOL_ID",
    "VOWELS",
    "base",
    "from_ipa",
    "parse_arpabet",
    "to_ipa",
    "word_set",
]


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set: the form in which this package writes long lists of words."""
    return frozenset(text.split())


VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
"""Vowels without their stress."""

CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG"),
    *("P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)

PHONES = (*(f"{vowel}{stress}" for vowel in VOWELS for stress in "012"), *CONSONANTS)
"""Every phoneme: vowels with stress 0 (none), 1 (primary) or 2 (secondary), and consonants."""

BOUNDARIES = ("<start>", "<sp>", "<,>", "<;>", "<:>", "<->", "<.>", "<!>", "<?>", "<end>")
"""What stands between words; `<sp>` is a boundary without punctuation. All may be silent for no time at all."""

SYMBOLS = ("<pad>", *BOUNDARIES, *PHONES)

SYMBOL_ID = {symbol: index for index, symbol in enumerate(SYMBOLS)}

_STRESSES = {"ˈ": "1", "'": "1", "ˌ": "2", ",": "2"}

# Longest first where one begins another. British, rhotic and foreign letters go to the nearest American phoneme.
_IPA_VOWELS = {
    **{"aɪə": "AY AH", "aʊə": "AW AH", "ɔɪə": "OY AH", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "eɪ": "EY", "oʊ": "OW"},
    **{"əʊ": "OW", "ɪə": "IH AH", "eə": "EH AH", "ʊə": "UH AH", "ɛɹ": "EH R", "ɔːɹ": "AO R", "ɑːɹ": "AA R"},
    **{"ɚ": "ER", "ɝ": "ER", "ɜ": "ER", "əɹ": "ER", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "y": "UW", "ʏ": "UH"},
    **{"e": "EY", "ɛ": "EH", "ø": "ER", "œ": "ER", "æ": "AE", "a": "AA", "ɑ": "AA", "ɒ": "AA", "ɐ": "AH", "ʌ": "AH"},
    **{"ə": "AH", "ɘ": "AH", "ɵ": "AH", "ɔ": "AO", "o": "OW", "ʊ": "UH", "u": "UW", "ɯ": "UW", "ɤ": "AH", "ɶ": "AA"},
}
_IPA_CONSONANTS = {
    **{"tʃ": "CH", "ʧ": "CH", "dʒ": "JH", "ʤ": "JH", "ts": "T S", "dz": "D Z", "pf": "P F", "tɕ": "CH", "dʑ": "JH"},
    **{"b": "B", "d": "D", "ð": "DH", "f": "F", "g": "G", "ɡ": "G", "h": "HH", "ɦ": "HH", "k": "K", "l": "L"},
    **{"ɫ": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "r": "R", "ɹ": "R", "ɻ": "R", "ʁ": "R", "ʀ": "R"},
    **{"s": "S", "ʃ": "SH", "t": "T", "ɾ": "D", "θ": "TH", "v": "V", "w": "W", "ʍ": "W", "j": "Y", "z": "Z"},
    **{"ʒ": "ZH", "x": "K", "χ": "K", "ç": "HH", "ʔ": "T", "ɲ": "N Y", "ʎ": "L Y", "β": "V", "ɣ": "G", "ɕ": "SH"},
    **{"ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH", "ʋ": "V", "ɱ": "M", "c": "K", "ɟ": "G", "q": "K", "ʈ": "T", "ɖ": "D"},
    **{"ɳ": "N", "ɭ": "L", "ɴ": "NG", "ɥ": "W", "ɬ": "L", "ɸ": "F", "ħ": "HH", "l̩": "AH L", "n̩": "AH N", "m̩": "AH M"},
}
_IPA = dict(sorted({**_IPA_VOWELS, **_IPA_CONSONANTS}.items(), key=lambda entry: -len(entry[0])))
_IPA_TIES = "\u200d\u0361\u035c\u203f"
_IPA_IGNORED = "ːˑ̯.-ʰʲˠʷˤ˞ ̪̥̬̞̠̝̟̃"

_TO_IPA = {
    **{"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "IH": "ɪ"},
    **{"IY": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð", "F": "f"},
    **{"G": "ɡ", "HH": "h", "JH": "dʒ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ"},
    **{"S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ"},
}
_ONSETS = word_set(
    "B CH D DH F G HH JH K L M N P R S SH T TH V W Y Z ZH B-L B-R B-Y D-R D-W F-L F-R F-Y G-L G-R HH-Y K-L K-R "
    "K-W K-Y M-Y P-L P-R P-Y S-K S-L S-M S-N S-P S-T S-W SH-R T-R T-W TH-R V-Y S-K-R S-K-W S-P-L S-P-R S-T-R"
)
"""Consonants that may begin an English syllable: the mark of stress goes in front of them."""


def base(phone: str) -> str:
    """The phoneme without its stress: "AH" of "AH0"."""
    return phone.rstrip("012")


def parse_arpabet(text: str, offset: int = 0) -> tuple[str, ...]:
    """Phonemes of "HH AH0 L OW1"; a vowel without stress gets none, and case does not matter.

    Args:
        text: ARPAbet with spaces between the phonemes.
        offset: where `text` begins in what the user wrote, for the message.

    Raises:
        AudiodiffError: no phoneme, or an unknown one, named with its character.
    """
    found = []
    position = 0
    for name in text.split():
        position = text.index(name, position)
        phone = name.upper()
        if phone in VOWELS:
            phone += "0"
        if phone not in SYMBOL_ID or phone in BOUNDARIES:
            raise AudiodiffError(
                f"unknown phoneme {name!r} at character {offset + position + 1}; expected ARPAbet "
                f"such as HH AH0 L OW1: vowels {' '.join(VOWELS)} with stress 0, 1 or 2, "
                f"and consonants {' '.join(CONSONANTS)}."
            )
        found.append(phone)
        position += len(name)
    if not found:
        raise AudiodiffError(f"no phoneme in the braces at character {offset + 1}; expected such as {{HH AH0 L OW1}}.")
    return tuple(found)


def from_ipa(text: str, offset: int = 0, *, skip_unknown: bool = False) -> tuple[str, ...]:
    """Nearest ARPAbet phonemes of an IPA word such as "həˈloʊ"; sounds that English lacks go to a neighbour.

    Args:
        text: IPA of one word; length marks, ties and syllable dots are passed over.
        offset: where `text` begins in what the user wrote, for the message.
        skip_unknown: pass over letters that are not known, such as tones; there may then be no phoneme at all.

    Raises:
        AudiodiffError: no phoneme, or an unknown letter, named with its character.
    """
    # Ties inside of affricates and diphthongs go first, so that the table needs no spelling with them.
    places = [index for index, letter in enumerate(text) if letter not in _IPA_TIES]
    text = "".join(text[index] for index in places)
    found: list[str] = []
    stress = "0"
    position = 0
    while position < len(text):
        if text[position] in _STRESSES:
            stress = _STRESSES[text[position]]
            position += 1
            continue
        if text[position] in _IPA_IGNORED:
            position += 1
            continue
        letters = next((letters for letters in _IPA if text.startswith(letters, position)), "")
        plain = unicodedata.normalize("NFD", text[position])[0]  # "ã" is an "a" with a mark
        if not letters and plain in _IPA:
            letters = plain
        if not letters and skip_unknown:
            position += 1
            continue
        if not letters:
            raise AudiodiffError(
                f"unknown IPA letter {text[position]!r} at character {offset + places[position] + 1}; "
                "expected such as /həˈloʊ/."
            )
        for phone in _IPA[letters].split():
            if phone in VOWELS:
                found.append(phone + stress)
                stress = "0"
            else:
                found.append(phone)
        position += len(letters)
    if not found and not skip_unknown:
        raise AudiodiffError(f"no phoneme between the slashes at character {offset + 1}; expected such as /həˈloʊ/.")
    return tuple(found)


def to_ipa(phones: Iterable[str]) -> str:
    """IPA of the phonemes of a word, with the marks of stress in front of the syllable: "həˈloʊ"."""
    phones = list(phones)
    marks: dict[int, str] = {}
    for index, phone in enumerate(phones):
        if phone[-1] in "12":
            start = index
            while start > 0 and "-".join(phones[start - 1 : index]) in _ONSETS:
                start -= 1
            marks[start] = "ˈ" if phone[-1] == "1" else "ˌ"
    letters = []
    for index, phone in enumerate(phones):
        ipa = {"AH0": "ə", "ER0": "ɚ"}.get(phone, _TO_IPA[base(phone)])
        letters.append(marks.get(index, "") + ipa)
    return "".join(letters)
