"""The upsampler in the package loads, keeps what it is given, and comes nearer to the recording than interpolation."""

from pathlib import Path

import numpy as np
import pytest
import torch

import audiodiff
from audiodiff.metrics.spectral import log_spectral_distance
from audiodiff.models.checkpoint import read_config, weights_hash
from audiodiff.models.find import PRETRAINED
from audiodiff.signal.audio_io import read_mono
from audiodiff.signal.resample import resample
from audiodiff.synthesis.settings import Sampling
from audiodiff.synthesis.upsample import UpsamplerSynthesizer, load_upsampler
from audiodiff.synthesis.upsample_settings import UpsampleSettings

FOLDER = PRETRAINED / "upsample-speech"
EXAMPLE = Path(audiodiff.__file__).parent / "assets" / "example.flac"


@pytest.fixture(scope="module")
def upsampler() -> UpsamplerSynthesizer:
    return load_upsampler(device="cpu")


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    """Three seconds at 16 kHz."""
    audio = read_mono(EXAMPLE)
    return resample(torch.from_numpy(audio.waveform[0]), audio.sample_rate, 16_000)[:48_000].numpy()


def low(recording: np.ndarray) -> np.ndarray:
    return resample(torch.from_numpy(recording), 16_000, 8_000).numpy()


def test_it_is_small_and_says_where_it_comes_from() -> None:
    config = read_config(FOLDER, "upsampler")
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 6 * 2**20
    assert config["weights_sha256"] == weights_hash(FOLDER / "model.safetensors")
    metadata = config["metadata"]
    assert metadata["corpus"]["licences"] == ["CC-BY-4.0", "CC-BY-SA-3.0", "CC0-1.0"]
    assert metadata["command"].startswith("audiodiff train upsampler-speech")
    assert (FOLDER / "MODEL_CARD.md").is_file()


@pytest.mark.parametrize("steps", [1, 8])
def test_it_is_nearer_than_interpolation_by_far(
    upsampler: UpsamplerSynthesizer, recording: np.ndarray, steps: int
) -> None:
    narrow = low(recording)
    copy = upsampler.upsample(narrow, 8_000, steps=steps)
    assert copy.shape == recording.shape
    sinc = resample(torch.from_numpy(narrow), 8_000, 16_000).numpy()
    ours, theirs = (log_spectral_distance(recording, x, 16_000, from_hz=4_000) for x in (copy, sinc))
    assert ours < 13.0
    assert ours < theirs - 25.0
    # Below the new band it is the input: what differs there is 60 dB down, cut ends of the filters included.
    spectra = [np.abs(np.fft.rfft(x * np.hanning(len(x))))[: 3_400 * 3] for x in (copy - sinc, sinc)]
    assert np.square(spectra[0]).sum() < 1e-6 * np.square(spectra[1]).sum()


def test_the_level_of_the_input_changes_nothing_but_the_level(
    upsampler: UpsamplerSynthesizer, recording: np.ndarray
) -> None:
    narrow = low(recording)[:8_000]
    loud, quiet = (upsampler.upsample(gain * narrow, 8_000, steps=2) / gain for gain in (1.0, 0.05))
    assert np.square(loud - quiet).mean() < 1e-6 * np.square(loud).mean()


@pytest.mark.slow
def test_half_precision_changes_it_less_than_another_seed_does(
    upsampler: UpsamplerSynthesizer, recording: np.ndarray
) -> None:
    narrow = low(recording)[:8_000]
    full, half, other = (
        upsampler.upsample(narrow, 8_000, settings=settings)
        for settings in (
            UpsampleSettings(Sampling(precision="fp32")),
            UpsampleSettings(Sampling(precision="bf16")),
            UpsampleSettings(Sampling(precision="fp32", seed=1)),
        )
    )
    assert np.square(half - full).mean() < 0.1 * np.square(other - full).mean()
