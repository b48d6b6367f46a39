import math

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel, spectral
from audiodiff.signal.spectral import (
    RESOLUTIONS,
    Resolution,
    band_mask,
    griffin_lim,
    griffin_lim_from_mel,
    mel_band_mask,
    stft,
    stft_distance,
)
from tests.signal.signals import noise, tone, voice


# Sum of distances over the usual resolutions, as losses take it.
def multi_resolution_stft(estimate, target, *, weights=None, bandwidth=None, floor=1e-4):
    total = torch.zeros(estimate.shape[0])
    for resolution in RESOLUTIONS:
        mask = None if bandwidth is None else band_mask(bandwidth, resolution.n_fft, 22050)
        ours, theirs = stft(estimate, resolution), stft(target, resolution)
        for kind, weight in (weights or {"log-magnitude": 1.0, "convergence": 1.0}).items():
            total = total + weight * stft_distance(ours, theirs, kind, mask=mask, floor=floor) / len(RESOLUTIONS)
    return total


KINDS = ("complex", "magnitude", "log-magnitude", "convergence")


def test_white_noise_of_variance_one_gives_variance_one():
    for resolution in RESOLUTIONS:
        power = stft(noise(20000, amplitude=1.0)[None], resolution).abs().square()[:, 2:-2, 4:-4]
        assert 0.95 < float(power.mean()) < 1.05


@pytest.mark.parametrize("kind", KINDS)
def test_distance_is_zero_only_for_equal_sound(kind):
    one, two = noise(4000)[None], noise(4000, 1)[None]
    weights = {kind: 1.0}
    assert float(multi_resolution_stft(one, one, weights=weights)) < 1e-5
    assert float(multi_resolution_stft(one, two, weights=weights)) > 1e-3


def test_values_by_hand():
    resolution = RESOLUTIONS[2]
    target = noise(8000)[None]
    ours, theirs = stft(1.5 * target, resolution), stft(target, resolution)
    magnitude = theirs.abs()
    assert torch.allclose(stft_distance(ours, theirs, "complex"), 0.25 * magnitude.square().mean(), rtol=1e-4)
    assert torch.allclose(stft_distance(ours, theirs, "magnitude"), 0.5 * magnitude.mean(), rtol=1e-4)
    assert torch.allclose(stft_distance(ours, theirs, "convergence", floor=0.0), torch.tensor([0.5]), rtol=1e-3)
    logs = stft_distance(ours, theirs, "log-magnitude", floor=1e-7)
    assert torch.allclose(logs, torch.tensor([math.log(1.5)]), rtol=1e-3)


def test_magnitude_distances_do_not_see_phase():
    waveform = voice(22050)[None]
    for kind in KINDS[1:]:
        assert float(multi_resolution_stft(-waveform, waveform, weights={kind: 1.0})) < 1e-5
    assert float(multi_resolution_stft(-waveform, waveform, weights={"complex": 1.0})) > 1e-4


def test_weights_add_up_and_items_stay_apart():
    one, two = noise(6000).reshape(2, 3000), noise(6000, 1).reshape(2, 3000)
    parts = [multi_resolution_stft(one, two, weights={kind: 1.0}) for kind in KINDS]
    total = multi_resolution_stft(one, two, weights=dict.fromkeys(KINDS, 2.0))
    assert torch.allclose(total, 2.0 * sum(parts), rtol=1e-5)
    alone = multi_resolution_stft(one[1:], two[1:], weights=dict.fromkeys(KINDS, 2.0))
    assert torch.allclose(total[1:], alone, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_hides_what_lies_above_the_bandwidth(kind):
    base = tone(1000.0, 22050, 0.3)
    target = torch.stack([base, base])
    estimate = target + 0.3 * tone(9500.0, 22050, 0.3)
    bandwidth = torch.tensor([8000.0, 11025.0])
    distance = multi_resolution_stft(estimate, target, weights={kind: 1.0}, bandwidth=bandwidth, floor=1e-3)
    free = multi_resolution_stft(estimate, target, weights={kind: 1.0}, floor=1e-3)
    assert float(distance[0]) < (0.1 if kind == "log-magnitude" else 0.05) * float(distance[1])
    assert torch.allclose(distance[1], free[1], rtol=1e-5)


def test_the_mask_lets_no_gradient_through():
    estimate = noise(4096)[None].requires_grad_()
    bandwidth = torch.tensor([4000.0])
    multi_resolution_stft(estimate, noise(4096, 1)[None], bandwidth=bandwidth).sum().backward()
    spectrum = stft(estimate.grad, Resolution(1024, 256)).abs().mean(dim=-1)[0]
    # Above the limit by more than a main lobe of the widest window.
    assert float(spectrum[260:].max()) < 1e-2 * float(spectrum[:170].mean())


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


def test_band_mask_edges():
    mask = band_mask(torch.tensor([8000.0, 11025.0, 24000.0]), 1024, 22050, guard=0.0)
    assert mask.shape == (3, 513, 1)
    assert int(mask[0].sum()) == int(8000 * 1024 / 22050) + 1
    assert bool((mask[1:] == 1).all())
    guarded = band_mask(torch.tensor([8000.0]), 1024, 22050)
    assert int(guarded.sum()) < int(mask[0].sum())


def test_gradients_are_finite_at_silence():
    estimate = torch.zeros(1, 2000, requires_grad=True)
    total = multi_resolution_stft(estimate, torch.zeros(1, 2000), weights=dict.fromkeys(KINDS, 1.0))
    total.sum().backward()
    assert torch.isfinite(estimate.grad).all()
    assert math.isfinite(float(total.detach()))


def test_bad_input_is_refused():
    one = torch.zeros(1, 1000)
    spectrum = stft(one, RESOLUTIONS[0])
    with pytest.raises(AudiodiffError, match="cannot be compared"):
        stft_distance(spectrum, spectrum[..., 1:], "magnitude")
    with pytest.raises(AudiodiffError, match="phase"):
        multi_resolution_stft(one, one, weights={"phase": 1.0})
    with pytest.raises(AudiodiffError):
        Resolution(256, 0)


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
    with pytest.raises(AudiodiffError, match="513"):
        griffin_lim(torch.ones(80, 10), spec)
    with pytest.raises(AudiodiffError, match="frames"):
        griffin_lim(torch.ones(513, 10), spec, n_samples=100)
    for settings in ({"iterations": -1}, {"momentum": 1.0}):
        with pytest.raises(AudiodiffError, match="need"):
            griffin_lim(torch.ones(513, 10), spec, **settings)
