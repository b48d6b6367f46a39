import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.data.corpora import folder_items
from audiodiff.metrics.inputs import MissingPackageError
from audiodiff_recipes import caption
from audiodiff_recipes.caption import caption_folder
from audiodiff_recipes.clip_labels import captions
from tests.data.game_music.deb import RATE, beats
from tests.refusals import refused


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(caption, "_taggers", lambda: ((), "no tagger"))
    (tmp_path / "music").mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / "music" / name, beats(12.0).T, RATE)
    return tmp_path / "music"


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_without_a_table(folder: Path) -> None:
    told = []
    done = caption_folder(folder, on_clip=lambda *values: told.append(values))
    assert (done.clips, done.made, done.exact) == (2, 2, 0)
    assert "no tagger" in done.text()
    assert told == [(1, 2), (2, 2)]
    first = rows_of(folder)[0]
    assert first["file_name"] == "a.wav"
    assert float(first["tempo"]) == pytest.approx(120.0, rel=0.01)
    assert first["key"] == "A major"
    assert first["label_source"] == "tagger"
    assert first["tempo_source"] == "estimated"
    assert float(first["density"]) == pytest.approx(2.0, abs=0.5)
    assert len(captions(folder_items(folder)[0])) >= 4


def test_what_is_there_stays(folder: Path) -> None:
    (folder / "metadata.csv").write_text(
        "file_name,text,tempo,licence,label_source,key\n"
        "a.wav,a fine tune,99,CC0-1.0,me,\nb.wav,exact words,80,,exact,\n",
        "utf-8",
    )
    done = caption_folder(folder)
    first, second = rows_of(folder)
    assert (done.clips, done.made, done.exact) == (2, 1, 1)
    assert [first[name] for name in ("text", "tempo", "licence", "label_source", "tempo_source")] == [
        "a fine tune",
        "99",
        "CC0-1.0",
        "me",
        "",
    ]
    assert first["key"] == "A major"
    assert first["text1"]
    assert {name: value for name, value in second.items() if value} == {
        "file_name": "b.wav",
        "text": "exact words",
        "tempo": "80",
        "label_source": "exact",
    }


def test_edits_survive_a_second_run_and_nothing_is_heard_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caption_folder(folder)
    text = (folder / "metadata.csv").read_text("utf-8")
    edited = text.replace("A major", "B minor")
    (folder / "metadata.csv").write_text(edited, "utf-8")
    monkeypatch.setattr(caption, "listen", lambda *values: pytest.fail("heard again"))
    assert caption_folder(folder).made == 0
    assert (folder / "metadata.csv").read_text("utf-8") == edited


def test_noise_has_neither_tempo_nor_key(folder: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((10 * RATE, 2))
    soundfile.write(folder / "a.wav", noise, RATE)
    caption_folder(folder)
    assert rows_of(folder)[0]["tempo"] == rows_of(folder)[0]["key"] == ""


def test_of_a_long_recording_the_middle_is_heard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption, "LONGEST", 2.0)
    samples = np.arange(6 * 1000, dtype=np.float32) / 10_000.0
    soundfile.write(folder / "long.wav", samples, 1000, subtype="FLOAT")
    np.testing.assert_allclose(caption._middle(folder / "long.wav", 1000), samples[2000:4000], atol=1e-6)


def test_bad_input(folder: Path, tmp_path: Path) -> None:
    refused("not a folder", lambda: caption_folder(tmp_path / "missing"))
    (tmp_path / "empty").mkdir()
    refused("no sound files", lambda: caption_folder(tmp_path / "empty"))
    (folder / "a.wav").write_bytes(b"RIFF")
    assert len(caption_folder(folder).skipped) == 1
    (folder / "metadata.csv").unlink()
    (folder / "b.wav").write_bytes(b"RIFF")
    refused("None of the 2 clips", lambda: caption_folder(folder))
    assert not (folder / "metadata.csv").exists()
    (folder / "metadata.csv").write_text("text\nx\n", "utf-8")
    refused("file_name is needed", lambda: caption_folder(folder))


class FakeTagger:
    """Says the same of every clip."""

    name = "musicnn-mtt"
    tags = ("guitar", "piano", "drums", "beat", "ambient", "slow", "no vocals")

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.zeros((2, 1), np.float32)

    def tag(self, points: np.ndarray) -> np.ndarray:
        return np.array([[0.5, 0.1, 0.3, 0.6, 0.2, 0.9, 0.9], [0.6, 0.1, 0.3, 0.6, 0.2, 0.9, 0.9]])


def test_what_the_tagger_is_sure_of_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption, "_taggers", lambda: ((FakeTagger(),), ""))
    caption_folder(folder)
    row = rows_of(folder)[0]
    assert row["instrument"] == "drums; guitar"  # 0.6 of 0.25 before 0.55 of 0.25; drums once
    assert row["genre"] == ""
    assert row["mood"].startswith("calm")


def test_a_tagger_that_is_not_installed_is_told_in_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise MissingPackageError("musicnn is not installed")

    monkeypatch.undo()
    monkeypatch.setattr(caption, "open_embedding", missing)
    done = caption_folder(folder)
    assert done.made == 2
    assert "pip install --no-deps musicnn" in done.text()
    assert rows_of(folder)[0]["tempo"]


@pytest.mark.skipif(importlib.util.find_spec("musicnn") is None, reason="musicnn is not installed")
def test_every_tag_that_counts_is_one_of_the_taggers() -> None:
    taggers, note = caption._taggers()
    assert note == ""
    for tagger in taggers:
        assert set(caption.TAG_MEANINGS[tagger.name]) <= set(tagger.tags)
