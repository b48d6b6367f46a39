import hashlib

import numpy as np
import pytest

from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.watermark import N_BANDS, N_CHIPS, STRENGTH_DB, mark_blocks, pattern
from audiodiff.signal.watermark_code import CODED_BITS
from audiodiff.synthesis.verbs.vocode import EXAMPLE


@pytest.fixture(scope="module")
def speech():
    """A recording `[1, n]` and its rate (Hz)."""
    audio = read_audio(EXAMPLE)
    return audio.waveform[:, : 2 * audio.sample_rate], audio.sample_rate


def marked(sound, rate, identifier=7, stretches=None, size=None):
    cuts = range(0, sound.shape[1], size or sound.shape[1])
    return np.concatenate(
        list(mark_blocks([sound[:, c : c + size if size else None] for c in cuts], rate, identifier, stretches)), 1
    )


def test_the_pattern_never_changes() -> None:
    """Marks of old files are found by it."""
    found = pattern()
    assert found.signs.shape == found.bits.shape == (N_CHIPS, N_BANDS)
    told = found.signs.astype(np.int8).tobytes() + found.bits.astype("<i2").tobytes()
    assert hashlib.sha256(told).hexdigest()[:16] == "3f7ea9c6efd8d0ae"
    assert abs(found.signs.mean()) < 0.05
    assert np.count_nonzero(found.bits < 0) == N_CHIPS * N_BANDS // 2
    counts = np.bincount(found.bits[found.bits >= 0])
    assert (len(counts), counts.max() - counts.min()) == (CODED_BITS, 1)


def test_blocks_make_no_difference(speech) -> None:
    sound, rate = speech
    whole = marked(sound, rate)
    assert whole.shape == sound.shape
    assert whole.dtype == np.float32
    for size in (1, 777, 30_000)[1:]:
        assert np.array_equal(marked(sound, rate, size=size), whole)
    assert np.array_equal(marked(sound[:, :5000], rate, size=1), marked(sound[:, :5000], rate))


def test_the_change_is_a_share_of_what_sounds(speech) -> None:
    sound, rate = speech
    change = marked(sound, rate) - sound
    share = 10 * np.log10((change**2).sum() / (sound**2).sum())
    assert -20.0 < share < -10.0
    assert not np.array_equal(marked(sound, rate, identifier=8), sound + change)
    silence = np.zeros_like(sound)
    assert np.array_equal(marked(silence, rate), silence)


def test_only_the_stretches_change_and_they_fade(speech) -> None:
    sound, rate = speech
    stretches = ((0, 9000), (20_000, 30_000))
    change = marked(sound, rate, stretches=stretches) != sound
    assert not change[:, 9000:20_000].any()
    assert not change[:, 30_000:].any()
    assert change[:, 1000:8000].mean() > 0.8
    assert change[:, 21_000:29_000].mean() > 0.8
    everywhere = marked(sound, rate)
    inside = slice(21_000, 29_000)
    assert np.array_equal(marked(sound, rate, stretches=stretches)[:, inside], everywhere[:, inside])
    assert np.array_equal(everywhere[:, [0, -1]], sound[:, [0, -1]])


def test_marks_of_old_files_are_cut_off_at_the_ceiling() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 22050)).astype(np.float32) * 0.4
    ceiling = 10 ** (-1 / 20)
    found = np.abs(np.concatenate(list(mark_blocks([noise.clip(-1, 1)], 22050, 7, peaks="clip")), axis=1))
    assert np.count_nonzero(np.abs(found - ceiling) < 1e-6) > 10
    assert np.all(found <= np.maximum(np.abs(noise.clip(-1, 1)), ceiling) + 1e-7)


def test_partials_of_a_tone_change_less_than_noise() -> None:
    time = np.arange(44100) / 22050
    tone = (0.3 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)[None]
    noise = np.random.default_rng(0).standard_normal((1, 44100)).astype(np.float32) * 0.2
    shares = [np.std(marked(sound, 22050) - sound) / np.std(sound) for sound in (tone, noise)]
    assert shares[0] < 0.6 * shares[1]
    assert shares[1] < 10 ** (STRENGTH_DB / 20) - 1


@pytest.mark.parametrize("n_samples", [1, 2, 300, 700, 705])
def test_any_length_and_rate(n_samples) -> None:
    sound = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32) * 0.1
    for rate in (8000, 22050, 44100, 96000):
        assert marked(sound, rate).shape == sound.shape
