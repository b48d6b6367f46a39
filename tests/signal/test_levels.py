import math

import pytest
import torch

from audiodiff.signal.levels import apply_level, count_clipped, decibel, peak, rms
from audiodiff.signal.meters import loudness
from tests.refusals import refused
from tests.signal.signals import tone


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


@pytest.mark.parametrize("policy", ["none", "peak", "loudness"])
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
