import io

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.resample import resample
from audiodiff.signal.watermark import mark_blocks, pattern
from audiodiff.signal.watermark_detector import (
    FALSE_ALARMS,
    _folded,
    best_place,
    false_alarms,
    find_watermark,
    fold_windows,
)
from audiodiff.synthesis.verbs.vocode import EXAMPLE

IDENTIFIER = 0x3F2A91C0


@pytest.fixture(scope="module")
def speech():
    audio = read_audio(EXAMPLE)
    return np.tile(audio.waveform, 3)[:, : 7 * audio.sample_rate], audio.sample_rate


@pytest.fixture(scope="module")
def marked(speech):
    sound, rate = speech
    return np.concatenate(list(mark_blocks([sound], rate, IDENTIFIER)), axis=1)


def encoded(sound, rate, **options):
    data = io.BytesIO()
    soundfile.write(data, sound.T, rate, **options)
    data.seek(0)
    found, rate = soundfile.read(data, dtype="float32", always_2d=True)
    return found.T, rate


def test_the_mark_is_found_and_read(speech, marked) -> None:
    sound, rate = speech
    found = find_watermark([marked], rate)
    assert found.found
    assert found.identifiers == (IDENTIFIER,)
    assert found.stretches[0][0] == 0.0
    plain = find_watermark([sound], rate)
    assert (plain.found, plain.identifiers, plain.stretches) == (False, (), ())
    other = find_watermark([marked], rate, pattern("somebody else's"))
    assert not other.found


def test_blocks_make_no_difference(marked, speech) -> None:
    rate = speech[1]
    whole = find_watermark([marked], rate)
    cut = find_watermark([marked[:, start : start + 5000] for start in range(0, marked.shape[1], 5000)], rate)
    assert cut.identifiers == whole.identifiers
    assert np.log(cut.false_alarms) == pytest.approx(np.log(whole.false_alarms), rel=1e-3)


@pytest.mark.parametrize("block", [16_000, 1_000_000])
def test_windows_are_short_however_long_the_blocks(block) -> None:
    sound = np.random.default_rng(0).standard_normal((1, 1_000_000)).astype(np.float32)
    blocks = [sound[:, start : start + block] for start in range(0, sound.shape[1], block)]
    assert len(list(fold_windows(blocks, 16_000))) == 10  # of 6.1 s each, in 62.5 s


def changed(name, sound, rate):
    """A marked sound after what may happen to it, and its rate."""
    if name == "mp3":
        return encoded(sound, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=0.6)
    if name == "vorbis":
        return encoded(sound, rate, format="OGG", subtype="VORBIS", compression_level=0.6)
    if name == "16 kHz":
        return resample(torch.from_numpy(sound), rate, 16000).numpy(), 16000
    if name == "quieter":
        return sound * 0.5, rate
    if name == "cut":
        return sound[:, round(1.234 * rate) :], rate
    if name == "opposite channels":
        return np.concatenate([sound, -sound]), rate
    noise = np.random.default_rng(0).standard_normal(sound.shape).astype(np.float32)
    return sound + noise * sound.std() / 10, rate


@pytest.mark.parametrize("name", ["mp3", "vorbis", "16 kHz", "quieter", "cut", "opposite channels", "noise"])
def test_the_mark_outlives(name, marked, speech) -> None:
    sound, rate = changed(name, marked, speech[1])
    found = find_watermark([sound], rate)
    assert found.found, found
    assert found.identifiers in ((IDENTIFIER,), ())


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_over_most_bands_does_not_hide_the_mark(seed) -> None:
    """A dark sound: noise of 20 dB SNR is louder than it in most of the bands."""
    rate, generator = 22050, np.random.default_rng(seed)
    times = np.arange(6 * rate) / rate
    spectrum = np.fft.rfft(generator.standard_normal(len(times)))
    dark = np.fft.irfft(spectrum / (1.0 + (np.fft.rfftfreq(len(times), 1 / rate) / 300.0) ** 3), len(times))
    dark *= 1.0 + 0.8 * np.sin(np.pi * times)
    sound = (0.1 * dark / dark.std()).astype(np.float32)[None]
    marked = np.concatenate(list(mark_blocks([sound], rate, IDENTIFIER)), axis=1)
    noise = generator.standard_normal(marked.shape).astype(np.float32) * marked.std() / 10
    assert find_watermark([marked + noise], rate).false_alarms < 1e-7
    assert not find_watermark([sound + noise], rate).found


def test_a_sound_of_one_level_keeps_the_mark() -> None:
    sound = np.random.default_rng(0).standard_normal((1, 6 * 22050)).astype(np.float32) * 0.1
    marked = np.concatenate(list(mark_blocks([sound], 22050, IDENTIFIER)), axis=1)
    assert find_watermark([marked], 22050).identifiers == (IDENTIFIER,)


def test_a_marked_stretch_is_placed(speech) -> None:
    sound, rate = np.tile(speech[0], 3), speech[1]
    stretch = (13 * rate, 19 * rate)
    found = find_watermark([np.concatenate(list(mark_blocks([sound], rate, IDENTIFIER, [stretch])), axis=1)], rate)
    assert found.found
    assert found.identifiers == (IDENTIFIER,)
    ((start, stop),) = found.stretches
    assert 6.0 < start <= 13.0
    assert 18.0 < stop < 25.0


def test_the_threshold_is_that_of_the_null_distribution() -> None:
    """Scores of other patterns, which are in no sound, are as often large as is said."""
    levels = np.abs(np.random.default_rng(0).standard_normal((400, 58))) + 0.1
    folded = _folded(levels)
    chances = np.array([false_alarms(best_place(folded, pattern(str(name)))[0]) for name in range(400)])
    assert 0.01 < (chances < 0.1).mean() < 0.13
    assert (chances < FALSE_ALARMS).sum() == 0


@pytest.mark.parametrize("n_samples", [1, 400, 3000])
def test_silence_and_very_short_sounds_have_none(n_samples) -> None:
    for sound in (np.zeros((1, n_samples), np.float32), np.ones((2, n_samples), np.float32) * 0.1):
        assert not find_watermark([sound], 22050).found
    assert not find_watermark([], 22050).found
    assert not find_watermark([np.zeros((1, 300_000), np.float32)], 22050).found
