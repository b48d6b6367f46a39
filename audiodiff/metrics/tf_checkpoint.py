"""Reads the tensors of a TensorFlow checkpoint (the "V2" pair of `.index` and `.data-00000-of-00001`) without it.

The index is an uncompressed LevelDB table: blocks of key-value entries with shared key prefixes, an index block that
names them, and a footer that names the index block. A value is a protocol buffer that says where in the data file a
tensor lies.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError

_FOOTER_BYTES = 48
_MAGIC = 0xDB4775248B80FB57
_DTYPES: Mapping[int, str] = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""TensorFlow's numbers of the number formats that are read here."""


def read_checkpoint(folder: Path, prefix: str = "") -> dict[str, npt.NDArray[np.generic]]:
    """Read all numeric tensors of a checkpoint by name.

    Args:
        folder: where the two files are.
        prefix: what their names begin with; `PREFIX.index`.

    Raises:
        AudiodiffError: a file is missing, or it is not such a checkpoint in one uncompressed part.
    """
    index_path, data_path = folder / f"{prefix}.index", folder / f"{prefix}.data-00000-of-00001"
    for path in (index_path, data_path):
        if not path.is_file():
            raise AudiodiffError(f"{path} does not exist; a TensorFlow checkpoint is a pair of .index and .data files.")
    index, data = index_path.read_bytes(), data_path.read_bytes()
    if len(index) < _FOOTER_BYTES or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise AudiodiffError(f"{index_path} does not end like the index of a TensorFlow checkpoint; it may be damaged.")
    tensors: dict[str, npt.NDArray[np.generic]] = {}
    try:
        for key, value in _table(index):
            if key:  # the empty key holds the header
                tensor = _tensor(value, data)
                if tensor is not None:
                    tensors[key.decode()] = tensor
    except (IndexError, ValueError, struct.error) as error:
        raise AudiodiffError(f"{index_path} could not be read as a TensorFlow checkpoint ({error}).") from error
    return tensors


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(index) - _FOOTER_BYTES
    for _ in range(2):  # the handle of the unused meta index: offset, size
        _, at = _varint(index, at)
    offset, at = _varint(index, at)
    size, at = _varint(index, at)
    for _, handle in _block(index, offset, size):
        start, place = _varint(handle, 0)
        length, _ = _varint(handle, place)
        yield from _block(index, start, length)


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if index[offset + size] != 0:
        raise ValueError("its blocks are compressed")
    block = index[offset : offset + size]
    (n_restarts,) = struct.unpack("<I", block[-4:])
    end, at, key = size - 4 - 4 * n_restarts, 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _tensor(entry: bytes, data: bytes) -> npt.NDArray[np.generic] | None:
    """The tensor that a `BundleEntryProto` (1 dtype, 2 shape, 3 shard, 4 offset, 5 size) describes."""
    fields = dict(_fields(entry))
    if fields.get(3, 0) != 0:
        raise ValueError("its data come in several parts")
    dtype = _DTYPES.get(_whole(fields.get(1, 0)))
    if dtype is None:
        return None
    shape_field = fields.get(2, b"")
    shape_bytes = shape_field if isinstance(shape_field, bytes) else b""
    shape = [
        _whole(dict(_fields(size)).get(1, 0))
        for number, size in _fields(shape_bytes)
        if number == 2 and isinstance(size, bytes)
    ]
    offset, n_bytes = _whole(fields.get(4, 0)), _whole(fields.get(5, 0))
    if offset + n_bytes > len(data):
        raise ValueError("its data file is too short")
    return np.frombuffer(data[offset : offset + n_bytes], dtype=dtype).reshape(shape).copy()


def _whole(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a number was expected and bytes were found")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protocol buffer; fixed numbers come as bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"field kind {kind} is unknown")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
