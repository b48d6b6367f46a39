"""The header of a .npy file, checked against the bytes that are there before anything is allocated for it."""

import math
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from audiodiff.errors import AudiodiffError

__all__ = ["read_npy_header"]


def read_npy_header(file: BinaryIO, n_bytes: int, where: str) -> tuple[tuple[int, ...], "np.dtype[Any]"]:
    """Return shape and type of an array.

    Args:
        file: the .npy file from its first byte; it is left behind its header.
        n_bytes: size of the whole file.
        where: what to call it in messages.

    Raises:
        AudiodiffError: it is no .npy file, holds Python objects, or claims more values than it has.
    """
    try:
        version = npy_format.read_magic(file)
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, _, dtype = read(file)
        claimed = math.prod(shape) * dtype.itemsize
    except Exception as error:  # numpy evaluates the header, and lets through what that raises
        raise AudiodiffError(f"{where} is truncated or not a .npy file of numbers; write or copy it again.") from error
    if dtype.hasobject:
        raise AudiodiffError(f"{where} holds Python objects; expected a .npy file of numbers.")
    there = n_bytes - file.tell()
    if any(type(size) is not int or size < 0 for size in shape) or claimed > there:
        claim = f"{dtype} {list(shape)}"[:100]
        raise AudiodiffError(
            f"{where} is truncated: its header claims {claim}, and {there} bytes follow; write or copy it again."
        )
    return shape, dtype
