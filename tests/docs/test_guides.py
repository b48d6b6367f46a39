"""The guides run as they are written."""

from itertools import pairwise

import pytest

from audiodiff.cli.commands import COMMANDS, registered
from audiodiff.cli.main import build_parser
from audiodiff.synthesis.verbs import VERBS
from tests.docs.pages import DOCS, NOT_RUN, blocks, commands, printed_as_shown, run_page

GUIDES = sorted(path.relative_to(DOCS).as_posix() for path in (DOCS / "guides").glob("*.md"))
SMALLER = {
    "train music-finetune": [
        *("--steps", "2", "--batch_size", "2", "--crop_latents", "16", "--crops", "2"),
        *("--validation.seconds", "1", "--validation.steps", "1"),
    ],
}
"""What a reader waits minutes for."""


def test_there_are_four() -> None:
    assert GUIDES == ["guides/music.md", "guides/own-model.md", "guides/speech.md", "guides/vocoder.md"]


@pytest.mark.parametrize("page", ["index.md", "install.md", "troubleshooting.md", "formats.md", *GUIDES])
def test_commands_are_there(page: str) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, page, "exec")
        for words in commands(block) if block.language == "sh" else []:
            if words[0] in NOT_RUN:
                continue
            assert words[0] == "audiodiff", f"{page}:{block.line}"
            assert words[1] in COMMANDS.keys() | VERBS.keys() | registered().keys()
            if words[1] != "train":  # it reads its settings itself
                build_parser().parse_args(words[1:])


@pytest.mark.long
@pytest.mark.parametrize("page", GUIDES)
def test_it_runs_as_written(page: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run_page(page, lambda: capsys.readouterr().out, SMALLER)
    for block in blocks(page):
        for words in commands(block) if block.language == "sh" else []:
            for option, name in pairwise(words):
                if option == "-o" and words[0] == "audiodiff" and "--count" not in words:
                    assert (tmp_path / name).exists(), f"{page}:{block.line}: {name}"


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a.wav: 5.00 s, 1.3 s of work\n", "a.wav: 5.00 s, ... s of work\n", True),
        ("a.wav: 4.00 s, 1.3 s of work\n", "a.wav: 5.00 s, ... s of work\n", False),
        ("one\ntwo\nthree\n", "one\n...\nthree\n", True),
        ("one\n", "one\ntwo\n", False),
        ("one\ntwo\n", "one\n", False),
        ("1.5\n", "1x5\n", False),
    ],
)
def test_shown_and_printed_are_compared(printed: str, shown: str, same: bool) -> None:
    assert printed_as_shown(printed, shown) is same
