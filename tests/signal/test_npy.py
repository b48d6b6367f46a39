import io

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.signal.npy import read_npy_header
from tests.refusals import refused


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_a_header_is_read() -> None:
    content = saved(np.zeros((80, 40), np.float32))
    assert read_npy_header(io.BytesIO(content), len(content), "x") == ((80, 40), np.dtype(np.float32))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(80, 40), ", b"(80, 10**9)"),
        (b"(80, 40), }" + b" " * 12, b"(80, 99999999999999), }"),
        (b"(80, 40), }" + b" " * 25, b"(80, 10000000000000000000000000), }"),
        (b"(80, 40), ", b"(80, -4), "),
        (b"(80, 40), ", b"(True, 4),"),
        (b"(80, 40), ", b"None,     "),
        (b"'<f4'", b"'|O8'"),
        (b"'<f4'", b"'<x9'"),
        (b"NUMPY\x01", b"NUMPY\x09"),
        (b"NUMPY", b"numpy"),
        (b"{'descr'", b"{((((((("),
    ],
)
def test_headers_that_claim_too_much_or_nonsense_are_refused(old: bytes, new: bytes) -> None:
    content = saved(np.zeros((80, 40), np.float32))
    assert old in content
    damaged = content.replace(old, new.ljust(len(old)))
    refused(r"^x (is truncated|holds Python objects)", lambda: read_npy_header(io.BytesIO(damaged), len(damaged), "x"))


def test_a_truncated_file_is_refused() -> None:
    content = saved(np.zeros((80, 40), np.float32))
    for size in (0, 5, 60, len(content) - 1):
        with pytest.raises(AudiodiffError, match="truncated"):
            read_npy_header(io.BytesIO(content[:size]), size, "x")
