"""What a folder of latent shards looks like.

FOLDER/index.json              what all clips have in common (`ShardIndex`), and the list of shards; written last
FOLDER/shard-000000.tar        clips, in the conventions of WebDataset: members of one clip stand together, and
                               their key is the name up to the first dot
FOLDER/shard-000000.json       where in the tar each clip stands, so that a reader need not fetch all of it

KEY.latent.npy                 float16 [channels, n_latents]
KEY.text.npy                   float16 [n_tokens, text_width], states of the caption; KEY.text0.npy, KEY.text1.npy
                               and so on where a clip has several
KEY.json                       texts, numbers, classes, source, licence, seconds, beats
"""

import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError

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
        if self.text_width < 1 or self.channels < 1 or not (math.isfinite(self.latent_rate) and self.latent_rate > 0):
            raise AudiodiffError(
                f"A shard index has text_width {self.text_width}, channels {self.channels} and latent_rate "
                f"{self.latent_rate}; all must be more than 0."
            )
        for what, names in (("numbers", self.numbers), *self.classes.items()):
            if len(set(names)) != len(names):
                raise AudiodiffError(f"A shard index names one of {what} twice: {', '.join(names)}.")

    @property
    def class_sizes(self) -> tuple[int, ...]:
        """Number of classes of each kind, the unknown class among them."""
        return tuple(len(labels) + 1 for labels in self.classes.values())

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
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise AudiodiffError(f"{where} is truncated or not a .npy file; write or copy its shard again.") from error
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
    try:
        values = json.loads(content)
        if values["kind"] != _KIND:
            raise ValueError(f"kind {values['kind']!r}")
        if values["format"] != _FORMAT:
            raise AudiodiffError(
                f"{where} has shard format {values['format']!r}; expected {_FORMAT}. Update audiodiff."
            )
        known = {item.name: values[item.name] for item in fields(ShardIndex)}
        known["numbers"] = tuple(known["numbers"])
        known["classes"] = {kind: tuple(labels) for kind, labels in known["classes"].items()}
        return ShardIndex(**known), [ShardEntry(**shard) for shard in values["shards"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, AudiodiffError):
            raise
        raise AudiodiffError(f"{where} is not an index of latent shards ({error!r}); prepare them again.") from error


def table_to_json(records: list[ClipRecord]) -> str:
    """The records of one shard, one line each."""
    lines = (json.dumps(asdict(record), ensure_ascii=False, sort_keys=True) for record in records)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def table_from_json(content: bytes, where: str) -> list[ClipRecord]:
    """Read the records of one shard.

    Raises:
        AudiodiffError: they are damaged.
    """
    try:
        return [record_from(values) for values in json.loads(content)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AudiodiffError(f"{where} is damaged ({error!r}); copy the shards again.") from error


def record_from(values: Mapping[str, Any]) -> ClipRecord:
    """A record from JSON values; what is missing of the description of a clip is taken as unknown."""
    return ClipRecord(
        key=str(values["key"]),
        n_latents=int(values["n_latents"]),
        texts=tuple(str(text) for text in values.get("texts", ())),
        numbers={str(name): float(value) for name, value in values.get("numbers", {}).items()},
        classes={str(kind): str(label) for kind, label in values.get("classes", {}).items()},
        source=str(values.get("source", "")),
        licence=str(values.get("licence", "")),
        seconds=float(values.get("seconds", 0.0)),
        beats=tuple(float(time) for time in values.get("beats", ())),
        latent=Range(*map(int, values["latent"])),
        states=tuple(Range(*map(int, place)) for place in values["states"]),
    )
