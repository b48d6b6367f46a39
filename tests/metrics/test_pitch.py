import importlib.util
import itertools

import numpy as np
import pytest

from audiodiff.metrics import pitch
from tests.metrics.signals import tone, with_noise
from tests.refusals import refused

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torchcrepe") is None, reason="torchcrepe is not installed")


def harmonics(f_0, seconds=0.6, sample_rate=16_000):
    """A buzz of ten harmonics: the kind of tone CREPE tracks best."""
    parts = [tone(k * f_0, sample_rate, seconds, 0.3 / k) for k in range(1, 11)]
    return np.sum(parts, axis=0).astype(np.float32)


@pytest.mark.parametrize("f_0", [110.0, 220.0])
def test_the_pitch_of_a_steady_tone(f_0):
    track = pitch.pitch_track(harmonics(f_0), 16_000)
    middle = slice(8, -8)
    assert track.voiced[middle].all()
    assert 1200 * np.abs(np.log2(track.f_0[middle] / f_0)).max() < 20


def test_a_clip_against_itself_is_exact():
    clip = harmonics(150.0)
    assert pitch.f0_rmse(clip, clip.copy(), 16_000) == 0.0
    assert pitch.voicing_f1(clip, clip.copy(), 16_000) == 1.0
    assert pitch.periodicity_rmse(clip, clip.copy(), 16_000) == 0.0


@pytest.mark.parametrize("cents", [50.0, 300.0])
def test_a_known_shift_is_measured_in_cents(cents):
    clip, shifted = harmonics(150.0), harmonics(150.0 * 2 ** (cents / 1200))
    assert pitch.f0_rmse(clip, shifted, 16_000) == pytest.approx(cents, abs=20)


def test_the_sample_rate_does_not_move_the_pitch():
    low, high = (pitch.pitch_track(harmonics(150.0, sample_rate=rate), rate) for rate in (16_000, 22_050))
    assert np.abs(low.cents[8:-8] - high.cents[8:-8]).max() < 5


def test_silence_and_noise_are_unvoiced():
    buzz = harmonics(150.0)
    half = buzz.copy()
    half[buzz.size // 2 :] = 0
    track = pitch.pitch_track(half, 16_000)
    assert track.voiced[8:20].all()
    assert not track.voiced[-20:].any()
    assert (track.periodicity[-20:] == 0).all()
    assert 0.55 < pitch.voicing_f1(buzz, half, 16_000) < 0.8
    noise = np.random.default_rng(0).standard_normal(buzz.size).astype(np.float32) * 0.1
    assert pitch.pitch_track(noise, 16_000).voiced.mean() < 0.2
    refused("voiced in reference and estimate", lambda: pitch.f0_rmse(buzz, np.zeros_like(buzz), 16_000))
    refused("undefined", lambda: pitch.voicing_f1(np.zeros_like(buzz), np.zeros_like(buzz), 16_000))


def test_noise_raises_the_periodicity_error():
    clip = harmonics(150.0)
    errors = [pitch.periodicity_rmse(clip, with_noise(clip, snr), 16_000) for snr in (40, 10, -5)]
    assert errors[0] < errors[1] < errors[2]


def test_viterbi_leaves_out_a_single_octave_slip():
    probability = np.full((9, 40), 1e-4)
    probability[:, 10] = 0.9
    probability[4] = 1e-4
    probability[4, 35] = 0.9
    probability[4, 10] = 0.1
    assert pitch._viterbi(probability).tolist() == [10] * 9


def test_viterbi_is_the_best_of_all_paths():
    random = np.random.default_rng(4)
    for _ in range(20):
        # Probabilities so alike that the cost of a jump, at most ln 2 here, often decides.
        probability = np.exp(random.normal(0.0, 0.3, (4, 7)))
        score = np.log(probability / probability.sum(axis=1, keepdims=True) + 1e-9)
        paths = np.array(list(itertools.product(range(7), repeat=4)))
        totals = score[np.arange(4), paths].sum(axis=1)
        totals += np.log((12.0 - np.abs(np.diff(paths, axis=1))) / 144.0).sum(axis=1)
        assert pitch._viterbi(probability).tolist() == paths[totals.argmax()].tolist()
