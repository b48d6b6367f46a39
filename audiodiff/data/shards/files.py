"""Finding and reading shards, here or anywhere that `fsspec` reaches (s3://, gs://, https://, hf:// ...)."""

import glob
import io
import os
import posixpath
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from audiodiff.data.names import path_part
from audiodiff.data.shards.format import (
    INDEX_FILE,
    INFO,
    LATENT,
    TEXT,
    ClipRecord,
    Range,
    ShardEntry,
    ShardIndex,
    array_from,
    index_from_json,
    record_from,
    table_from_json,
    table_name,
)
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import parse_json

__all__ = ["Shard", "Source", "check_sizes", "find_shards", "locate", "read_ranges", "read_records", "stored_index"]

Source = str | Path
"""A folder of shards, a .tar in one, or a pattern such as `data/shard-*.tar` or `data/shard-{000000..000099}.tar`; a
path or a URL."""

_BRACES = re.compile(r"\{([0-9]{1,12})\.\.([0-9]{1,12})\}")
_MOST_NAMES = 100_000

_END = bytes(1024)
_ATTEMPTS = 3
_PAUSE = 1.0  # seconds before the second attempt, doubled before the third

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Shard:
    """One shard: the file system that it is on, its path there, and what the index says about it."""

    files: Any
    path: str
    entry: ShardEntry

    def read(self) -> bytes:
        """All of it.

        Raises:
            AudiodiffError: it cannot be read, or is shorter than it was written.
        """
        content: bytes = _attempt(lambda: self.files.cat_file(self.path), self.path)
        self.check_size(len(content))
        return content

    def check_size(self, size: int | None) -> None:
        """Refuse a shard of another size than was written; None is a size that the server does not tell."""
        if size is not None and size != self.entry.bytes:
            raise AudiodiffError(
                f"The shard {self.path} has {size} bytes where {self.entry.bytes} belong; copy it again."
            )


def find_shards(sources: Source | Sequence[Source]) -> tuple[ShardIndex, list[Shard]]:
    """Open the folders behind `sources`, which must agree on everything but their metadata.

    Raises:
        AudiodiffError: nothing is there, a folder has no index, or two folders do not fit each other.
    """
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    folders: dict[tuple[int, str], tuple[Any, list[str] | None]] = {}
    for source in (name for given in listed for name in expand_braces(str(given))):
        files, folder, names = locate(source)
        key = (id(files), folder)
        before = folders.get(key, (files, []))[1]
        folders[key] = (files, None if names is None or before is None else before + names)
    if not folders:
        raise AudiodiffError("The list of shards is empty; give a folder, .tar files or a URL.")
    index: ShardIndex | None = None
    first = ""
    shards: list[Shard] = []
    for (_, folder), (files, names) in folders.items():
        here, entries = _read_index(files, folder)
        if index is not None:
            _check_alike(index, here, first, folder)
        else:
            index, first = here, folder
        known = {entry.name: entry for entry in entries}
        for name in known if names is None else dict.fromkeys(names):
            if name not in known:
                raise AudiodiffError(
                    f"{name} is not in {posixpath.join(folder, INDEX_FILE)}; delete it or write the index again."
                )
            shards.append(Shard(files, posixpath.join(folder, name), known[name]))
    assert index is not None
    return index, shards


def expand_braces(source: str) -> list[str]:
    """Return the names that `shard-{000..099}.tar` stands for; a path that is there under its own name is one.

    Raises:
        AudiodiffError: they are too many, or the range runs backwards.
    """
    match = _BRACES.search(source)
    if match is None or ("://" not in source and os.path.exists(source)):
        return [source]
    first, last = match.groups()
    if not int(first) <= int(last) < int(first) + _MOST_NAMES:
        raise AudiodiffError(
            f"{source} has the range {match[0][:60]}; expected one from low to high of at most {_MOST_NAMES} numbers."
        )
    width = len(first) if first.startswith("0") else 0
    rest = expand_braces(source[match.end() :])
    if len(rest) * (int(last) - int(first) + 1) > _MOST_NAMES:
        raise AudiodiffError(f"{source} stands for more than {_MOST_NAMES} names; give a folder.")
    numbers = range(int(first), int(last) + 1)
    return [f"{source[: match.start()]}{number:0{width}d}{end}" for number in numbers for end in rest]


