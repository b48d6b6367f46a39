"""Own pronunciations from a CSV file."""

from pathlib import Path

import pytest

from audiodiff.text.lexicon_file import read_lexicon
from tests.refusals import refused


def test_arpabet_and_ipa(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("word,phonemes\n# mine\nSQL,S IY1 K W AH0 L\n\nnaïve, /naɪˈiv/\n", "utf-8")
    assert read_lexicon(path) == {
        "sql": ("S", "IY1", "K", "W", "AH0", "L"),
        "naïve": ("N", "AY0", "IY1", "V"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,AH0\nb,QQ\n", "line 2: unknown phoneme 'QQ'"),
        ("a\n", "line 1: expected a word"),
        ("a b,AH0\n", "line 1: expected a word"),
        ("well-being,AH0\n", "line 1: 'well-being' is no single word"),
        ("a,\n", "line 1: no phoneme"),
        ("a,/ʘ/\n", "line 1: unknown IPA letter"),
        (None, "cannot be read"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "my.csv"
    if text is not None:
        path.write_text(text, "utf-8")
    refused(message, lambda: read_lexicon(path))
