"""What a folder of latent shards looks like.

FOLDER/index.json              what all clips have in common (`ShardIndex`), and the list of shards; written last
FOLDER/shard-000000.tar        clips, in the conventions of WebDataset: members of one clip stand together, and
                               their key is the name up to the first dot
FOLDER/shard-000000.json       where in the tar each clip stands, so that a reader need not fetch all of it

KEY.latent.npy                 float16 [channels, n_latents]
KEY.text.npy                   float16 [n_tokens, text_width], states of the caption; KEY.text0.npy, KEY.text1.npy
                               and so on where a clip has several
KEY.json                       texts, numbers, classes, source, licence, seconds, beats, chords
"""

import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import parse_json, take
from audiodiff.signal.npy import read_npy_header
from audiodiff.text.chords import parse_chords

INDEX_FILE = "index.json"
LATENT, TEXT, INFO = "latent.npy", "text", "json"
KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""Keys that every tar format and every tool can hold."""

_FORMAT = 1
_KIND = "latents"

Half = npt.NDArray[np.float16]


class Range(NamedTuple):
    """Bytes of a shard."""

    offset: int
    size: int


class TimedChord(NamedTuple):
    """A chord by name ("F#m7"; "" where there is none or it is not known), and when it begins (s)."""

    start: float
    name: str


@dataclass(frozen=True)
class ShardIndex:
    """What all clips of a folder have in common.

    Attributes:
        encoder: name of the text encoder whose states are stored; empty for none.
        text_width: numbers per token of these states.
        autoencoder: SHA-256 of the weights of the autoencoder that made the latents.
        channels: channels of a latent.
        latent_rate: latents per second.
        numbers: names of the numbers of a clip ("tempo_bpm"), in the order of a batch's columns.
        classes: kind -> its labels, in the order of a batch's columns; the first label is class 1, 0 is unknown.
        metadata: further JSON values: corpus, command, versions.
    """

    encoder: str
    text_width: int
    autoencoder: str
    channels: int
    latent_rate: float
    numbers: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the sizes and names.

        Raises:
            AudiodiffError: a size is not positive, or a name stands twice.
        """
        check_bounds(self, "index", text_width=(1, 65_536), channels=(1, 65_536), latent_rate=(1e-3, 1e6))
        for what, names in (("numbers", self.numbers), *self.classes.items()):
            if len(set(names)) != len(names):
                raise AudiodiffError(f"A shard index names one of {what} twice: {', '.join(names)}.")

    def row(self, numbers: Mapping[str, float], classes: Mapping[str, str]) -> tuple[list[float], list[int]]:
        """Return the columns of one clip: numbers with NaN, and classes with 0, where nothing is known.

        Raises:
            AudiodiffError: a number, a kind or a label is not in the index.
        """
        strange = [*(set(numbers) - set(self.numbers)), *(set(classes) - set(self.classes))]
        strange += [label for kind, label in classes.items() if label and label not in self.classes.get(kind, (label,))]
        if strange:
            raise AudiodiffError(f"{', '.join(map(repr, sorted(strange)))} is not in the shard index; add it there.")
        ids = [
            labels.index(classes[kind]) + 1 if classes.get(kind) else 0  # "" is unknown as well
            for kind, labels in self.classes.items()
        ]
        return [float(numbers.get(name, math.nan)) for name in self.numbers], ids


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of a shard: what is known of it, and where its arrays stand.

    Attributes:
        key: its name in the shard.
        n_latents: latents of the whole clip.
        texts: captions, in words.
        numbers: what is known: name -> value.
        classes: what is known: kind -> label.
        source: corpus that it is from; sampling weights go by it.
        licence: licence of the recording.
        seconds: duration (s).
        beats: times of its beats (s); none where unknown.
        chords: its chords and when they begin (s); none where unknown.
        latent: bytes of the latent's file.
        states: bytes of the captions' files, as many as captions or none.
    """

    key: str
    n_latents: int
    texts: tuple[str, ...]
    numbers: Mapping[str, float]
    classes: Mapping[str, str]
    source: str
    licence: str
    seconds: float
    beats: tuple[float, ...]
    chords: tuple[TimedChord, ...]
    latent: Range
    states: tuple[Range, ...]


class ShardEntry(NamedTuple):
    """A shard in the index."""

    name: str
    clips: int
    bytes: int


def table_name(shard: str) -> str:
    """Name of the file with a shard's records."""
    return shard.removesuffix(".tar") + ".json"


