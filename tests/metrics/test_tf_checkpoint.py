import struct

import numpy as np
import pytest

from audiodiff.metrics.tf_checkpoint import read_checkpoint
from tests.refusals import refused

MAGIC = 0xDB4775248B80FB57


def varint(value):
    out = bytearray()
    while True:
        out.append((value & 0x7F) | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def block(entries):
    """A table block whose keys share what they have in common with the key before."""
    out, before = bytearray(), b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), min(len(before), len(key))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return bytes(out) + struct.pack("<II", 0, 1)


def entry(dtype, shape, offset, size):
    dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in shape))
    value = b"\x08" + varint(dtype) + b"\x12" + varint(len(dims)) + dims
    return value + b"\x20" + varint(offset) + b"\x28" + varint(size) + b"\x35" + bytes(4)


def write(folder, tensors, compression=b"\x00"):
    codes = {"float32": 1, "int32": 3, "int64": 9, "uint8": 4}
    data, entries = bytearray(), [(b"", b"\x08\x01")]
    for name in sorted(tensors):
        raw = tensors[name].tobytes()
        entries.append(
            (name.encode(), entry(codes[tensors[name].dtype.name], tensors[name].shape, len(data), len(raw)))
        )
        data += raw
    out, handles = bytearray(), []
    half = len(entries) // 2 + 1
    for part in (entries[:half], entries[half:]):
        content = block(part)
        handles.append((part[-1][0], varint(len(out)) + varint(len(content))))
        out += content + compression + bytes(4)
    index = block(handles)
    handle = varint(len(out)) + varint(len(index))
    out += index + b"\x00" + bytes(4)
    footer = b"\x00\x00" + handle
    out += footer.ljust(40, b"\x00") + struct.pack("<Q", MAGIC)
    (folder / "m.index").write_bytes(bytes(out))
    (folder / "m.data-00000-of-00001").write_bytes(bytes(data))


@pytest.fixture
def tensors():
    random = np.random.default_rng(0)
    return {
        "conv/bias": random.standard_normal(5).astype(np.float32),
        "conv/kernel": random.standard_normal((3, 3, 200, 5)).astype(np.float32),
        "conv_1/kernel": random.standard_normal((2, 3)).astype(np.float32),
        "step": np.array(1234567890123, np.int64),
        "table": np.arange(-3, 3, dtype=np.int32).reshape(2, 3),
    }


def test_all_tensors_come_back(tmp_path, tensors):
    write(tmp_path, {**tensors, "text": np.zeros(3, np.uint8)})
    found = read_checkpoint(tmp_path, "m")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_damaged_and_missing_files_are_named(tmp_path, tensors):
    refused("does not exist", lambda: read_checkpoint(tmp_path, "m"))
    write(tmp_path, tensors)
    whole = (tmp_path / "m.data-00000-of-00001").read_bytes()
    (tmp_path / "m.data-00000-of-00001").write_bytes(whole[:100])
    refused("too short", lambda: read_checkpoint(tmp_path, "m"))
    (tmp_path / "m.index").write_bytes(b"not a table" * 10)
    refused("may be damaged", lambda: read_checkpoint(tmp_path, "m"))
    write(tmp_path, tensors, compression=b"\x01")
    refused("compressed", lambda: read_checkpoint(tmp_path, "m"))
