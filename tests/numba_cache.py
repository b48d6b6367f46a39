"""A folder for the compiled functions of librosa that this process has for itself, and that the next one finds filled.

They take a minute to compile, and crash where two processes fill one folder at once (numba/numba#10128).
"""

import atexit
import shutil
import sys
import tempfile
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import IO

_locks: list[IO[str]] = []
"""Held until the process ends."""


def numba_cache() -> str:
    """Return the first folder of this environment that no other process uses; it is made when missing."""
    try:
        import fcntl
    except ImportError:  # Windows: one that goes with the process
        folder = tempfile.mkdtemp(prefix="audiodiff-numba-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder
    environment = sha256(sys.prefix.encode()).hexdigest()[:12]
    for place in count():
        path = Path(tempfile.gettempdir()) / f"audiodiff-numba-{environment}-{place}"
        path.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = (path / "lock").open("w", encoding="utf-8")
        except OSError:  # somebody else's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return str(path)
    raise AssertionError("count() has no end")
