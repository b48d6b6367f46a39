import numpy as np
import pytest
import soundfile

from audiodiff.data import dataset as module
from audiodiff.data.dataset import AudioDataset
from audiodiff.data.manifest import load_items
from audiodiff.data.prepare import prepare
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_blocks
from tests.data.corpus import clip
from tests.refusals import refused


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    for split, count in (("train", 3), ("valid", 1), ("test", 1)):
        for number in range(count):
            clip(root / split / f"{number}.wav", 0.3, seed=number)
    (root / "train" / "broken.wav").write_text("no")
    return root


def test_what_is_prepared_opens_without_decoding(source, tmp_path, monkeypatch):
    done = prepare(str(source), tmp_path / "out", sample_rate=22050, progress=False)
    assert len(done.items) == 5
    assert done.seconds == pytest.approx(1.5, abs=1e-3)
    assert [path.endswith("broken.wav") for path, _ in done.skipped] == [True]
    assert "broken.wav" in done.text()
    monkeypatch.setattr(module, "_build", lambda *_: pytest.fail("decoded again"))
    for split, count in (("train", 3), ("valid", 1), ("test", 1)):
        data = AudioDataset(load_items(tmp_path / "out", split), 22050, done.cache_dir)
        assert len(data) == count
        assert data.skipped == ()


def test_damage_behind_a_good_header(source, tmp_path, monkeypatch):
    def damaged(path, block_samples=1 << 20):
        if str(path).endswith("train/1.wav"):
            raise AudiodiffError(f"{path} is damaged")
        return read_blocks(path, block_samples)

    monkeypatch.setattr(module, "read_blocks", damaged)
    done = prepare(str(source), tmp_path / "out", sample_rate=16000, progress=False)
    assert len(done.items) == 4
    assert len(done.skipped) == 2
    monkeypatch.setattr(module, "_build", lambda *_: pytest.fail("decoded again"))
    assert len(AudioDataset(load_items(tmp_path / "out", "train"), 16000, done.cache_dir)) == 2


def test_one_split_and_named_corpora(source, tmp_path):
    done = prepare(str(source), tmp_path / "out", sample_rate=16000, split="test", progress=False)
    assert [item.split for item in done.items] == ["test"]
    refused(r"LJSpeech-1\.1", lambda: prepare("ljspeech", tmp_path / "lj", sample_rate=22050))


def test_unknown_and_unreadable_sources(tmp_path):
    refused("known corpora: ljspeech", lambda: prepare("nonsense", tmp_path / "out", sample_rate=22050))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.wav").write_text("no")
    refused("None of the 1", lambda: prepare(str(tmp_path / "bad"), tmp_path / "out", sample_rate=22050))
    assert not (tmp_path / "out").exists()


def test_a_split_without_a_usable_clip_does_not_stop_the_others(source, tmp_path):
    silent = source / "valid" / "0.wav"
    soundfile.write(silent, np.zeros(8000), 16000)
    (source / "x.m4a").touch()
    done = prepare(str(source), tmp_path / "out", sample_rate=16000, progress=False)
    assert sorted({item.split for item in done.items}) == ["test", "train"]
    assert f"skipped: {silent} is silent" in done.text()
    assert "left out: 1 files of kinds that are not taken, .m4a" in done.text()
    for split in ("train", "test"):
        for number in range(3):
            soundfile.write(source / split / f"{number}.wav", np.zeros(8000), 16000)
    refused("None of the", lambda: prepare(str(source), tmp_path / "no", sample_rate=16000, progress=False))
    assert not (tmp_path / "no" / "manifest.jsonl").exists()


def test_the_cache_of_a_list_with_silence_is_not_kept(source, tmp_path):
    soundfile.write(source / "train" / "0.wav", np.zeros(8000), 16000)
    done = prepare(str(source), tmp_path / "out", sample_rate=16000, progress=False)
    assert len(list(done.cache_dir.iterdir())) == 3


def test_urls_are_refused(tmp_path):
    refused("is a URL", lambda: prepare("https://host/x", tmp_path / "out", sample_rate=16000))
