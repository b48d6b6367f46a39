"""Latents, captions and labels for training, drawn from shards (`.format` says what these look like).

with ShardWriter(folder, index) as writer:
    for clip in clips:
        writer.add(clip)
data = LatentDataset(folder)
batch = data.batch(seed, step, batch_size=32, n_latents=215)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audiodiff.data.shards.files import Shard, Source, check_sizes, find_shards, read_ranges, read_records
from audiodiff.data.shards.format import ClipRecord, Half, Range, TimedChord, array_from
from audiodiff.errors import AudiodiffError
from audiodiff.signal.beats import beat_positions
from audiodiff.text.chords import CHORD_FEATURES, chord_features, parse_chords

__all__ = ["LatentBatch", "LatentDataset"]


@dataclass(frozen=True)
class LatentBatch:
    """Crops for one training step.

    Attributes:
        latents: float32 `[batch, channels, n_latents]`; zeros after the end of a clip that is shorter.
        tokens: float32 `[batch, max_tokens, text_width]`, states of one caption of each clip, padded with zeros to the
            longest of the batch (at least one row).
        mask: bool `[batch, max_tokens]`, True where a token is real; a clip without captions has none.
        numbers: float32 `[batch, n_numbers]` of the whole clip, NaN where unknown.
        classes: int64 `[batch, n_class_kinds]`, 0 where unknown.
        beats: float32 `[batch, n_latents]`, how many beats of the clip have passed at each latent; NaN where unknown.
        chords: float32 `[batch, 24, n_latents]`, the chord at each latent (`audiodiff.text.chords.chord_features`); NaN
            where unknown.
        lengths: int64 `[batch]`, latents before the zeros.
        index: int64 `[batch]`, which clip each crop is of.
    """

    latents: Tensor
    tokens: Tensor
    mask: Tensor
    numbers: Tensor
    classes: Tensor
    beats: Tensor
    chords: Tensor
    lengths: Tensor
    index: Tensor


class _Arrays(NamedTuple):
    latent: Half
    states: tuple[Half, ...]


class LatentDataset:
    """Clips of latents, in memory if they fit, else read where they stand whenever they are drawn.

    Args:
        source: a folder of shards, a .tar, a pattern such as `data/shard-*.tar`, or a list of these; paths, or URLs
            that `fsspec` reads (of a web server that lists no folders: the folder or the .tar, not a pattern).
        weights: how much more often than its duration says a clip is drawn: a factor per source (1 if not named), or
            one per clip in the order of `clips`.
        memory_gb: shards up to this size together (10^9 bytes) are read into memory, once per process; 0 for never.

    Attributes:
        index: what the clips have in common.
        clips: their records, in order.
        in_memory: whether they were read into memory.

    Raises:
        AudiodiffError: the shards are missing, damaged or do not fit each other, or the weights do not fit the clips.
    """

    def __init__(
        self,
        source: Source | Sequence[Source],
        *,
        weights: Mapping[str, float] | Sequence[float] | None = None,
        memory_gb: float = 4.0,
    ) -> None:
        self.index, shards = find_shards(source)
        self.in_memory = sum(shard.entry.bytes for shard in shards) <= memory_gb * 1e9
        self._arrays: list[_Arrays] = []
        self._shards: list[Shard] = []  # of each clip
        records: list[ClipRecord] = []
        if not self.in_memory:
            check_sizes(shards)
        for shard in shards:
            found = read_records(shard)
            records += found
            self._shards += [shard] * len(found)
            if self.in_memory:
                content = shard.read()
                self._arrays += [self._parse(content, 0, record, shard) for record in found]
        self.clips: tuple[ClipRecord, ...] = tuple(records)
        rows = [self._row(number) for number in range(len(records))]
        self._numbers = np.array([numbers for numbers, _ in rows], dtype=np.float32).reshape(len(rows), -1)
        self._classes = np.array([classes for _, classes in rows], dtype=np.int64).reshape(len(rows), -1)
        ends = np.cumsum([clip.n_latents for clip in self.clips] * _factors(self.clips, weights))
        if not (math.isfinite(ends[-1]) and ends[-1] > 0):
            raise AudiodiffError("The weights leave no clip to draw, or are too large; give a clip more than 0.")
        self._ends = ends / ends[-1]  # so that the last is 1, which no draw reaches

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    @property
    def seconds(self) -> float:
        """Total duration in seconds."""
        return math.fsum(clip.seconds for clip in self.clips)

    def latent(self, index: int) -> Tensor:
        """The whole clip as float32 `[channels, n_latents]`."""
        (arrays,) = self._fetch([index])
        return torch.from_numpy(arrays.latent.astype(np.float32))

    def states(self, index: int) -> tuple[Tensor, ...]:
        """Text states of each caption of clip `index`, float32 `[n_tokens, text_width]`."""
        (arrays,) = self._fetch([index])
        return tuple(torch.from_numpy(states.astype(np.float32)) for states in arrays.states)

    def batch(self, seed: int, step: int, batch_size: int, n_latents: int) -> LatentBatch:
        """Draw random crops: a pure function of its arguments, whatever was drawn before and wherever the shards are.

        Clips are drawn in proportion to their duration times their weight, with one of their captions at random.

        Args:
            seed: seed of the run, 0 or more.
            step: step of the run, 0 or more.
            batch_size: number of crops.
            n_latents: latents per crop.

        Raises:
            AudiodiffError: an argument is out of range, or a shard cannot be read any more.
        """
        if seed < 0 or step < 0 or batch_size < 1 or n_latents < 1:
            raise AudiodiffError(
                f"batch(seed={seed}, step={step}, batch_size={batch_size}, n_latents={n_latents}): seed and step "
                "must be 0 or more, batch_size and n_latents 1 or more."
            )
        random = np.random.default_rng([seed, step])
        draws = random.random((3, batch_size))
        picks = np.searchsorted(self._ends, draws[0], side="right")
        fetched = self._fetch(picks.tolist())
        captions: list[Half | None] = []
        latents = np.zeros((batch_size, self.index.channels, n_latents), dtype=np.float32)
        beats = np.full((batch_size, n_latents), np.nan, dtype=np.float32)
        chords = np.full((batch_size, CHORD_FEATURES, n_latents), np.nan, dtype=np.float32)
        lengths = np.zeros(batch_size, dtype=np.int64)
        for row, (arrays, place, choice) in enumerate(zip(fetched, *draws[1:].tolist(), strict=True)):
            length = arrays.latent.shape[1]
            start = int(place * (max(length - n_latents, 0) + 1))
            crop = arrays.latent[:, start : start + n_latents]
            lengths[row] = crop.shape[1]
            latents[row, :, : crop.shape[1]] = crop
            times = self.times(start, start + n_latents)
            beats[row] = beat_positions(self.clips[picks[row]].beats, times)
            chords[row] = _chords_at(self.clips[picks[row]].chords, times)
            captions.append(arrays.states[int(choice * len(arrays.states))] if arrays.states else None)
        tokens, mask = self._padded(captions)
        return LatentBatch(
            latents=torch.from_numpy(latents),
            tokens=tokens,
            mask=mask,
            numbers=torch.from_numpy(self._numbers[picks]),
            classes=torch.from_numpy(self._classes[picks]),
            beats=torch.from_numpy(beats),
            chords=torch.from_numpy(chords),
            lengths=torch.from_numpy(lengths),
            index=torch.from_numpy(picks.astype(np.int64)),
        )

    def times(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        """Times (s) in the middle of latents `start` to `stop` of a clip."""
        return (np.arange(start, stop, dtype=np.float64) + 0.5) / np.float64(self.index.latent_rate)

    def _padded(self, captions: Sequence[Half | None]) -> tuple[Tensor, Tensor]:
        most = max([1, *(len(states) for states in captions if states is not None)])
        tokens = np.zeros((len(captions), most, self.index.text_width), dtype=np.float32)
        mask = np.zeros((len(captions), most), dtype=np.bool_)
        for row, states in enumerate(captions):
            if states is not None:
                tokens[row, : len(states)] = states
                mask[row, : len(states)] = True
        return torch.from_numpy(tokens), torch.from_numpy(mask)

    def _fetch(self, indices: Sequence[int]) -> list[_Arrays]:
        if self.in_memory:
            return [self._arrays[index] for index in indices]
        records = [self.clips[index] for index in indices]
        shards = [self._shards[index] for index in indices]
        spans = [_span(record) for record in records]
        contents = read_ranges(shards, spans)
        return [
            self._parse(content, span.offset, record, shard)
            for content, span, record, shard in zip(contents, spans, records, shards, strict=True)
        ]

    def _parse(self, content: bytes, offset: int, record: ClipRecord, shard: Shard) -> _Arrays:
        """Read a clip's arrays out of bytes of its shard that begin at `offset`."""

        def part(place: Range) -> bytes:
            return content[place.offset - offset : place.offset - offset + place.size]

        where = f"{record.key} in {shard.path}"
        latent = array_from(part(record.latent), self.index.channels, record.n_latents, where)
        states = tuple(array_from(part(place), None, self.index.text_width, where) for place in record.states)
        return _Arrays(latent, states)

    def _row(self, number: int) -> tuple[list[float], list[int]]:
        record = self.clips[number]
        try:
            return self.index.row(record.numbers, record.classes)
        except AudiodiffError as error:
            raise AudiodiffError(f"{record.key} in {self._shards[number].path}: {error}") from error


