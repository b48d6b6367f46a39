import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.data.checks import check_corpus
from audiodiff.data.manifest import load_items
from audiodiff.errors import AudiodiffError
from audiodiff_recipes import autoencoder
from audiodiff_recipes.corpus import DataConfig, RandomCrops, open_corpus, read_corpus
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five clips to learn from and two to validate on; one each is missing, damaged, empty and silent."""
    folder = write_corpus(tmp_path / "corpus")
    (folder / "damaged.wav").write_bytes(b"no sound")
    soundfile.write(folder / "empty.wav", np.zeros(0), 16000)
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    with (folder / "metadata.csv").open("a") as file:
        file.writelines(f"{name}.wav,train,\n" for name in ("missing", "damaged", "empty", "silent"))
        file.write("clip0-again.wav,test,\n")
    (folder / "clip0-again.wav").write_bytes((folder / "clip0.wav").read_bytes())
    (folder / "song.m4a").touch()
    return folder


def config(folder: Path) -> DataConfig:
    return DataConfig(folder=str(folder), cache=str(folder.parent / "cache"))


def test_one_line_says_what_is_used_and_what_is_not(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, valid = open_corpus(config(corpus), 2, 16000)
    (line,) = capsys.readouterr().err.splitlines()
    assert (len(train), len(valid)) == (5, 2)
    assert line.startswith("audiodiff: 5 clips, 0.1 min, to learn from, 2 to validate on; 4 clips left out: ")
    for words in ("missing.wav does not exist", "damaged.wav is not audio", "empty.wav has no samples", ", and 1 more"):
        assert words in line
    assert "silent.wav" not in line  # the fourth
    assert "; also left out: 1 files of kinds that are not taken, .m4a" in line
    assert line.endswith("1 clips of split 'test'")
    open_corpus(config(corpus), 2, 16000, tell=False)
    assert capsys.readouterr().err == ""


def test_every_recipe_tells_it(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    autoencoder.train(autoencoder.configure("tiny-autoencoder", tiny_changes(tmp_path, "run", 1)), resume=False)
    assert "4 clips left out: " in capsys.readouterr().err


@pytest.mark.parametrize("lines", [["a.wav,train"], ["b.wav,train"], ["a.wav,train", 'b.wav,"x'], ["a.wav,../x"]])
def test_what_check_refuses_is_not_trained_on(tmp_path: Path, lines: list[str]) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(16000), 16000)
    (folder / "metadata.csv").write_text("\n".join(["file_name,split", *lines]) + "\n")
    with pytest.raises(AudiodiffError) as refused:
        check_corpus(load_items(folder))
    with pytest.raises(AudiodiffError) as also:
        open_corpus(config(folder), 2, 16000)
    assert str(refused.value)[:20] == str(also.value)[:20]


def test_urls_and_loops(corpus: Path) -> None:
    refused("only shards of latents", lambda: read_corpus(DataConfig(folder="https://host/music")))
    (corpus / "metadata.csv").unlink()
    count = len(read_corpus(config(corpus)).items)
    for name in ("one", "two"):
        os.symlink(".", corpus / name)
    assert len(read_corpus(config(corpus)).items) == count


def test_crops_are_those_of_the_step_at_gains_within_the_range(corpus: Path) -> None:
    data, _ = open_corpus(config(corpus), 2, 16000)
    settings = replace(config(corpus), gain_db=(-12.0, -6.0))
    crops = RandomCrops(data, settings, seed=3, n_samples=4000, count=64)
    plain = data.crops(3, 5, 64, 4000)
    waveform, bandwidth = crops.draw(5, torch.Generator().manual_seed(0))
    assert torch.equal(bandwidth, plain.bandwidth_hz)
    gain_db = 10.0 * torch.log10(waveform.square().sum(dim=1) / plain.waveform.square().sum(dim=1))
    assert -12.0 <= gain_db.min() < -11.0
    assert -7.0 < gain_db.max() <= -6.0
    torch.testing.assert_close(waveform, plain.waveform * 10.0 ** (gain_db[:, None] / 20.0))
    assert set(crops.names(5).split(", ")) == {str(data.items[i].path) for i in plain.index.tolist()}

    loud = replace(settings, gain_db=(40.0, 40.0))
    clamped, free = (
        RandomCrops(data, loud, seed=3, n_samples=4000, count=4, clamp=clamp).draw(0, torch.Generator())[0]
        for clamp in (True, False)
    )
    assert clamped.abs().max() == 1.0
    assert free.abs().max() > 1.0
