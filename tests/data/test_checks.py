import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.data.checks import check_corpus
from audiodiff.data.corpora import AudioItem, folder_items, folder_listing
from audiodiff.data.text_fit import TextFits
from audiodiff.signal.audio_io import write_audio
from tests.data.corpus import clip
from tests.refusals import refused


@pytest.fixture
def folder(tmp_path):
    clip(tmp_path / "train" / "a.wav", 1.0, seed=1)
    clip(tmp_path / "train" / "b.wav", 1.0, 22050, seed=2)
    clip(tmp_path / "train" / "short.wav", 0.1, seed=3)
    (tmp_path / "train" / "same.wav").write_bytes((tmp_path / "train" / "a.wav").read_bytes())
    samples, rate = soundfile.read(tmp_path / "train" / "b.wav", dtype="int16")
    (tmp_path / "test").mkdir()
    soundfile.write(tmp_path / "test" / "leak.flac", samples, rate)
    write_audio(tmp_path / "silent.wav", np.zeros(16000), 16000)
    hot = np.zeros((2, 16000))
    hot[0, 100:110] = 1.0
    hot[1, 500] = -1.0
    write_audio(tmp_path / "hot.wav", hot, 16000)
    (tmp_path / "broken.wav").write_bytes(b"RIFFxxxx")
    (tmp_path / "empty.wav").touch()
    return tmp_path


def names(paths):
    return sorted(path.name for path in paths)


def test_everything_is_found(folder):
    report = check_corpus(folder_items(folder), crop_seconds=0.5)
    assert (report.n_items, report.n_usable) == (9, 6)
    assert report.seconds == pytest.approx(6.1)
    assert report.sample_rates == {16000: 5, 22050: 2}
    assert report.channels == {1: 6, 2: 1}
    assert names(path for path, _ in report.unreadable) == ["broken.wav", "empty.wav"]
    assert names(report.silent) == ["silent.wav"]
    assert [(path.name, count) for path, count in report.clipped] == [("hot.wav", 10)]
    assert [(path.name, round(s, 3)) for path, s in report.too_short] == [("short.wav", 0.1)]
    assert sorted(names(group) for group in report.duplicates) == [["a.wav", "same.wav"], ["b.wav", "leak.flac"]]
    assert [names(group) for group in report.across_splits] == [["b.wav", "leak.flac"]]
    assert report.splits["train"] == (4, pytest.approx(3.1))
    text = report.text()
    for word in (
        "9 clips",
        "6 usable",
        "22050 Hz",
        "broken.wav",
        "0 bytes",
        "silent",
        "10 samples",
        "different splits",
    ):
        assert word in text


def test_a_clean_corpus(tmp_path):
    clip(tmp_path / "a.wav", 0.5)
    report = check_corpus(folder_items(tmp_path))
    assert not report.has_problems
    assert "no problems" in report.text()


def test_texts_are_compared_by_what_is_given(tmp_path):
    clip(tmp_path / "a.wav", 0.5)
    clip(tmp_path / "b.wav", 0.5, seed=2)
    write_audio(tmp_path / "silent.wav", np.zeros(16000), 16000)
    given = []

    def compare(items):
        given.extend(items)
        return TextFits(((items[0].path, "its text does not fit"),), ("1 clip was not compared",))

    report = check_corpus(folder_items(tmp_path), compare=compare)
    assert names(item.path for item in given) == ["a.wav", "b.wav"]
    assert report.has_problems
    assert "1 with a text that is not said in them:\n" in report.text()
    assert "a.wav: its text does not fit\nnote: 1 clip was not compared" in report.text()


def test_long_lists_are_cut(tmp_path):
    clip(tmp_path / "a.wav", 0.5)
    items = [*folder_items(tmp_path), *(AudioItem(tmp_path / f"no{n}.wav") for n in range(9))]
    text = check_corpus(items).text()
    assert "and 4 more" in text
    assert "no8.wav" not in text


def test_fatal_only_when_nothing_is_left(tmp_path):
    refused("empty", lambda: check_corpus([]))
    refused("None of the 1 clips", lambda: check_corpus([AudioItem(tmp_path / "no.wav")]))
    write_audio(tmp_path / "silent.wav", np.zeros(1000), 16000)
    refused("silent", lambda: check_corpus(folder_items(tmp_path)))


def test_what_the_listing_left_out_is_in_the_report(tmp_path):
    clip(tmp_path / "a.wav", 0.5)
    (tmp_path / "b.m4a").touch()
    listing = folder_listing(tmp_path)
    report = check_corpus(listing.items, notes=listing.notes)
    assert report.has_problems
    assert "left out: 1 files of kinds that are not taken, .m4a" in report.text()


def test_silence_is_what_training_calls_so(tmp_path):
    clip(tmp_path / "a.wav", 0.5)
    write_audio(tmp_path / "b.wav", np.stack([np.full(900, 0.5), np.full(900, -0.5)]), 16000)
    assert [path.name for path in check_corpus(folder_items(tmp_path)).silent] == ["b.wav"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_devices_and_pipes_are_not_read(tmp_path):
    clip(tmp_path / "a.wav", 0.5)
    os.mkfifo(tmp_path / "b.wav")
    report = check_corpus([*folder_items(tmp_path), AudioItem(Path("/dev/zero"))])
    assert all("not a regular file" in reason for _, reason in report.unreadable)
    assert len(report.unreadable) == 2


@pytest.mark.parametrize("name", ["cut.wav", "cut.mp3", "cut.ogg"])
def test_what_was_cut_off_is_named(tmp_path, name):
    soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(0).standard_normal(66150), 22050)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    report = check_corpus(folder_items(tmp_path))
    assert report.has_problems
    assert [path.name for path, _ in report.cut_off] == [name]
    assert f"{name} is cut off" in report.text()


def test_integers_in_a_float_file_are_unreadable(tmp_path):
    clip(tmp_path / "good.wav")
    soundfile.write(tmp_path / "loud.wav", 9701.0 * np.sin(np.arange(9000)), 22050, subtype="FLOAT")
    report = check_corpus(folder_items(tmp_path))
    assert [(path.name, "full scale is 1" in said) for path, said in report.unreadable] == [("loud.wav", True)]
