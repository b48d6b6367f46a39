"""Keep glibc from returning the memory of long tensors to the system after every operation."""

import os
import sys

SWITCH = "AUDIODIFF_MALLOC"
"""Environment variable: `default` leaves the allocator as it is."""

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def tune_allocator() -> bool:
    """Let glibc serve large blocks from the heap and keep freed pages; return whether that was done.

    By default a tensor above 32 MB gets pages of its own from the system at every operation, and touching them for
    the first time can cost more than the arithmetic. Does nothing off
    Linux, off glibc, when the user tunes malloc himself (`MALLOC_...` in the environment), or when `AUDIODIFF_MALLOC`
    is `default`.
    """
    if not sys.platform.startswith("linux") or os.environ.get(SWITCH) == "default":
        return False
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
    except (OSError, ValueError):
        return False
    import ctypes

    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
    except (OSError, AttributeError):
        return False
