"""Whether a clip repeats a passage of another: the changes of their mels laid over each other at every shift.

Embeddings tell what music sounds like, and two pieces may sound alike; a copy has the same notes at the same
distances. What stays the same in a passage (its mean spectrum, and with it much of what an autoencoder or vocoder
does to it) is left out of the comparison.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, checked, resampled
from audiodiff.signal.mel import MelSpec, log_mel
from audiodiff.signal.meters import loudness

_RATE = 22_050
_MEL = MelSpec(
    sample_rate=_RATE, n_fft=2048, hop_length=512, win_length=2048, n_mels=48, f_min=60.0, f_max=8000.0, floor=1e-2
)
FRAMES_PER_SECOND = _RATE / 512
PASSAGE_SECONDS = 3.0

Print = npt.NDArray[np.float32]


def passage_print(waveform: FloatArray, sample_rate: int) -> Print:
    """What is compared of a waveform `[n_samples]`: its log-mel at one loudness, `[48, n_frames]`, 43 frames a second.

    Raises:
        AudiodiffError: bad array, or a clip shorter than a passage (3 s).
    """
    samples = torch.from_numpy(resampled(checked(waveform, sample_rate), sample_rate, _RATE).copy())
    if samples.numel() < PASSAGE_SECONDS * _RATE:
        raise AudiodiffError(
            f"the clip lasts {len(waveform) / sample_rate:.2f} s; passages of {PASSAGE_SECONDS:g} s are compared, so "
            "it must be as long."
        )
    level = loudness(samples, _RATE)
    if np.isfinite(level):
        samples = samples * 10.0 ** ((-23.0 - level) / 20.0)
    result: Print = log_mel(samples, _MEL).numpy()
    return result


def passage_similarity(prints: Sequence[Print], references: Sequence[Print]) -> npt.NDArray[np.float64]:
    """How well each reference repeats a passage of each clip: `[n_clips, n_references]`, -1 to 1.

    Every clip is cut into passages of 3 s that begin every 1.5 s; each is correlated with every stretch of the
    reference, the mean of each band taken out of both. The best of all counts.

    Raises:
        AudiodiffError: no clips or no references.
    """
    if not prints or not references:
        raise AudiodiffError("there must be a clip and a reference or more to compare passages of.")
    size = round(PASSAGE_SECONDS * FRAMES_PER_SECOND)
    prepared = [_Reference.of(reference, size) for reference in references]
    return np.array([[_best(clip, reference, size) for reference in prepared] for clip in prints])


class _Reference(NamedTuple):
    """Spectrum over time of each band `[n_bands, n_bins]`, and the strength of each stretch `[n_shifts]`."""

    spectrum: npt.NDArray[np.complex128]
    strength: npt.NDArray[np.float64]
    n_fft: int

    @classmethod
    def of(cls, reference: Print, size: int) -> "_Reference":
        values = reference.astype(np.float64)
        values = values - values.mean(axis=1, keepdims=True)  # less to cancel below
        sums, squares = (np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1) for x in (values, values**2))
        total, power = (x[:, size:] - x[:, :-size] for x in (sums, squares))
        strength = np.sqrt(np.maximum((power - total**2 / size).sum(axis=0), 0.0))
        n_fft = 1 << (values.shape[1] + size).bit_length()
        return cls(np.fft.rfft(values, n_fft), strength, n_fft)


def _best(clip: Print, reference: _Reference, size: int) -> float:
    """Highest correlation of any passage of the clip with any stretch of the reference."""
    values = clip.astype(np.float64)
    spare = values.shape[1] - size
    starts = sorted({*range(0, spare + 1, size // 2), spare})
    best = -1.0
    for start in starts:
        passage = values[:, start : start + size]
        passage = passage - passage.mean(axis=1, keepdims=True)
        own = float(np.sqrt((passage**2).sum()))
        overlap = (np.conj(np.fft.rfft(passage, reference.n_fft)) * reference.spectrum).sum(axis=0)
        products = np.fft.irfft(overlap, reference.n_fft)[: len(reference.strength)]
        # A passage in which nothing changes has nothing to be recognised by.
        weight = np.maximum(own, _QUIET) * np.maximum(reference.strength, _QUIET)
        best = max(best, float((products / weight).max()))
    return best


_QUIET = 0.3 * np.sqrt(48 * PASSAGE_SECONDS * FRAMES_PER_SECOND)
"""Changes weaker than 0.3 (natural log, about 2.6 dB) on average count as if they were that strong."""
