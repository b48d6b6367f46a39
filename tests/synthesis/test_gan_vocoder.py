"""Vocoders of other projects wherever a vocoder is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.gan_vocoder import GanVocoder, GanVocoderConfig
from audiodiff.nn.hifigan import HifiGanConfig
from audiodiff.nn.vocos import VocosConfig
from audiodiff.signal.mel import log_mel
from audiodiff.signal.mel_spec import MelSpec, preset
from audiodiff.synthesis.load import load, load_generator, load_vocoder
from audiodiff.synthesis.settings import VocodeSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer
from tests.synthesis.latent_models import write_latent_model

MEL = MelSpec(sample_rate=8000, n_fft=32, hop_length=8, win_length=32, n_mels=12, f_max=4000.0)
CONFIGS = {
    "hifigan": GanVocoderConfig(MEL, hifigan=HifiGanConfig(12, 8, (4, 2), (8, 4), "1", (3, 5), ((1, 3), (1, 2)))),
    "bigvgan": GanVocoderConfig(
        MEL, hifigan=HifiGanConfig(12, 8, (4, 2), (8, 4), "1", (3,), ((1, 3),), activation="snakebeta")
    ),
    "vocos": GanVocoderConfig(MEL, vocos=VocosConfig(12, 16, 24, 2, 32, 8, "same")),
}


def write(folder: Path, config: GanVocoderConfig) -> Path:
    torch.manual_seed(0)
    model = GanVocoder(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    save_checkpoint(folder, model, {})
    return folder


def noise(seconds: float, rate: int = 8000) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate)).astype(np.float32)


@pytest.mark.parametrize("name", CONFIGS)
def test_windows_are_the_network_on_the_whole_mel(tmp_path: Path, name: str) -> None:
    vocoder = load(write(tmp_path, CONFIGS[name]), device="cpu")
    assert isinstance(vocoder, VocoderSynthesizer)
    assert (vocoder.defaults.steps, vocoder.sample_rate) == (1, 8000)
    vocoder.piece_frames = 100  # of 1000: ten calls, several windows
    waveform = noise(1.0)
    mel = log_mel(torch.from_numpy(waveform)[None], MEL)
    with torch.no_grad():
        expected = load_checkpoint(tmp_path, GanVocoder)(mel)[0, 0].numpy()
    for settings in (VocodeSettings(), VocodeSettings(window_seconds=0.3)):
        made = vocoder.vocode(waveform, 8000, settings=settings)
        np.testing.assert_allclose(made, expected[: made.size], rtol=0, atol=1e-5)
    assert float(np.abs(expected).max()) > 0.01


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "consistency", "adams_pc"])
def test_sampler_steps_and_seed_change_nothing(tmp_path: Path, sampler: str) -> None:
    vocoder = load_vocoder(write(tmp_path, CONFIGS["hifigan"]), device="cpu")
    waveform = noise(0.3)
    once = vocoder.vocode(waveform, 8000)
    again = vocoder.vocode(waveform, 8000, steps=3, sampler=sampler, seed=5)
    np.testing.assert_allclose(again, once, rtol=0, atol=1e-6)


def test_a_stream_is_the_whole(tmp_path: Path) -> None:
    vocoder = load_vocoder(write(tmp_path, CONFIGS["vocos"]), device="cpu")
    mel = log_mel(torch.from_numpy(noise(0.5))[None], MEL)[0].numpy()
    whole = vocoder.vocode_mel(mel)
    parts = list(vocoder.stream([mel[:, :100], mel[:, 100:130], mel[:, 130:]], block_seconds=0.05))
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-5)


def test_the_decoder_of_a_latent_model(tmp_path: Path) -> None:
    folder = write_latent_model(tmp_path / "music")
    config = GanVocoderConfig(
        preset("hifigan-22k"), hifigan=HifiGanConfig(80, 8, (16, 16), (32, 32), "2", (3,), ((1,),))
    )
    shutil.rmtree(folder / "vocoder")
    write(folder / "vocoder", config)
    synthesizer = load_generator(folder, device="cpu")
    assert isinstance(synthesizer.vocoder.model, GanVocoder)
    clip = load(folder, device="cpu").generate(seconds=1.0, seed=1)
    assert clip.shape == (22050,)
    assert np.abs(clip).max() > 0.0
