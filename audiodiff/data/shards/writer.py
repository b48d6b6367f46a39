"""Writing latent shards: the same clips give the same bytes, and a run that fails leaves no shard behind."""

import json
import math
import os
import re
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import torch
from torch import Tensor

from audiodiff.atomic import atomic_file
from audiodiff.data.shards.format import (
    INDEX_FILE,
    INFO,
    KEY,
    LATENT,
    TEXT,
    ClipRecord,
    Range,
    ShardEntry,
    ShardIndex,
    TimedChord,
    array_bytes,
    index_to_json,
    table_name,
    table_to_json,
)
from audiodiff.errors import AudiodiffError

__all__ = ["LatentClip", "ShardWriter"]

_SHARD = re.compile(r"shard-[0-9]{6}\.(tar|json)")
_HEADER = 512


@dataclass(frozen=True, eq=False)
class LatentClip:
    """One clip as a denoiser is trained on it.

    Attributes:
        key: its name: up to 80 letters, digits, - and _; no other clip of the folder may have it.
        latent: `[channels, n_latents]`, normalised; stored as float16.
        seconds: duration of the recording (s).
        texts: captions, in words.
        states: what the text encoder says about each of them, `[n_tokens, text_width]`; stored as float16.
        numbers: name -> value, as far as known.
        classes: kind -> label, as far as known.
        source: corpus that the clip is from.
        licence: its licence.
        beats: times of its beats (s), increasing; none where unknown.
        chords: its chords and when they begin (s), increasing; none where unknown.
    """

    key: str
    latent: Tensor
    seconds: float
    texts: tuple[str, ...] = ()
    states: tuple[Tensor, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    beats: tuple[float, ...] = ()
    chords: tuple[TimedChord, ...] = ()


class ShardWriter:
    """Writes clips to a folder of shards; a context manager, and only leaving it without an error completes the folder.

    Args:
        folder: made if missing; it must hold no shards yet.
        index: what the clips have in common.
        clips_per_shard: most clips of one shard.
        bytes_per_shard: most bytes of one shard, the padding at its end aside; a clip that is larger gets a shard of
            its own.

    Raises:
        AudiodiffError: the folder holds shards or cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        index: ShardIndex,
        *,
        clips_per_shard: int = 4096,
        bytes_per_shard: int = 256 * 2**20,
    ) -> None:
        if clips_per_shard < 1 or bytes_per_shard < 1:
            raise AudiodiffError("A shard needs room for one clip; give clips_per_shard and bytes_per_shard 1 or more.")
        self._folder = Path(folder)
        self._index = index
        self._most_clips = clips_per_shard
        self._most_bytes = bytes_per_shard
        self._keys: set[str] = set()
        self._shards: list[ShardEntry] = []
        self._seconds: list[float] = []
        self._open: _OpenShard | None = None
        self._failed = False
        try:
            index_to_json(index, [], 0.0)
        except (TypeError, ValueError) as error:
            raise AudiodiffError(f"The metadata of a shard index must be JSON values ({error}).") from error
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            there = sorted(path.name for path in self._folder.iterdir())
        except OSError as error:
            raise AudiodiffError(f"The folder {folder} cannot be written ({error.strerror}).") from error
        if INDEX_FILE in there:
            raise AudiodiffError(f"{folder} holds shards already; choose another folder.")
        left = [name for name in there if _SHARD.fullmatch(name)]
        if left:
            raise AudiodiffError(f"{folder} holds {left[0]} of an unfinished run; delete it or choose another folder.")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the index; after an error, remove what was written."""
        complete = False
        try:
            if kind is None:
                self._finish()
                complete = True
        finally:
            if not complete:
                self._remove()

    def add(self, clip: LatentClip) -> None:
        """Append a clip.

        Raises:
            AudiodiffError: it does not fit the index, has values that float16 cannot hold or a key that is not
                allowed or taken; or the disk is full.
        """
        members, record = self._members(clip)
        size = sum(_HEADER + len(content) + -len(content) % _HEADER for _, content in members)
        try:
            shard = self._open
            if shard and (len(shard.records) >= self._most_clips or shard.size + size > self._most_bytes):
                self._close_shard()
            if self._open is None:
                self._open = _OpenShard(self._folder / f"shard-{len(self._shards):06d}.tar")
            self._open.add(members, record)
        except OSError as error:
            self._failed = True  # half a clip may be in the shard
            raise AudiodiffError(f"{self._folder} cannot be written ({error.strerror or error}).") from error
        self._keys.add(clip.key)
        self._seconds.append(clip.seconds)

    def _members(self, clip: LatentClip) -> tuple[list[tuple[str, bytes]], ClipRecord]:
        """Names and contents of a clip's files, and its record with places still to be filled in."""
        index = self._index
        where = f"The clip {clip.key!r}"
        if not KEY.fullmatch(clip.key):
            raise AudiodiffError(f"{where} needs another key; use 1 to 80 letters, digits, - and _.")
        if clip.key in self._keys:
            raise AudiodiffError(f"{where} stands twice; give every clip a key of its own.")
        if clip.latent.ndim != 2 or clip.latent.shape[0] != index.channels or not clip.latent.shape[1]:
            raise AudiodiffError(
                f"{where} has a latent of shape {list(clip.latent.shape)}; expected [{index.channels}, 1 or more]."
            )
        if len(clip.texts) != len(clip.states):
            raise AudiodiffError(f"{where} has {len(clip.texts)} captions but {len(clip.states)} states; give both.")
        for states in clip.states:
            if states.ndim != 2 or states.shape[1] != index.text_width:
                raise AudiodiffError(
                    f"{where} has text states of shape {list(states.shape)}; expected [n_tokens, {index.text_width}]."
                )
        try:
            index.row(clip.numbers, clip.classes)
        except AudiodiffError as error:
            raise AudiodiffError(f"{where}: {error}") from error
        if not all(map(math.isfinite, (clip.seconds, *clip.numbers.values()))):
            raise AudiodiffError(f"{where} has a number that is not finite; leave unknown numbers out.")
        for name, times in (("beats", clip.beats), ("chords", [chord.start for chord in clip.chords])):
            if not all(early < late for early, late in pairwise((-math.inf, *times, math.inf))):
                raise AudiodiffError(f"{where} has {name} that do not follow each other in time; sort them.")
        info = {
            "texts": list(clip.texts),
            "numbers": dict(clip.numbers),
            "classes": dict(clip.classes),
            "source": clip.source,
            "licence": clip.licence,
            "seconds": clip.seconds,
            "beats": list(clip.beats),
            "chords": list(clip.chords),
        }
        names = [TEXT] if len(clip.states) == 1 else [f"{TEXT}{number}" for number in range(len(clip.states))]
        members = [(f"{clip.key}.{LATENT}", _half(clip.latent, where))]
        members += [
            (f"{clip.key}.{name}.npy", _half(states, where)) for name, states in zip(names, clip.states, strict=True)
        ]
        members.append((f"{clip.key}.{INFO}", json.dumps(info, ensure_ascii=False, sort_keys=True).encode()))
        return members, ClipRecord(
            key=clip.key,
            n_latents=clip.latent.shape[1],
            texts=tuple(clip.texts),
            numbers=dict(clip.numbers),
            classes=dict(clip.classes),
            source=clip.source,
            licence=clip.licence,
            seconds=clip.seconds,
            beats=tuple(clip.beats),
            chords=tuple(clip.chords),
            latent=Range(0, 0),
            states=tuple(Range(0, 0) for _ in clip.states),
        )

    def _close_shard(self) -> None:
        if self._open is not None:
            self._shards.append(self._open.close())
            self._open = None

    def _finish(self) -> None:
        if self._failed:
            raise AudiodiffError(f"{self._folder} could not be written; the shards were removed.")
        if not self._keys:
            raise AudiodiffError(f"No clip was added to {self._folder}; a folder of shards needs at least one.")
        try:
            self._close_shard()
            _write(self._folder / INDEX_FILE, index_to_json(self._index, self._shards, math.fsum(self._seconds)))
        except OSError as error:
            raise AudiodiffError(f"{self._folder} cannot be written ({error.strerror or error}).") from error

    def _remove(self) -> None:
        if self._open is not None:
            self._open.abandon()
        for number in range(len(self._shards) + 1):
            for name in (f"shard-{number:06d}.tar", f"shard-{number:06d}.json"):
                (self._folder / name).unlink(missing_ok=True)


class _Abandoned(Exception):
    """Leaves the block of an unfinished shard."""


class _OpenShard:
    """A tar that grows under a temporary name."""

    def __init__(self, path: Path) -> None:
        self.records: list[ClipRecord] = []
        self._path = path
        self._place = ExitStack()
        self._file: BinaryIO = self._place.enter_context(atomic_file(path)).open("wb")
        # The plain old format: one header block before each member, wherever it stands.
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._file.tell()

    def add(self, members: list[tuple[str, bytes]], record: ClipRecord) -> None:
        """Append the files of a clip: latent, captions, description."""
        places = []
        for name, content in members:
            header = tarfile.TarInfo(name)  # owner 0, time 0, mode 0o644: nothing of this machine or day
            header.size = len(content)
            places.append(Range(self._file.tell() + _HEADER, len(content)))
            self._tar.addfile(header, BytesIO(content))
        latent, *states, _ = places
        self.records.append(replace(record, latent=latent, states=tuple(states)))

    def close(self) -> ShardEntry:
        """Complete the tar and its table under their names."""
        self._tar.close()
        size = self.size
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        _write(self._path.with_name(table_name(self._path.name)), table_to_json(self.records))
        self._place.close()
        return ShardEntry(self._path.name, len(self.records), size)

    def abandon(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        with suppress(_Abandoned), self._place:
            raise _Abandoned


def _half(values: Tensor, where: str) -> bytes:
    half = values.detach().to("cpu", torch.float16)
    if not bool(half.isfinite().all()):
        raise AudiodiffError(f"{where} has values that are not finite or over 65504, which float16 cannot hold.")
    return array_bytes(half.numpy())


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode())
