import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.cli.prepare import CORPUS_NAMES
from audiodiff.data.corpora import CORPORA
from audiodiff.data.manifest import load_items
from audiodiff.synthesis import word_times
from tests.data.synthetic_speech import RATE, phone_model, recording


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


def test_check_names_a_text_that_is_not_said(command, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(word_times, "load_voice_phones", lambda name: phone_model())
    said = [("S", "EH1", "L"), ("M", "IY1", "F"), ("SH", "UW1"), ("AA1", "M", "L")]
    rows = ["file_name,text"]
    for number in range(6):
        words = [said[(number * step) % 4] for step in (1, 2, 3, 5)]
        soundfile.write(tmp_path / f"{number}.wav", recording(words, [0, 0, 0, 10], number)[0], RATE)
        # The last one has the text of another.
        rows.append(f"{number}.wav," + " ".join("{" + " ".join(w) + "}" for w in (words if number < 5 else said)))
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n")
    done = command("check", tmp_path)
    assert done.status == 0, done.err
    assert "1 with a text that is not said in them:" in done.out
    assert f"{tmp_path / '5.wav'}: its text does not fit its sound" in done.out
    assert len(json.loads(command("check", tmp_path, "--json").out)["misfits"]) == 1


def test_prepare_makes_what_check_opens(command, corpus, tmp_path) -> None:
    done = command("prepare", corpus, "-o", tmp_path / "ready", "--rate", 4000)
    assert done.status == 0, done.err
    assert "3 clips" in done.out
    assert "silent.flac is silent" in done.out
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
    assert "3 clips" in done.out
    assert "silent.flac is silent" in done.out


ODD = b"caf\xe9.wav"


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    """A folder with a name that is not UTF-8, one that is not ASCII, and a table."""
    folder = tmp_path / "müsik"
    folder.mkdir()
    dice = np.random.default_rng(0)
    for name in ("é.wav", "a.wav"):
        soundfile.write(folder / name, 0.1 * dice.standard_normal(8000), 8000)
    try:
        os.rename(folder / "a.wav", os.fsencode(folder) + b"/" + ODD)
    except OSError:
        pytest.skip("this file system has no such names")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "table"),
    [({"LC_ALL": "C", "PYTHONUTF8": "0"}, True), ({"LC_ALL": "C.UTF-8"}, False)],
    ids=["ascii, table", "utf-8, files"],
)
def test_names_of_any_bytes(odd_names: Path, tmp_path: Path, locale: dict[str, str], table: bool) -> None:
    if table:
        (odd_names / "metadata.csv").write_text("file_name,text\né.wav,grün\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "", **locale}

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "audiodiff", *words], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("utf-8", "backslashreplace")

    assert ("1 clips" if table else "2 clips") in run("check", odd_names)
    json.loads(run("check", odd_names, "--json"))
    run("prepare", odd_names, "-o", tmp_path / "ready", "--rate", "8000")
    kept = {item.path for item in load_items(tmp_path / "ready")}
    assert kept <= {path.resolve() for path in odd_names.iterdir()}
    assert (odd_names / "é.wav").resolve() in kept
    assert "1 clips" in run("check", tmp_path / "ready") or not table


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", "corpus", "-o", "s3://bucket/ready"],
        ["check", "https://host/music"],
        ["prepare", "https://host/music", "-o", "ready"],
        ["evaluate", "--data", "https://host/music"],
        ["evaluate", "--data", "corpus", "--output", "gs://bucket/x"],
        ["export", "https://host/model", "-o", "x"],
        ["train", "tiny", "--data", "https://host/music", "-o", "run"],
        ["train", "tiny", "--data", "corpus", "-o", "s3://bucket/run"],
        ["encode", "https://host/music", "-o", "x", "--autoencoder", "music"],
        ["encode", "corpus", "-o", "https://host/x", "--autoencoder", "music"],
    ],
)
def test_urls_are_refused_as_such(command, corpus, tmp_path, monkeypatch, words) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*words)
    assert done.status == 2
    assert re.search("(https|s3|gs)://(host|bucket)/", done.err)
    assert len(done.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
