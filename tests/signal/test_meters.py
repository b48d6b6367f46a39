import math

import numpy as np
import pytest
import torch

from audiodiff.signal.meters import BandMeter, RmsMeter, _k_weighted, loudness
from audiodiff.signal.resample import resample
from tests.refusals import refused
from tests.signal.signals import noise as white
from tests.signal.signals import tone


def noise(n_samples: int, channels: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(channels, n_samples, generator=torch.Generator().manual_seed(0))


def test_share_above_a_frequency() -> None:
    meter = BandMeter(16_000, 4_000)
    meter.add(noise(32_000))
    assert meter.above_db == pytest.approx(10 * math.log10(3800 / 8000), abs=0.2)
    narrow = BandMeter(16_000, 4_000)
    narrow.add(resample(noise(16_000), 8_000, 16_000))
    assert narrow.above_db < -80
    short = BandMeter(16_000, 4_000)
    short.add(resample(noise(400), 8_000, 16_000))
    assert short.above_db < -60
    silent = BandMeter(16_000, 4_000)
    silent.add(torch.zeros(1, 100))
    assert silent.above_db == -math.inf


def test_share_does_not_depend_on_the_blocks() -> None:
    sound = noise(5_000, channels=2)
    whole, parts = BandMeter(16_000, 4_000), BandMeter(16_000, 4_000)
    whole.add(sound)
    for block in sound.split(700, dim=-1):
        parts.add(block)
    assert parts.above_db == pytest.approx(whole.above_db, rel=1e-6)


def test_level_by_channel() -> None:
    meter = RmsMeter()
    sound = torch.cat([noise(4_000), 2 * noise(4_000), torch.full((1, 4_000), 5e-5)])
    for block in sound.split(999, dim=-1):
        meter.add(block)
    first, second, silent = meter.gains(0.08)
    assert silent is None
    assert first is not None
    assert second == pytest.approx(first / 2, rel=1e-6)
    assert float((first * sound[0]).square().mean().sqrt()) == pytest.approx(0.08, rel=1e-5)
    assert meter.n_samples == 4_000


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
@pytest.mark.parametrize("frequency", [997.0, 1000.0])
def test_a_full_scale_sine_is_minus_3_lufs(rate, frequency):
    # EBU Tech 3341: a 1 kHz sine in one channel at 0 dBFS reads -3.0 LUFS, +- 0.1.
    assert loudness(tone(frequency, rate, 2.0, 1.0), rate) == pytest.approx(-3.01, abs=0.1)


def test_two_channels_add():
    sine = tone(1000.0, 48000, 2.0, 10 ** (-23 / 20))
    # EBU Tech 3341 case 1: stereo 1 kHz sine at -23 dBFS reads -23.0 LUFS.
    assert loudness(torch.stack([sine, sine]), 48000) == pytest.approx(-23.0, abs=0.1)


def test_gates_leave_out_the_pauses():
    # EBU Tech 3341 case 3: -36, -23, -36 dBFS read -23.0 LUFS by the relative gate.
    parts = [tone(1000.0, 48000, s, 10 ** (d / 20)) for s, d in ((3.0, -36.0), (18.0, -23.0), (3.0, -36.0))]
    stereo = torch.cat(parts).expand(2, -1)
    assert loudness(stereo, 48000) == pytest.approx(-23.0, abs=0.1)
    silence = torch.zeros(48000 * 5)
    sine = tone(1000.0, 48000, 5.0, 0.1)
    assert loudness(torch.cat([sine, silence]), 48000) == pytest.approx(loudness(sine, 48000), abs=0.2)


def test_k_weighting_against_the_published_coefficients():
    # ITU-R BS.1770-4, tables 1 and 2: both filters at 48 kHz, run sample by sample.
    waveform = white(4000, 3).double().numpy()

    def run(x, b, a):
        y = np.zeros_like(x)
        for n in range(len(x)):
            for k in range(3):
                if n >= k:
                    y[n] += b[k] * x[n - k] - (a[k] * y[n - k] if k else 0.0)
        return y

    shelf = run(
        waveform,
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1.0, -1.69065929318241, 0.73248077421585],
    )
    expected = run(shelf, [1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
    ours = _k_weighted(torch.from_numpy(waveform), 48000).numpy()
    assert np.abs(ours - expected).max() < 1e-3 * np.abs(expected).max()


def test_long_clips_are_filtered_in_blocks_without_seams():
    waveform = white(8000 * 40, 2).double()
    shifted = _k_weighted(waveform[8000 * 3 :], 8000)
    assert (_k_weighted(waveform, 8000)[8000 * 4 :] - shifted[8000:]).abs().max() < 1e-9


def test_loudness_of_silence_and_of_a_moment():
    assert loudness(torch.zeros(48000), 48000) == -math.inf
    assert math.isfinite(loudness(tone(1000.0, 48000, 0.05), 48000))
    refused("8000", lambda: loudness(torch.zeros(100), 4000))
