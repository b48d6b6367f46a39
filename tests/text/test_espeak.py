"""Other languages by espeak-ng: with a stand-in for the program, and with the program where there is one."""

import os
import shutil
from pathlib import Path

import pytest

from audiodiff.text.espeak import espeak_phonemes
from tests.refusals import refused

STAND_IN = """#!/bin/sh
case "$*" in *" xx "*) echo "Error: The specified espeak-ng voice does not exist." >&2; exit 1;; esac
while read -r word; do
  case "$word" in
    "") ;;
    23) echo "d\u0281a\u026a \u02c8\u028ant\u0361svan"; echo ;;
    tag) echo "t\u02c8\u0251\u02d0k"; echo ;;
    *) echo "n\u02c8i3 (en)h\u02c8a(de)"; echo ;;
  esac
done
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text(STAND_IN, "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("stand_in")
def test_words_marks_and_places() -> None:
    utterance = espeak_phonemes("23 tag, {HH AY1}? 你", "de")
    assert [word.text for word in utterance.words] == ["23", "23", "tag", "{HH AY1}", "你", "你"]
    assert [" ".join(word.phones) for word in utterance.words] == [
        *("D R AY0", "UH1 N T S V AA0 N", "T AA1 K", "HH AY1", "N IY1", "HH AA1")
    ]
    assert [word.boundary for word in utterance.words] == ["<sp>", "<sp>", "<,>", "<?>", "<sp>", "<.>"]
    assert [utterance.text[word.start : word.end] for word in utterance.words[:4]] == ["23", "23", "tag", "{HH AY1}"]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("text", "language", "message"), [("a", "xx", "refuses the language 'xx'"), ("...", "de", "no word")]
)
def test_refusals(text: str, language: str, message: str) -> None:
    refused(message, lambda: espeak_phonemes(text, language))


def test_a_missing_program_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    refused("not installed; install it", lambda: espeak_phonemes("Hallo", "de"))


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_program_itself() -> None:
    assert [word.phones for word in espeak_phonemes("Guten Tag", "de").words][1] == ("T", "AA1", "K")
