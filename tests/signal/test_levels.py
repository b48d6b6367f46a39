import math

import numpy as np
import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal.levels import apply_level, count_clipped, decibel, loudness, peak, rms
from tests.signal.signals import noise, tone


def test_peak_and_rms_of_a_sine():
    waveform = torch.stack([tone(1000.0, 48000, 1.0, 0.5), tone(1000.0, 48000, 1.0, 0.25)])
    assert torch.allclose(peak(waveform), torch.tensor([0.5, 0.25]), atol=1e-4)
    assert torch.allclose(rms(waveform), torch.tensor([0.5, 0.25]) / math.sqrt(2.0), atol=1e-4)
    assert decibel(0.5) == pytest.approx(-6.0206, abs=1e-3)
    assert decibel(0.0) == -math.inf


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
    waveform = noise(4000, 3).double().numpy()

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
    from audiodiff.signal.levels import _k_weighted

    ours = _k_weighted(torch.from_numpy(waveform), 48000).numpy()
    assert np.abs(ours - expected).max() < 1e-3 * np.abs(expected).max()


def test_long_clips_are_filtered_in_blocks_without_seams():
    from audiodiff.signal.levels import _k_weighted

    waveform = noise(8000 * 40, 2).double()
    shifted = _k_weighted(waveform[8000 * 3 :], 8000)
    assert (_k_weighted(waveform, 8000)[8000 * 4 :] - shifted[8000:]).abs().max() < 1e-9


def test_loudness_of_silence_and_of_a_moment():
    assert loudness(torch.zeros(48000), 48000) == -math.inf
    assert math.isfinite(loudness(tone(1000.0, 48000, 0.05), 48000))
    with pytest.raises(AudiodiffError, match="8000"):
        loudness(torch.zeros(100), 4000)


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
    with pytest.raises(AudiodiffError, match="loudness"):
        apply_level(torch.zeros(10), 48000, "rms")
    with pytest.raises(AudiodiffError, match="0 dB"):
        apply_level(torch.zeros(10), 48000, "peak", peak_db=3.0)
