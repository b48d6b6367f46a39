"""Tempo, key and signal health of music, in torch and numpy alone.

Waveforms are mono `[n_samples]` at any sample rate. Tempo and key are estimates: print what the same estimator gets
right on recordings of known tempo and key next to what it gets right on generated clips.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.composer.theory import KEY_PROFILES
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, checked, resampled
from audiodiff.signal.levels import count_clipped, decibel
from audiodiff.signal.mel import MelSpec, log_mel, magnitude
from audiodiff.signal.meters import loudness
from audiodiff.text.keys import PITCHES, key_name

_RATE = 22_050
_MEL = MelSpec(sample_rate=_RATE, n_fft=1024, hop_length=256, win_length=1024, n_mels=80, f_max=_RATE / 2, floor=2.5e-3)
_FRAMES_PER_SECOND = _RATE / 256
_REFERENCE_LUFS = -23.0
_TREBLE, _LINE_WIDTH = 16_000.0, 200.0

TEMPO_RANGE = (45.0, 220.0)
"""Beats per minute that are considered; anything else comes out doubled or halved."""

_BEATS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_WEIGHTS = (0.5, 1.0, 1.0, 1.0, 1.0, 0.5)


def onset_strength(waveform: FloatArray, sample_rate: int) -> npt.NDArray[np.float64]:
    """How much the mel bands rise over 35 ms, `[n_frames]` at 86.13 frames per second, above its surroundings.

    Raises:
        AudiodiffError: bad array.
    """
    samples = torch.from_numpy(resampled(checked(waveform, sample_rate), sample_rate, _RATE).copy())
    # The floor of the log is a level, so the clip needs a known one.
    found = loudness(samples, _RATE)
    if math.isfinite(found):
        samples = samples * 10.0 ** ((_REFERENCE_LUFS - found) / 20.0)
    samples = torch.nn.functional.pad(samples, (0, max(0, 8 * 256 - samples.numel())))
    mel = log_mel(samples, _MEL).double().numpy()
    rise = np.maximum(mel[:, 3:] - mel[:, :-3], 0.0).mean(axis=0)
    size = min(51, 2 * len(rise) - 1)  # 0.6 s
    near = np.convolve(np.pad(rise, size // 2, mode="reflect"), np.full(size, 1.0 / size), mode="valid")
    strength: npt.NDArray[np.float64] = np.maximum(rise - near, 0.0)
    return strength


def tempo(waveform: FloatArray, sample_rate: int) -> float:
    """Estimate the tempo in beats per minute, NaN for a clip without onsets; its octave is a guess.

    The tempo whose beat, divided and multiplied by powers of two, fits the onsets best: the sum of their
    autocorrelation at a quarter, half, one, two, four and eight beats, with a mild preference for 110 bpm.

    Raises:
        AudiodiffError: bad array, or a clip under 3 s.
    """
    if len(waveform) < 3 * sample_rate:
        raise AudiodiffError(f"the clip lasts {len(waveform) / sample_rate:.2f} s; a tempo needs 3 s or more.")
    onsets = onset_strength(waveform, sample_rate)
    onsets = onsets - onsets.mean()
    n_frames = len(onsets)
    power = np.abs(np.fft.rfft(onsets, 2 * n_frames)) ** 2
    lagged = np.fft.irfft(power)[:n_frames] / (n_frames - np.arange(n_frames))
    if lagged[0] <= 1e-12:
        return math.nan
    candidates = np.geomspace(*TEMPO_RANGE, 600)
    period = 60.0 * _FRAMES_PER_SECOND / candidates
    score = np.zeros(len(candidates))
    for beats, weight in zip(_BEATS, _WEIGHTS, strict=True):
        lag = period * beats
        # Shorter lags only see one onset's own width, longer ones too little of the clip.
        usable = (lag > 4.0) & (lag < 0.7 * n_frames)
        score += np.where(usable, weight * np.interp(lag, np.arange(n_frames), lagged), 0.0)
    score *= np.exp(-0.5 * np.log2(candidates / 110.0) ** 2)
    return float(candidates[score.argmax()])


def tempo_agrees(estimate: float, asked: float, tolerance: float = 0.08) -> bool:
    """Whether an estimate is within a share of the asked tempo, of its double or of its half; NaN never is."""
    return any(abs(estimate * factor / asked - 1.0) <= tolerance for factor in (1.0, 2.0, 0.5))


_CHROMA = MelSpec(
    sample_rate=_RATE, n_fft=8192, hop_length=2048, win_length=8192, centring="center", padding="constant"
)


def chroma(waveform: FloatArray, sample_rate: int) -> npt.NDArray[np.float64]:
    """Share of each pitch class C to B in the spectral peaks from 65 Hz to 1 kHz, `[12]`; zeros for silence.

    Raises:
        AudiodiffError: bad array.
    """
    samples = torch.from_numpy(resampled(checked(waveform, sample_rate), sample_rate, _RATE).copy())
    spectrum = magnitude(samples, _CHROMA).double().numpy()
    frequency = np.arange(spectrum.shape[0]) * (_RATE / _CHROMA.n_fft)
    peaks = np.zeros_like(spectrum)
    inner = spectrum[1:-1]
    peaks[1:-1] = np.where((inner >= spectrum[:-2]) & (inner >= spectrum[2:]), inner, 0.0)
    used = (frequency > 65.0) & (frequency < 1000.0)
    note = 69.0 + 12.0 * np.log2(frequency[used] / 440.0)
    nearest = np.round(note)
    weight = np.exp(-0.5 * ((note - nearest) / 0.25) ** 2)
    amount = weight * peaks[used].mean(axis=1)
    amounts = np.bincount(nearest.astype(np.int64) % 12, weights=amount, minlength=12).astype(np.float64)
    total = float(amounts.sum())
    return amounts / total if total > 0.0 else amounts


class KeyEstimate(NamedTuple):
    """A key such as "F# minor", "" for silence, and how much better than the next one it fits (correlation)."""

    name: str
    margin: float


def key_estimate(waveform: FloatArray, sample_rate: int) -> KeyEstimate:
    """Estimate the key: the profile (`KEY_PROFILES`) that correlates best with the chroma.

    On 162 training clips of known key these profiles found 109 keys (137 scales); the probe tone profiles of Krumhansl
    and Kessler (1982) on the same chroma 101 (118).

    Raises:
        AudiodiffError: bad array.
    """
    shares = chroma(waveform, sample_rate)
    if shares.std() <= 1e-12:
        return KeyEstimate("", 0.0)
    fits = sorted(
        (float(np.corrcoef(shares, np.roll(profile, tonic))[0, 1]), f"{PITCHES[tonic]} {mode}")
        for mode, profile in KEY_PROFILES.items()
        for tonic in range(12)
    )
    return KeyEstimate(fits[-1][1], fits[-1][0] - fits[-2][0])


def key(waveform: FloatArray, sample_rate: int) -> str:
    """Estimate the key, such as "F# minor", "" for silence; see `key_estimate`.

    Raises:
        AudiodiffError: bad array.
    """
    return key_estimate(waveform, sample_rate).name


def key_relation(estimate: str, asked: str) -> str:
    """How two keys relate: "same", "relative" (the same scale), "fifth" (a neighbour), "parallel" or "other"."""
    first, second = _parsed_key(estimate), _parsed_key(asked)
    if first is None or second is None:
        return "other"
    (tonic, mode), (asked_tonic, asked_mode) = first, second
    step = (tonic - asked_tonic) % 12
    if mode == asked_mode:
        return "same" if step == 0 else "fifth" if step in (5, 7) else "other"
    relative = 9 if asked_mode == "major" else 3
    return "relative" if step == relative else "parallel" if step == 0 else "other"


def _parsed_key(name: str) -> tuple[int, str] | None:
    tonic, _, mode = key_name(name).partition(" ")
    return (PITCHES.index(tonic), mode) if tonic else None


@dataclass(frozen=True)
class Health:
    """State of a signal.

    Attributes:
        clipped: share of samples at full scale in runs of two or more.
        silent: share of 50 ms blocks below -60 dBFS.
        dc: mean of the samples.
        peak_db: dBFS.
        loudness: LUFS; minus infinity for silence.
        bandwidth: highest frequency (Hz) whose mean level lies within 60 dB of the loudest; 0 for silence.
    """

    clipped: float
    silent: float
    dc: float
    peak_db: float
    loudness: float
    bandwidth: float

    @property
    def is_silent(self) -> bool:
        """Whether nine tenths of the clip are silence."""
        return self.silent >= 0.9

    @property
    def is_clipped(self) -> bool:
        """Whether more than one sample in a thousand is clipped."""
        return self.clipped > 1e-3


def signal_health(waveform: FloatArray, sample_rate: int) -> Health:
    """Measure a waveform `[n_samples]`.

    Raises:
        AudiodiffError: bad array.
    """
    array = checked(waveform, sample_rate)
    samples = torch.from_numpy(array.copy())
    size = max(1, round(0.05 * sample_rate))
    blocks = np.array_split(array.astype(np.float64), max(1, array.size // size))
    levels = np.array([np.sqrt(np.mean(block**2)) for block in blocks])
    return Health(
        clipped=count_clipped(samples, run=2) / array.size,
        silent=float((levels < 1e-3).mean()),
        dc=float(array.mean(dtype=np.float64)),
        peak_db=decibel(float(np.abs(array).max())),
        loudness=loudness(samples, sample_rate),
        bandwidth=_bandwidth(samples, sample_rate),
    )


def _bandwidth(samples: torch.Tensor, sample_rate: int) -> float:
    spec = MelSpec(sample_rate=sample_rate, n_fft=2048, hop_length=1024, win_length=2048, f_max=sample_rate / 2)
    padded = torch.nn.functional.pad(samples, (0, max(0, 2048 - samples.numel())))
    power = magnitude(padded, spec).double().square()
    # The first and last frames see the edges of the clip, which are as wide as a click.
    power = power[:, 2:-2].mean(dim=1) if power.shape[1] > 6 else power.mean(dim=1)
    loudest = float(power.max())
    if loudest <= 0.0:
        return 0.0
    heard = torch.nonzero(power >= loudest * 1e-6)
    return float(heard.max()) * sample_rate / 2048


@dataclass(frozen=True)
class Treble:
    """The highest part of a spectrum.

    Attributes:
        share_db: energy above 16 kHz over the energy of the whole (dB); minus infinity where there is none.
        line_db: how far the strongest band of 200 Hz above 16 kHz stands over its surroundings (dB): over the louder of
            the medians of the five bands on either side, so that the edge of a low-pass is no line.
        line_hz: lower edge of that band.
    """

    share_db: float
    line_db: float
    line_hz: float


def treble(waveform: FloatArray, sample_rate: int) -> Treble | None:
    """Look for whistles above 16 kHz; None for a rate below 40 kHz or for silence.

    Raises:
        AudiodiffError: bad array.
    """
    array = checked(waveform, sample_rate).astype(np.float64)
    if sample_rate < 40_000 or not np.any(array):
        return None
    power = np.abs(np.fft.rfft(array * np.hanning(array.size))) ** 2
    band = (np.fft.rfftfreq(array.size, 1.0 / sample_rate) / _LINE_WIDTH).astype(np.int64)
    bands = np.bincount(band, weights=power)[: int(sample_rate / 2 / _LINE_WIDTH)]
    # Nothing below -120 dB of the whole counts.
    level = 10.0 * np.log10(bands / bands.sum() + 1e-12)
    first = round(_TREBLE / _LINE_WIDTH)
    reach = 5
    over = {
        index: level[index]
        - max(np.median(level[index - reach : index]), np.median(level[index + 1 : index + 1 + reach]))
        for index in range(first, len(level) - reach)
    }
    strongest = max(over, key=lambda index: over[index])
    share = float(bands[first:].sum() / bands.sum())
    return Treble(
        share_db=10.0 * math.log10(share) if share > 0.0 else -math.inf,
        line_db=float(over[strongest]),
        line_hz=strongest * _LINE_WIDTH,
    )
