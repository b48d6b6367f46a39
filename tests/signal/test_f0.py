"""The pitch tracker on signals whose pitch is known."""

import numpy as np
import pytest
import torch

from audiodiff.signal.f0 import track_f0
from audiodiff.signal.mel import MelSpec, preset
from tests.refusals import refused

SPEC = preset("hifigan-22k")


def voice(hertz: np.ndarray, rate: int, seed: int = 0) -> torch.Tensor:
    """Pulses of the given pitch `[n_samples]` through two resonances, as in a vowel, with a little noise."""
    phase = np.cumsum(hertz) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0)
    for centre, width in ((600.0, 90.0), (1700.0, 150.0)):
        decay = np.exp(-np.pi * width / rate)
        time = np.arange(int(0.03 * rate))
        response = decay**time * np.cos(2 * np.pi * centre / rate * time)
        pulses = np.convolve(pulses, response)[: len(pulses)]
    noise = np.random.default_rng(seed).standard_normal(len(pulses))
    return torch.from_numpy(0.1 * pulses + 0.0005 * noise)


def at_frames(hertz: np.ndarray, spec: MelSpec, count: int) -> np.ndarray:
    offset = 0.5 if spec.centring == "same" else 0.0
    places = ((np.arange(count) + offset) * spec.hop_length).astype(int)
    return hertz[np.minimum(places, len(hertz) - 1)]


@pytest.mark.parametrize("name", ["hifigan-22k", "vocos-24k"])
@pytest.mark.parametrize(("low", "high"), [(80.0, 130.0), (120.0, 300.0), (250.0, 420.0)])
def test_a_glide_is_followed(name: str, low: float, high: float) -> None:
    spec = preset(name)
    hertz = np.geomspace(low, high, 2 * spec.sample_rate)
    track = track_f0(voice(hertz, spec.sample_rate), spec)
    truth = at_frames(hertz, spec, len(track.hertz))
    inner = slice(4, -4)
    assert track.voiced[inner].mean() > 0.98
    error = np.abs(np.log2(track.hertz / truth))[inner][track.voiced[inner]]
    assert np.median(error) < 0.01
    assert np.mean(error < 0.05) > 0.97


def test_voiced_and_unvoiced_parts_are_told_apart_and_bridged() -> None:
    rate = SPEC.sample_rate
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal(rate // 2)) * 0.02
    first, second = voice(np.full(rate, 150.0), rate), voice(np.full(rate, 200.0), rate)
    track = track_f0(torch.cat([first, noise, second, torch.zeros(rate)]), SPEC)
    frames = rate / SPEC.hop_length
    truth = np.zeros(len(track.voiced), bool)
    truth[: round(frames)] = truth[round(1.5 * frames) : round(2.5 * frames)] = True
    assert (track.voiced == truth).mean() > 0.97
    middle = round(1.25 * frames)
    assert track.hertz[middle] == pytest.approx(np.sqrt(150 * 200), rel=0.05)
    assert track.hertz[-1] == pytest.approx(200, rel=0.02)


@pytest.mark.parametrize("gain", [1e-3, 1.0, 30.0])
def test_the_level_does_not_matter(gain: float) -> None:
    waveform = voice(np.full(22050, 220.0), 22050)
    assert np.array_equal(track_f0(waveform * gain, SPEC).voiced, track_f0(waveform, SPEC).voiced)


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_nothing_voiced(kind: str) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(22050))
    track = track_f0(noise * (kind == "noise"), SPEC)
    assert track.voiced.mean() < 0.03
    if kind == "silence":
        assert not track.hertz.any()


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 300, 2560])
def test_as_many_frames_as_the_mel(samples: int) -> None:
    assert len(track_f0(torch.ones(samples), SPEC).hertz) == samples // 256


def test_refusals() -> None:
    refused("shape", lambda: track_f0(torch.zeros(1, 100), SPEC))
    refused("f_min < f_max", lambda: track_f0(torch.zeros(100), SPEC, 300.0, 200.0))
