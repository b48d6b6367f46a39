import numpy as np
import pytest

from audiodiff.metrics.copies import passage_print, passage_similarity
from tests.refusals import refused

RATE = 22_050


def tune(seed, seconds=8.0, sample_rate=RATE):
    """Decaying notes at random times."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = np.zeros(t.size)
    at = 0.0
    while at < seconds:
        note = 220.0 * 2.0 ** (random.integers(0, 24) / 12)
        since = np.maximum(t - at, 0.0)
        partials = sum(np.sin(2 * np.pi * k * note * since) / k for k in (1, 2, 3))
        wave += np.where(t >= at, np.exp(-6.0 * since), 0.0) * partials
        at += random.choice([0.15, 0.2, 0.3, 0.45])
    return (0.2 * wave + 0.002 * random.standard_normal(t.size)).astype(np.float32)


def similarity(clip, references, sample_rate=RATE):
    return passage_similarity([passage_print(clip, sample_rate)], [passage_print(r, RATE) for r in references])[0]


def test_a_clip_repeats_itself_and_not_another_tune():
    first, second = tune(1), tune(2)
    found = similarity(first, [first, second])
    assert found[0] == pytest.approx(1.0, abs=1e-6)
    assert found[1] < 0.6


@pytest.mark.slow
def test_a_shifted_filtered_noisy_quieter_copy_is_found():
    original, others = tune(1), [tune(2), tune(3)]
    part = original[round(2.3 * RATE) :]
    smoothed = np.convolve(part, np.full(3, 1 / 3), mode="same")
    changed = 0.2 * smoothed + 0.002 * np.random.default_rng(0).standard_normal(part.size)
    found = similarity(changed.astype(np.float32), [others[0], original, others[1]])
    assert found.argmax() == 1
    assert found[1] > 0.85
    assert max(found[0], found[2]) < 0.6


def test_one_copied_passage_in_a_new_clip_is_enough():
    original = tune(1)
    mixed = np.concatenate([tune(4, 4.0), original[RATE : 5 * RATE], tune(5, 3.0)])
    assert similarity(mixed, [original])[0] > 0.9
    assert similarity(np.concatenate([tune(4, 4.0), tune(5, 3.0)]), [original])[0] < 0.6


@pytest.mark.slow
def test_another_sample_rate_changes_little():
    assert similarity(tune(1, sample_rate=44_100), [tune(1)], 44_100)[0] > 0.9


def test_steady_sounds_and_silence_are_no_copies_of_each_other():
    random = np.random.default_rng(3)
    hum, hiss = (np.sin(np.arange(5 * RATE) * 0.05), random.standard_normal(5 * RATE))
    clips = [(0.1 * x).astype(np.float32) for x in (hum, hiss, 0.0 * hum)]
    table = passage_similarity([passage_print(c, RATE) for c in clips], [passage_print(c, RATE) for c in clips])
    assert table[0, 1] < 0.2
    assert table[2].max() < 0.2
    assert passage_similarity([passage_print(clips[1], RATE)], [passage_print(tune(1), RATE)])[0, 0] < 0.5


def test_bad_clips_are_refused():
    refused("passages of 3 s", lambda: passage_print(tune(1, 2.0), RATE))
    refused("a clip and a reference", lambda: passage_similarity([], [passage_print(tune(1, 4.0), RATE)]))
