"""Any folder of sound files: after the audiofolder convention, in the layout of LJSpeech, or just files."""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from audiodiff.data.items import SPLIT_NAMES, AudioItem, Listing, audio_item, progress_bar, split_name, split_notes
from audiodiff.data.names import file_below, is_url, path_part
from audiodiff.data.tables import OTHER_SOUNDS, read_pipe_rows, read_rows
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AUDIO_EXTENSIONS

METADATA = "metadata.csv"

_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".ods"})
_TABLE_STEMS = frozenset(
    {"metadata", "captions", "caption", "transcripts", "transcript", "filelist", "labels", "prompts"}
)
_OTHER_NAMES = {
    "text": ("caption", "captions", "description", "prompt", "sentence", "transcript", "transcription", "transcripts"),
    "split": ("fold", "partition", "set", "subset"),
}
"""Columns that other tools have where a table here has `text` or `split`."""

_BESIDE = frozenset({".txt", ".lab", ".caption", ".json"})
"""Extensions of captions next to their clips; only .txt is read."""


def walk(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the files below a folder, sorted, and the folders that may not be read.

    Links are followed, but every real folder is visited once, under its own name where it has one below `root`.
    """
    files: list[Path] = []
    closed: list[Path] = []
    seen: set[tuple[int, int]] = set()
    real, linked = deque([root]), deque[Path]()
    while real or linked:
        folder = real.popleft() if real else linked.popleft()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    path = folder / entry.name
                    if not path.is_dir():
                        files.append(path)
                    else:
                        (linked if entry.is_symlink() else real).append(path)
        except OSError:
            closed.append(folder)
    return sorted(files), closed


def folder_listing(root: str | Path, split: str | None = None) -> Listing:
    """List the clips of a folder, and what of it is left out.

    With a `metadata.csv` its rows are the clips: `file_name` relative to the folder, optional `text`, `split`,
    `speaker`, `licence` (or `license`); other columns go to `extra`. A `metadata.csv` of `id|text` or `id|text|text`
    next to a folder `wavs`, as LJSpeech has it, names `wavs/id.wav`. Without a table every sound file below the folder
    is a clip, with `split` from a path part named train, valid(ation), dev or test, and `text` from a `.txt` file of
    the same name.

    Args:
        root: the folder.
        split: only clips of that split; None for all.

    Raises:
        AudiodiffError: no such folder, a table that does not fit (the line is named), a clip outside the folder,
            nothing found.
    """
    if is_url(root):
        raise AudiodiffError(f"{root} is a URL; recordings are read from folders of this machine only, download them.")
    root = Path(root)
    if not root.is_dir():
        raise AudiodiffError(f"{root} is not a folder; give a folder of sound files.")
    files, closed = walk(root)
    metadata = root / METADATA
    wanted = None if split is None else split_name(split)
    if is_ljspeech(root):
        rows: Iterable[AudioItem] = ljspeech_rows(root)
    elif metadata.is_file():
        rows = _table_items(root)
    else:
        rows = _file_items(root, files)
    everything = list(progress_bar(rows, "Listing clips"))
    items = tuple(item for item in everything if wanted is None or item.split == wanted)
    notes = (*_left_out(root, files, closed, everything), *_unused_columns(everything), *split_notes(everything))
    if not items and everything:
        names = ", ".join(sorted({item.split or "(none)" for item in everything}))
        raise AudiodiffError(f"{root} has no clips of split {split!r}; its splits are {names}.")
    if not items:
        what = f"{METADATA} names no" if metadata.is_file() else f"{root} has no"
        seen = f" ({'; '.join(notes)})" if notes else ""
        raise AudiodiffError(f"{what} sound files{seen}; expected {', '.join(sorted(AUDIO_EXTENSIONS))}.")
    return Listing(items, notes)


def folder_items(root: str | Path, split: str | None = None) -> list[AudioItem]:
    """List the clips of a folder: `folder_listing` without what is left out."""
    return list(folder_listing(root, split).items)


def _table_items(root: Path) -> Iterator[AudioItem]:
    metadata = root / METADATA
    first: dict[str, int] = {}
    for line, row in read_rows(metadata, ("file_name",)):
        where = f"{metadata} line {line}"
        name = row.pop("file_name")
        if not name:
            raise AudiodiffError(f"{where} has no file_name; name the sound file, or delete the row.")
        path = file_below(root, name, where)
        plain = os.path.normpath(path)
        if plain in first:
            raise AudiodiffError(
                f"{where} names {name} again, after line {first[plain]}; give a clip one row, and further captions "
                "the columns text1, text2, ..."
            )
        first[plain] = line
        text, split, speaker = row.pop("text", ""), row.pop("split", ""), row.pop("speaker", "")
        licence = row.pop("licence", "") or row.get("license", "")
        row.pop("license", None)
        if split:
            split = path_part(split_name(split), f"the split in {where}")
        yield audio_item(path, text=text, split=split, speaker=speaker, licence=licence, extra=row)


def _file_items(root: Path, files: Iterable[Path]) -> Iterator[AudioItem]:
    for path in files:
        if not _is_audio(path):
            continue
        parts = path.relative_to(root).parts[:-1]
        split = next((SPLIT_NAMES[part.lower()] for part in parts if part.lower() in SPLIT_NAMES), "")
        transcript = path.with_suffix(".txt")
        text = transcript.read_text(encoding="utf-8", errors="replace").strip() if transcript.is_file() else ""
        yield audio_item(path, text=text, split=split)


def is_ljspeech(root: Path) -> bool:
    """Whether a folder has the shape of LJSpeech: `wavs` and a `metadata.csv` of `id|text|text`, whatever its name."""
    metadata = root / METADATA
    if not metadata.is_file() or not (root / "wavs").is_dir():
        return False
    try:
        with metadata.open(encoding="utf-8-sig", errors="replace") as file:
            line = next((line for line in file if line.strip()), "")
    except OSError:
        return False
    return "|" in line and "file_name" not in line.split("|")[0]


def ljspeech_rows(root: Path) -> Iterator[AudioItem]:
    """List the clips of a folder in the shape of LJSpeech, without splits."""
    metadata = root / METADATA
    for name, text in read_pipe_rows(metadata):
        path = file_below(root / "wavs", name, str(metadata))
        if path.suffix.lower() not in AUDIO_EXTENSIONS:
            kinds = (path.with_name(path.name + suffix) for suffix in (".wav", ".flac", *sorted(AUDIO_EXTENSIONS)))
            path = next((kind for kind in kinds if kind.exists()), path.with_name(f"{path.name}.wav"))
        yield audio_item(path, text=text)


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_EXTENSIONS and not path.name.startswith(".")


def _unused_columns(items: list[AudioItem]) -> list[str]:
    """Name the columns that look like captions or splits where there are none under the names that are read."""
    columns = {column.lower(): column for item in items for column in item.extra}
    has = {"text": any(item.text for item in items), "split": any(item.split for item in items)}
    return [
        f"the column {columns[other]!r}: if it is meant as {wanted}, call it {wanted}"
        for wanted, others in _OTHER_NAMES.items()
        for other in (wanted, *others)
        if other in columns and not has[wanted]
    ]


def _left_out(root: Path, files: list[Path], closed: list[Path], items: list[AudioItem]) -> list[str]:
    """Say what of a folder is not among its clips."""
    notes: list[str] = []
    shown = [path for path in files if not path.name.startswith(".")]
    metadata = root / METADATA

    def note(paths: list[Path], text: str) -> None:
        if paths:
            first = paths[0].relative_to(root).as_posix()
            notes.append(f"{len(paths)} {text} ({first}{', ...' if len(paths) > 1 else ''})")

    others = [path for path in shown if path.suffix.lower() in OTHER_SOUNDS]
    kinds = ", ".join(sorted(Counter(path.suffix.lower() for path in others)))
    note(others, f"files of kinds that are not taken, {kinds}: convert them to WAV or FLAC")
    taken = {os.path.normpath(item.path) for item in items}
    if metadata.is_file():
        note(
            [path for path in shown if _is_audio(path) and os.path.normpath(path) not in taken],
            f"sound files that {METADATA} does not name",
        )
    source = METADATA if metadata.is_file() else ".txt files of the clips' names where there is no metadata.csv"
    tables = [
        path
        for path in shown
        if not (path == metadata and metadata.is_file())
        and not _is_audio(path)
        and (path.suffix.lower() in _TABLE_SUFFIXES or path.stem.lower() in _TABLE_STEMS)
    ]
    note(tables, f"other tables, since captions are taken from {source}")
    stems = {path.with_suffix("") for path in map(Path, taken)}
    read = {".txt"} if not metadata.is_file() else set()
    beside = [
        path
        for path in shown
        if path.suffix.lower() in _BESIDE - read
        and Path(os.path.normpath(path)).with_suffix("") in stems
        and path not in tables
    ]
    note(beside, f"files next to clips, since captions are taken from {source}")
    note([path for path in closed if path != root], "folders that may not be read")
    if root in closed:
        notes.append(f"{root}, which may not be read")
    return notes
