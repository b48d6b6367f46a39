"""Degraded copies of recordings and the mean of a family, which the music benchmark scores beside a model."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.families import family
from audiodiff.evaluation.music_clips import Array, MusicClip, levelled
from audiodiff.metrics.baselines import griffin_lim
from audiodiff.metrics.inputs import FloatArray, resampled
from audiodiff.signal.mel import MelSpec, log_mel, preset
from audiodiff.signal.spectral import griffin_lim_from_mel

GRIFFIN_LIM_ITERATIONS = 32
MEL = preset("bigvgan-44k")


def shuffled(waveform: FloatArray, sample_rate: int, seconds: float = 0.1, seed: int = 0) -> Array:
    """Put pieces of 100 ms in random order: the timbre stays, the music does not."""
    size = round(seconds * sample_rate)
    pieces = np.array_split(np.asarray(waveform, np.float32), max(1, len(waveform) // size))
    order = np.random.default_rng(seed).permutation(len(pieces))
    return np.concatenate([pieces[i] for i in order])


def noisy(waveform: FloatArray, snr_db: float, seed: int = 0) -> Array:
    """Add white noise at a signal-to-noise ratio (dB)."""
    array = np.asarray(waveform, np.float64)
    noise = np.random.default_rng(seed).standard_normal(array.size)
    return (array + noise * np.sqrt(np.mean(array**2)) * 10.0 ** (-snr_db / 20.0)).astype(np.float32)


def white_noise(waveform: FloatArray, seed: int = 0) -> Array:
    """White noise as loud and as long as the clip."""
    level = float(np.sqrt(np.mean(np.asarray(waveform, np.float64) ** 2)))
    return (level * np.random.default_rng(seed).standard_normal(len(waveform))).astype(np.float32)


def through_griffin_lim(waveform: FloatArray, sample_rate: int, spec: MelSpec = MEL) -> Array:
    """The clip from its own mel by Griffin-Lim, at the mel's sample rate."""
    return griffin_lim(GRIFFIN_LIM_ITERATIONS, spec)(np.asarray(waveform, np.float32), sample_rate)


def mean_mel_clip(clips: Sequence[MusicClip], spec: MelSpec = MEL, seed: int = 0) -> Array:
    """The mean log-mel of some clips, frame by frame, through Griffin-Lim: what knowing only the class is worth.

    Raises:
        AudiodiffError: no clips.
    """
    if not clips:
        raise AudiodiffError("the mean mel of a class needs at least one clip.")
    mels = []
    for clip in clips:
        samples = torch.from_numpy(
            resampled(levelled(clip.waveform, clip.sample_rate), clip.sample_rate, spec.sample_rate)
        )
        mels.append(log_mel(samples[: samples.numel() // spec.hop_length * spec.hop_length], spec))
    n_frames = min(mel.shape[1] for mel in mels)
    mean = torch.stack([mel[:, :n_frames] for mel in mels]).mean(dim=0)
    result: Array = griffin_lim_from_mel(
        mean, spec, GRIFFIN_LIM_ITERATIONS, 0.99, seed, n_samples=n_frames * spec.hop_length
    ).numpy()
    return result


def class_means(train: Sequence[MusicClip], rate: int) -> Callable[[MusicClip, int], tuple[Array, int]]:
    """A maker of clips: the mean mel of the training recordings of the prompt's family, through Griffin-Lim."""
    groups: dict[str | None, list[MusicClip]] = {}
    for clip in train:
        groups.setdefault(family(clip.instrument), []).append(clip)

    def make(source: MusicClip, seed: int) -> tuple[Array, int]:
        own = groups.get(family(source.instrument)) or list(train)
        return mean_mel_clip(own, seed=seed), rate

    return make


RUNGS: Mapping[str, Callable[[MusicClip, int], Array]] = {
    "Griffin-Lim of its own mel": lambda clip, seed: through_griffin_lim(clip.waveform, clip.sample_rate),
    "noise at 10 dB": lambda clip, seed: noisy(clip.waveform, 10.0, seed),
    "100 ms shuffle": lambda clip, seed: shuffled(clip.waveform, clip.sample_rate, seed=seed),
    "white noise": lambda clip, seed: white_noise(clip.waveform, seed),
}
"""Degraded copies of recordings by name: `(clip, seed) -> waveform [n_samples]`; worse from top to bottom."""
