"""The folder of uploads and results: private to this server, and emptied by age."""

import contextlib
import secrets
import shutil
import stat
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from audiodiff.errors import AudiodiffError

SWEEP_SECONDS = 60.0
"""How often old files are looked for."""


class Workspace:
    """A temporary folder that only this user of the computer can enter; gone when the server ends.

    Used as a context manager, it sweeps itself in the background.
    """

    def __init__(self, keep_seconds: float, parent: Path | None = None, *, most_bytes: int | None = None) -> None:
        """Make the folder.

        Args:
            keep_seconds: how long files stay.
            parent: where to make it; the system's folder for temporary files when `None`.
            most_bytes: how much all files together may take; the oldest go first. Any size when `None`.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="audiodiff-demo-", dir=parent)).resolve()
        self._removal = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)  # at exit at the latest
        self._keep_seconds = keep_seconds
        self._most_bytes = most_bytes
        self._held: Counter[Path] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep_on, name="audiodiff-demo-sweeper", daemon=True)

    def new_file(self, name: str) -> Path:
        """Return where to write a file of this name: a folder of its own that nobody can guess.

        Raises:
            AudiodiffError: there is no room for another.
        """
        self.make_room()
        folder = self.folder / "results" / secrets.token_hex(16)
        folder.mkdir(parents=True)
        return folder / name

    @contextmanager
    def hold(self, *paths: Path) -> Iterator[None]:
        """Keep files, and folders with all that is in them, while the block runs: a job may wait longer than they stay.

        Args:
            paths: what the job needs, and the folder that it writes into.
        """
        held = Counter(path.resolve() for path in paths)
        with self._lock:
            self._held.update(held)
        try:
            yield
        finally:
            with self._lock:
                self._held -= held

    def sweep(self, now: float | None = None) -> int:
        """Remove files that nobody has touched for as long as files are kept, nor holds, and return how many.

        Args:
            now: seconds since the epoch.
        """
        oldest = (time.time() if now is None else now) - self._keep_seconds
        removed = 0
        # folders after what is in them
        for path in sorted(self.folder.rglob("*"), key=lambda path: len(path.parts), reverse=True):
            # it may be gone, or a folder may have got a file meanwhile
            with self._lock, contextlib.suppress(OSError):
                if path.lstat().st_mtime > oldest or self._is_held(path):
                    continue
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
                    removed += 1
        return removed

    def make_room(self, coming: int = 0) -> None:
        """Remove the oldest files that nobody holds until all are within the limit.

        Args:
            coming: bytes that are about to be written.

        Raises:
            AudiodiffError: what is held is too much already.
        """
        if self._most_bytes is None:
            return
        with self._lock:
            ages = []
            for path in self.folder.rglob("*"):
                with contextlib.suppress(OSError):  # it may be gone
                    found = path.lstat()
                    if not stat.S_ISDIR(found.st_mode):
                        ages.append((found.st_mtime, found.st_size, path))
            left = coming + sum(size for _, size, _ in ages)
            for _, size, path in sorted(ages):
                if left <= self._most_bytes:
                    return
                if self._is_held(path):
                    continue
                with contextlib.suppress(OSError):
                    path.unlink()
                    left -= size
        if left > self._most_bytes:
            raise AudiodiffError(
                f"the {self._most_bytes / 2**20:.0f} MiB that this demo keeps are in use; try again in a few minutes."
            )

    def _is_held(self, path: Path) -> bool:
        return not self._held.keys().isdisjoint((path, *path.parents))

    def close(self) -> None:
        """End the sweeping and remove everything."""
        self._ended.set()
        if self._sweeper.is_alive():
            self._sweeper.join()
        self._removal()

    def _sweep_on(self) -> None:
        while not self._ended.wait(min(SWEEP_SECONDS, self._keep_seconds)):
            self.sweep()
            with contextlib.suppress(AudiodiffError):  # the next write reports it
                self.make_room()

    def __enter__(self) -> Self:
        """Begin to sweep."""
        self._sweeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove everything."""
        self.close()
