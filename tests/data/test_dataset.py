import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.data import dataset as module
from audiodiff.data.corpora import AudioItem, folder_items
from audiodiff.data.dataset import AudioDataset, NoUsableClipsError
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_mono, write_audio
from audiodiff.signal.resample import resample
from tests.data.corpus import clip, sine
from tests.refusals import refused


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "audio"
    sine(root / "a.wav", 440.0, 1.0, 22050, 0.02)
    sine(root / "b.wav", 880.0, 2.0, 16000, 0.5)
    sine(root / "c.wav", 300.0, 0.1, 48000, 0.9)
    return root


def open_dataset(folder, **settings):
    return AudioDataset(folder_items(folder), 22050, folder.parent / "cache", progress=False, **settings)


def test_clips_are_decoded_and_resampled(folder):
    data = open_dataset(folder)
    assert len(data) == 3
    assert data.seconds == pytest.approx(3.1, abs=1e-3)
    for index, item in enumerate(data.items):
        audio = read_mono(item.path)
        expected = resample(torch.from_numpy(audio.waveform[0]), audio.sample_rate, 22050)
        # 16 bits below the clip's own peak, so that quiet clips lose nothing.
        step = float(expected.abs().max()) / 32767
        assert (data.waveform(index) - expected).abs().max() <= 0.51 * step + 1e-7
    assert data.skipped == ()


def test_bandwidth_is_that_of_the_source(folder):
    data = open_dataset(folder)
    assert [data.bandwidth_hz(index) for index in range(3)] == [11025.0, 8000.0, 11025.0]
    items = folder_items(folder)
    stated = dataclasses.replace(items[1], extra={"bandwidth_hz": "7000"})
    assert AudioDataset([stated], 22050, folder.parent / "cache").bandwidth_hz(0) == 7000.0
    for text in ("wide", "nan", "0", "-8000"):
        wrong = dataclasses.replace(items[1], extra={"bandwidth_hz": text})
        with pytest.raises(AudiodiffError, match=r"bandwidth_hz .* above 0 Hz"):
            AudioDataset([wrong], 22050, folder.parent / "cache")


@pytest.mark.parametrize(("normalize", "level"), [("peak", 0.95), ("peak", 0.5), ("rms", 0.05)])
def test_normalized_by_one_gain_per_clip(folder, normalize, level):
    data = open_dataset(folder, normalize=normalize, level=level)
    plain = open_dataset(folder)
    for index in range(3):
        waveform = data.waveform(index)
        measured = waveform.abs().max() if normalize == "peak" else waveform.square().mean().sqrt()
        assert float(measured) == pytest.approx(level, rel=1e-3)
        assert torch.allclose(waveform, data.gain(index) * plain.waveform(index), atol=1e-6)
    # Every level is served from the same cache.
    assert len(os.listdir(folder.parent / "cache")) == 1


def test_rms_never_pushes_a_peak_over_full_scale(tmp_path):
    click = np.zeros(5000)
    click[100] = 0.5
    write_audio(tmp_path / "a.wav", click, 22050, "FLOAT")
    data = AudioDataset(folder_items(tmp_path), 22050, tmp_path / "cache", normalize="rms")
    assert float(data.waveform(0).abs().max()) == pytest.approx(1.0, abs=1e-3)


def test_crops_are_a_pure_function(folder):
    data = open_dataset(folder)
    first = data.crops(3, 17, 8, 4096)
    data.crops(3, 18, 5, 100)
    torch.manual_seed(1)
    np.random.default_rng(5)
    for again in (data.crops(3, 17, 8, 4096), open_dataset(folder).crops(3, 17, 8, 4096)):
        assert torch.equal(first.waveform, again.waveform)
        assert torch.equal(first.index, again.index)
        assert torch.equal(first.bandwidth_hz, again.bandwidth_hz)
    for other in (data.crops(4, 17, 8, 4096), data.crops(3, 16, 8, 4096)):
        assert not torch.equal(first.waveform, other.waveform)


def test_crops_come_from_their_clip(folder):
    data = open_dataset(folder)
    batch = data.crops(0, 0, 32, 3000)
    assert batch.waveform.shape == (32, 3000)
    assert batch.waveform.dtype == batch.bandwidth_hz.dtype == torch.float32
    assert batch.index.dtype == torch.int64
    for row, index in zip(batch.waveform, batch.index.tolist(), strict=True):
        whole = data.waveform(index)
        if len(whole) < 3000:
            assert torch.equal(row[: len(whole)], whole)
            assert not row[len(whole) :].any()
        else:
            starts = (whole == row[0]).nonzero().flatten().tolist()
            assert any(torch.equal(whole[start : start + 3000], row) for start in starts)
    assert [data.bandwidth_hz(index) for index in batch.index.tolist()] == batch.bandwidth_hz.tolist()


def test_a_part_of_a_clip_is_a_slice_of_it(folder):
    data = open_dataset(folder)
    for index in range(len(data)):
        whole = data.waveform(index)
        assert data.n_samples(index) == len(whole)
        for start, stop in ((0, 500), (100, 700), (-50, 20), (700, 10**9), (10**9, None), (300, 200)):
            end = len(whole) if stop is None else stop
            assert torch.equal(data.waveform(index, start, stop), whole[max(start, 0) : max(end, 0)])