def stored_index(folder: str) -> tuple[ShardIndex, int] | None:
    """Index of a folder of shards and the number of its clips, or None if it has no index yet.

    Raises:
        AudiodiffError: the index cannot be read.
    """
    files, place, _ = locate(folder)
    path = posixpath.join(place, INDEX_FILE)
    try:
        content = _attempt(lambda: files.cat_file(path), path, missing_ok=True)
    except FileNotFoundError:
        return None
    index, entries = index_from_json(content, path)
    return index, sum(entry.clips for entry in entries)


def read_records(shard: Shard) -> list[ClipRecord]:
    """Where in the shard its clips stand: from the table next to it, or, without one, from the tar itself.

    Raises:
        AudiodiffError: neither can be read, or the tar holds no latents.
    """
    table = posixpath.join(posixpath.dirname(shard.path), table_name(shard.entry.name))
    try:
        content = _attempt(lambda: shard.files.cat_file(table), table, missing_ok=True)
    except FileNotFoundError:
        return scan(shard.read(), shard.path)
    return table_from_json(content, table)


def scan(content: bytes, where: str) -> list[ClipRecord]:
    """Find the clips in a tar, ours or one that another WebDataset tool has written.

    Raises:
        AudiodiffError: it is no tar, truncated, or holds no latents.
    """
    found: dict[str, dict[str, Range]] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                if member.isfile():
                    folder, name = posixpath.split(member.name)
                    key, _, kind = name.partition(".")
                    found.setdefault(posixpath.join(folder, key), {})[kind] = Range(member.offset_data, member.size)
        # Of a tar that is cut off inside a header, tarfile makes a shorter tar.
        if not content.endswith(_END):
            raise tarfile.ReadError("its end is missing")
    except tarfile.TarError as error:
        raise AudiodiffError(f"The shard {where} is truncated or not a tar ({error}); copy it again.") from error
    records = [_scanned(content, key, kinds, f"{key} in {where}") for key, kinds in found.items() if LATENT in kinds]
    if not records:
        names = ", ".join(f"{key}.{kind}" for key, kinds in found.items() for kind in kinds)
        raise AudiodiffError(
            f"The shard {where} holds no KEY.{LATENT} (found: {names[:80] or 'nothing'}); it is not one of latents."
        )
    return records


def read_ranges(shards: Sequence[Shard], ranges: Sequence[Range]) -> list[bytes]:
    """Read one range of bytes of each shard, at once where the file system can.

    Raises:
        AudiodiffError: a shard cannot be read, after three attempts.
    """
    results: list[bytes] = [b""] * len(shards)
    for files in {id(shard.files): shard.files for shard in shards}.values():
        rows = [row for row, shard in enumerate(shards) if shard.files is files]
        paths = [shards[row].path for row in rows]
        starts = [ranges[row].offset for row in rows]
        stops = [ranges[row].offset + ranges[row].size for row in rows]

        def fetch(files: Any = files, paths: Any = paths, starts: Any = starts, stops: Any = stops) -> list[bytes]:
            contents: list[bytes] = []
            for content in files.cat_ranges(paths, starts, stops, on_error="raise"):
                if isinstance(content, BaseException):  # asynchronous file systems hand errors back all the same
                    raise content
                contents.append(content)
            return contents

        for row, content in zip(rows, _attempt(fetch, posixpath.dirname(paths[0])), strict=True):
            if len(content) > ranges[row].size:
                raise AudiodiffError(
                    f"the server of {shards[row].path} answers with whole files where parts are asked for (it has no "
                    "range requests); copy the shards to this machine, or to a server that has them."
                )
            results[row] = content
    return results


def check_sizes(shards: Sequence[Shard]) -> None:
    """Find out at the start, not hours into a run, that a shard is missing or cut off, or cannot be read in parts.

    Raises:
        AudiodiffError: one is.
    """
    for files in {id(shard.files): shard.files for shard in shards}.values():
        mine = [shard for shard in shards if shard.files is files]
        paths = [shard.path for shard in mine]
        for shard, size in zip(mine, _attempt(partial(files.sizes, paths), posixpath.dirname(paths[0])), strict=True):
            shard.check_size(size)
        read_ranges(mine[:1], [Range(0, 1)])  # can it answer with a part of a file?


