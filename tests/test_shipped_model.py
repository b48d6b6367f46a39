"""The model in the package loads, fits, and beats Griffin-Lim on a sentence that it has never heard."""

from pathlib import Path

import numpy as np
import pytest

import audiodiff
from audiodiff.metrics.baselines import griffin_lim
from audiodiff.metrics.speech import pesq_wb, stoi
from audiodiff.models.checkpoint import read_config, weights_hash
from audiodiff.models.find import PRETRAINED
from audiodiff.signal.audio_io import read_mono
from audiodiff.synthesis.settings import Sampling, VocodeSettings

EXAMPLE = Path(audiodiff.__file__).parent / "assets" / "example.flac"
FOLDER = PRETRAINED / "speech"


def test_it_is_small_and_says_where_it_comes_from() -> None:
    config = read_config(FOLDER)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 20 * 2**20
    assert config["weights_sha256"] == weights_hash(FOLDER / "model.safetensors")
    metadata = config["metadata"]
    assert metadata["corpus"]["licences"] == ["CC-BY-4.0", "CC-BY-SA-3.0", "CC0-1.0"]
    assert metadata["command"].startswith("audiodiff train speech")


@pytest.mark.slow
def test_it_beats_griffin_lim_and_keeps_the_length() -> None:
    audio = read_mono(EXAMPLE)
    waveform, rate = audio.waveform[0], audio.sample_rate
    vocoder = audiodiff.load("speech")
    copy = vocoder.vocode(waveform, rate, steps=4, seed=0)
    assert copy.shape == waveform.shape
    rival = griffin_lim(32, vocoder.mel_spec)(waveform, rate)
    pytest.importorskip("pesq", reason="the extra eval")
    assert pesq_wb(waveform, copy, rate) > pesq_wb(waveform, rival, rate) + 0.1
    assert stoi(waveform, copy, rate) > 0.95


@pytest.mark.slow
def test_half_precision_changes_it_less_than_another_seed_does() -> None:
    audio = read_mono(EXAMPLE)
    waveform, rate = audio.waveform[0][:22050], audio.sample_rate
    vocoder = audiodiff.load("speech")

    def copy(precision: str, seed: int) -> np.ndarray:
        settings = VocodeSettings(Sampling(steps=2, precision=precision, seed=seed))  # type: ignore[arg-type]
        return vocoder.vocode(waveform, rate, settings=settings)

    full, half, other = copy("fp32", 0), copy("bf16", 0), copy("fp32", 1)
    assert np.square(half - full).mean() < 0.05 * np.square(other - full).mean()


def test_the_level_of_the_input_changes_nothing_but_the_level() -> None:
    audio = read_mono(EXAMPLE)
    waveform, rate = audio.waveform[0][:22050], audio.sample_rate
    vocoder = audiodiff.load("speech")
    loud, quiet = (vocoder.vocode(gain * waveform, rate, steps=1) for gain in (1.0, 0.25))
    error = np.square(loud - 4.0 * quiet).mean() / np.square(loud).mean()
    assert error < 0.02
