import itertools
import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff._torchaudio import import_torchaudio
from audiodiff.errors import AudiodiffError
from audiodiff.signal import resample as module
from audiodiff.signal.resample import n_resampled, resample, resample_stream
from tests.signal.signals import noise, tone

RATES = [(16000, 22050), (44100, 22050), (48000, 22050), (22050, 24000), (8000, 48000), (44056, 22050)]


@pytest.mark.parametrize(("down", "up"), RATES[:5])
def test_against_torchaudio_in_float64(down, up):
    waveform = noise(3000, 4, 1.0).double()[None]
    expected = import_torchaudio().functional.resample(
        waveform,
        down,
        up,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )
    ours = resample(waveform, down, up)
    assert ours.dtype == torch.float64
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() < 1e-6
    assert (resample(waveform.float(), down, up) - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("down", "up"), [(320, 441), (2, 1), (1, 3), (441, 480)])
def test_rates_without_a_common_divisor_go_another_way(down, up):
    waveform = noise(2000, 4, 1.0).double()[None]
    assert (module._direct(waveform, down, up) - module._polyphase(waveform, down, up)).abs().max() < 1e-6


@pytest.mark.parametrize(("down", "up"), RATES)
def test_a_tone_keeps_level_and_place(down, up):
    frequency = 0.4 * min(down, up)
    result = resample(tone(frequency, down, 0.5).double(), down, up)
    expected = tone(frequency, up, 0.5).double()[: len(result)]
    edge = len(result) // 8
    error = (result - expected)[edge:-edge].abs().max()
    assert 20 * math.log10(float(error) / 0.5) < -80


@pytest.mark.parametrize(("down", "up"), [(44100, 22050), (48000, 16000), (44056, 22050)])
def test_what_the_target_cannot_hold_is_removed(down, up):
    result = resample(tone(0.55 * up, down, 0.5), down, up)
    edge = len(result) // 8
    assert 20 * math.log10(float(result[edge:-edge].abs().max()) / 0.5) < -80


def test_a_constant_stays_a_constant():
    result = resample(torch.ones(4000), 16000, 22050)
    assert (result[500:-500] - 1.0).abs().max() < 1e-4


@given(n_samples=st.integers(0, 3000), rates=st.sampled_from([(3, 2), (2, 3), (16000, 22050), (7, 1), (5, 5)]))
@settings(max_examples=60, deadline=None)
def test_length(n_samples, rates):
    down, up = rates
    result = resample(torch.zeros(2, n_samples), down, up)
    assert result.shape == (2, math.ceil(n_samples * up / down))
    assert result.shape[-1] == n_resampled(n_samples, down, up)


@given(cuts=st.lists(st.integers(0, 20000), max_size=6), rates=st.sampled_from(RATES[:4]))
@settings(max_examples=40, deadline=None)
def test_a_stream_equals_the_whole(cuts, rates):
    waveform = noise(20000, 7)[None]
    borders = [0, *sorted(cuts), 20000]
    blocks = [waveform[:, a:b] for a, b in itertools.pairwise(borders)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_SAMPLES", 3000)
        streamed = torch.cat(list(resample_stream(iter(blocks), *rates)), dim=-1)
    whole = resample(waveform, *rates)
    assert streamed.shape == whole.shape
    assert (streamed - whole).abs().max() < 1e-6


def test_long_inputs_are_done_in_blocks_with_the_same_result(monkeypatch):
    waveform = noise(50000, 8)
    once = resample(waveform, 44056, 22050)
    whole = resample(waveform, 16000, 22050)
    monkeypatch.setattr(module, "_BLOCK_SAMPLES", 1000)
    assert (resample(waveform, 16000, 22050) - whole).abs().max() < 1e-6
    assert (resample(waveform, 44056, 22050) - once).abs().max() < 1e-6


def test_streaming_holds_little(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_SAMPLES", 2000)
    consumed = 0

    def blocks():
        nonlocal consumed
        for _ in range(100):
            consumed += 1000
            yield torch.zeros(1, 1000)

    stream = resample_stream(blocks(), 16000, 22050)
    next(stream)
    assert consumed < 6000


def test_other_shapes_and_the_same_rate():
    waveform = noise(2 * 3 * 500).reshape(2, 3, 500)
    assert torch.equal(resample(waveform, 16000, 16000), waveform)
    result = resample(waveform, 16000, 8000)
    assert result.shape == (2, 3, 250)
    assert torch.allclose(result[1, 2], resample(waveform[1, 2], 16000, 8000), atol=1e-6)


def test_impossible_rates_are_refused():
    for rates in ((0, 16000), (16000, -1), (10**12, 16000), (16000, 10**12)):
        with pytest.raises(AudiodiffError, match="both must be"):
            resample(torch.zeros(10), *rates)


@pytest.mark.parametrize(("down", "up"), [(1999993, 22050), (767957, 44100), (655350, 22050)])
def test_odd_and_high_rates_take_no_more_work_than_others(down, up):
    # One second of sound; a filter for every output would be thousands of taps long, and was: a minute of work.
    started = time.process_time()
    result = resample(tone(1000.0, down, 1.0), down, up)
    assert time.process_time() - started < 10.0
    assert result.shape == (up,)
    error = (result - tone(1000.0, up, 1.0))[up // 4 : -up // 4].abs().max()
    assert 20 * math.log10(float(error) / 0.5) < -80


@pytest.mark.parametrize("n_samples", [1, 17, 18, 5000, 767957])
def test_two_steps_give_the_length_of_one(n_samples):
    blocks = list(torch.split(noise(n_samples)[None], 1000, dim=-1))
    joined = torch.cat(list(resample_stream(blocks, 767957, 44100)), dim=-1)
    assert joined.shape[-1] == n_resampled(n_samples, 767957, 44100)
    assert torch.allclose(joined, resample(noise(n_samples)[None], 767957, 44100), atol=1e-5)
