"""What the command line answers when something is wrong."""

import argparse
from collections.abc import Callable
from importlib import import_module

import pytest

from audiodiff.cli import commands
from audiodiff.cli import main as command_line
from audiodiff.cli.commands import COMMANDS
from audiodiff.cli.main import UNFORESEEN, main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vocode", "in.wav", "--steps", "many"], "audiodiff vocode: argument --steps: invalid int value: 'many'"),
        (["vocode", "in.wav", "-o", "o.wav", "--seed", "9" * 5_000], "audiodiff vocode: argument --seed"),
        (["generate", "x", "-o", "o.wav", "--precision", "fp8"], "invalid choice: 'fp8'"),
        (["train", "tiny", "--steps", "many"], "audiodiff train: argument --steps: invalid int value: 'many'"),
        (["prompts", "frob"], "audiodiff prompts: argument ACTION: invalid choice"),
        (["prompts", "show"], "audiodiff prompts show: the following arguments are required: name"),
        (["frob\x1b[31m\n\n"], "audiodiff: argument COMMAND: invalid choice"),
        (["inspect"], "required: input"),
        (["train"], "required: PRESET;"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert words in line
    assert line.endswith("--help`.")
    assert len(line) < 800
    assert line.isprintable()
    assert not told.out


def fail(error: Exception) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TypeError("'NoneType' object\n is not \x1b[31msubscriptable"), UNFORESEEN),
        (RecursionError("too deep" * 500), UNFORESEEN),
        (KeyError("x"), UNFORESEEN),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
            "not enough memory",
        ),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device", "out.wav"), "out.wav: No space left on device"),
    ],
)
def test_what_nobody_foresaw_is_one_sentence_and_a_traceback_on_demand(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module(COMMANDS["models"]), "run", fail(error))
    assert main(["models"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("audiodiff: ")
    assert words in line
    assert line.isprintable()
    assert len(line) < 800
    with pytest.raises(type(error)):
        main(["--debug", "models"])


def test_a_module_that_cannot_be_imported_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> None:
        raise ImportError(f"{name} is broken")

    parser = command_line.build_parser()
    monkeypatch.setattr(command_line, "build_parser", lambda chosen: parser)
    monkeypatch.setattr(commands, "import_module", broken)
    assert main(["models"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is broken" in line
