"""Where the beats of a recording are, and how many have passed at any time."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiodiff.signal.librosa_functions import open_librosa

__all__ = ["beat_positions", "steady_beats", "track_beats", "warm_up"]

_HOP = 256
_RATE = 22_050
_NEAR = 0.08
"""Beats are steady enough if most of them are as far apart as the tempo says, give or take this share."""

_MOST = 0.75
_FEWEST = 4


def track_beats(waveform: NDArray[np.float32], sample_rate: int, tempo: float) -> tuple[float, ...]:
    """Times (s) of the beats of a recording whose tempo is known, none if they do not keep to it.

    The onsets by librosa, and the path through them that keeps to the tempo best (Ellis, "Beat tracking by dynamic
    programming", 2007).

    Args:
        waveform: mono, `[n_samples]`.
        sample_rate: Hz.
        tempo: beats per minute.

    Raises:
        AudiodiffError: librosa is not installed.
    """
    librosa = open_librosa()
    samples = librosa.resample(np.asarray(waveform, dtype=np.float32), orig_sr=sample_rate, target_sr=_RATE)
    if len(samples) < _FEWEST * _RATE * 60.0 / tempo:
        return ()
    strength = librosa.onset.onset_strength(y=samples, sr=_RATE, hop_length=_HOP)
    if not float(strength.max()) > 0.0:
        return ()
    _, found = librosa.beat.beat_track(
        onset_envelope=strength, sr=_RATE, hop_length=_HOP, bpm=tempo, trim=False, units="time"
    )
    beats = tuple(round(float(time), 4) for time in found)
    steps = np.diff(np.array(beats)) * tempo / 60.0
    steady = len(beats) >= _FEWEST and float((np.abs(steps - 1.0) <= _NEAR).mean()) >= _MOST
    return beats if steady else ()


def warm_up() -> None:
    """Let librosa compile what finding beats takes: some twenty seconds on a new machine, a few in any other process.

    Raises:
        AudiodiffError: librosa is not installed.
    """
    open_librosa()


def steady_beats(first: float, tempo: float, seconds: float) -> tuple[float, ...]:
    """Times (s) of beats at an unchanging tempo.

    Args:
        first: time of the first one (s).
        tempo: beats per minute.
        seconds: end of the last (s).
    """
    count = max(0, math.floor((seconds - first) * tempo / 60.0) + 1)
    return tuple(round(first + index * 60.0 / tempo, 4) for index in range(count))


def beat_positions(beats: Sequence[float], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """How many beats have passed since the first one, `[n]`, at `times [n]` (s); NaN if fewer than two are known.

    Between two beats time runs evenly; before the first and after the last it goes on as it did between the two that
    are nearest.
    """
    if len(beats) < 2:
        return np.full(len(times), np.nan, dtype=np.float32)
    known = np.asarray(beats, dtype=np.float64)
    place = np.clip(np.searchsorted(known, times, side="right") - 1, 0, len(known) - 2)
    within = (times - known[place]) / (known[place + 1] - known[place])
    return (place + within).astype(np.float32)
