"""librosa, whose functions for beats are compiled by one process at a time.

They are compiled by numba when they are first called, and kept in files beside librosa. Two processes that do so at
once damage these files, and every later use in that environment ends in a segmentation fault (numba/numba#10128).
"""

import os
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.errors import AudiodiffError

__all__ = ["open_librosa"]

_RATE = 22_050

_WAIT_SECONDS = 300.0
"""How long to wait for another process, which compiles for a minute at most."""


@cache
def open_librosa() -> Any:
    """Import librosa, and let it compile all that finding beats takes.

    That is some twenty seconds in a new environment, and a few in any other process.

    Raises:
        AudiodiffError: librosa is not installed.
    """
    try:
        import librosa
    except ImportError as error:
        raise AudiodiffError("beats are found by librosa, which is not installed; pip install librosa.") from error
    with _alone(Path(librosa.__file__).parent):
        clicks = np.zeros(4 * _RATE, dtype=np.float32)
        clicks[:: _RATE // 2] = 1.0
        strength = librosa.onset.onset_strength(y=clicks, sr=_RATE)
        librosa.onset.onset_detect(onset_envelope=strength, sr=_RATE, units="time", backtrack=True)
        for asked in (120.0, None):
            librosa.beat.beat_track(onset_envelope=strength, sr=_RATE, bpm=asked, trim=False, units="time")
    return librosa


def _alone(folder: Path) -> Any:
    """A context that one process at a time is in, for what is installed in a folder."""
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        return nullcontext()
    # Beside the files that it is about, or where numba keeps them for a folder that cannot be written.
    kept = os.environ.get("NUMBA_CACHE_DIR")
    for place in (Path(kept) if kept else folder / "__pycache__", Path.home() / ".cache" / "audiodiff"):
        with suppress(OSError, NotImplementedError, Timeout):
            place.mkdir(parents=True, exist_ok=True)
            return FileLock(place / "audiodiff.lock", mode=0o666).acquire(timeout=_WAIT_SECONDS)
    return nullcontext()  # a file system without locks, or a process that hangs: no worse than without
