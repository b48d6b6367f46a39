import dataclasses
import json
from importlib import import_module
from pathlib import Path

import pytest

from audiodiff.cli.main import main
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.vocoder import Vocoder
from audiodiff_recipes.commands.train import recipe_of
from audiodiff_recipes.settings import leaves
from tests.recipes.corpus import write_corpus


def test_train_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    # options before and after the preset, long and short keys, both ways of writing a value
    words = ["train", "--seed", "3", "tiny", "--data", str(corpus), "-o", str(run), "--steps", "2"]
    words += ["--cache", str(tmp_path / "cache"), "--crop_frames=16", "--validation.seconds", "0.5", "--device", "cpu"]
    assert main(words) == 0
    assert str(run) in capsys.readouterr().out
    assert read_config(run)["metadata"]["training"]["train"]["seed"] == 3
    load_checkpoint(run, Vocoder)

    assert main(words) == 2
    assert "--resume" in capsys.readouterr().err
    words[words.index("--steps") + 1] = "3"
    assert main([*words, "--resume"]) == 0
    assert read_config(run)["metadata"]["step"] == 3


def test_resume_of_a_run_alone_takes_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    words = ["train", "tiny", "--data", str(corpus), "-o", str(run), "--steps", "2", "--cache", str(tmp_path / "cache")]
    assert main([*words, "--crop_frames=16", "--channels", "16", "--validation.seconds", "0.5", "--seed", "5"]) == 0
    moved = run.rename(tmp_path / "moved run")
    assert main(["train", "--resume", str(moved), "--steps", "3"]) == 0
    config = read_config(moved)
    assert config["metadata"]["step"] == 3
    assert config["metadata"]["training"]["train"]["seed"] == 5
    assert config["model"]["wavenet"]["channels"] == 16
    assert not run.exists()
    assert main(["train", str(moved), "--steps", "4", "--resume", "--batch_size", "2"]) == 0
    assert read_config(moved)["metadata"]["step"] == 4
    capsys.readouterr()
    for words, expected in (
        ([str(moved)], "--resume"),
        (["--resume", str(moved), "--channels", "32"], "channels"),
        (["--resume", str(tmp_path / "typo")], "not the folder of a run"),
        (["--resume", str(corpus)], "not the folder of a run"),
        (["--resume", "tiny"], "not the folder of a run"),
    ):
        assert main(["train", *words]) == 2
        told = capsys.readouterr().err
        assert expected in told
        assert told.count("\n") == 1


@pytest.mark.parametrize("preset", ["tiny", "tiny-autoencoder", "tiny-latent", "tiny-upsampler"])
def test_help_after_a_preset_explains_every_setting(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", preset, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    keys = [place for place, line in enumerate(lines) if line.startswith("  --") and "." in line.split()[0]]
    recipe = import_module(f"audiodiff_recipes.{recipe_of(preset)}").RECIPE
    settings = [key for key, hint in leaves(type(recipe.default)) if not dataclasses.is_dataclass(hint)]
    assert {f"--{key}" for key in settings if "." in key} <= {lines[place].split()[0] for place in keys}
    for place in keys:
        assert lines[place + 1].startswith("      "), lines[place]  # its explanation
    assert f"  --train.steps {recipe.preset(preset).train.steps}" in lines
    assert "      items per step." in lines
    assert main(["train", preset, "--steps", "7", "--help"]) == 0
    assert "  --train.steps 7\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tiny"], "--data"),
        (["tinny", "--data", "x", "--output", "y"], "no preset"),
        (["tiny", "--data", "x", "--output", "y", "--bogus", "1"], "bogus"),
        (["tiny", "--data", "x", "--output", "y", "--learning_rate"], "no value"),
        (["tiny", "--data", "x", "--output", "y", "--learning_rate", "fast"], "a number"),
        (["tiny", "--data", "no/such/folder", "--output", "y"], "no/such/folder"),
        (["tiny", "--data", "x", "--output", "y", "--train.steps", "3", "--steps", "4"], "twice"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())  # nothing is left behind


def test_settings_prints_what_would_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "speech", "--settings", "--channels", "64"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["wavenet"]["channels"] == 64
