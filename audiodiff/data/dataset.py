"""Random crops from a cache of decoded, resampled clips."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audiodiff.atomic import atomic_folder
from audiodiff.data.items import SILENCE_PEAK, AudioItem, sound_info
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table
from audiodiff.signal.audio_io import read_blocks
from audiodiff.signal.resample import resample_stream

Normalize = Literal["none", "peak", "rms"]

_FORMAT = 1
_AUDIO_FILE = "audio.i16"
_INDEX_FILE = "index.json"
# Clips up to this many decoded samples are held in memory while measured; longer ones are decoded twice.
_HELD_SAMPLES = 1 << 25


@dataclass(frozen=True)
class Batch:
    """Crops for one training step.

    Attributes:
        waveform: float32 `[batch, n_samples]`.
        bandwidth_hz: float32 `[batch]`, the highest frequency that the clip's source could hold (Hz).
        index: int64 `[batch]`, which item each crop is of.
    """

    waveform: Tensor
    bandwidth_hz: Tensor
    index: Tensor


@dataclass(frozen=True)
class _Entry:
    start: int
    n_samples: int
    source_rate: int
    peak: float
    rms: float


def _cache_key(items: Sequence[AudioItem], sample_rate: int) -> str:
    digest = hashlib.sha256(f"audiodiff cache {_FORMAT} {sample_rate}\n".encode())
    for item in items:
        try:
            status = item.path.stat()
            line = f"{item.path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n"
        except OSError:
            line = f"{item.path.resolve()}\0missing\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def decode_mono(path: Path, source_rate: int, sample_rate: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the mean of a file's channels at another rate, block by block `[n]`.

    Raises:
        AudiodiffError: it cannot be read.
    """
    mono = (torch.from_numpy(block.mean(axis=0, keepdims=True, dtype=np.float32)) for block in read_blocks(path))
    for block in resample_stream(mono, source_rate, sample_rate):
        yield block[0].numpy()


def _refuse_cancelled(path: Path, channels: int, peak: float) -> None:
    """Refuse a clip whose channels cancel out in mono, whose peak is given."""
    if peak < SILENCE_PEAK and channels > 1 and any(np.abs(b).max() >= SILENCE_PEAK for b in read_blocks(path)):
        raise AudiodiffError(
            f"{path} is silence in mono: its channels are of opposite phase and cancel out; invert one of them."
        )


def _build(items: Sequence[AudioItem], sample_rate: int, folder: Path, progress: bool) -> None:
    """Decode every item into one int16 file; each clip fills the 16 bits by its own peak."""
    from tqdm import tqdm

    entries: list[dict[str, Any] | None] = []
    skipped: list[list[str]] = []
    start = 0
    with (folder / _AUDIO_FILE).open("wb") as file:
        bar = tqdm(items, desc="Caching audio", unit="clip", disable=None if progress else True)
        for item in bar:
            try:
                info = sound_info(item.path)
                source = info.sample_rate
                held: list[npt.NDArray[np.float32]] | None = None
                if info.n_samples * max(1.0, sample_rate / source) <= _HELD_SAMPLES:
                    held = list(decode_mono(item.path, source, sample_rate))
                peak, energy, count = 0.0, 0.0, 0
                for block in held if held is not None else decode_mono(item.path, source, sample_rate):
                    peak = max(peak, float(np.abs(block).max()))
                    energy += float(np.square(block, dtype=np.float64).sum())
                    count += block.size
                _refuse_cancelled(item.path, info.channels, peak)
            except AudiodiffError as error:
                skipped.append([str(item.path), str(error)])
                entries.append(None)
                continue
            scale = 32767.0 / peak if peak > 0 else 0.0
            for block in held if held is not None else decode_mono(item.path, source, sample_rate):
                np.rint(block * scale).astype("<i2").tofile(file)
            entries.append(
                {
                    "start": start,
                    "n_samples": count,
                    "source_rate": source,
                    "peak": peak,
                    "rms": (energy / count) ** 0.5,
                }
            )
            start += count
        file.flush()
        os.fsync(file.fileno())
    index = {
        "format": _FORMAT,
        "sample_rate": sample_rate,
        "n_samples": start,
        "entries": entries,
        "skipped": skipped,
    }
    (folder / _INDEX_FILE).write_text(json.dumps(index), encoding="utf-8")


