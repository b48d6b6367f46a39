import math

import numpy as np
import pytest
import torch

from audiodiff.metrics import spectral
from tests.metrics.signals import voice, with_noise
from tests.refusals import refused

MEASURES = (spectral.log_mel_l1, spectral.mr_stft, spectral.log_spectral_distance, spectral.mcd)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("sample_rate", [16_000, 22_050])
def test_identical_input_is_zero_and_noise_is_ordered(measure, sample_rate):
    clip = voice(sample_rate)
    assert measure(clip, clip, sample_rate) == 0.0
    distances = [measure(clip, with_noise(clip, snr), sample_rate) for snr in (40, 20, 0)]
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("sample_rate", [16_000, 22_050])
def test_mr_stft_is_auraloss(sample_rate):
    auraloss = pytest.importorskip("auraloss")
    clip = voice(sample_rate)
    noisy = with_noise(clip, 15)
    estimate, target = torch.from_numpy(noisy)[None, None], torch.from_numpy(clip)[None, None]
    expected = float(auraloss.freq.MultiResolutionSTFTLoss()(estimate, target))
    assert spectral.mr_stft(clip, noisy, sample_rate) == pytest.approx(expected, rel=1e-5)


def _white_noise(n_samples=32_000):
    return (0.1 * np.random.default_rng(3).standard_normal(n_samples)).astype(np.float32)


def test_a_gain_is_known_to_each_distance():
    noise, gain = _white_noise(), 0.5
    # No spectral bin of this noise is near a floor, so a gain moves every log by the same amount.
    assert spectral.log_mel_l1(noise, gain * noise, 16_000) == pytest.approx(math.log(2), rel=1e-3)
    assert spectral.log_spectral_distance(noise, gain * noise, 16_000) == pytest.approx(20 * math.log10(2), rel=1e-3)
    # The convergence term is 1 - gain, the log term ln 2.
    assert spectral.mr_stft(noise, gain * noise, 16_000) == pytest.approx(0.5 + math.log(2), rel=5e-3)
    assert spectral.mcd(noise, gain * noise, 16_000) == pytest.approx(0.0, abs=1e-3)


def test_log_spectral_distance_can_count_a_band_alone():
    noise = _white_noise(16_000)
    spectrum = np.fft.rfft(noise)
    spectrum[4_001:] *= 0.5  # above 4 kHz, 6 dB down
    other = np.fft.irfft(spectrum, n=noise.size).astype(np.float32)
    six = 20 * math.log10(2)
    assert spectral.log_spectral_distance(noise, other, 16_000, from_hz=4_100) == pytest.approx(six, rel=0.02)
    assert spectral.log_spectral_distance(noise, other, 16_000) == pytest.approx(six / math.sqrt(2), rel=0.05)
    refused("from_hz is 9000 Hz", lambda: spectral.log_spectral_distance(noise, other, 16_000, from_hz=9_000))


@pytest.mark.parametrize(("order", "expected_share"), [(3, 1.0), (24, 1.0), (25, 0.0)])
def test_mcd_of_a_known_ripple(monkeypatch, order, expected_share):
    amplitude, n_mels = 0.4, 80
    ripple = amplitude * torch.cos(math.pi * order * (torch.arange(n_mels) + 0.5) / n_mels)
    mels = iter([torch.zeros(n_mels, 7), ripple[:, None].expand(n_mels, 7)])
    monkeypatch.setattr(spectral, "log_mel", lambda waveform, spec: next(mels))
    noise = _white_noise(8000)
    # A ripple of one cosine is one coefficient of the same amplitude.
    expected = expected_share * 10 / math.log(10) * math.sqrt(2) * amplitude
    assert spectral.mcd(noise, noise, 16_000) == pytest.approx(expected, abs=1e-5)


def test_the_mel_of_8_khz_audio_ends_at_its_nyquist_frequency():
    clip = voice(8000)
    assert spectral.log_mel_l1(clip, with_noise(clip, 10), 8000) > 0


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_input_is_refused(measure):
    clip = voice()
    refused("align and crop", lambda: measure(clip, clip[:-1], 16_000))
    refused("samples", lambda: measure(clip[:100], clip[:100], 16_000))
