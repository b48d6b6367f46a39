"""Text of tables, manifests and indexes that becomes a path or a part of one: checked before it is used."""

import os
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from audiodiff.errors import AudiodiffError

_LONGEST = 200


def is_url(text: str | Path) -> bool:
    """Whether `text` is a URL that `fsspec` would read; a `Path` never is, since it merges the slashes."""
    return isinstance(text, str) and "://" in text


def path_from(text: str) -> Path:
    """Return the path of UTF-8 text from a file, in any locale; lone surrogates stand for bytes that are not UTF-8.

    Raises:
        AudiodiffError: the text cannot be a path.
    """
    try:
        path = Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))
    except UnicodeEncodeError as error:
        raise AudiodiffError(f"{text!r} cannot be a file name; rename the file.") from error
    if "\0" in text:
        raise AudiodiffError(f"{text!r} cannot be a file name, it contains a NUL; correct it.")
    return path


def path_text(path: Path) -> str:
    """Return what `path_from` makes the path of, the same in every locale."""
    return os.fsencode(path.as_posix()).decode("utf-8", "surrogateescape")


def path_part(name: str, what: str) -> str:
    """Return `name` if it may be one part of a path that is written to.

    Args:
        name: such as a split or the name of a shard.
        what: what it is and where it stands, for the message.

    Raises:
        AudiodiffError: it is empty, hidden or too long, or has separators or control characters.
    """
    odd = any(character in '/\\:<>"|?*' or unicodedata.category(character)[0] == "C" for character in name)
    if odd or not name or name != name.strip() or name.startswith(".") or len(name) > _LONGEST:
        raise AudiodiffError(
            f"{what} is {name[:80]!r}; expected a plain name without /, \\, : and control characters that does not "
            "begin with a dot."
        )
    return name


def file_below(folder: Path, name: str, where: str) -> Path:
    """Return `folder / name` for a relative path from a table.

    Raises:
        AudiodiffError: the path is absolute, climbs out of the folder, or cannot be a path.
    """
    path = path_from(name)
    if (
        PurePosixPath(name).is_absolute()
        or PureWindowsPath(name).anchor
        or ".." in (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    ):
        raise AudiodiffError(f"{where} names {name}, outside the folder; file_name must be relative to it.")
    return folder / path
