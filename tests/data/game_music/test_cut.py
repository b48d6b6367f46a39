import math

import numpy as np
import pytest

from audiodiff.data.game_music.cut import band_limit, boundaries, find_pulse, resampled
from tests.data.game_music.deb import RATE, beats


def low_passed(samples: np.ndarray, hz: float) -> np.ndarray:
    spectrum = np.fft.rfft(samples)
    spectrum[round(hz * len(samples) / RATE) :] = 0.0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


@pytest.mark.parametrize("hz", [8_000.0, 16_000.0, 19_300.0])
@pytest.mark.parametrize("level", [0.3, 0.0003])
def test_a_wall_is_found(hz: float, level: float) -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE) * level
    assert band_limit(low_passed(noise, hz), RATE) == pytest.approx(hz, abs=40.0)


def test_what_fades_out_has_no_wall() -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal(4 * RATE)
    frequency = np.fft.rfftfreq(len(noise), 1.0 / RATE)
    fading = np.fft.irfft(np.fft.rfft(noise) * 10.0 ** (-frequency / 4_000.0), len(noise)).astype(np.float32)
    tone = np.sin(2 * np.pi * 440.0 * np.arange(4 * RATE) / RATE).astype(np.float32) + 1e-4 * noise.astype(np.float32)
    for samples in (0.1 * noise.astype(np.float32), 0.1 * fading, tone, np.zeros(RATE, np.float32), fading[:100]):
        assert math.isnan(band_limit(samples, RATE))


@pytest.mark.parametrize("tempo", [90.0, 120.0, 150.0])
def test_clips_begin_on_bars_of_a_sure_tempo(tempo: float) -> None:
    mono = beats(70.0, tempo).mean(axis=0)
    pulse = find_pulse(mono, RATE)
    assert pulse.is_sure
    assert pulse.tempo == pytest.approx(tempo, rel=0.01)
    cuts = boundaries(mono, RATE, pulse, 20.0)
    assert len(cuts) == 5  # 70 s: four clips, none of them a scrap
    for cut in cuts[1:-1]:
        since = (cut / RATE) % (60.0 / tempo)
        assert min(since, 60.0 / tempo - since) < 0.06
    whole = np.diff(cuts[1:-1]) / RATE * tempo / 60.0 / 4.0
    assert np.abs(whole - np.round(whole)).max() < 0.05


def test_noise_has_no_tempo_and_is_cut_where_it_is_quiet() -> None:
    mono = np.random.default_rng(1).standard_normal(40 * RATE).astype(np.float32) * 0.1
    mono[round(19.0 * RATE) : round(19.2 * RATE)] *= 0.01
    pulse = find_pulse(mono, RATE)
    assert not pulse.is_sure
    quiet = type(pulse)(math.nan, 0.0, np.zeros(0), np.zeros(0))
    assert boundaries(mono, RATE, quiet, 20.0)[1] / RATE == pytest.approx(19.1, abs=0.1)


def test_silent_ends_are_cut_off_and_silence_is_nothing() -> None:
    mono = np.zeros(20 * RATE, dtype=np.float32)
    pulse = find_pulse(mono, RATE)
    assert math.isnan(pulse.tempo)
    assert boundaries(mono, RATE, pulse, 20.0) == []
    mono[3 * RATE : 9 * RATE] = 0.1
    assert boundaries(mono, RATE, pulse, 20.0) == [3 * RATE, 9 * RATE]


def test_resampling_keeps_the_channels() -> None:
    assert resampled(beats(1.0), RATE, RATE // 2).shape == (2, RATE // 2)
