import numpy as np
import pytest

from audiodiff.signal.beats import beat_positions, steady_beats, track_beats, warm_up
from audiodiff.signal.librosa_functions import open_librosa

RATE = 16_000


def clicks(tempo: float, first: float, seconds: float = 8.0) -> np.ndarray:
    """Short bursts of noise on the beat, softer ones between the beats."""
    generator = np.random.default_rng(0)
    waveform = 0.001 * generator.standard_normal(round(seconds * RATE))
    for index, time in enumerate(np.arange(first, seconds - 0.1, 30.0 / tempo)):
        start = round(time * RATE)
        burst = generator.standard_normal(800) * np.exp(-np.arange(800) / 100)
        waveform[start : start + 800] += (0.3 if index % 2 == 0 else 0.1) * burst
    return waveform.astype(np.float32)


@pytest.mark.parametrize(("tempo", "first"), [(70.0, 0.3), (96.0, 0.0), (150.0, 0.11)])
def test_beats_are_found(tempo: float, first: float) -> None:
    found = np.array(track_beats(clicks(tempo, first), RATE, tempo))
    wanted = np.array(steady_beats(first, tempo, 7.5))
    distance = np.abs(wanted[:, None] - found[None]).min(axis=1)
    assert float((distance < 0.04).mean()) > 0.9
    assert abs(len(found) - len(wanted)) <= 2


def test_warming_up_goes_all_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    import librosa

    called, whole = [], librosa.beat.beat_track
    monkeypatch.setattr(librosa.beat, "beat_track", lambda **given: called.append(1) or whole(**given))
    open_librosa.cache_clear()
    warm_up()
    assert called
    called.clear()
    warm_up()
    assert not called


def test_a_beat_of_another_tempo_is_no_beat() -> None:
    assert track_beats(clicks(96.0, 0.0), RATE, 96.0)
    assert track_beats(clicks(96.0, 0.0), RATE, 110.0) == ()


def test_silence_and_shorter_than_a_few_beats_have_none() -> None:
    assert track_beats(np.zeros(8 * RATE, dtype=np.float32), RATE, 100.0) == ()
    assert track_beats(clicks(60.0, 0.0, seconds=2.0), RATE, 60.0) == ()


def test_positions_run_evenly_between_beats_and_on_beyond_them() -> None:
    beats = (1.0, 1.5, 2.5)
    times = np.array([0.0, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.5])
    np.testing.assert_allclose(beat_positions(beats, times), [-2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0], atol=1e-6)


@pytest.mark.parametrize("beats", [(), (1.0,)])
def test_one_beat_has_no_tempo(beats: tuple[float, ...]) -> None:
    assert np.isnan(beat_positions(beats, np.linspace(0.0, 1.0, 5))).all()


def test_steady_beats() -> None:
    assert steady_beats(0.25, 120.0, 1.8) == (0.25, 0.75, 1.25, 1.75)
    assert steady_beats(0.25, 120.0, 0.2) == ()