def array_bytes(array: npt.NDArray[Any]) -> bytes:
    """An array as a .npy file, the same bytes every time."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def array_from(content: bytes, rows: int | None, columns: int | None, where: str) -> Half:
    """Read a .npy file of float16 `[rows, columns]`; None for any number.

    Raises:
        AudiodiffError: it is truncated, no .npy file, or of another type or shape.
    """
    read_npy_header(io.BytesIO(content), len(content), where)
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    fits = array.ndim == 2 and rows in (None, array.shape[0]) and columns in (None, array.shape[1])
    if not fits or array.dtype not in (np.float16, np.float32):
        raise AudiodiffError(
            f"{where} holds {array.dtype} {list(array.shape)}; expected float16 "
            f"[{'any' if rows is None else rows}, {'any' if columns is None else columns}]."
        )
    half: Half = array.astype(np.float16, copy=False)
    return half


def index_to_json(index: ShardIndex, shards: list[ShardEntry], seconds: float) -> str:
    """`index.json`."""
    values = {"kind": _KIND, "format": _FORMAT, **asdict(index)}
    values |= {"clips": sum(shard.clips for shard in shards), "seconds": seconds}
    values["shards"] = [shard._asdict() for shard in shards]
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def index_from_json(content: bytes, where: str) -> tuple[ShardIndex, list[ShardEntry]]:
    """Read `index.json`.

    Raises:
        AudiodiffError: it is no index of latent shards, or one of another version.
    """
    values = parse_json(content, where)
    if not isinstance(values, dict) or values.get("kind") != _KIND:
        raise AudiodiffError(f"{where} is not an index of latent shards; prepare them again.")
    if values.get("format") != _FORMAT:
        raise AudiodiffError(
            f"{where} has shard format {str(values.get('format'))[:60]}; expected {_FORMAT}. Update audiodiff."
        )
    classes = take(values, "classes", dict, where)
    index = ShardIndex(
        encoder=take(values, "encoder", str, where),
        text_width=take(values, "text_width", int, where),
        autoencoder=take(values, "autoencoder", str, where),
        channels=take(values, "channels", int, where),
        latent_rate=take(values, "latent_rate", float, where),
        numbers=_texts(values, "numbers", where),
        classes={kind: _texts(classes, kind, where) for kind in classes},
        metadata=take(values, "metadata", dict, where),
    )
    return index, [
        _entry(shard, f"{where}, shards[{i}]") for i, shard in enumerate(take(values, "shards", list, where))
    ]


def _entry(values: Any, where: str) -> ShardEntry:
    table = _table(values, where)
    entry = ShardEntry(*(take(table, key, kind, where) for key, kind in ShardEntry.__annotations__.items()))
    if entry.clips < 0 or entry.bytes < 0:
        raise AudiodiffError(f"{where} has {entry.clips} clips and {entry.bytes} bytes; expected 0 or more.")
    return entry


def table_to_json(records: list[ClipRecord]) -> str:
    """The records of one shard, one line each."""
    lines = (json.dumps(asdict(record), ensure_ascii=False, sort_keys=True) for record in records)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def table_from_json(content: bytes, where: str) -> list[ClipRecord]:
    """Read the records of one shard.

    Raises:
        AudiodiffError: they are damaged.
    """
    values = parse_json(content, where)
    if not isinstance(values, list):
        raise AudiodiffError(f"{where} is damaged: it is no list of clips; copy the shards again.")
    return [record_from(item, f"{where}, clip {number}") for number, item in enumerate(values)]


def record_from(values: Any, where: str) -> ClipRecord:
    """A record from JSON values; what is missing of the description of a clip is taken as unknown.

    Raises:
        AudiodiffError: a value is of the wrong type.
    """
    table = _table(values, where)
    numbers, classes = (take(table, key, dict, where, {}) for key in ("numbers", "classes"))
    beats = {str(number): time for number, time in enumerate(take(table, "beats", list, where, []))}
    n_latents = take(table, "n_latents", int, where)
    if n_latents < 1:
        raise AudiodiffError(f"{where} has {n_latents} latents; expected 1 or more.")
    return ClipRecord(
        key=take(table, "key", str, where),
        n_latents=n_latents,
        texts=_texts(table, "texts", where),
        numbers={name: take(numbers, name, float, where) for name in numbers},
        classes={kind: take(classes, kind, str, where) for kind in classes},
        source=take(table, "source", str, where, ""),
        licence=take(table, "licence", str, where, ""),
        seconds=take(table, "seconds", float, where, 0.0),
        beats=tuple(take(beats, time, float, f"{where}, beats") for time in beats),
        chords=tuple(_chord(chord, f"{where}, chords") for chord in take(table, "chords", list, where, [])),
        latent=_range(table.get("latent"), where),
        states=tuple(_range(place, where) for place in take(table, "states", list, where)),
    )


def _table(values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise AudiodiffError(f"{where} is no table of keys and values; copy the shards again.")
    return values


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    texts = take(table, key, list, where, [])
    if not all(isinstance(text, str) for text in texts):
        raise AudiodiffError(f'{where}: "{key}" is no list of texts; copy the shards again.')
    return tuple(texts)


def _chord(values: Any, where: str) -> TimedChord:
    if not isinstance(values, list | tuple) or len(values) != 2 or not isinstance(values[1], str):
        raise AudiodiffError(f"{where} has an entry that is not a time and a name; copy the shards again.")
    if values[1]:
        parse_chords(values[1])
    return TimedChord(take({"start": values[0]}, "start", float, where), values[1])


def _range(place: Any, where: str) -> Range:
    if not isinstance(place, list | tuple) or [type(number) for number in place] != [int, int] or min(place) < 0:
        raise AudiodiffError(
            f"{where} has a place that is not two whole numbers, offset and size; copy the shards again."
        )
    return Range(*place)
