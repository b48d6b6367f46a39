"""Fundamental frequency and voicing of speech, one value a mel frame: autocorrelation and a best path through it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec, n_frames

__all__ = ["F0Track", "track_f0"]

_BINS_PER_OCTAVE = 48
_PERIODS = 3.0
"""Length of the window in periods of the lowest frequency."""

_TAPER_HZ = 900.0
"""Above it the spectrum counts less and less: the first harmonics tell the pitch, the others the vowel."""

_VOICED = 0.45
"""Correlation from which on a frame is rather voiced."""

_OCTAVE_COST = 0.03
"""Cost of each octave below the highest frequency: two periods correlate as well as one."""

_JUMP_COST = 1.5
"""Cost of an octave of movement from frame to frame."""

_SWITCH_COST = 0.25
_REACH = 0.25
"""Furthest movement from frame to frame (octaves)."""

_BLOCK = 4096
_QUIET = 1e-3
"""Energy, as a share of that of the loud frames, below which correlation counts for less."""


class F0Track(NamedTuple):
    """Pitch of a clip, one value a frame.

    `hertz` `[n_frames]` goes through unvoiced stretches in a straight line of log frequency and is 0 if nothing is
    voiced; `voiced` `[n_frames]` is where it was found.
    """

    hertz: npt.NDArray[np.float32]
    voiced: npt.NDArray[np.bool_]


def track_f0(waveform: torch.Tensor, spec: MelSpec, f_min: float = 65.0, f_max: float = 500.0) -> F0Track:
    """Track the pitch of a clip on the frames of its mel spectrogram.

    Args:
        waveform: mono, `[n_samples]`, at the sample rate of `spec`; its level does not matter.
        spec: where the frames lie.
        f_min: lowest pitch (Hz).
        f_max: highest pitch (Hz).

    Raises:
        AudiodiffError: not one clip, or a range of pitches that is none.
    """
    if waveform.ndim != 1:
        raise AudiodiffError(f"a waveform [n_samples] is tracked; got shape {tuple(waveform.shape)}.")
    if not 20.0 <= f_min < f_max <= spec.sample_rate / 4:
        raise AudiodiffError(
            f"pitch from {f_min:g} to {f_max:g} Hz cannot be tracked at {spec.sample_rate} Hz; expected "
            f"20 <= f_min < f_max <= {spec.sample_rate // 4}."
        )
    count = n_frames(len(waveform), spec)
    if count == 0:
        return F0Track(np.zeros(0, np.float32), np.zeros(0, bool))
    octaves = float(np.log2(f_max / f_min))
    log_hertz = np.log2(f_min) + np.linspace(0.0, octaves, int(octaves * _BINS_PER_OCTAVE) + 1)
    correlation = _correlation(waveform.double().numpy(), spec, count, log_hertz)
    path = _best_path(correlation - _OCTAVE_COST * (log_hertz[-1] - log_hertz), octaves / (len(log_hertz) - 1))
    voiced = path >= 0
    if not voiced.any():
        return F0Track(np.zeros(count, np.float32), voiced)
    frames = np.flatnonzero(voiced)
    found = _refined(correlation, path, frames, log_hertz)
    return F0Track(np.exp2(np.interp(np.arange(count), frames, found)).astype(np.float32), voiced)


def _correlation(
    samples: npt.NDArray[np.float64], spec: MelSpec, count: int, log_hertz: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Normalized autocorrelation `[n_frames, n_pitches]` at the period of each pitch."""
    length = round(spec.sample_rate * _PERIODS / float(np.exp2(log_hertz[0])))
    size = 1 << (2 * length - 1).bit_length()
    window = np.hanning(length)
    window_correlation = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2)[: size // 2]
    lags = spec.sample_rate / np.exp2(log_hertz)
    whole = np.floor(lags).astype(int)
    part = lags - whole
    hertz = np.fft.rfftfreq(size, 1 / spec.sample_rate)
    taper = np.minimum(1.0, (_TAPER_HZ / np.maximum(hertz, _TAPER_HZ)) ** 2)
    centre = 0.5 * spec.hop_length if spec.centring == "same" else 0.0
    first = round(centre - length / 2)
    padded = np.pad(samples, (max(0, -first), length + spec.hop_length))
    starts = np.arange(count) * spec.hop_length + first + max(0, -first)
    rows = []
    energies = []
    for block in range(0, count, _BLOCK):
        frames = padded[starts[block : block + _BLOCK, None] + np.arange(length)]
        frames = (frames - frames.mean(axis=1, keepdims=True)) * window
        spectrum = np.abs(np.fft.rfft(frames, size)) ** 2 * taper
        correlation = np.fft.irfft(spectrum)[:, : size // 2]
        energies.append(correlation[:, 0])
        rows.append(
            (correlation[:, whole] / window_correlation[whole]) * (1 - part)
            + (correlation[:, whole + 1] / window_correlation[whole + 1]) * part
        )
    energy = np.concatenate(energies)[:, None]
    floor = _QUIET * np.percentile(energy, 95) + np.finfo(np.float64).tiny
    result: npt.NDArray[np.float64] = np.concatenate(rows) * window_correlation[0] / (energy + floor)
    return result


def _best_path(score: npt.NDArray[np.float64], bin_octaves: float) -> npt.NDArray[np.int64]:
    """Pitch bin of each frame `[n_frames]`, -1 where unvoiced, on the path of highest score (Viterbi)."""
    count, bins = score.shape
    reach = max(1, round(_REACH / bin_octaves))
    cost = _JUMP_COST * bin_octaves * np.abs(np.arange(-reach, reach + 1))
    best = score[0].copy()
    silent = _VOICED
    back = np.zeros((count, bins), np.int64)
    back_silent = np.zeros(count, np.int64)
    padded = np.full(bins + 2 * reach, -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    columns = np.arange(bins)
    for frame in range(1, count):
        padded[reach : reach + bins] = best
        moved = windows - cost
        choice = moved.argmax(axis=1)
        from_voiced = moved[columns, choice]
        from_silent = silent - _SWITCH_COST
        top = int(best.argmax())
        leave = best[top] - _SWITCH_COST
        back_silent[frame] = -1 if silent >= leave else top
        silent = max(silent, leave) + _VOICED
        back[frame] = np.where(from_silent > from_voiced, -1, columns + choice - reach)
        best = np.maximum(from_silent, from_voiced) + score[frame]
    path = np.empty(count, np.int64)
    path[-1] = -1 if silent >= best.max() else best.argmax()
    for frame in range(count - 1, 0, -1):
        path[frame - 1] = back_silent[frame] if path[frame] < 0 else back[frame, path[frame]]
    return path


def _refined(
    correlation: npt.NDArray[np.float64],
    path: npt.NDArray[np.int64],
    frames: npt.NDArray[np.intp],
    log_hertz: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Log frequency of voiced frames, between the bins by a parabola through three of them."""
    middle = np.clip(path[frames], 1, len(log_hertz) - 2)
    left, peak, right = (correlation[frames, middle + shift] for shift in (-1, 0, 1))
    bend = left - 2 * peak + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1.0), 0.0)
    refined: npt.NDArray[np.float64] = log_hertz[middle] + np.clip(shift, -1.0, 1.0) * (log_hertz[1] - log_hertz[0])
    return refined
