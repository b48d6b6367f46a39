"""A clip brought to another tempo."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.cli.main import main
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.music import tempo
from audiodiff.synthesis.files import apply, run_file
from audiodiff.synthesis.load import no_model
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import MAX_SECONDS
from audiodiff.synthesis.verbs.stretch import StretchSettings, stretched

RATE = 16_000


def clicks(bpm: float, seconds: float = 8.0) -> np.ndarray:
    """A beat of short bursts on a quiet tone of 440 Hz."""
    time = np.arange(round(seconds * RATE)) / RATE
    bursts = np.exp(-60.0 * (time % (60.0 / bpm))) * np.random.default_rng(0).normal(0.0, 0.2, time.size)
    return (bursts + 0.1 * np.sin(2.0 * np.pi * 440.0 * time)).astype(np.float32)


@pytest.mark.parametrize("speed", [0.25, 0.8, 1.0, 1.25, 4.0])
def test_length_tempo_and_pitch(speed: float) -> None:
    before = clicks(100.0)
    after = stretched(before[None], RATE, speed)[0]
    assert after.shape == (round(before.size / speed),)
    assert after.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(after))
    assert np.fft.rfftfreq(after.size, 1.0 / RATE)[spectrum.argmax()] == pytest.approx(440.0, abs=0.6)
    if 0.5 < speed < 2.0:
        assert tempo(after, RATE) == pytest.approx(100.0 * speed, rel=0.02)
    if speed == 1.0:
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_a_tone_keeps_its_level_and_channels_their_place() -> None:
    tone = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(4 * RATE) / RATE)
    after = stretched(np.stack([tone, -0.5 * tone]).astype(np.float32), RATE, 0.7)
    np.testing.assert_allclose(after[1], -0.5 * after[0], atol=1e-4)
    inner = after[0, RATE:-RATE]
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(0.5 / np.sqrt(2.0), rel=0.02)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        (StretchSettings(tempo=120.0, from_tempo=100.0), 8.0 / 1.2),
        (StretchSettings(factor=0.5), 16.0),
        (StretchSettings(tempo=125.0), 8.0 / 1.25),  # the estimate
        (StretchSettings(tempo=240.0), 8.0 / 1.2),  # the octave that needs the least stretching
    ],
)
def test_the_speed_is_that_of_the_tempos(settings: StretchSettings, seconds: float) -> None:
    made = apply("stretch", no_model(), [(clicks(100.0), RATE)], settings)
    assert made.waveform.size / made.sample_rate == pytest.approx(seconds, rel=0.01)


def test_a_file_tells_its_tempos_and_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, first, second = tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "c.wav"
    soundfile.write(source, clicks(100.0), RATE)
    report = run_file("stretch", no_model(), [source], first, StretchSettings(tempo=90.0, from_tempo=99.0))
    assert report.record is not None
    assert report.record.settings == {"tempo": 90.0, "from_tempo": 99.0, "factor": None}
    assert report.record.made_by == "made from a recording, without a model"
    assert replay(first, tmp_path / "again.wav").identical
    assert main(["stretch", str(first), "-o", str(second), "--tempo", "180"]) == 0
    told = capsys.readouterr()
    assert "the tempo of b.wav is 90 bpm" in told.err
    assert "c.wav: 4.40 s at 16000 Hz, from 90 to 180 bpm, 2 times as fast" in told.out


def test_peaks_beyond_full_scale_are_avoided() -> None:
    loud = np.clip(5.0 * clicks(100.0, 2.0), -1.0, 1.0)
    made = apply("stretch", no_model(), [(loud, RATE)], StretchSettings(factor=0.9))
    assert np.abs(made.waveform).max() <= 1.0 + 1e-6
    assert made.notes == ("it was made softer, since its peaks would be beyond full scale",)


@pytest.mark.parametrize(
    ("values", "waveform", "message"),
    [
        ({}, clicks(100.0), "nothing says how fast"),
        ({"tempo": 5.0}, clicks(100.0), "tempo is 5.0"),
        ({"tempo": 100.0, "from_tempo": float("nan")}, clicks(100.0), "from_tempo is nan"),
        ({"factor": 0.2}, clicks(100.0), "factor is 0.2; it must be a number from 0.25 to 4"),
        ({"factor": 2.0, "tempo": 90.0}, clicks(100.0), "leave the tempos out"),
        ({"tempo": 300.0, "from_tempo": 60.0}, clicks(100.0), "5 times as fast"),
        ({"tempo": 90.0}, np.zeros(4 * RATE, np.float32), "silence"),
        ({"tempo": 90.0}, clicks(100.0, 1.0), "a tempo needs 3 s"),
        ({"factor": 0.25}, np.zeros(round(0.3 * MAX_SECONDS * 1000), np.float32), "would last 720 s"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(values: dict[str, float], waveform: np.ndarray, message: str) -> None:
    rate = 1000 if "last" in message else RATE
    with pytest.raises(AudiodiffError, match=message):
        apply("stretch", no_model(), [(waveform, rate)], StretchSettings(**values))
