"""Where shards are put: a folder that appears only when it is complete, here or on a file system of `fsspec`."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from audiodiff.atomic import atomic_folder
from audiodiff.data.names import is_url
from audiodiff.data.shards.files import locate
from audiodiff.data.shards.format import INDEX_FILE
from audiodiff.errors import AudiodiffError


def check_url(target: str) -> None:
    """Refuse a URL that cannot be written to, before hours are spent on shards; a path always passes.

    Raises:
        AudiodiffError: it is on a web server, or a package is missing that writes to such URLs.
    """
    if is_url(target):
        if target.split("://", 1)[0].lower() in ("http", "https"):
            raise AudiodiffError(
                f"{target} cannot be written to, a web server only hands out; write to a folder, s3://... or gs://..."
            )
        locate(target)


def check_empty(target: str) -> None:
    """Refuse a path that is taken; a URL always passes.

    Raises:
        AudiodiffError: it is a file, or a folder with something in it.
    """
    if is_url(target):
        return
    folder = Path(target)
    if folder.exists() and not folder.is_dir():
        raise AudiodiffError(f"{folder} is a file; give a folder for the shards.")
    if folder.is_dir() and next(folder.iterdir(), None) is not None:
        raise AudiodiffError(
            f"{folder} holds shards already, of another corpus or other settings, or an unfinished run; delete it or "
            "choose another folder."
        )


@contextmanager
def complete_folder(target: str) -> Iterator[Path]:
    """Give a new folder to write shards to, and put it in place of `target` when the block ends without an error.

    Args:
        target: a folder that does not exist or is empty, or a URL of a file system that can be written.

    Raises:
        AudiodiffError: the target cannot be written.
    """
    if is_url(target):
        with TemporaryDirectory(prefix="audiodiff-shards-") as place:
            part = Path(place) / "shards"
            part.mkdir()
            yield part
            _upload(part, target)
        return
    folder = Path(target)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudiodiffError(f"{folder} cannot be written ({error.strerror or error}).") from error
    with atomic_folder(folder) as part:
        yield part


def _upload(part: Path, target: str) -> None:
    files, folder, _ = locate(target)
    try:
        files.makedirs(folder, exist_ok=True)
        # The index last: without it a folder of shards does not count.
        for path in sorted(part.iterdir(), key=lambda path: (path.name == INDEX_FILE, path.name)):
            files.put_file(str(path), posixpath.join(folder, path.name))
    except Exception as error:  # every kind of server has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise AudiodiffError(f"{target} cannot be written ({reason[:200]}); check the URL and the rights.") from error
