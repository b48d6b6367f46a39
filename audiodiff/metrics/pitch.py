"""Pitch measures: F0 error in cents, voicing F1 and periodicity error, by the small CREPE network.

The network (torchcrepe, "tiny", 16 kHz, 10 ms hop, 50 to 550 Hz) gives a probability for each pitch bin of 20 cents.
torchcrepe's own decoding adds random dither of up to a bin, so that a clip against itself scores about 11 cents;
here the bin path is decoded by Viterbi and refined by the mean of the bins around it, without dither: the same
input gives the same track and a clip against itself exactly 0. Figures of papers that use the dithered track are
that much higher.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audiodiff._torchaudio import import_torchaudio
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, checked, checked_pair, optional_package, resampled

CREPE_RATE = 16_000
HOP_SECONDS = 0.01
F_MIN = 50.0
F_MAX = 550.0
VOICED_PERIODICITY = 0.21
SILENCE_DB = -60.0
_WINDOW = 1024
_CENTS_PER_BIN = 20.0
_FIRST_BIN_CENTS = 1997.3794084376191
"""Centre of the network's bin 0, in cents above 10 Hz (Kim et al. 2018)."""


class PitchTrack(NamedTuple):
    """Pitch of a clip in frames of 10 ms, all `[n_frames]`.

    `cents` is above 10 Hz, `periodicity` the network's confidence 0 to 1 (0 in silence), `voiced` a decision.
    """

    cents: npt.NDArray[np.float64]
    periodicity: npt.NDArray[np.float64]
    voiced: npt.NDArray[np.bool_]

    @property
    def f_0(self) -> npt.NDArray[np.float64]:
        """Fundamental frequency in Hz; meaningless where not voiced."""
        hertz: npt.NDArray[np.float64] = 10.0 * 2.0 ** (self.cents / 1200.0)
        return hertz


def pitch_track(waveform: FloatArray, sample_rate: int) -> PitchTrack:
    """Track the pitch of a waveform `[n_samples]`.

    Raises:
        AudiodiffError: bad array, or the package `torchcrepe` is missing.
    """
    waveform = checked(waveform, sample_rate)
    return _cached_track(resampled(waveform, sample_rate, CREPE_RATE).tobytes())


def f0_rmse(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Root mean square pitch error in cents over the frames that are voiced in both clips.

    Raises:
        AudiodiffError: bad arrays, different lengths, no frame voiced in both, or `torchcrepe` is missing.
    """
    first, second = _tracks(reference, estimate, sample_rate)
    both = first.voiced & second.voiced
    if not both.any():
        raise AudiodiffError("no frame is voiced in reference and estimate, so there is no pitch error to measure.")
    return float(np.sqrt(np.mean((first.cents[both] - second.cents[both]) ** 2)))


def voicing_f1(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """F1 score of the voiced frames, 0 to 1, the reference's decisions being the truth.

    Raises:
        AudiodiffError: bad arrays, different lengths, nothing voiced in either, or `torchcrepe` is missing.
    """
    first, second = _tracks(reference, estimate, sample_rate)
    hits = int((first.voiced & second.voiced).sum())
    total = int(first.voiced.sum()) + int(second.voiced.sum())
    if total == 0:
        raise AudiodiffError("no frame of reference or estimate is voiced, so the voicing score is undefined.")
    return 2 * hits / total


def periodicity_rmse(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Root mean square difference of the periodicity, 0 to 1 (Morrison et al. 2022).

    Raises:
        AudiodiffError: bad arrays, different lengths, or `torchcrepe` is missing.
    """
    first, second = _tracks(reference, estimate, sample_rate)
    return float(np.sqrt(np.mean((first.periodicity - second.periodicity) ** 2)))


def _tracks(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> tuple[PitchTrack, PitchTrack]:
    reference, estimate = checked_pair(reference, estimate, sample_rate)
    return pitch_track(reference, sample_rate), pitch_track(estimate, sample_rate)


# Three measures of the same pair, and several systems against the same reference, ask for the same tracks in a row.
@functools.lru_cache(maxsize=4)
def _cached_track(samples: bytes) -> PitchTrack:
    import torch

    import_torchaudio()
    crepe = optional_package("torchcrepe")
    waveform = np.frombuffer(samples, np.float32)
    hop = round(HOP_SECONDS * CREPE_RATE)
    padded = np.pad(waveform, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::hop].astype(np.float32)
    level = np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1))
    centred = torch.from_numpy(frames - frames.mean(axis=1, keepdims=True))
    centred = centred / centred.std(dim=1, keepdim=True).clamp_min(1e-10)
    with torch.inference_mode():
        pieces = [crepe.infer(part, "tiny") for part in torch.split(centred, 512)]
    probability = torch.cat(pieces).numpy().astype(np.float64)
    centres = _FIRST_BIN_CENTS + _CENTS_PER_BIN * np.arange(probability.shape[1])
    low, high = 1200.0 * np.log2(np.array([F_MIN, F_MAX]) / 10.0)
    probability[:, (centres < low) | (centres > high)] = 0.0
    path = _viterbi(probability)
    near = np.abs(np.arange(probability.shape[1])[None, :] - path[:, None]) <= 4
    weight = np.where(near, probability, 0.0) + 1e-12 * near
    cents = (weight * centres).sum(axis=1) / weight.sum(axis=1)
    audible = level > level.max(initial=0.0) * 10.0 ** (SILENCE_DB / 20.0)
    periodicity = np.where(audible, probability[np.arange(len(path)), path], 0.0)
    # A mean over three frames, as in the definition of the periodicity error.
    smooth = np.convolve(np.pad(periodicity, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    return PitchTrack(cents, smooth, (smooth >= VOICED_PERIODICITY) & audible)


def _viterbi(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Best path `[n_frames]` through `[n_frames, n_bins]`; the pitch moves by less than 12 bins between frames."""
    n_frames, n_bins = probability.shape
    total = probability.sum(axis=1, keepdims=True)
    score = np.log(probability / np.maximum(total, 1e-12) + 1e-9)
    reach = 11
    shifts = np.arange(-reach, reach + 1)
    step_cost = np.log((12.0 - np.abs(shifts)) / 144.0)
    best = score[0]
    back = np.zeros((n_frames, n_bins), np.int64)
    for frame in range(1, n_frames):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(best, reach, constant_values=-np.inf), 2 * reach + 1)
        candidates = windows + step_cost
        choice = candidates.argmax(axis=1)
        back[frame] = np.arange(n_bins) + shifts[choice]
        best = candidates[np.arange(n_bins), choice] + score[frame]
    path = np.empty(n_frames, np.int64)
    path[-1] = best.argmax()
    for frame in range(n_frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return path
