from pathlib import Path

import numpy as np
import pytest
import torch

import audiodiff
from audiodiff.signal.resample import resample
from audiodiff.synthesis.upsample import UpsamplerSynthesizer
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.training.logging import Board
from audiodiff_recipes import upsampler, vocoder
from audiodiff_recipes.validation import N_TIMES, even_times, exported
from tests.recipes.corpus import tiny_changes, write_corpus


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The sounds of the last validation by name."""
    sounds: dict[str, torch.Tensor] = {}

    def audio(self: Board, step: int, name: str, waveform: torch.Tensor, sample_rate: int) -> None:
        sounds[name] = waveform

    monkeypatch.setattr(Board, "audio", audio)
    return sounds


@pytest.mark.slow
def test_what_a_vocoder_is_heard_with_is_what_everybody_hears(tmp_path: Path, heard: dict[str, torch.Tensor]) -> None:
    write_corpus(tmp_path / "corpus")
    run = vocoder.train(vocoder.configure("tiny", tiny_changes(tmp_path, "run", 2)), resume=False)
    model = audiodiff.load(run, device="cpu")
    assert isinstance(model, VocoderSynthesizer)
    assert len(heard) == 4
    for seed in range(2):
        recording, ours = (heard[f"clip {seed + 1}/{name}"] for name in ("recording", "vocoded"))
        np.testing.assert_array_equal(ours.numpy(), model.vocode(recording, model.sample_rate, seed=seed).numpy())


def test_what_an_upsampler_is_heard_with_is_what_everybody_hears(
    tmp_path: Path, heard: dict[str, torch.Tensor]
) -> None:
    write_corpus(tmp_path / "corpus")
    config = upsampler.configure("tiny-upsampler", {**tiny_changes(tmp_path, "run", 2), "channels": "8"})
    run = upsampler.train(config, resume=False)
    model = audiodiff.load(run, device="cpu")
    assert isinstance(model, UpsamplerSynthesizer)
    assert len(heard) == 4
    for seed in range(2):
        recording, ours = (heard[f"clip {seed + 1}/{name}"] for name in ("recording", "upsampled"))
        low = resample(recording[None], model.sample_rate, model.low_rate)[0]
        np.testing.assert_array_equal(ours.numpy(), model.upsample(low, model.low_rate, seed=seed)[: len(ours)].numpy())


def test_an_exported_model_goes_again(tmp_path: Path) -> None:
    def export(averaged: torch.nn.Module, folder: Path, facts: object) -> None:
        folder.mkdir()
        (folder / "weights").write_text("1")

    def fail() -> None:
        with exported(torch.nn.Identity(), tmp_path, export) as folder:
            assert (folder / "weights").read_text() == "1"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def test_times_of_validation_are_inside_the_range() -> None:
    times = even_times(0.1, 0.9)
    assert len(times) == N_TIMES
    torch.testing.assert_close(times, torch.tensor([0.2, 0.4, 0.6, 0.8]))
