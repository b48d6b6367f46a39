import math

import pytest
import torch
from torch import Tensor

from audiodiff.signal.levels import decibel
from audiodiff.signal.limiter import limiting_gain, true_peak
from tests.signal.signals import noise, tone

RATE = 44100
CEILING = 10 ** (-1 / 20)


def between_samples() -> Tensor:
    """A quarter of the rate, whose samples all miss the peaks by 3 dB."""
    return torch.sin(torch.arange(RATE, dtype=torch.float64) * math.pi / 2 + math.pi / 4).float()


def hits(channels: int = 1) -> Tensor:
    """Quiet noise with loud bursts, at the very beginning and end too."""
    waveform = 0.02 * noise(RATE, seed=3)
    for start in (0, 9000, 9200, 30000, RATE - 60):
        waveform[start : start + 60] += 4.0 * noise(60, seed=start)
    return torch.stack([waveform * (1 + index) for index in range(channels)])


def test_a_true_peak_is_found_between_samples() -> None:
    assert float(between_samples().abs().max()) < 0.708
    assert decibel(true_peak(between_samples() * torch.hann_window(RATE), RATE)) == pytest.approx(0.0, abs=0.1)
    assert true_peak(torch.zeros(2, 500), RATE) == 0.0
    assert true_peak(torch.zeros(0), RATE) == 0.0


@pytest.mark.parametrize("waveform", [hits(), hits(2), 1.5 * between_samples(), torch.ones(7), 3 * tone(50, RATE, 0.5)])
@pytest.mark.parametrize("circular", [False, True])
def test_no_peak_is_above_the_ceiling(waveform: Tensor, circular: bool) -> None:
    gain = limiting_gain(waveform, RATE, circular=circular)
    assert gain.shape == waveform.shape[-1:]
    assert 0.0 < float(gain.min()) < 1.0
    assert float(gain.max()) <= 1.0
    assert true_peak(waveform * gain, RATE) <= CEILING * 1.01


def test_what_is_below_the_ceiling_is_left_alone() -> None:
    assert torch.equal(limiting_gain(tone(440, RATE, 0.2, 0.88), RATE), torch.ones(RATE // 5))
    gain = limiting_gain(hits()[0], RATE)
    assert float(gain[20000:29000].min()) > 0.99  # between two hits


def test_the_gain_goes_smoothly_also_around_a_loop() -> None:
    waveform = torch.roll(hits()[0], 5000)
    gain = limiting_gain(waveform, RATE, circular=True)
    assert float(gain.diff().abs().max()) < 0.01
    assert abs(float(gain[0] - gain[-1])) < 0.01
    turned = limiting_gain(torch.roll(waveform, 32 * 100), RATE, circular=True)
    assert torch.allclose(turned[3000:-3000], torch.roll(gain, 32 * 100)[3000:-3000], atol=0.05)
