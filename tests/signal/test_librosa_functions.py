import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from audiodiff.signal import librosa_functions
from audiodiff.signal.librosa_functions import open_librosa

USE = "from audiodiff.signal.beats import warm_up; warm_up(); print('DONE')"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As in a process that has not used librosa; locks are in this folder, or in `home` below it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    open_librosa.cache_clear()
    return tmp_path


def test_a_process_waits_for_another_that_compiles(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import librosa

    called, whole = threading.Event(), librosa.onset.onset_strength
    monkeypatch.setattr(librosa.onset, "onset_strength", lambda **given: called.set() or whole(**given))
    open_librosa()
    (lock,) = fresh.glob("*.lock")
    open_librosa.cache_clear()
    called.clear()
    with filelock.FileLock(lock):
        waiting = threading.Thread(target=open_librosa)
        waiting.start()
        assert not called.wait(0.5)
    assert called.wait(60.0)
    waiting.join()
    called.clear()
    open_librosa()  # once a process
    assert not called.is_set()


def test_without_a_lock_it_works_all_the_same(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librosa_functions, "_WAIT_SECONDS", 0.05)
    open_librosa()
    (lock,) = fresh.glob("*.lock")
    open_librosa.cache_clear()
    with filelock.FileLock(lock):  # of a process that hangs
        assert open_librosa().__name__ == "librosa"
    open_librosa.cache_clear()
    (fresh / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "file" / "below"))  # which cannot be made
    assert open_librosa().__name__ == "librosa"
    assert (fresh / "home" / ".cache" / "audiodiff" / "audiodiff.lock").exists()
    open_librosa.cache_clear()
    monkeypatch.setenv("HOME", str(fresh / "file"))
    assert open_librosa().__name__ == "librosa"


def test_without_a_setting_the_lock_is_beside_librosa(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    with librosa_functions._alone(fresh):
        assert (fresh / "__pycache__" / "audiodiff.lock").exists()


@pytest.mark.slow
def test_processes_that_begin_at_once_leave_a_cache_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    command = [sys.executable, "-c", USE]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=600)[0] for process in running] == ["DONE\n"] * 3
    assert subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout == "DONE\n"
