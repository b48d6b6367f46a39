"""Cutting a text into sentences."""

from pathlib import Path

import pytest

from audiodiff.text.sentences import LONGEST, sentences, text_blocks
from tests.refusals import refused

TEXT = (
    'Mr. J. K. Smith of the U.S. Army met Mrs. Lee on Jan. 5. He said: "Go!" She went. It cost 3.50 dollars, i.e. too '
    'much. Wait... what? See No. 5 and e.g. Fig. 3. Is it 5 p.m.? "Yes." (It is.) The end'
)
EXPECTED = [
    "Mr. J. K. Smith of the U.S. Army met Mrs. Lee on Jan. 5.",
    'He said: "Go!"',
    "She went.",
    "It cost 3.50 dollars, i.e. too much.",
    "Wait... what?",
    "See No. 5 and e.g. Fig. 3.",
    "Is it 5 p.m.?",
    '"Yes."',
    "(It is.)",
    "The end",
]


def test_sentences() -> None:
    assert [sentence.text for sentence in sentences(TEXT)] == EXPECTED


@pytest.mark.parametrize("size", [1, 3, 17, 64, 1000])
def test_blocks_of_any_size_give_the_same(size: int) -> None:
    text = f"{TEXT}\n\n- one\n- two\n\n" * 3
    whole = list(sentences(text))
    assert list(sentences(text[start : start + size] for start in range(0, len(text), size))) == whole
    assert all(text[one.start :].startswith(one.text) for one in whole)
    assert sum(one.ends_paragraph for one in whole) == 9


def test_line_ends_are_blanks_and_empty_lines_are_paragraphs() -> None:
    found = list(sentences("A heading\n\nIt goes on\non the next line. And ends.\r\n\r\nNext."))
    assert [(one.text, one.ends_paragraph) for one in found] == [
        ("A heading", True),
        ("It goes on\non the next line.", False),
        ("And ends.", True),
        ("Next.", True),
    ]


@pytest.mark.parametrize(
    "text", ["word " * 1000, "word, " * 1000, "x" * 3000, "a {HH AH0} b " * 300, "a [pause 1] " * 300]
)
def test_a_text_without_an_end_is_cut_all_the_same(text: str) -> None:
    found = list(sentences(text))
    assert max(len(one.text) for one in found) <= LONGEST
    assert "".join(one.text for one in found).replace(" ", "") == text.replace(" ", "")
    assert all(
        one.text.count("{") == one.text.count("}") and one.text.count("[") == one.text.count("]") for one in found
    )


def test_text_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "é…".encode() * 1000)
    assert "".join(text_blocks(path, 7)) == "é…" * 1000


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("hello".encode("utf-16"), "UTF-16"),
        (b"\xff\xfeh\x00", "UTF-16"),
        (b"abc\xe9 def", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_no_utf_8(tmp_path: Path, raw: bytes | None, message: str) -> None:
    path = tmp_path / "a.txt"
    if raw is not None:
        path.write_bytes(raw)
    refused(message, lambda: list(text_blocks(path)))
