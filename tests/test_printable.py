"""Nothing by others moves the cursor of a terminal, hides, or runs backwards."""

import unicodedata

import pytest

from audiodiff.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ä, 日本, 🎹", "plain, ä, 日本, 🎹"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\u009b31m"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("caf\udce9.wav", "caf\\udce9.wav"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_are_kept_where_they_are_wanted() -> None:
    assert printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


def test_nothing_of_these_kinds_is_left() -> None:
    everything = "".join(map(chr, range(0x110000)))
    shown = printable(everything)
    assert {unicodedata.category(c) for c in shown}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert {unicodedata.bidirectional(c) for c in shown}.isdisjoint(
        {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    )
    shown.encode()
