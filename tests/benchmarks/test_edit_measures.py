from dataclasses import replace

import numpy as np
import pytest
import torch

from audiodiff.signal.mel import preset
from audiodiff.synthesis.loop import seam_score
from benchmarks.edit_measures import (
    Abruptness,
    AbruptnessSample,
    abruptness,
    beat_scores,
    jumps,
    pasted,
    rank_correlation,
    rises,
    shifts,
)

SPEC = replace(preset("hifigan-22k"), n_mels=40)
RATE = SPEC.sample_rate
HOP = SPEC.hop_length


def tone(seconds: float, pitch: float | np.ndarray, seed: int = 0) -> np.ndarray:
    """A tone with a little noise, so that frames differ as they do in a recording."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * noise).astype(np.float32)


def test_an_even_sound_has_no_place_that_stands_out() -> None:
    clip = tone(2.0, 440.0)
    found = [abruptness(clip, SPEC, (at, at + 1100)) for at in range(RATE // 2, 3 * RATE // 2, 3000)]
    assert np.median([each.jump for each in found]) < 1.0
    assert max(each.jump for each in found) < 1.5


@pytest.mark.parametrize("at", [RATE, RATE + 100, RATE + HOP // 2, RATE + HOP - 1])
def test_a_cut_stands_out_wherever_it_is_and_nowhere_else(at: int) -> None:
    clip = np.concatenate([tone(2.0, 440.0)[:at], tone(2.0, 1500.0, 1)[at:]])
    reference = tone(2.0, 440.0)
    there = abruptness(clip, SPEC, (at, at), reference)
    assert there.jump > 2.0
    assert there.shift > 5.0
    beside = abruptness(clip, SPEC, (at + 8 * HOP, at + 8 * HOP), reference)
    assert beside.jump < 1.5


def test_a_click_is_a_jump_and_no_shift() -> None:
    clip = tone(2.0, 440.0)
    clip[RATE + 300] = 1.0
    found = abruptness(clip, SPEC, (RATE, RATE + 600), tone(2.0, 440.0))
    assert found.jump > 1.5
    assert found.shift < 0.5 * found.jump


def test_a_change_within_the_place_is_found_and_one_after_it_is_not() -> None:
    clip = np.concatenate([tone(1.5, 440.0), tone(0.5, 1500.0)])
    change, reference = round(1.5 * RATE), tone(2.0, 440.0)
    assert abruptness(clip, SPEC, (change - 1100, change), reference).jump > 2.0
    assert abruptness(clip, SPEC, (change - 4000, change - 2900), reference).jump < 1.5


def test_what_is_usual_in_a_lively_clip_is_not_abrupt() -> None:
    parts = [tone(0.2, pitch, k) for k, pitch in enumerate([300.0, 900.0, 450.0, 1500.0] * 4)]
    lively = np.concatenate(parts)
    at = 8 * len(parts[0])
    assert abruptness(lively, SPEC, (at, at)).jump < 1.3
    assert abruptness(lively, SPEC, (at, at), tone(3.0, 300.0)).jump > 2.0


def test_a_seam_is_scored_as_that_of_a_loop() -> None:
    clip = tone(2.0, np.linspace(440.0, 1000.0, 2 * RATE))
    clip = clip[: 172 * HOP]  # so that both measure the same frames
    loop = seam_score(torch.from_numpy(clip), SPEC)
    twice = np.concatenate([clip, clip])
    found = abruptness(twice, SPEC, (len(clip), len(clip)), clip)
    assert found.jump == pytest.approx(loop.ratio, rel=0.05)


def test_every_beat_but_the_first_is_scored_as_a_seam() -> None:
    # four beats at 120 a minute, one pitch each, the second like the first
    loop = np.concatenate([tone(0.5, pitch, k) for k, pitch in enumerate((330.0, 330.0, 880.0, 1500.0))])
    second, third, fourth = beat_scores(loop, SPEC, 119.0)
    assert second < 0.5 * min(third, fourth)
    turned = np.roll(loop, -len(loop) // 2)
    assert third == pytest.approx(seam_score(torch.from_numpy(turned), SPEC).ratio)
    assert beat_scores(loop, SPEC, None) == []


def test_jumps_and_shifts_are_where_the_sound_changes() -> None:
    mel = torch.zeros(4, 20)
    mel[:, 12:] = 2.0
    assert jumps(mel).nonzero().flatten().tolist() == [11]
    assert int(shifts(mel, 3).argmax()) == 9
    assert float(shifts(mel, 3)[9]) == 2.0


def test_curves_rise_or_do_not() -> None:
    assert rises([0.0, 1.0, 1.0, 3.0])
    assert not rises([0.0, 1.0, 0.9, 3.0])
    assert rises([0.0, 1.0, 0.95, 3.0], tolerance=0.02)
    assert not rises([0.0, 1.0, 0.9, 3.0], tolerance=0.02)
    assert rank_correlation([1.0, 2.0, 5.0]) == pytest.approx(1.0)
    assert rank_correlation([5.0, 2.0, 1.0]) == pytest.approx(-1.0)


def test_places_are_summed_up() -> None:
    places = AbruptnessSample("x", tuple(Abruptness(jump, 2.0) for jump in (0.5, 1.0, 1.2, 4.0)))
    assert places.median("jump") == pytest.approx(1.1)
    assert places.share("jump") == 0.5
    assert places.share("jump", 1.25) == 0.75
    assert places.share("shift") == 0.0


def test_the_control_is_another_clip_in_the_region_and_nowhere_else() -> None:
    clip, other = np.zeros(10, np.float32), np.arange(1.0, 5.0, dtype=np.float32)
    assert pasted(clip, other, 2, 6).tolist() == [0, 0, 3, 4, 1, 2, 0, 0, 0, 0]
    assert not clip.any()
