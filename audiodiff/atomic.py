"""Files and folders that appear whole or not at all: written next to their place, renamed into it when complete.

A temporary file is locked while its writer lives. The lock goes with the process, however it ends, so whoever writes
into a folder next can tell what dead runs left there, and removes it.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audiodiff.errors import AudiodiffError

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, so nothing is ever taken for dead
    fcntl = None  # type: ignore[assignment]

# The name does not grow with that of the target, which may be as long as the file system allows.
_PREFIX, _SUFFIX = ".audiodiff-", ".part"
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary file, which replaces `path` when the block ends, and is removed if it raises.

    A symbolic link is followed: what it points to is replaced, and the link stays.

    Args:
        path: the target, on the same file system as the temporary file; its permissions are kept if it exists.

    Raises:
        AudiodiffError: the target is a folder, a device or read-only, its folder is missing or may not be written, the
            disk is full, or the folder vanishes before the end.
    """
    target = _file_target(Path(path))
    with _temporary(Path(path), target, folder=False) as temporary:
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        put_in_place(temporary, target)


def check_target(path: str | Path) -> None:
    """Refuse a file that cannot be written, before any work is done.

    Raises:
        AudiodiffError: as `atomic_file`.
    """
    with _temporary(Path(path), _file_target(Path(path)), folder=False):
        pass


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder, which becomes `path` when the block ends, and is removed if it raises.

    Args:
        path: the target; it must not exist, or be an empty folder.

    Raises:
        AudiodiffError: the target exists, or as `atomic_file`.
    """
    target = _target(Path(path))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise AudiodiffError(f"{path} exists and is not an empty folder; choose another output.")
    with _temporary(Path(path), target, folder=True) as temporary:
        yield temporary
        if target.is_dir():
            target.rmdir()  # Windows does not rename over it
        temporary.rename(target)


@contextmanager
def scratch_folder(folder: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder inside `folder`, which goes when the block ends, with what was left in it.

    For files of libraries that write in ways of their own; `put_in_place` them when they are complete.

    Args:
        folder: must exist.

    Raises:
        AudiodiffError: as `atomic_file`.
    """
    with _temporary(Path(folder), Path(folder) / _PREFIX, folder=True) as temporary:
        yield temporary


def put_in_place(temporary: Path, target: Path) -> None:
    """Rename a complete file of a `scratch_folder` to its name, in place of what has that name.

    Raises:
        OSError: it cannot be renamed.
    """
    os.replace(temporary, target)


def _file_target(path: Path) -> Path:
    target = _target(path)
    if target.is_dir():
        raise AudiodiffError(f"{path} is a folder; give the name of a file.")
    if target.exists() and not target.is_file():
        raise AudiodiffError(f"{path} is a device or a pipe; give the name of a file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise AudiodiffError(f"{path} exists and is read-only; choose another output.")
    return target


def _target(path: Path) -> Path:
    """Where writing to `path` ends up: the end of its symbolic links."""
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise AudiodiffError(f"{path} is a symbolic link that leads back to itself; give the name of a file.")
        # The target of a link like /dev/stdout may have no name of its own.
        return target if target.exists() or not path.exists() else path
    except (OSError, ValueError) as error:
        raise AudiodiffError(f"{path} cannot be written ({_reason(error)}); choose another output.") from error


@contextmanager
def _temporary(path: Path, target: Path, *, folder: bool) -> Iterator[Path]:
    try:
        # Refused now rather than after all the work is done.
        os.stat(target)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise AudiodiffError(f"{path} cannot be written ({_reason(error)}); choose another output.") from error
    _remove_dead(target.parent)
    try:
        temporary, handle = _create(target.parent, folder=folder)
    except FileNotFoundError as error:
        raise AudiodiffError(f"The folder {path.parent} does not exist; create it or choose another output.") from error
    except OSError as error:
        raise AudiodiffError(f"{path} cannot be written ({_reason(error)}); choose another output.") from error
    try:
        yield temporary
    except OSError as error:
        named = temporary if error.filename is None else Path(os.fsdecode(error.filename))
        if not named.is_relative_to(temporary) and named != target and error.errno not in _OF_THE_DISK:
            raise  # about another file, which the block read
        if error.errno == errno.ENOENT:
            raise AudiodiffError(f"{path} could not be written: the folder {path.parent} has vanished.") from error
        raise AudiodiffError(f"{path} could not be written ({_reason(error)}).") from error
    finally:
        _remove(temporary)
        if handle is not None:
            os.close(handle)


def _create(parent: Path, *, folder: bool) -> tuple[Path, int | None]:
    """Create a temporary file or folder, and lock it."""
    while True:
        temporary = parent / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        if folder:
            temporary.mkdir()
        handle = os.open(temporary, os.O_RDONLY if folder else os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        if fcntl is None:
            os.close(handle)
            return temporary, None
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, handle
        os.close(handle)  # another process took it for dead before it was locked


def _remove_dead(parent: Path) -> None:
    """Remove the temporary files and folders of processes that are gone."""
    if fcntl is None:
        return
    with suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                with suppress(OSError):
                    handle = os.open(parent / name, os.O_RDONLY | os.O_NOFOLLOW)
                    try:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        _remove(parent / name)
                    finally:
                        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
