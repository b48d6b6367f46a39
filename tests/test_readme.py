"""What the README shows must be there, and run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.cli.commands import COMMANDS, registered
from audiodiff.cli.main import build_parser, main
from audiodiff.synthesis.verbs import VERBS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[list[str]]:
    """The `audiodiff ...` lines of the README's code blocks, without the remarks beside them."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", README, flags=re.S | re.M)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    found = [
        shlex.split(re.split(r"\s{2,}", line.strip())[0]) for line in lines if line.strip().startswith("audiodiff")
    ]
    return [words[1:] for words in found if words and words[0] == "audiodiff"]


def test_commands_are_found() -> None:
    assert len(commands()) >= 10
    assert ["generate", "solo piano, slow, minor key", "-o", "clip.wav"] in commands()


def test_every_command_parses() -> None:
    for words in commands():
        if words[0] == "train":
            continue  # reads its presets and overrides itself: tests/recipes/commands/test_train.py
        build_parser().parse_args(words)
        assert words[0] in COMMANDS.keys() | VERBS.keys() | registered().keys()


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_no_install_from_the_index() -> None:
    assert not re.search(r"pip install (-U |--upgrade )?audiodiff\b", README)


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "audiodiff" / "pretrained" / "music").is_dir(), reason="no model shipped yet")
def test_the_shipped_model_is_made_yours_as_written(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    dice = np.random.default_rng(0)
    for number in range(10):
        soundfile.write(tmp_path / "mine" / f"{number}.wav", 0.1 * dice.standard_normal(44100), 44100)
    lines = ["file_name,text", *(f"{number}.wav,my tune {number}" for number in range(10))]
    (tmp_path / "mine" / "metadata.csv").write_text("\n".join(lines) + "\n")
    shown = commands()
    start = next(i for i, words in enumerate(shown) if words[:2] == ["encode", "mine/"])
    encode, train, generate = shown[start : start + 3]
    assert [words[0] for words in (encode, train, generate)] == ["encode", "train", "generate"]
    assert main(encode) == 0
    assert "9 clips of train, 1 clips of valid" in capsys.readouterr().out
    # Smaller than anybody would want it, but the same in all else.
    small = ["--steps", "2", "--batch_size", "2", "--crop_latents", "16", "--validate_every", "2", "--crops", "2"]
    assert main([*train, *small, "--validation.seconds", "1", "--validation.steps", "1"]) == 0
    assert main([*generate, "--seconds", "1", "--steps", "2"]) == 0
    assert soundfile.info(tmp_path / "clip.wav").frames == 44100


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "audiodiff" / "pretrained" / "speech").is_dir(), reason="no model shipped yet")
def test_the_first_command_and_the_example_run(tmp_path, monkeypatch, capsys) -> None:
    assert main(["vocode", "--example", "-o", str(tmp_path / "out.wav")]) == 0
    assert "real-time factor" in capsys.readouterr().out
    assert main(["generate", "solo piano, slow, minor key", "-o", str(tmp_path / "clip.wav")]) == 0
    assert "10.00 s at 44100 Hz" in capsys.readouterr().out
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    monkeypatch.chdir(ROOT)
    scope: dict[str, object] = {}
    exec(example, scope)
    assert scope["clip"].shape == (2, 5 * 44100)  # type: ignore[attr-defined]
    assert scope["speech"].shape[0] == 256 * scope["mel"].shape[1]  # type: ignore[attr-defined]


def test_it_is_short_and_its_figures_are_those_of_the_results() -> None:
    assert len(README) <= 10_000
    results = (ROOT / "docs" / "results.md").read_text("utf-8")
    table = README.partition("## How good, how fast")[2].partition("![")[0]
    rows = [line for line in table.splitlines() if line.startswith("| [")]
    assert len(rows) == 5
    for row in rows:
        figures = re.findall(r"\d+(?:\.\d+)?(?= s\b| %)|\d+\.\d+", row.partition(") ")[2] if ") " in row else row)
        assert figures
        for figure in figures:
            assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d])", results), (figure, row)