def _scanned(content: bytes, key: str, kinds: dict[str, Range], where: str) -> ClipRecord:
    def part(place: Range) -> bytes:
        return content[place.offset : place.offset + place.size]

    info = parse_json(part(kinds[INFO]), f"{where}.{INFO}") if INFO in kinds else {}
    if not isinstance(info, dict):
        raise AudiodiffError(f"{where}.{INFO} is no table of keys and values; write the shard again.")
    latent = array_from(part(kinds[LATENT]), None, None, f"{where}.{LATENT}")
    places = {"latent": kinds[LATENT], "states": list(_captions(kinds))}
    return record_from({**info, "key": key, "n_latents": latent.shape[1], **places}, f"{where}.{INFO}")


def _captions(kinds: dict[str, Range]) -> Iterator[Range]:
    if f"{TEXT}.npy" in kinds:
        yield kinds[f"{TEXT}.npy"]
    number = 0
    while f"{TEXT}{number}.npy" in kinds:
        yield kinds[f"{TEXT}{number}.npy"]
        number += 1


def locate(source: str) -> tuple[Any, str, list[str] | None]:
    """File system, folder, and names of shards (None for all that its index lists).

    Raises:
        AudiodiffError: a package is missing that reads such URLs, or a pattern matches nothing.
    """
    try:
        import fsspec

        if "://" in source:
            files, path = fsspec.core.url_to_fs(source)
        else:
            files = fsspec.filesystem("file")
            path = Path(source).absolute().as_posix()
    except (ImportError, ValueError) as error:
        # fsspec names the package that reads this kind of URL.
        raise AudiodiffError(
            f"{source} cannot be opened ({error}); install the extra `remote`, or the package for such URLs."
        ) from error
    path = path.rstrip("/") or "/"
    if glob.has_magic(posixpath.basename(path)) and not _attempt(lambda: files.exists(path), path):
        names = sorted(posixpath.basename(found) for found in _attempt(lambda: files.glob(path), path))
        if not names:
            raise AudiodiffError(f"No shard matches {source}; give a folder, .tar files or a URL.")
        return files, posixpath.dirname(path), names
    if path.endswith(".tar"):
        return files, posixpath.dirname(path), [posixpath.basename(path)]
    return files, path, None


def _read_index(files: Any, folder: str) -> tuple[ShardIndex, list[ShardEntry]]:
    path = posixpath.join(folder, INDEX_FILE)
    try:
        content = _attempt(lambda: files.cat_file(path), path, missing_ok=True)
    except FileNotFoundError as error:
        raise AudiodiffError(
            f"{folder} holds no {INDEX_FILE}; expected a folder of latent shards that was written to its end."
        ) from error
    index, entries = index_from_json(content, path)
    if not entries:
        raise AudiodiffError(f"{path} lists no shards; prepare them again.")
    for entry in entries:
        path_part(str(entry.name), f"the name of a shard in {path}")
    return index, entries


def _check_alike(one: ShardIndex, two: ShardIndex, first: str, second: str) -> None:
    for name in ("encoder", "text_width", "autoencoder", "channels", "latent_rate", "numbers", "classes"):
        mine, other = getattr(one, name), getattr(two, name)
        if mine != other or (name == "classes" and list(mine) != list(other)):
            raise AudiodiffError(
                f"{first} and {second} differ in {name} ({str(mine)[:60]} and {str(other)[:60]}); "
                "prepare both with the same models and settings."
            )


def _attempt(action: Callable[[], T], path: str, *, missing_ok: bool = False) -> T:
    """Read, and try again: a long training run must outlive a hiccup of the network."""
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            if missing_ok and not isinstance(error, PermissionError):
                raise FileNotFoundError(path) from error
            raise AudiodiffError(f"{path} cannot be read ({error}); check the path.") from error
        except Exception as error:  # every kind of server has errors of its own
            if attempt + 1 == _ATTEMPTS:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise AudiodiffError(
                    f"{path} cannot be read ({reason[:200]}); check the URL and the network."
                ) from error
            time.sleep(_PAUSE * 2**attempt)
    raise AssertionError("unreachable")
