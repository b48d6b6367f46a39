import json
from pathlib import Path

import pytest

from audiodiff.cli.main import main
from audiodiff.models.checkpoint import load_vocoder, read_config
from tests.presets.corpus import write_corpus


def test_train_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    # options before and after the preset, long and short keys, both ways of writing a value
    words = ["train", "--seed", "3", "tiny", "--data", str(corpus), "-o", str(run), "--steps", "2"]
    words += ["--cache", str(tmp_path / "cache"), "--crop_frames=16", "--validation.seconds", "0.5", "--device", "cpu"]
    assert main(words) == 0
    assert str(run) in capsys.readouterr().out
    assert read_config(run)["metadata"]["training"]["train"]["seed"] == 3
    load_vocoder(run)

    assert main(words) == 2
    assert "--resume" in capsys.readouterr().err
    words[words.index("--steps") + 1] = "3"
    assert main([*words, "--resume"]) == 0
    assert read_config(run)["metadata"]["step"] == 3


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
