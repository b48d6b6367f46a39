import numpy as np
import pytest
import torch

from audiodiff.signal.mel import preset
from demo.pictures import HEIGHT, WIDTH, PreviewBudget, mel_image, mel_pictures, sound_mel, sound_spectrum


def test_pictures_of_any_length_have_one_size() -> None:
    for n_frames in (1, 3, WIDTH, 5 * WIDTH):
        assert mel_image(torch.rand(80, n_frames)).size == (WIDTH, HEIGHT)


def test_low_notes_are_at_the_bottom_and_time_goes_right() -> None:
    log_mel = torch.full((80, 100), -10.0)
    log_mel[:20, :50] = 0.0
    pixels = np.asarray(mel_image(log_mel).convert("L"), dtype=float)
    halves = pixels[HEIGHT // 2 :, : WIDTH // 2], pixels[HEIGHT // 2 :, WIDTH // 2 :], pixels[: HEIGHT // 2]
    assert halves[0].mean() > halves[1].mean() + 20
    assert halves[0].mean() > halves[2].mean() + 20


def test_pictures_to_compare_share_the_colours_of_the_first() -> None:
    quiet, loud = torch.full((80, 50), -5.0), torch.full((80, 50), -5.0)
    quiet[0, 0], loud[0, 0] = -10.0, -10.0
    quiet[-1, -1] = 0.0
    loud[:] += 2.0
    first, second = (np.asarray(image.convert("L"), dtype=float) for image in mel_pictures([quiet, loud]))
    assert first.shape == second.shape == (HEIGHT, WIDTH)
    assert np.median(second) > np.median(first) + 10
    np.testing.assert_array_equal(first, np.asarray(mel_image(quiet).convert("L"), dtype=float))


def test_the_mel_of_a_sound_shows_its_pitch() -> None:
    time = np.arange(22050, dtype=np.float32) / 22050
    spec = preset("hifigan-22k")
    peaks = []
    for hertz in (200.0, 3000.0):
        wave = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        peaks.append(int(sound_mel(np.stack([wave, wave]), 22050, spec).mean(dim=-1).argmax()))
    assert peaks[0] < 10
    assert peaks[1] > 40


def test_the_picture_shows_as_much_as_the_rate_can_hold() -> None:
    wave = np.zeros((1, 44100), dtype=np.float32)
    assert sound_mel(wave, 44100).shape[0] == preset("bigvgan-44k").n_mels
    assert sound_mel(wave, 16000).shape[0] == preset("hifigan-22k").n_mels


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_spectrum_has_even_steps_up_to_half_the_rate(rate: int) -> None:
    time = np.arange(3 * rate, dtype=np.float32) / rate
    for share in (0.25, 0.75):
        wave = np.sin(np.pi * share * rate * time).astype(np.float32)
        spectrum = sound_spectrum(np.stack([wave, wave]), rate)
        assert float(spectrum.mean(dim=-1).argmax()) / (len(spectrum) - 1) == pytest.approx(share, abs=0.01)


def test_a_spectrum_has_the_level_of_the_sound_whatever_its_length() -> None:
    wave = np.random.default_rng(0).standard_normal((1, 20_000)).astype(np.float32)
    whole = sound_spectrum(wave, 16_000)
    assert abs(float(whole.exp().square().mean()) - 1.0) < 0.1  # noise of variance 1
    assert sound_spectrum(np.zeros((1, 1), np.float32), 16_000).shape[0] == len(whole)


@pytest.mark.parametrize("cost", [0.001, 0.05, 0.5, 3.0])
def test_previews_take_a_small_part_of_the_time(cost: float) -> None:
    now = 0.0
    budget = PreviewBudget(share=0.04, clock=lambda: now)
    spent = drawn = 0.0
    for step in range(1, 101):
        now += 0.3
        if budget.allows(step / 100):
            with budget.spending():
                now += cost
            spent += cost
            drawn += 1
    assert drawn >= 1
    assert spent <= max(cost, 0.04 * now)  # the first one tells what they cost
    if cost <= 0.05:
        assert drawn >= 20


def test_nothing_is_drawn_before_there_is_something_to_see() -> None:
    now = 100.0
    budget = PreviewBudget(clock=lambda: now)
    now += 100.0
    assert not budget.allows(0.1)
    assert budget.allows(0.2)
