import math
from typing import get_args

import pytest
import torch

from audiodiff.signal.levels import LevelPolicy, apply_level, count_clipped, decibel, peak, rms
from audiodiff.signal.limiter import true_peak
from audiodiff.signal.meters import loudness
from tests.refusals import refused
from tests.signal.signals import noise, tone


def test_peak_and_rms_of_a_sine():
    waveform = torch.stack([tone(1000.0, 48000, 1.0, 0.5), tone(1000.0, 48000, 1.0, 0.25)])
    assert torch.allclose(peak(waveform), torch.tensor([0.5, 0.25]), atol=1e-4)
    assert torch.allclose(rms(waveform), torch.tensor([0.5, 0.25]) / math.sqrt(2.0), atol=1e-4)
    assert decibel(0.5) == pytest.approx(-6.0206, abs=1e-3)
    assert decibel(0.0) == -math.inf


def test_clipped_samples_are_counted():
    waveform = torch.tensor([0.0, 1.0, -1.0, 0.99999, 0.5, 1.2, 0.0, -1.5])
    assert count_clipped(waveform) == 5
    assert count_clipped(waveform, run=2) == 3
    assert count_clipped(waveform, run=3) == 3
    assert count_clipped(waveform, run=4) == 0
    assert count_clipped(torch.ones(2, 5), run=5) == 10
    assert count_clipped(torch.ones(2), run=3) == 0


def test_policies():
    waveform = tone(1000.0, 48000, 1.0, 0.1)
    assert apply_level(waveform, 48000).waveform is waveform
    levelled = apply_level(waveform, 48000, "peak", peak_db=-6.0)
    assert float(levelled.waveform.abs().max()) == pytest.approx(10 ** (-6 / 20), abs=1e-4)
    assert levelled.gain_db == pytest.approx(14.0, abs=0.1)
    assert levelled.clipped == 0
    loud = apply_level(waveform, 48000, "loudness", loudness_lufs=-30.0)
    assert loudness(loud.waveform, 48000) == pytest.approx(-30.0, abs=0.05)
    # The peak limit wins over the loudness asked for.
    hot = apply_level(waveform, 48000, "loudness", loudness_lufs=0.0, peak_db=-1.0)
    assert float(hot.waveform.abs().max()) == pytest.approx(10 ** (-1 / 20), abs=1e-4)


def drums(rate: int) -> torch.Tensor:
    """Loud hits over quiet noise: 20 dB from loudness to peak."""
    waveform, length = 0.003 * noise(4 * rate), rate // 4
    for start in range(0, 4 * rate - length, length):
        waveform[start : start + length] += noise(length, seed=start) * torch.linspace(1, 0, length) ** 8
    return waveform


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("rate", [22050, 44100])
def test_every_kind_of_clip_comes_out_equally_loud_and_below_the_ceiling(rate: int, circular: bool) -> None:
    clips = [drums(rate), tone(200.0, rate, 3.0, 0.9), 0.01 * noise(3 * rate), torch.stack([drums(rate)] * 2)]
    for clip in clips:
        levelled = apply_level(clip, rate, "streaming", circular=circular)
        assert levelled.waveform.shape == clip.shape
        assert loudness(levelled.waveform, rate) == pytest.approx(-16.0, abs=0.2)
        assert decibel(true_peak(levelled.waveform, rate)) < -0.9
        assert levelled.clipped == 0


def test_a_limit_leaves_what_is_soft_enough_and_lowers_peaks_alone() -> None:
    quiet = tone(200.0, 44100, 1.0, 0.5)
    assert torch.equal(apply_level(quiet, 44100, "limit").waveform, quiet)
    loud = torch.cat([quiet, 4 * quiet[:4410], quiet])
    limited = apply_level(loud, 44100, "limit")
    assert decibel(true_peak(limited.waveform, 44100)) < -0.9
    assert torch.allclose(limited.waveform[:40000], loud[:40000])


@pytest.mark.parametrize("policy", get_args(LevelPolicy))
def test_silence_is_left_alone(policy):
    silent = torch.zeros(1, 48000)
    levelled = apply_level(silent, 48000, policy)
    assert torch.equal(levelled.waveform, silent)
    assert levelled.gain_db == 0.0


def test_clipping_is_reported_not_hidden():
    assert apply_level(torch.full((10,), 1.5), 48000).clipped == 10


def test_unknown_policy_is_refused():
    refused("loudness", lambda: apply_level(torch.zeros(10), 48000, "rms"))
    refused("0 dB", lambda: apply_level(torch.zeros(10), 48000, "peak", peak_db=3.0))