def _chords_at(chords: Sequence[TimedChord], times: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """What `chord_features` says of the chord that sounds at each of `times [n]` (s), `[24, n]`; NaN for none."""
    unknown = np.full(CHORD_FEATURES, np.nan, dtype=np.float32)
    rows = [unknown, *(_features(chord.name) if chord.name else unknown for chord in chords)]
    found = np.searchsorted(np.array([chord.start for chord in chords]), times, side="right")
    return np.stack(rows)[found].T


@lru_cache
def _features(name: str) -> npt.NDArray[np.float32]:
    return np.array(chord_features(parse_chords(name)[0][0]), dtype=np.float32)


def _span(record: ClipRecord) -> Range:
    """The bytes from the first to the last of a clip's arrays, for one request; its files stand together."""
    places = (record.latent, *record.states)
    start = min(place.offset for place in places)
    return Range(start, max(place.offset + place.size for place in places) - start)


def _factors(
    clips: Sequence[ClipRecord], weights: Mapping[str, float] | Sequence[float] | None
) -> npt.NDArray[np.float64]:
    if weights is None:
        return np.ones(len(clips))
    if isinstance(weights, Mapping):
        strange = sorted(set(weights) - {clip.source for clip in clips})
        if strange:
            known = ", ".join(sorted({clip.source for clip in clips}))
            raise AudiodiffError(f"No clip is from {', '.join(strange)}; the sources are: {known}.")
        factors = np.array([weights.get(clip.source, 1.0) for clip in clips], dtype=np.float64)
    else:
        factors = np.array(weights, dtype=np.float64)
        if factors.shape != (len(clips),):
            raise AudiodiffError(f"There are {len(weights)} weights for {len(clips)} clips; give one per clip.")
    if not bool(np.isfinite(factors).all()) or float(factors.min()) < 0:
        raise AudiodiffError("A sampling weight is negative or not finite; give 0 or more.")
    return factors
