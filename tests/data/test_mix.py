from dataclasses import replace

import numpy as np
import pytest

from audiodiff.composer.compose import compose
from audiodiff.data.mix import Mix, draw_mix, mix

RATE = 16_000
PLAIN = Mix(1, 0.5, 0.01, -200.0, 0.0, 0.0, 1000.0, 0.0, 100.0, 2.0, 0.01, 0.1)
"""Settings that change nothing."""


def noise(seconds: float = 1.0) -> np.ndarray:
    mono = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return np.stack((mono, 0.7 * mono)).astype(np.float32) * 0.1


def level(waveform: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64))))


def tone(hertz: float) -> np.ndarray:
    return np.tile(np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE), (2, 1)).astype(np.float32) * 0.1


def test_settings_that_do_nothing() -> None:
    assert np.allclose(mix(noise(), RATE, PLAIN), noise(), atol=1e-5)


@pytest.mark.parametrize(("setting", "hertz"), [("low_db", 50.0), ("mid_db", 1000.0), ("high_db", 7900.0)])
def test_equaliser(setting: str, hertz: float) -> None:
    settings = replace(PLAIN, **{setting: -6.0})
    assert level(mix(tone(hertz), RATE, settings)) - level(tone(hertz)) < -3.0
    other = 7900.0 if setting == "low_db" else 60.0
    assert level(mix(tone(other), RATE, settings)) - level(tone(other)) == pytest.approx(0.0, abs=1.5)


def test_the_room_answers_later_dies_away_and_is_wide() -> None:
    click = np.zeros((2, 2 * RATE), np.float32)
    click[:, 100] = 1.0
    answer = mix(click, RATE, replace(PLAIN, wet_db=-6.0, decay_seconds=1.0))[:, 101:]
    assert level(answer[:, :140]) < -60.0
    assert level(answer[:, 200:2000]) - level(answer[:, 12_000:14_000]) > 20.0
    assert abs(np.corrcoef(answer[:, 200:8000])[0, 1]) < 0.2


def test_the_compressor_evens_out() -> None:
    loud_and_soft = noise(2.0)
    loud_and_soft[:, :RATE] *= 10.0
    settled = slice(RATE // 2, RATE), slice(3 * RATE // 2, 2 * RATE)

    def contrast(waveform: np.ndarray) -> float:
        loud, soft = (level(waveform[:, part]) for part in settled)
        return loud - soft

    squeezed = mix(loud_and_soft, RATE, replace(PLAIN, threshold_db=-10.0, ratio=2.0))
    assert 10.0 < contrast(squeezed) < contrast(loud_and_soft) - 4.0


def test_opposite_channels_do_not_vanish_in_mono() -> None:
    wide = noise()
    wide[1] = -0.8 * wide[0]
    mixed = mix(wide, RATE, PLAIN)
    assert level(mixed.mean(axis=0)) - level((mixed[0] - mixed[1]) / 2) == pytest.approx(6.0, abs=0.1)


def test_long_music_is_mixed_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(PLAIN, wet_db=-6.0, low_db=4.0, high_db=-4.0)
    whole = mix(noise(2.0), RATE, settings)
    monkeypatch.setattr("audiodiff.data.mix._BLOCK", 5000)
    assert np.allclose(mix(noise(2.0), RATE, settings), whole, atol=2e-5)


def test_silence_stays_silent() -> None:
    assert not mix(np.zeros((2, RATE), np.float32), RATE, replace(PLAIN, wet_db=-6.0)).any()


def test_settings_are_a_function_of_the_clip() -> None:
    first, second = (draw_mix(compose(0, index, 4.0)) for index in (1, 2))
    assert first == draw_mix(compose(0, 1, 4.0))
    assert first != second
    assert first != draw_mix(compose(1, 1, 4.0))
    assert np.array_equal(mix(noise(), RATE, first), mix(noise(), RATE, first))