def _ensure_cache(items: Sequence[AudioItem], sample_rate: int, cache_dir: Path, progress: bool) -> Path:
    target = cache_dir / f"{_cache_key(items, sample_rate)}-{sample_rate}"
    if (target / _INDEX_FILE).is_file():
        return target
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudiodiffError(f"The cache folder {cache_dir} cannot be written ({error.strerror}).") from error
    try:
        with atomic_folder(target) as building:
            _build(items, sample_rate, building, progress)
    except AudiodiffError:
        # Another process may have put the same cache in place meanwhile.
        if not (target / _INDEX_FILE).is_file():
            raise
    return target


class NoUsableClipsError(AudiodiffError):
    """Not one clip of a list can be used; `skipped` holds path and reason of each."""

    def __init__(self, skipped: Sequence[tuple[str, str]]) -> None:
        """Quote the first reason."""
        self.skipped = tuple(skipped)
        super().__init__(f"None of the {len(skipped)} clips can be used; the first: {skipped[0][1]}")


class AudioDataset:
    """Clips decoded to mono at one sample rate, cached on disk, served as random crops.

    The cache is keyed by the files' paths, sizes and times and by the rate; it is built once, in a temporary
    folder that is renamed when complete.

    Args:
        items: the clips.
        sample_rate: wanted sample rate (Hz).
        cache_dir: where caches are kept.
        normalize: "none" keeps each clip's level; "peak" and "rms" bring every clip to `level` by one gain per
            clip (never above a peak of 1).
        level: the peak or root mean square wanted, full scale 1; None for 0.95 (peak) or 0.1 (rms).
        progress: show a progress bar while the cache is built (only on a terminal).

    Attributes:
        items: the clips that can be used: decoded, and not silent.
        sample_rate: Hz.
        skipped: pairs of path and reason for the others.
        cache: the folder of this list's cache.

    Raises:
        NoUsableClipsError: no clip can be used.
        AudiodiffError: the cache cannot be written.
    """

    def __init__(
        self,
        items: Sequence[AudioItem],
        sample_rate: int,
        cache_dir: str | Path,
        *,
        normalize: Normalize = "none",
        level: float | None = None,
        progress: bool = True,
    ) -> None:
        """Build the cache, or open it if it exists."""
        if not items:
            raise AudiodiffError("A dataset needs at least one clip; the list is empty.")
        if sample_rate < 1:
            raise AudiodiffError(f"The dataset's sample rate is {sample_rate} Hz; expected 1 or more.")
        if normalize not in ("none", "peak", "rms"):
            raise AudiodiffError(f"normalize is {normalize!r}; expected 'none', 'peak' or 'rms'.")
        folder = self.cache = _ensure_cache(items, sample_rate, Path(cache_dir), progress)
        index = read_json_table(folder / _INDEX_FILE)
        self.sample_rate = sample_rate
        try:
            unread = [(str(path), str(reason)) for path, reason in index["skipped"]]
            decoded = [(item, _Entry(**entry)) for item, entry in zip(items, index["entries"], strict=True) if entry]
            kept = [(item, entry) for item, entry in decoded if entry.peak >= SILENCE_PEAK]
            n_samples = int(index["n_samples"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise AudiodiffError(f"The cache {folder} is damaged ({error!r}); delete that folder.") from error
        self.skipped: tuple[tuple[str, str], ...] = (
            *unread,
            *(
                (str(item.path), f"{item.path} is silent (peak below -60 dB); delete it or record it again.")
                for item, entry in decoded
                if entry.peak < SILENCE_PEAK
            ),
        )
        if not kept:
            raise NoUsableClipsError(self.skipped)
        self.items: tuple[AudioItem, ...] = tuple(item for item, _ in kept)
        self._entries = tuple(entry for _, entry in kept)
        size = (folder / _AUDIO_FILE).stat().st_size
        if size != 2 * n_samples:
            raise AudiodiffError(
                f"The cache {folder} is damaged ({size} bytes where {2 * n_samples} belong); delete that folder."
            )
        self._audio: npt.NDArray[np.int16] = np.memmap(folder / _AUDIO_FILE, dtype="<i2", mode="r")
        self._gains = tuple(_gain(entry, normalize, level) for entry in self._entries)
        self._ends = np.cumsum([entry.n_samples for entry in self._entries])
        self._bandwidths = tuple(
            _bandwidth(item, entry, sample_rate) for item, entry in zip(self.items, self._entries, strict=True)
        )

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.items)

    @property
    def seconds(self) -> float:
        """Total duration in seconds."""
        return float(self._ends[-1]) / self.sample_rate

    def _read(self, index: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        entry = self._entries[index]
        scale = np.float32(entry.peak * self._gains[index] / 32767.0)
        return self._audio[entry.start + start : entry.start + stop].astype(np.float32) * scale

    def bandwidth_hz(self, index: int) -> float:
        """Highest frequency that the source of clip `index` could hold at this rate (Hz)."""
        return self._bandwidths[index]

    def gain(self, index: int) -> float:
        """Factor that `normalize` applies to clip `index`."""
        return self._gains[index]

    def n_samples(self, index: int) -> int:
        """Samples of clip `index` at the dataset's rate."""
        return self._entries[index].n_samples

    def waveform(self, index: int, start: int = 0, stop: int | None = None) -> Tensor:
        """Clip `index` as float32 `[n_samples]`: all of it, or the samples from `start` to `stop` that it has."""
        length = self._entries[index].n_samples
        first = min(max(start, 0), length)
        return torch.from_numpy(self._read(index, first, max(first, min(length if stop is None else stop, length))))

    def crops(self, seed: int, step: int, batch_size: int, n_samples: int) -> Batch:
        """Draw random crops: a pure function of its arguments, whatever was drawn before.

        Clips are drawn in proportion to their duration; a clip shorter than the crop is followed by zeros.

        Args:
            seed: seed of the run, 0 or more.
            step: step of the run, 0 or more.
            batch_size: number of crops.
            n_samples: samples per crop.
        """
        if seed < 0 or step < 0 or batch_size < 1 or n_samples < 1:
            raise AudiodiffError(
                f"crops(seed={seed}, step={step}, batch_size={batch_size}, n_samples={n_samples}): seed and step "
                "must be 0 or more, batch_size and n_samples 1 or more."
            )
        random = np.random.default_rng([seed, step])
        picks = np.searchsorted(self._ends, random.integers(self._ends[-1], size=batch_size), side="right")
        places = random.random(batch_size)
        waveform = np.zeros((batch_size, n_samples), dtype=np.float32)
        for row, (index, place) in enumerate(zip(picks.tolist(), places.tolist(), strict=True)):
            length = self._entries[index].n_samples
            start = int(place * (max(length - n_samples, 0) + 1))
            stop = min(start + n_samples, length)
            waveform[row, : stop - start] = self._read(index, start, stop)
        bandwidth = torch.tensor([self._bandwidths[index] for index in picks.tolist()], dtype=torch.float32)
        return Batch(torch.from_numpy(waveform), bandwidth, torch.from_numpy(picks.astype(np.int64)))


def _gain(entry: _Entry, normalize: Normalize, level: float | None) -> float:
    if normalize == "none" or entry.peak <= 0:
        return 1.0
    if normalize == "peak":
        return (0.95 if level is None else level) / entry.peak
    return min((0.1 if level is None else level) / entry.rms, 1.0 / entry.peak)


def _bandwidth(item: AudioItem, entry: _Entry, sample_rate: int) -> float:
    nominal = min(entry.source_rate, sample_rate) / 2
    stated = item.extra.get("bandwidth_hz", "").strip()
    if not stated:
        return nominal
    try:
        value = float(stated)
    except ValueError:
        value = math.nan
    if not value > 0.0:
        raise AudiodiffError(
            f"{item.path} has bandwidth_hz {stated!r} in its metadata; expected a frequency above 0 Hz, or nothing."
        )
    return min(nominal, value)
