import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.cli.prepare import CORPUS_NAMES
from audiodiff.data.corpora import CORPORA


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(3):
        soundfile.write(folder / f"{index}.wav", random.standard_normal(8000 * (index + 1)) * 0.1, 8000)
    soundfile.write(folder / "silent.flac", np.zeros(8000), 16000)
    (folder / "broken.wav").write_bytes(b"RIFF and no more")
    return folder


def test_names_of_corpora() -> None:
    assert set(CORPUS_NAMES) == set(CORPORA) - {"folder"}


def test_check_reports(command, corpus) -> None:
    done = command("check", corpus, "--crop", 1.5)
    assert done.status == 0, done.err
    assert "5 clips" in done.out
    assert "broken.wav" in done.out
    assert "silent.flac" in done.out
    assert "shorter than the crop" in done.out
    report = json.loads(command("check", corpus, "--json").out)
    assert report["sample_rates"] == {"8000": 3, "16000": 1}


def test_prepare_makes_what_check_opens(command, corpus, tmp_path) -> None:
    done = command("prepare", corpus, "-o", tmp_path / "ready", "--rate", 4000)
    assert done.status == 0, done.err
    assert "4 clips" in done.out
    assert (tmp_path / "ready" / "manifest.jsonl").is_file()
    assert command("check", tmp_path / "ready").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere"],
        ["prepare", "nowhere", "-o", "out"],
        ["prepare", ".", "-o", "out"],
        ["check", "."],
        ["caption", "nowhere"],
        ["caption", "."],
    ],
)
def test_bad_input_is_one_sentence(command, tmp_path, monkeypatch, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("audiodiff: ")
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rendered"], "give --hours"),
        (["rendered", "--hours", "1", "--rate", "22050"], "--rate cannot be used"),
        (["rendered", "--hours", "1", "--split", "train", "--download"], "--split, --download cannot be used"),
        (["rendered", "--hours", "-1"], "--hours is -1"),
        (["rendered", "--hours", "1", "--seconds", "0.5"], "--seconds is 0.5"),
        (["rendered", "--hours", "1", "--jobs", "0"], "--jobs is 0"),
        ([".", "--seed", "1"], "--seed cannot be used"),
        (["rendered", "--hours", "1", "--packages", "."], "--packages cannot be used"),
        (["game-music", "--hours", "1"], "--hours cannot be used"),
        (["game-music", "--rate", "22050"], "--rate cannot be used"),
        (["game-music", "--packages", "."], "no .deb files"),
        (["game-music", "--packages", "missing"], "not a folder"),
        (["game-music", "--seconds", "0"], "--seconds is 0"),
        ([".", "--exclude", "a.csv"], "--exclude cannot be used"),
    ],
)
def test_options_of_rendered_and_game_music(command, tmp_path, monkeypatch, arguments, told) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("prepare", *arguments, "-o", "out")
    assert done.status == 2
    assert told in done.err
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_rendered_music_needs_fluidsynth(command, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command("prepare", "rendered", "--hours", "1", "-o", tmp_path / "out")
    assert done.status == 2
    assert "fluidsynth is not installed" in done.err
    assert "apt-get install" in done.err


def test_a_folder_called_rendered_is_a_folder(command, corpus, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus.rename("rendered")
    done = command("prepare", "rendered", "-o", "ready", "--rate", 4000)
    assert done.status == 0, done.err
    assert "4 clips" in done.out
