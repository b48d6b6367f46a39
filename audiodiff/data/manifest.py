"""Lists of clips as JSON lines, one clip per line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiodiff.atomic import atomic_file
from audiodiff.data.folders import folder_listing
from audiodiff.data.items import AudioItem, Listing, select_split, split_notes
from audiodiff.data.names import path_from, path_text
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import parse_json

MANIFEST_NAME = "manifest.jsonl"

_TEXTS = ("text", "split", "speaker", "licence")
_COUNTS = ("sample_rate", "n_samples")


def _line(item: AudioItem, folder: Path) -> str:
    path = item.path.resolve()
    # Clips next to the manifest move with it.
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    values: dict[str, Any] = {"path": path_text(shown)}
    values.update({name: getattr(item, name) for name in (*_TEXTS, *_COUNTS)})
    values["extra"] = dict(item.extra)
    line = json.dumps(values, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return json.dumps(values)
    return line


def write_manifest(items: Sequence[AudioItem], path: str | Path) -> None:
    """Write a manifest atomically; clips below its folder are named relative to it.

    Raises:
        AudiodiffError: the file cannot be written.
    """
    path = Path(path)
    folder = path.parent.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            temporary.write_text("".join(_line(item, folder) + "\n" for item in items), encoding="utf-8")
    except OSError as error:
        raise AudiodiffError(f"{path} cannot be written ({error.strerror}); choose another output.") from error


def _parse(line: str, where: str, folder: Path) -> AudioItem:
    values = parse_json(line, where)
    if not isinstance(values, dict) or not isinstance(values.get("path"), str):
        raise AudiodiffError(f"{where} has no path; expected an object with at least a path.")
    known = {"path", *_TEXTS, *_COUNTS, "extra"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise AudiodiffError(f"{where} has the unknown keys {', '.join(unknown)}; expected {', '.join(sorted(known))}.")
    texts = {name: values.get(name, "") for name in _TEXTS}
    counts = {name: values.get(name, 0) for name in _COUNTS}
    extra = values.get("extra", {})
    if "\0" in values["path"]:
        raise AudiodiffError(f"{where} has a path with a NUL character in it, which no file has.")
    if (
        any(not isinstance(value, str) for value in texts.values())
        or any(type(value) is not int or value < 0 for value in counts.values())
        or not isinstance(extra, dict)
    ):
        raise AudiodiffError(f"{where} has a value of the wrong type; expected strings, whole numbers and an object.")
    try:
        path = folder / path_from(values["path"])
        return AudioItem(path, **texts, **counts, extra={key: str(value) for key, value in extra.items()})
    except AudiodiffError as error:
        raise AudiodiffError(f"{where}: {error}") from error


def read_manifest(path: str | Path, split: str | None = None) -> list[AudioItem]:
    """Read a manifest.

    Args:
        path: the file.
        split: only clips of that split; None for all.

    Raises:
        AudiodiffError: missing, not a manifest (the line is named), empty, or no clip of that split.
    """
    path = Path(path)
    try:
        # Not splitlines: a transcript may hold other line separators.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AudiodiffError(f"{path} cannot be read as a manifest ({error}).") from error
    folder = path.parent.resolve()
    items = [_parse(line, f"{path} line {number}", folder) for number, line in enumerate(lines, 1) if line.strip()]
    return select_split(items, split, str(path))


def load_listing(source: str | Path, split: str | None = None) -> Listing:
    """List the clips of a manifest, of a prepared folder (with `manifest.jsonl`) or of any folder of sound files.

    Raises:
        AudiodiffError: nothing there, or no clip of that split.
    """
    place = Path(source)
    manifest = place if place.is_file() else place / MANIFEST_NAME
    if not manifest.is_file():
        return folder_listing(source, split)
    items = read_manifest(manifest)
    return Listing(tuple(select_split(items, split, str(manifest))), split_notes(items))


def load_items(source: str | Path, split: str | None = None) -> list[AudioItem]:
    """List the clips: `load_listing` without what is left out."""
    return list(load_listing(source, split).items)
