"""Clips of music, what is known of them, and their points, kept on disk.

Everything is compared at one loudness (-23 LUFS), so that a model's level is a figure of its own and does not decide
how near its music is to the recordings.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

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
from audiodiff.signal.meters import loudness

Array = npt.NDArray[np.float32]
LOUDNESS = -23.0
SHORTEST = 3.0
"""Seconds: neither a tempo nor a passage can be told of a shorter clip."""

OnProgress = Callable[[int, int], None]
T = TypeVar("T")


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
    items = [item for item in load_items(folder) if item.split in splits]
    if not items:
        raise AudiodiffError(f"{folder} has no clips of the splits {', '.join(splits)}.")
    return [read_clip(item) for item in spread(items, limit)]


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most so many of the items, evenly from the whole list."""
    count = len(items) if limit is None else min(limit, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def read_clip(item: AudioItem, seconds: float | None = None) -> MusicClip:
    """Read a clip, or so much (s) of its middle.

    Raises:
        AudiodiffError: the file cannot be read, or its tempo is no number.
    """
    audio = read_mono(item.path)
    waveform = audio.waveform[0]
    if seconds is not None and (spare := waveform.size - round(seconds * audio.sample_rate)) > 0:
        waveform = waveform[spare // 2 : waveform.size - (spare - spare // 2)].copy()
    extra = item.extra
    try:
        tempo = float(extra.get("tempo") or "nan")
    except ValueError as error:
        raise AudiodiffError(f"the tempo of {item.path.name} is {extra['tempo']!r}; expected a number.") from error
    return MusicClip(
        item.path.stem,
        np.clip(waveform, -1.0, 1.0),
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

    def __init__(self, folder: Path | None, names: Iterable[str]) -> None:
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