def test_clips_are_drawn_by_duration_and_everywhere(folder):
    data = open_dataset(folder)
    index = torch.cat([data.crops(0, step, 64, 16).index for step in range(30)])
    shares = torch.bincount(index, minlength=3) / len(index)
    assert shares.tolist() == pytest.approx([1 / 3.1, 2 / 3.1, 0.1 / 3.1], abs=0.04)
    # The last sample is reached as well.
    ends = [data.crops(0, step, 64, 2200).waveform[:, -1] for step in range(40)]
    last = float(data.waveform(2)[-1])
    short = torch.cat(ends)[torch.cat([data.crops(0, step, 64, 2200).index for step in range(40)]) == 2]
    assert bool((short == last).any())


def test_the_cache_is_built_once_and_follows_the_files(folder, monkeypatch):
    open_dataset(folder)
    (cache,) = (folder.parent / "cache").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_build", lambda *_: pytest.fail("built twice"))
        open_dataset(folder)
    sine(folder / "a.wav", 500.0, 1.5, 22050)
    assert open_dataset(folder).seconds == pytest.approx(3.6, abs=1e-3)
    assert len(list((folder.parent / "cache").iterdir())) == 2
    assert cache.is_dir()


def test_an_interrupted_build_leaves_nothing(folder, monkeypatch):
    def interrupted(items, sample_rate, target, progress):
        (target / "audio.i16").write_bytes(b"1234")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_build", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_dataset(folder)
    assert list((folder.parent / "cache").iterdir()) == []
    assert len(open_dataset(folder)) == 3


def test_two_builders_at_once(folder, monkeypatch):
    build = module._build

    def slow(items, sample_rate, target, progress):
        build(items, sample_rate, target, progress)
        monkeypatch.setattr(module, "_build", build)
        open_dataset(folder)

    monkeypatch.setattr(module, "_build", slow)
    assert len(open_dataset(folder)) == 3
    assert len(list((folder.parent / "cache").iterdir())) == 1


def test_a_damaged_cache_is_named(folder):
    open_dataset(folder)
    (cache,) = (folder.parent / "cache").iterdir()
    with (cache / "audio.i16").open("r+b") as file:
        file.truncate(100)
    refused("damaged", lambda: open_dataset(folder))


def test_long_clips_are_decoded_in_blocks_with_the_same_result(folder, monkeypatch):
    expected = [open_dataset(folder).waveform(index) for index in range(3)]
    monkeypatch.setattr(module, "_HELD_SAMPLES", 10)
    other = AudioDataset(folder_items(folder), 22050, folder.parent / "other")
    assert all(torch.equal(other.waveform(index), expected[index]) for index in range(3))


def test_unreadable_clips_are_skipped_and_named(folder):
    (folder / "bad.wav").write_text("no")
    items = [*folder_items(folder), AudioItem(folder / "gone.wav")]
    data = AudioDataset(items, 22050, folder.parent / "cache")
    assert [item.path.name for item in data.items] == ["a.wav", "b.wav", "c.wav"]
    assert [os.path.basename(path) for path, _ in data.skipped] == ["bad.wav", "gone.wav"]
    assert int(data.crops(0, 0, 64, 10).index.max()) == 2


def test_silence_is_left_out(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(1000), 22050)
    # Silent once its channels are mixed.
    write_audio(tmp_path / "b.wav", np.stack([np.full(100, 0.5), np.full(100, -0.5)]), 22050)
    with pytest.raises(NoUsableClipsError, match=r"None of the 2 clips can be used.*b\.wav .*opposite phase"):
        AudioDataset(folder_items(tmp_path), 22050, tmp_path / "cache", normalize="peak")
    clip(tmp_path / "c.wav")
    data = AudioDataset(folder_items(tmp_path), 22050, tmp_path / "cache", normalize="peak")
    assert [item.path.name for item in data.items] == ["c.wav"]
    assert [Path(path).stem for path, _ in data.skipped] == ["b", "a"]
    assert "is silent" in data.skipped[1][1]
    assert float(data.waveform(0).abs().max()) == pytest.approx(0.95, abs=1e-3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_not_a_file_is_left_out(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("/dev/zero")
    clip(tmp_path / "c.wav")
    data = AudioDataset(folder_items(tmp_path), 22050, tmp_path / "cache")
    assert len(data) == 1
    assert all("not a regular file" in reason for _, reason in data.skipped)
    with pytest.raises(NoUsableClipsError, match="not a regular file"):
        AudioDataset([AudioItem(Path("/dev/zero"), sample_rate=1, n_samples=1)], 22050, tmp_path / "cache")


def test_stereo_is_mixed(tmp_path):
    write_audio(tmp_path / "a.wav", np.stack([np.full(100, 0.5), np.full(100, 0.1)]), 22050, "FLOAT")
    data = AudioDataset(folder_items(tmp_path), 22050, tmp_path / "cache")
    assert torch.allclose(data.waveform(0), torch.tensor(0.3), atol=1e-4)


def test_bad_arguments(folder, tmp_path):
    items = folder_items(folder)
    for arguments, words in (
        (([], 22050, tmp_path), "empty"),
        ((items, 0, tmp_path), "sample rate"),
        (([AudioItem(tmp_path / "no.wav")], 22050, tmp_path), "None of the 1"),
        ((items, 22050, clip(tmp_path / "file.wav")), "cannot be written"),
    ):
        with pytest.raises(AudiodiffError, match=words):
            AudioDataset(*arguments)
    refused("loud", lambda: open_dataset(folder, normalize="loud"))
    data = open_dataset(folder)
    for arguments in ((-1, 0, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0)):
        with pytest.raises(AudiodiffError, match="or more"):
            data.crops(*arguments)
