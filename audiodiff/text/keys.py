"""Names of musical keys, and where a text speaks of one."""

import re

__all__ = ["KEYS", "PITCHES", "find_key", "key_name", "pitch_class"]

PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""Pitch classes as they are spelt here."""

KEYS = tuple(f"{pitch} {mode}" for mode in ("major", "minor") for pitch in PITCHES)

_SAME_PITCH = {"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb", "Cb": "B", "Fb": "E", "E#": "F", "B#": "C"}
_KEY = re.compile(
    r"(?<![A-Za-z])(?P<letter>[A-Ga-g])[ -]?(?P<sign>#|♯|sharp|♭|b|flat)?[ -]?(?P<mode>major|minor|maj|min)\b",
    re.IGNORECASE,
)


def pitch_class(name: str) -> int:
    """The pitch class, 0 (C) to 11 (B), of a name such as "F#" or "B♭".

    Raises:
        KeyError: it is none.
    """
    spelt = name.replace("♯", "#").replace("♭", "b")
    return {pitch: place for place, pitch in enumerate(PITCHES)}[_SAME_PITCH.get(spelt, spelt)]


def find_key(text: str) -> str:
    """The first key that a text names ("in f sharp minor"), as one of `KEYS`; "" for none.

    A small "a" before "major" or "minor" is an article as often as a pitch ("a minor chord") and is not taken for one.
    """
    for found in _KEY.finditer(text):
        letter, sign = found["letter"], (found["sign"] or "").lower()
        if letter == "a" and not sign:
            continue
        sign = {"sharp": "#", "♯": "#", "flat": "b", "♭": "b"}.get(sign, sign)
        pitch = letter.upper() + sign
        mode = "major" if found["mode"].lower().startswith("maj") else "minor"
        return f"{_SAME_PITCH.get(pitch, pitch)} {mode}"
    return ""


def key_name(name: str) -> str:
    """One of `KEYS` for a name of it in the usual spellings ("Gb major"); "" for anything else, such as "E dorian"."""
    found = _KEY.fullmatch(name.strip())
    return find_key(name.strip()[:1].upper() + name.strip()[1:]) if found else ""
