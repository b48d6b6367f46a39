"""Cutting a track into clips at beats, and the frequency at which a lossy file ends."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audiodiff.signal.librosa_functions import open_librosa

FloatArray = npt.NDArray[np.float32]

_RATE = 22_050
_HOP = 512
_QUIET = 1e-3
"""Below this peak (-60 dB) the ends of a track are silence."""

_SURE = 0.4
"""From this confidence on a track has a tempo: clips are cut at bars of four beats."""


@dataclass(frozen=True)
class Pulse:
    """Beats of a track.

    Attributes:
        tempo: beats per minute; NaN if there is none.
        confidence: 0 to 1: how far the onsets repeat from beat to beat, times the share of steady beats.
        beats: their times (s); none if there are none.
        onsets: times (s) of onsets.
    """

    tempo: float
    confidence: float
    beats: npt.NDArray[np.float64]
    onsets: npt.NDArray[np.float64]

    @property
    def is_sure(self) -> bool:
        """Whether to trust the tempo."""
        return self.confidence >= _SURE


def find_pulse(mono: FloatArray, sample_rate: int) -> Pulse:
    """Find tempo, beats and onsets of `mono [n_samples]` by librosa.

    Raises:
        AudiodiffError: librosa is not installed.
    """
    librosa = open_librosa()
    samples = librosa.resample(mono, orig_sr=sample_rate, target_sr=_RATE, res_type="soxr_lq")
    strength = librosa.onset.onset_strength(y=samples, sr=_RATE, hop_length=_HOP)
    nothing = np.zeros(0)
    if len(strength) < 8 or not float(strength.max()) > 0.0:
        return Pulse(math.nan, 0.0, nothing, nothing)
    onsets = librosa.onset.onset_detect(
        onset_envelope=strength, sr=_RATE, hop_length=_HOP, units="time", backtrack=True
    )
    _, beats = librosa.beat.beat_track(onset_envelope=strength, sr=_RATE, hop_length=_HOP, trim=False, units="time")
    if len(beats) < 8:
        return Pulse(math.nan, 0.0, nothing, np.asarray(onsets))
    steps = np.diff(beats)
    period = float(np.median(steps))
    steady = float((np.abs(steps / period - 1.0) <= 0.08).mean())
    # A mean over the steady ones is finer than the frames that beats lie on.
    period = float(steps[np.abs(steps / period - 1.0) <= 0.08].mean())
    return Pulse(60.0 / period, round(steady * _repeats(strength, period * _RATE / _HOP), 3), beats, np.asarray(onsets))


def _repeats(strength: npt.NDArray[np.float32], period: float) -> float:
    """Autocorrelation of the onsets at one, two or four beats, the highest, 0 to 1."""
    centred = strength - strength.mean()
    power = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    lagged = np.fft.irfft(power)[: len(centred)] / (len(centred) - np.arange(len(centred)))
    lags = [period * beats for beats in (1.0, 2.0, 4.0) if period * beats < 0.7 * len(centred)]
    found = [float(np.interp(lag, np.arange(len(lagged)), lagged)) for lag in lags]
    return min(1.0, max(0.0, max(found, default=0.0) / float(lagged[0])))


def boundaries(mono: FloatArray, sample_rate: int, pulse: Pulse, seconds: float) -> list[int]:
    """Where to cut a track: samples, first and last included; clips last about `seconds`.

    Silence at both ends is cut off. The rest is divided evenly; each cut moves to the next bar, where the track has a
    sure tempo, to the next onset otherwise, and without onsets to the quietest moment nearby.
    """
    heard = np.flatnonzero(np.abs(mono) > _QUIET)
    if not len(heard):
        return []
    first, last = int(heard[0]), int(heard[-1]) + 1
    count = max(1, round((last - first) / sample_rate / seconds))
    places = pulse.beats[::4] if pulse.is_sure else pulse.onsets
    cuts = [first]
    for index in range(1, count):
        ideal = first + (last - first) * index / count
        near = places[np.abs(places * sample_rate - ideal) < 0.2 * seconds * sample_rate]
        if len(near):
            cut = round(float(near[np.abs(near * sample_rate - ideal).argmin()]) * sample_rate)
        else:
            cut = _quietest(mono, round(ideal), sample_rate)
        if cut > cuts[-1]:
            cuts.append(cut)
    return [*cuts, last]


def _quietest(mono: FloatArray, place: int, sample_rate: int) -> int:
    """The sample within 2 s of a place around which 50 ms are quietest."""
    start, size = max(0, place - 2 * sample_rate), sample_rate // 20
    energy = np.square(mono[start : place + 2 * sample_rate], dtype=np.float64)
    count = len(energy) // size
    return start + (int(energy[: count * size].reshape(count, size).sum(axis=1).argmin()) * size + size // 2)


_FFT = 4096
_FLOOR_DB = -128.0
"""Least level of a bin that tells anything: 16 bits resolve no less."""

_WALL_DB = 15.0


def band_limit(mono: FloatArray, sample_rate: int) -> float:
    """Frequency (Hz) above which an encoder has cut `mono [n_samples]` off; NaN where the spectrum fades out.

    A wall is a fall of the long-term spectrum by 15 dB or more within some 400 Hz, with nothing above it as loud as
    before it.
    """
    starts = np.arange(0, max(1, len(mono) - _FFT), max(_FFT, len(mono) // 1500))
    window = np.hanning(_FFT).astype(np.float32)
    power = np.zeros(_FFT // 2 + 1)
    for part in np.array_split(starts, max(1, len(starts) // 256)):
        frames = np.stack([np.pad(mono[start : start + _FFT], (0, max(0, start + _FFT - len(mono)))) for start in part])
        power += np.square(np.abs(np.fft.rfft(frames * window, axis=1))).sum(axis=0)
    level = 10.0 * np.log10(np.maximum(power / (len(starts) * (_FFT / 4) ** 2), 10.0 ** (_FLOOR_DB / 10.0)))
    bin_hz = sample_rate / _FFT
    width, gap = max(1, round(400.0 / bin_hz)), max(1, round(150.0 / bin_hz))
    best, place = 0.0, -1
    for edge in range(round(4000.0 / bin_hz), len(level) - gap - 2):
        below = float(np.median(level[edge - gap - width : edge - gap]))
        above = float(level[edge + gap :].max())
        if below - above > best:
            best, place = below - above, edge
    if best < _WALL_DB:
        return math.nan
    # Where it has fallen by 6 dB: the last bin as loud as that.
    below = float(np.median(level[place - gap - width : place - gap]))
    inside = np.flatnonzero(level[: place + gap] >= below - 6.0)
    return float(inside[-1]) * bin_hz


def resampled(waveform: FloatArray, sample_rate: int, wanted: int) -> FloatArray:
    """Bring `[channels, n_samples]` to another rate (Hz).

    Raises:
        AudiodiffError: librosa is not installed.
    """
    if sample_rate == wanted:
        return waveform
    changed: FloatArray = open_librosa().resample(waveform, orig_sr=sample_rate, target_sr=wanted, res_type="soxr_vhq")
    return changed
