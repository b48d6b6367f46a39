"""How abrupt a place in a clip is beside its other places, and how evenly a curve of distances rises.

A place is measured on the log-mel in two ways. Its *jump* is the change from one frame to the next, as the seam of a
loop is scored (`audiodiff.synthesis.loop.seam_score`): a click, a gap, a broken tone. Its *shift* is the change from
the mean of a quarter of a second before to the mean of a quarter of a second after: another level, another sound. Both
are averaged over bands and divided by the 95th percentile of the same measure over all places of a reference, usually
the clip as it was: up to 1 is what happens inside the clip anyway.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from audiodiff.metrics.inputs import FloatArray
from audiodiff.signal.mel import MelSpec, log_mel
from audiodiff.synthesis.loop import USUAL_SHARE, seam_score
from audiodiff.synthesis.verb import LARGEST_SEAM

SHIFT_SECONDS = 0.25


@dataclass(frozen=True)
class Abruptness:
    """Change at a place in units of what is usual in the clip (its 95th percentile).

    Attributes:
        jump: from frame to frame.
        shift: from the quarter of a second before to the one after.
    """

    jump: float
    shift: float


def jumps(mel: Tensor) -> Tensor:
    """Mean change of a log-mel `[n_mels, n_frames]` from each frame to the next, `[n_frames - 1]`."""
    return mel.diff(dim=-1).abs().mean(dim=0)


def shifts(mel: Tensor, width: int) -> Tensor:
    """Mean change from the mean of `width` frames to that of the next `width`, `[n_frames - 2 * width + 1]`."""
    means = mel.unfold(-1, width, 1).mean(dim=-1)
    return (means[:, width:] - means[:, :-width]).abs().mean(dim=0)


def abruptness(
    waveform: FloatArray, spec: MelSpec, places: tuple[int, int], reference: FloatArray | None = None
) -> Abruptness:
    """Measure the samples `places` (from, to) of a waveform `[n_samples]`, such as a cross-fade.

    The largest change of all frames that touch them is compared with the largest of as many frames elsewhere, in
    `reference`, or in the waveform itself.

    Args:
        waveform: at the rate of `spec`.
        spec: the mel.
        places: the first sample and the one after the last; equal for a cut.
        reference: whose changes are usual.
    """
    reach = spec.n_fft // (2 * spec.hop_length) + 1
    width = round(SHIFT_SECONDS * spec.sample_rate / spec.hop_length)
    mels = [log_mel(torch.from_numpy(np.array(x, np.float32)), spec) for x in (waveform, reference) if x is not None]
    # frame k is around sample (k + 1/2) hops, so between frames k and k + 1 is sample (k + 1) hops
    low, high = places[0] // spec.hop_length - 1, math.ceil(places[1] / spec.hop_length) - 1
    found = []
    for curves, margin in (
        ([jumps(mel) for mel in mels], reach),
        ([shifts(mel, width) for mel in mels], 0),
    ):
        first = low if margin else low - width + 1
        span = slice(max(0, first - margin), max(1, first + high - low + 1 + margin))
        there = curves[0][span]
        # the frames at the very ends have heard what the analysis put beyond them
        elsewhere = curves[-1][reach:-reach]
        found.append(_ratio(there, elsewhere))
    return Abruptness(*found)


def _ratio(there: Tensor, elsewhere: Tensor) -> float:
    if len(elsewhere) > len(there):
        elsewhere = elsewhere.unfold(0, len(there), 1).amax(dim=-1)
    usual, most = float(elsewhere.quantile(USUAL_SHARE)), float(there.max())
    return most / usual if usual > 0.0 else math.inf if most > 0.0 else 0.0


def beat_scores(waveform: FloatArray, spec: MelSpec, tempo: float | None) -> list[float]:
    """Seam scores of a loop `[n_samples]` cut at each of its beats but the first; none where the tempo is not known.

    Args:
        waveform: a whole number of beats, the first of them at its beginning.
        spec: the mel, and its rate.
        tempo: about how many beats a minute.
    """
    if tempo is None:
        return []
    count = max(1, round(tempo * len(waveform) / spec.sample_rate / 60.0))
    starts = [round(beat * len(waveform) / count) for beat in range(1, count)]
    return [seam_score(torch.from_numpy(np.roll(waveform, -start)), spec).ratio for start in starts]


@dataclass(frozen=True)
class AbruptnessSample:
    """Abruptness of many places of one kind."""

    name: str
    found: tuple[Abruptness, ...]

    def values(self, measure: str) -> list[float]:
        """All values of `jump` or `shift`."""
        return [float(getattr(each, measure)) for each in self.found]

    def median(self, measure: str) -> float:
        """Their median."""
        return float(np.median(self.values(measure)))

    def share(self, measure: str, most: float = 1.0) -> float:
        """How many are at most `most`."""
        return float(np.mean([value <= most for value in self.values(measure)]))


@dataclass(frozen=True)
class Likeness:
    """How near clips are to the recordings that they were made beside, and to the others.

    Attributes:
        name: how they were made.
        distances: of clip k to recording j, `distances[k][j]`; k was made beside recording k.
    """

    name: str
    distances: tuple[tuple[float, ...], ...]

    @property
    def own(self) -> float:
        """Mean distance to their own recordings."""
        return float(np.mean([row[index] for index, row in enumerate(self.distances)]))

    @property
    def others(self) -> float:
        """Mean distance to the other recordings."""
        return float(np.mean([np.mean(np.delete(row, index)) for index, row in enumerate(self.distances)]))

    @property
    def nearest(self) -> int:
        """How many are nearest to their own."""
        return sum(int(np.argmin(row)) == index for index, row in enumerate(self.distances))


LARGEST = LARGEST_SEAM
"""Up to this a place is one of the clip's livelier ones."""


def rises(curve: Sequence[float], tolerance: float = 0.0) -> bool:
    """Whether no value is lower than the one before by more than a share of the curve's whole range."""
    slack = tolerance * (max(curve) - min(curve))
    return all(after >= before - slack for before, after in pairwise(curve))


def rank_correlation(curve: Sequence[float]) -> float:
    """Spearman's correlation of a curve with its place: 1 if it only rises, -1 if it only falls."""
    ranks = np.argsort(np.argsort(curve)).astype(float)
    return float(np.corrcoef(ranks, np.arange(len(curve)))[0, 1])


def pasted(clip: FloatArray, other: FloatArray, start: int, stop: int) -> FloatArray:
    """The control: another clip's samples in the place of `start` to `stop`, without any fade."""
    result = np.array(clip, np.float32)
    result[start:stop] = np.resize(np.asarray(other, np.float32), stop)[start:stop]
    return result
