import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel, spectral
from audiodiff.signal.spectral import (
    griffin_lim,
    griffin_lim_from_mel,
    mel_band_mask,
)
from tests.refusals import refused
from tests.signal.signals import noise, voice


@pytest.mark.parametrize("name", ["hifigan-22k", "bigvgan-44k"])
def test_mel_bands_within_a_bandwidth(name):
    spec = mel.preset(name)
    nyquist = spec.sample_rate / 2
    mask = mel_band_mask(torch.tensor([nyquist, 5000.0, 0.0]), spec)[..., 0]
    assert mask.shape == (3, spec.n_mels)
    assert bool((mask[0] == 1.0).all())
    assert not bool(mask[2, 1:].any())
    time = torch.arange(spec.sample_rate) / spec.sample_rate
    for hz, heard in ((4400.0, True), (5400.0, False)):
        band = mel.log_mel(torch.sin(2 * torch.pi * hz * time)[None], spec)[0].mean(dim=1).argmax()
        assert bool(mask[1, band]) is heard
    assert bool((mask[1].diff() <= 0.0).all())


# -- Griffin-Lim -------------------------------------------------------------------------------------------------------


def convergence(waveform, magnitude, spec):
    error = mel.magnitude(waveform, spec) - magnitude
    return float(error.square().sum().sqrt() / magnitude.square().sum().sqrt())


@pytest.mark.parametrize("name", ["hifigan-22k", "vocos-24k", "wavegrad-lmnt", "audioldm-16k"])
def test_griffin_lim_approaches_the_magnitude(name):
    spec = mel.preset(name)
    waveform = voice(spec.sample_rate)
    magnitude = mel.magnitude(waveform, spec)
    errors = []
    for iterations in (0, 8, 60):
        result = griffin_lim(magnitude, spec, iterations, n_samples=len(waveform))
        assert result.shape == waveform.shape
        errors.append(convergence(result, magnitude, spec))
    assert errors[0] > 2 * errors[1] > 2 * errors[2]
    assert errors[2] < 0.12


def test_momentum_helps():
    spec = mel.preset("hifigan-22k")
    waveform = voice(22050)
    magnitude = mel.magnitude(waveform, spec)
    fast, plain = (griffin_lim(magnitude, spec, 60, momentum, n_samples=22050) for momentum in (0.99, 0.0))
    assert convergence(fast, magnitude, spec) < 0.8 * convergence(plain, magnitude, spec)


def test_true_phase_would_be_exact():
    spec = mel.preset("hifigan-22k")
    waveform = noise(256 * 30 + 100)
    forward, inverse = spectral._transforms(spec, len(waveform))
    again = inverse(forward(waveform[None]))[0]
    # The last part-hop has no frame of its own in this mel.
    assert (again - waveform)[: 256 * 30].abs().max() < 1e-5


def test_deterministic_by_seed_and_the_same_in_a_batch():
    spec = mel.preset("hifigan-22k")
    values = mel.log_mel(torch.stack([voice(22050, 0.4), noise(8820)]), spec)
    batch = griffin_lim_from_mel(values, spec, 4, seed=1)
    assert batch.shape == (2, 34 * 256)
    assert torch.allclose(batch[1], griffin_lim_from_mel(values[1], spec, 4, seed=1), atol=1e-5)
    assert torch.equal(batch, griffin_lim_from_mel(values, spec, 4, seed=1))
    assert not torch.allclose(batch, griffin_lim_from_mel(values, spec, 4, seed=2), atol=1e-3)


def test_griffin_lim_refuses_what_does_not_fit():
    spec = mel.preset("hifigan-22k")
    refused("513", lambda: griffin_lim(torch.ones(80, 10), spec))
    refused("frames", lambda: griffin_lim(torch.ones(513, 10), spec, n_samples=100))
    for settings in ({"iterations": -1}, {"momentum": 1.0}):
        with pytest.raises(AudiodiffError, match="need"):
            griffin_lim(torch.ones(513, 10), spec, **settings)
