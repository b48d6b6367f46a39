"""A music model scored on recordings: a tiny model by the command line, and what its settings refuse."""

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from audiodiff.cli.main import main
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation import music
from audiodiff.evaluation.music import MusicEvaluation
from audiodiff.evaluation.music_clips import MusicClip
from audiodiff.evaluation.music_systems import generated
from audiodiff.synthesis.settings import Sampling
from tests.benchmarks.music_fakes import RATE, piano, write_corpus
from tests.synthesis.latent_models import write_latent_model


@pytest.fixture(autouse=True)
def _the_control_embedding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "EMBEDDINGS", ("log-mel", "missing"))
    opened = music.PointCache

    def cache(folder: Path | None, names: tuple[str, ...]) -> music.PointCache:
        found = opened(folder, names[:1])
        found.notes.append("missing is left out: pip install --no-deps missing.")
        return found

    monkeypatch.setattr(music, "PointCache", cache)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def evaluate(model: Path, data: Path, *extra: object) -> int:
    words = ["evaluate", "--model", model, "--data", data, "--clips", 4, "--seconds", 3, "--steps", 1, *extra]
    return main([str(word) for word in words])


@pytest.mark.slow
def test_a_music_model_is_scored_beside_recordings(
    model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(model, corpus, "--guidance", "1,2", "-o", tmp_path) == 0
    text = capsys.readouterr().out
    rows = ["held-out recordings", "ours, 1 step, guidance 1", "ours, 1 step, guidance 2"]
    for part in (*rows, "training recordings, as many", "family ↑", "tempo ↑", "## Copies", "pip install --no-deps"):
        assert part in text
    assert "coverage" not in text  # needs an embedding that is missing
    record = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    table = list(csv.DictReader((tmp_path / "evaluation.csv").read_text("utf-8").splitlines()))
    assert [row["system"] for row in record["systems"]] == [row["system"] for row in table] == rows
    assert float(table[1]["frechet_log-mel"]) == pytest.approx(record["systems"][1]["frechet"]["log-mel"])
    assert (record["conditions"]["training_recordings"], record["conditions"]["held_out_recordings"]) == (16, 4)
    assert record["systems"][0]["family_accuracy"] == 1.0
    assert (tmp_path / "evaluation.md").read_text("utf-8") in text
    clips = list((tmp_path / "clips").rglob("*.flac"))
    assert {soundfile.info(clip).duration for clip in clips if "planted" not in str(clip)} == {3.0}


def test_recordings_without_any_table_are_enough(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", piano(i, 90.0, 4.0 if i else 1.0), RATE)
    assert evaluate(model, tmp_path) == 0
    text = capsys.readouterr().out
    assert "held-out recordings" in text
    assert "under 3 s: 1." in text
    assert "no train split" in text
    assert "asked for anything" in text
    for column in ("family ↑", "tempo ↑", "Copies", "as a multiple"):
        assert column not in text


def test_a_part_is_evaluated_as_its_kind(model: Path, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--part", "vocoder", "--data", corpus, "--clips", 1, "--seconds", 0.5, "--measures", "log_mel_l1")
    assert main([str(word) for word in ("evaluate", "--model", model, *words)]) == 0
    assert "| vocoder, 1 step |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--measures", "stoi"), "--measures does not apply: .* is a latent model"),
        (("--part", "vocoder", "--guidance", "2"), "a vocoder takes no guidance"),
        (("--part", "encoder"), "has no part 'encoder'; its parts: vocoder"),
        (("--clips", "1"), "clips is 1"),
        (("--train-clips", "-3"), "train clips is -3"),
        (("--seconds", "2"), "3 to 60 s"),
        (("--seconds", "nan"), "3 to 60 s"),
        (("--guidance", "-1"), "guidance"),
        (("--split", "elsewhere"), "its splits: test, train, valid"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    model: Path, corpus: Path, extra: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(model, corpus, *extra) == 2
    error = capsys.readouterr().err.replace(str(model), "tiny")
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_a_kind_without_an_evaluation_is_refused(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--model", "upsample-speech", "--data", str(corpus)]) == 2
    assert "is not evaluated" in capsys.readouterr().err


def test_too_few_recordings_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE * 4, np.float32), RATE)
    with pytest.raises(AudiodiffError, match=r"compare with in .*: 1; give 2"):
        MusicEvaluation(str(tmp_path)).recordings(progress=None)  # type: ignore[arg-type]


def test_what_a_stereo_model_makes_is_measured_in_mono() -> None:
    stereo = SimpleNamespace(sample_rate=RATE, generate=lambda *_, **__: np.array([[1.0, 2.0], [3.0, 0.0]]))
    waveform, rate = generated(stereo, Sampling(), 1.0)(MusicClip("a", np.zeros(2, np.float32), RATE), 0)
    np.testing.assert_array_equal(waveform, [2.0, 1.0])
    assert rate == RATE
