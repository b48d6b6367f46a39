import numpy as np
import pytest

from audiodiff.metrics import baselines, spectral
from audiodiff.signal.mel import PRESETS
from tests.metrics.signals import tone, voice
from tests.refusals import refused

needs_opus = pytest.mark.skipif(not baselines.opus_available(), reason="libsndfile cannot write Opus here")


def _frequency(waveform, sample_rate):
    middle = waveform[waveform.size // 4 : -waveform.size // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 1 << 18))
    return spectrum.argmax() * sample_rate / (1 << 18)


@pytest.mark.parametrize("sample_rate", [16_000, 22_050])
def test_every_baseline_keeps_length_rate_and_voice(sample_rate):
    clip = voice(sample_rate, 1.0)[:-7]
    shuffled = np.random.default_rng(0).permutation(clip)
    systems = baselines.baselines()
    assert {"Griffin-Lim 32", "Griffin-Lim 200", "WORLD"} <= set(systems)
    for name, system in systems.items():
        if name == "WORLD":
            pytest.importorskip("pyworld")
        output = system(clip, sample_rate)
        assert output.shape == clip.shape, name
        assert output.dtype == np.float32, name
        assert np.isfinite(output).all(), name
        own = spectral.log_mel_l1(clip, output, sample_rate)
        assert own < 0.5 * spectral.log_mel_l1(clip, shuffled, sample_rate), name


def test_griffin_lim_gets_nearer_to_the_mel_with_iterations():
    clip = voice(22_050, 1.0)
    distances = [spectral.log_mel_l1(clip, baselines.griffin_lim(count)(clip, 22_050), 22_050) for count in (1, 8, 64)]
    assert distances[0] > distances[1] > distances[2]


def test_griffin_lim_keeps_a_tone_and_repeats_exactly():
    clip = tone(440.0, 16_000, 0.5)
    system = baselines.griffin_lim(16)
    output = system(clip, 16_000)
    # The mel knows the tone only to a band (about 40 Hz here).
    assert _frequency(output, 16_000) == pytest.approx(440, abs=25)
    np.testing.assert_array_equal(system(clip, 16_000), output)
    assert not np.array_equal(baselines.griffin_lim(16, seed=1)(clip, 16_000), output)


@pytest.mark.parametrize("sample_rate", [16_000, 24_000])
@needs_opus
def test_the_opus_rungs_have_their_bitrate_and_their_order(sample_rate):
    clip = voice(sample_rate, 3.0)
    distances = []
    for rate in baselines.OPUS_BITRATES:
        n_bytes = len(baselines.encode_opus(clip, sample_rate, rate))
        assert n_bytes * 8 / 3.0 / 1000 == pytest.approx(rate, rel=0.45)
        distances.append(spectral.log_mel_l1(clip, baselines.opus(rate)(clip, sample_rate), sample_rate))
    assert distances[0] > distances[1] > distances[2]


@pytest.mark.parametrize("lag", [-40, 0, 1, 99])
def test_aligned_undoes_a_known_lag(lag):
    clip = voice(16_000, 0.5)
    late = np.roll(clip, lag)
    moved = baselines.aligned(clip, late, 120)
    inner = slice(120, -120)
    np.testing.assert_allclose(moved[inner], clip[inner], atol=1e-7)
    assert moved.shape == clip.shape


@needs_opus
def test_the_decoded_clip_is_in_time():
    clip = voice(22_050, 1.0)
    output = baselines.opus(24)(clip, 22_050)
    np.testing.assert_array_equal(baselines.aligned(clip, output, 400), output)


@pytest.mark.parametrize("preset", ["bigvgan-24k", "vocos-24k"])
def test_griffin_lim_takes_the_mel_of_the_model(preset):
    systems = baselines.baselines(PRESETS[preset])
    clip = voice(16_000, 0.7)[:-3]
    output = systems["Griffin-Lim 32"](clip, 16_000)
    assert output.shape == clip.shape
    assert spectral.log_mel_l1(clip, output, 16_000) < 1.0
    assert not np.array_equal(output, baselines.baselines()["Griffin-Lim 32"](clip, 16_000))


@needs_opus
@pytest.mark.parametrize("rate", [5, 257])
def test_an_impossible_bitrate_is_refused(rate):
    refused("6 to 256", lambda: baselines.opus(rate))


def test_bad_griffin_lim_settings_are_refused():
    refused("1 or more", lambda: baselines.griffin_lim(0))
