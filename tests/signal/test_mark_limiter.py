import numpy as np
import pytest
import torch

from audiodiff.signal.limiter import limiting_gain, true_peak
from audiodiff.signal.mark_limiter import limit_marked
from audiodiff.signal.watermark import mark_blocks

RATE = 22050
CEILING = 10.0 ** (-1 / 20)


def noise(seconds=1.0, seed=0, channels=1):
    """Noise whose true peaks a limiter has brought to -1 dBTP, `[channels, n]`."""
    wild = np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE))).astype(np.float32) * 0.5
    return wild * limiting_gain(torch.from_numpy(wild), RATE).numpy()


def joined(blocks):
    return np.concatenate(list(blocks), axis=1)


def limited(plain, marked, size=None, stretches=None):
    cuts = range(0, plain.shape[1], size or plain.shape[1])
    pairs = [(plain[:, c : c + (size or c + 1 << 30)], marked[:, c : c + (size or c + 1 << 30)]) for c in cuts]
    return joined(limit_marked(pairs, RATE, stretches))


def peak_of(sound) -> float:
    return true_peak(torch.from_numpy(sound), RATE)


def test_true_peaks_stay_and_the_mark_is_lowered_not_cut() -> None:
    plain = noise()
    marked = joined(mark_blocks([plain], RATE, 7, peaks="leave"))
    assert peak_of(marked) > 1.05 * CEILING
    found = limited(plain, marked)
    assert found.shape == plain.shape
    assert peak_of(found) <= 1.001 * CEILING
    gain = found / np.where(marked == 0, 1, marked)
    assert 0.8 < gain[marked != 0].min() < 0.99
    assert np.abs(np.diff(gain[0])).max() < 0.01  # it glides; a clipped sample is a step of a tenth


def test_what_stays_below_the_ceiling_is_left_as_it_is() -> None:
    plain = noise() * np.float32(0.7)
    marked = joined(mark_blocks([plain], RATE, 7, peaks="leave"))
    assert 0.5 * CEILING < np.abs(marked).max() < CEILING
    assert np.array_equal(limited(plain, marked), marked)


def test_peaks_that_were_higher_before_are_the_ceiling() -> None:
    plain = (1.8 * noise()).clip(-1.0, 1.0)
    marked = joined(mark_blocks([plain], RATE, 7, peaks="leave"))
    assert np.abs(marked).max() > 1.1
    found = limited(plain, marked)
    assert np.abs(found).max() <= 1.0 + 1e-6
    assert np.abs(found).max() > 0.97
    assert peak_of(found) <= peak_of(plain)


@pytest.mark.parametrize("size", [999, 4096, 4097])
def test_how_it_is_cut_into_blocks_makes_no_difference(size) -> None:
    plain = noise(seconds=0.7, channels=2)
    marked = joined(mark_blocks([plain], RATE, 7, peaks="leave"))
    assert np.array_equal(limited(plain, marked, size), limited(plain, marked))


def test_of_nothing_comes_nothing() -> None:
    assert sum(block.shape[1] for block in limit_marked([(np.zeros((1, 0), np.float32),) * 2], RATE)) == 0
    assert list(limit_marked([], RATE)) == []


@pytest.mark.parametrize("n_samples", [1, 31, 32, 33, 300, 4096, 4352, 4353, 8448])
def test_any_length(n_samples) -> None:
    plain = noise()[:, :n_samples]
    found = limited(plain, plain * np.float32(1.2), size=500)
    assert found.shape == plain.shape
    assert np.abs(found).max() <= max(CEILING, np.abs(plain).max()) * 1.001


def test_channels_have_one_gain() -> None:
    plain = np.concatenate([noise(seed=1), 0.1 * noise(seed=2)]).astype(np.float32)
    marked = plain * np.float32(1.2)
    gain = limited(plain, marked) / np.where(marked == 0, 1, marked)
    heard = (np.abs(marked) > 1e-3).all(axis=0)
    assert np.allclose(gain[0, heard], gain[1, heard], atol=1e-4)
    assert gain[1, heard].min() < 0.9


def test_outside_of_the_stretches_nothing_changes() -> None:
    plain, stretches = noise(), ((4000, 9000), (15_000, 15_300))
    marked = joined(mark_blocks([plain], RATE, 7, stretches, peaks="limit"))
    outside = np.delete(marked, np.r_[4000:9000, 15_000:15_300], axis=1)
    assert np.array_equal(outside, np.delete(plain, np.r_[4000:9000, 15_000:15_300], axis=1))
    assert np.count_nonzero(marked[:, 4000:9000] != plain[:, 4000:9000]) > 4000
    assert peak_of(marked) <= 1.001 * CEILING
