"""Clips, and points of clips, for the music benchmark: the corpus, degraded copies of it, and a cache on disk.

Everything is compared at one loudness (-23 LUFS), so that a model's level is a figure of its own and does not decide
how near its music is to the recordings.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.atomic import atomic_file
from audiodiff.data.items import AudioItem
from audiodiff.data.manifest import load_items
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.embeddings import Embedding, open_embedding
from audiodiff.metrics.inputs import FloatArray, MissingPackageError, checked
from audiodiff.signal.audio_io import read_mono
from audiodiff.signal.mel import MelSpec, log_mel, preset
from audiodiff.signal.meters import loudness
from audiodiff.signal.spectral import griffin_lim_from_mel

Array = npt.NDArray[np.float32]
LOUDNESS = -23.0
GRIFFIN_LIM_ITERATIONS = 32
MEL = preset("bigvgan-44k")
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class MusicClip:
    """A clip and what is known of it.

    Attributes:
        name: unique in its set.
        waveform: float32 `[n_samples]` as it is, before any change of level.
        sample_rate: Hz.
        prompt: text that describes it.
        instrument: free text, "piano; upright bass; drums".
        tempo: beats per minute, NaN if unknown.
        exact: whether instrument and tempo are known rather than guessed.
        key: "F# minor", or "".
        piece: what other clips of the same recording or score share.
        split: "train", "valid" or "test".
    """

    name: str
    waveform: Array = field(repr=False)
    sample_rate: int
    prompt: str = ""
    instrument: str = ""
    tempo: float = math.nan
    exact: bool = False
    key: str = ""
    piece: str = ""
    split: str = ""


def piece_of(item: AudioItem) -> str:
    """Name the piece of a clip: the file without its last number, or the whole name of one composed for itself."""
    stem = item.path.stem
    composed = item.extra.get("source", "").startswith("procedurally composed")
    return stem if composed else re.sub(r"_\d+$", "", stem)


def corpus_clips(folder: Path, splits: Sequence[str], limit: int | None = None) -> list[MusicClip]:
    """Read the clips of some splits; `limit` takes that many, spread over the whole list.

    Raises:
        AudiodiffError: no clips there, or a file that cannot be read.
    """
    wanted = set(splits)
    items = [item for item in load_items(folder) if item.split in wanted]
    if not items:
        raise AudiodiffError(f"{folder} has no clips of the splits {', '.join(splits)}.")
    if limit is not None and limit < len(items):
        items = [items[i * len(items) // limit] for i in range(limit)]
    return [_clip(item) for item in items]


def _clip(item: AudioItem) -> MusicClip:
    audio = read_mono(item.path)
    extra = item.extra
    try:
        tempo = float(extra.get("tempo") or "nan")
    except ValueError as error:
        raise AudiodiffError(f"the tempo of {item.path.name} is {extra['tempo']!r}; expected a number.") from error
    return MusicClip(
        item.path.stem,
        np.clip(audio.waveform[0], -1.0, 1.0),
        audio.sample_rate,
        item.text,
        extra.get("instrument", ""),
        tempo,
        extra.get("tempo_source", "exact") == "exact",
        extra.get("key", ""),
        piece_of(item),
        item.split,
    )


def levelled(waveform: FloatArray, sample_rate: int, lufs: float = LOUDNESS) -> Array:
    """Bring a waveform `[n_samples]` to a loudness (LUFS); silence stays as it is and nothing is clipped."""
    array = checked(waveform, sample_rate)
    found = loudness(torch.from_numpy(array.copy()), sample_rate)
    return array if not math.isfinite(found) else (array * 10.0 ** ((lufs - found) / 20.0)).astype(np.float32)


class PointCache:
    """Points `[n_windows, dim]` of waveforms by the named embeddings, kept in files by the waveform's content.

    An embedding whose package is missing is left out, and `notes` says so.
    """

    def __init__(self, folder: Path | None, names: Sequence[str]) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._open: dict[str, Embedding] = {}
        for name in names:
            try:
                self._open[name] = open_embedding(name)
            except MissingPackageError as error:
                self.notes.append(f"{name} is left out: {error}")

    @property
    def names(self) -> tuple[str, ...]:
        """The embeddings that could be opened."""
        return tuple(self._open)

    def points(self, name: str, waveform: FloatArray, sample_rate: int) -> Array:
        """Points of a waveform at the common loudness."""
        key = hashlib.sha256(np.ascontiguousarray(waveform, np.float32).tobytes() + str(sample_rate).encode())
        path = None if self.folder is None else self.folder / name / f"{key.hexdigest()[:32]}.npy"
        if path is not None and path.is_file():
            kept: Array = np.load(path)
            return kept
        found = self._open[name].embed(levelled(waveform, sample_rate), sample_rate)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, found)
        return found

    def all_points(self, clips: Iterable[MusicClip], on_progress: OnProgress | None = None) -> dict[str, list[Array]]:
        """Embedding to one array per clip."""
        clips = list(clips)
        found: dict[str, list[Array]] = {name: [] for name in self._open}
        for done, clip in enumerate(clips):
            for name in self._open:
                found[name].append(self.points(name, clip.waveform, clip.sample_rate))
            if on_progress is not None:
                on_progress(done + 1, len(clips))
        return found


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
    from audiodiff.metrics.baselines import griffin_lim

    return griffin_lim(GRIFFIN_LIM_ITERATIONS, spec)(np.asarray(waveform, np.float32), sample_rate)


def mean_mel_clip(clips: Sequence[MusicClip], spec: MelSpec = MEL, seed: int = 0) -> Array:
    """The mean log-mel of some clips, frame by frame, through Griffin-Lim: what knowing only the class is worth.

    Raises:
        AudiodiffError: no clips.
    """
    from audiodiff.metrics.inputs import resampled

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


RUNGS: Mapping[str, Callable[[MusicClip, int], Array]] = {
    "Griffin-Lim of its own mel": lambda clip, seed: through_griffin_lim(clip.waveform, clip.sample_rate),
    "noise at 10 dB": lambda clip, seed: noisy(clip.waveform, 10.0, seed),
    "100 ms shuffle": lambda clip, seed: shuffled(clip.waveform, clip.sample_rate, seed=seed),
    "white noise": lambda clip, seed: white_noise(clip.waveform, seed),
}
"""Degraded copies of recordings by name: `(clip, seed) -> waveform [n_samples]`; worse from top to bottom."""
