"""What a process sets up before torch is loaded: how memory is kept, and how long idle threads spin."""

import os
import sys

SWITCH = "AUDIODIFF_MALLOC"
"""Environment variable: `default` leaves the allocator as it is."""

SPIN_COUNT = "GOMP_SPINCOUNT"
"""Environment variable: how many turns of its loop an idle thread of GNU OpenMP waits before it sleeps."""

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8


def tune_allocator() -> bool:
    """Let glibc serve large blocks from the heap and keep freed pages; return whether that was done.

    By default a tensor above 32 MB gets pages of its own from the system at every operation, and touching them for
    the first time can cost more than the arithmetic. All threads share one heap: with one for each, a server keeps the
    gaps of all of them. Does nothing off Linux, off glibc, when the user tunes malloc himself (`MALLOC_...` in the
    environment), or when `AUDIODIFF_MALLOC` is `default`.
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
        libc.mallopt(M_ARENA_MAX, 1)
        return bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
    except (OSError, AttributeError):
        return False


def limit_spinning() -> bool:
    """Let idle threads of OpenMP sleep after some ten microseconds; return whether that was done.

    By default they spin for a millisecond, and where other programs run, the threads that have work wait for the
    processors that they spin on. The limit is what GNU OpenMP takes itself when it is asked for more threads than there
    are processors; without other programs it costs nothing that can be measured, whereas never to spin costs a fifth.
    Has no effect once torch is imported. Does nothing when the user says how threads wait (`OMP_WAIT_POLICY` or
    `GOMP_SPINCOUNT` in the environment).
    """
    if "OMP_WAIT_POLICY" in os.environ or SPIN_COUNT in os.environ:
        return False
    os.environ[SPIN_COUNT] = "1000"
    return True


def release_memory() -> bool:
    """Return pages that nothing is kept on to the system, wherever they are; return whether there were any.

    With `tune_allocator` nothing else does: a server that idles would hold the most that it ever needed, and what is
    left between blocks. Takes some ten milliseconds. Does nothing off Linux and off glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL("libc.so.6").malloc_trim(0))
    except (OSError, AttributeError):
        return False
