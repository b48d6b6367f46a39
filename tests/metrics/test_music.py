import math

import numpy as np
import pytest

from audiodiff.metrics.music import (
    key,
    key_estimate,
    key_relation,
    signal_health,
    tempo,
    tempo_agrees,
    treble,
)
from tests.refusals import refused

RATE = 22_050


def clicks(bpm, seconds=10.0, sample_rate=RATE, pattern=(1.0, 0.3, 0.6, 0.3)):
    """A drum machine: bursts of noise on every half beat, loud and soft."""
    random = np.random.default_rng(0)
    waveform = np.zeros(round(seconds * sample_rate))
    burst = random.standard_normal(round(0.05 * sample_rate)) * np.exp(-np.arange(round(0.05 * sample_rate)) / 300)
    step = 30.0 / bpm
    for i in range(int(seconds / step)):
        at = round(i * step * sample_rate)
        part = waveform[at : at + len(burst)]
        part += pattern[i % len(pattern)] * burst[: len(part)]
    return (0.3 * waveform).astype(np.float32)


def chord(notes, seconds=1.0, sample_rate=RATE):
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    tones = [sum(np.sin(2 * np.pi * k * 440 * 2 ** ((n - 69) / 12) * t) / k for k in (1, 2, 3)) for n in notes]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def tone(frequency, seconds=2.0, amplitude=0.5, sample_rate=RATE):
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


@pytest.mark.parametrize("bpm", [60, 97, 128, 174])
@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
def test_the_tempo_of_a_drum_machine(bpm, sample_rate):
    found = tempo(clicks(bpm, sample_rate=sample_rate), sample_rate)
    assert tempo_agrees(found, bpm, tolerance=0.015)


def test_level_does_not_change_the_tempo():
    clip = clicks(97)
    assert tempo(0.02 * clip, RATE) == pytest.approx(tempo(clip, RATE), rel=0.01)


def test_a_clip_without_onsets_has_no_tempo():
    assert math.isnan(tempo(np.zeros(5 * RATE, np.float32), RATE))
    assert not tempo_agrees(math.nan, 120)


@pytest.mark.parametrize(
    ("estimate", "agrees"), [(120, True), (129, True), (131, False), (60, True), (250, True), (80, False), (40, False)]
)
def test_the_octave_of_a_tempo_does_not_matter(estimate, agrees):
    assert tempo_agrees(estimate, 120) is agrees


@pytest.mark.parametrize(
    ("chords", "name"),
    [
        (([60, 64, 67], [65, 69, 72], [67, 71, 74], [60, 64, 67]), "C major"),
        (([66, 69, 73], [71, 74, 78], [73, 77, 80], [66, 69, 73]), "F# minor"),
        (([63, 67, 70], [68, 72, 75], [70, 74, 77], [63, 67, 70]), "Eb major"),
    ],
)
def test_the_key_of_a_cadence(chords, name):
    assert key(np.concatenate([chord(notes) for notes in chords]), RATE) == name


def test_a_key_is_surer_of_a_cadence_than_of_noise():
    cadence = np.concatenate([chord(notes) for notes in ((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))])
    sure = key_estimate(cadence, RATE)
    assert sure.name == "C major"
    noise = key_estimate(np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32), RATE)
    assert sure.margin > 2.0 * noise.margin >= 0.0
    assert key_estimate(np.zeros(RATE, np.float32), RATE) == ("", 0.0)


def test_keys_and_their_relations():
    assert key(np.zeros(RATE, np.float32), RATE) == ""
    assert key_relation("C major", "C major") == "same"
    assert key_relation("A minor", "C major") == "relative"
    assert key_relation("Bb major", "G minor") == "relative"
    assert key_relation("C minor", "C major") == "parallel"
    assert key_relation("G major", "C major") == key_relation("F major", "C major") == "fifth"
    assert key_relation("C# minor", "Db minor") == "same"
    assert key_relation("A major", "C major") == "other"
    assert key_relation("C major", "A minor") == "relative"
    assert key_relation("", "C major") == key_relation("C major", "D dorian") == "other"


def test_health_of_a_sound_signal():
    health = signal_health(tone(1000.0), RATE)
    assert health.clipped == health.silent == 0.0
    assert health.dc == pytest.approx(0.0, abs=1e-4)
    assert health.peak_db == pytest.approx(-6.02, abs=0.01)
    assert health.bandwidth == pytest.approx(1000.0, abs=60.0)
    assert not health.is_silent
    assert not health.is_clipped


def test_illnesses_are_seen():
    clipped = signal_health(np.clip(4.0 * tone(100.0), -1.0, 1.0), RATE)
    assert clipped.is_clipped
    assert clipped.clipped > 0.5
    shifted = signal_health(tone(100.0, amplitude=0.2) + np.float32(0.25), RATE)
    assert shifted.dc == pytest.approx(0.25, abs=1e-3)
    half = np.concatenate([tone(440.0, 1.0), np.zeros(RATE, np.float32)])
    assert signal_health(half, RATE).silent == pytest.approx(0.5, abs=0.05)
    nothing = signal_health(np.zeros(RATE, np.float32), RATE)
    assert nothing.is_silent
    assert nothing.loudness == -math.inf
    assert nothing.bandwidth == 0.0
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert signal_health(noise, RATE).bandwidth > 10_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tempo(np.ones(RATE, np.float32), RATE), "3 s or more"),
        (lambda: signal_health(np.ones((2, 100), np.float32), RATE), "mono"),
        (lambda: key(np.array([math.nan] * 9000, np.float32), RATE), "NaN"),
    ],
)
def test_bad_clips_are_refused(call, message):
    refused(message, call)


def test_a_whistle_stands_out_and_the_edge_of_a_low_pass_does_not() -> None:
    time = np.arange(2 * 44_100) / 44_100
    noise = np.random.default_rng(0).standard_normal(len(time)) * 0.01
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(len(time), 1 / 44_100) > 19_300] = 0.0
    wall = np.fft.irfft(spectrum)
    plain = treble(wall.astype(np.float32), 44_100)
    assert plain is not None
    assert plain.line_db < 3.0
    assert plain.share_db == pytest.approx(10 * math.log10(3_300 / 19_300), abs=0.5)
    whistle = treble((wall + 0.02 * np.sin(2 * np.pi * 19_250 * time)).astype(np.float32), 44_100)
    assert whistle is not None
    assert whistle.line_db > 15.0
    assert whistle.line_hz == 19_200.0
    assert treble(wall.astype(np.float32), 32_000) is None
    assert treble(np.zeros(44_100, np.float32), 44_100) is None
