"""Lists of audio clips: any folder of sound files, and public corpora in their own layouts."""

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AUDIO_EXTENSIONS, audio_info


@dataclass(frozen=True)
class AudioItem:
    """One clip of a corpus; the sound itself stays in its file.

    Attributes:
        path: the sound file.
        text: transcript or description, "" if there is none.
        split: "train", "valid", "test" or what the corpus calls it, "" if it has no splits.
        speaker: speaker's name, "" if unknown.
        sample_rate: of the file (Hz); 0 if the file cannot be read.
        n_samples: per channel, in the file; 0 if the file cannot be read.
        licence: licence of the clip, "" if not stated.
        extra: further columns of the metadata.
    """

    path: Path
    text: str = ""
    split: str = ""
    speaker: str = ""
    sample_rate: int = 0
    n_samples: int = 0
    licence: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Duration in seconds, 0 if the file cannot be read."""
        return self.n_samples / self.sample_rate if self.sample_rate else 0.0


def _item(
    path: Path,
    *,
    text: str = "",
    split: str = "",
    speaker: str = "",
    licence: str = "",
    extra: Mapping[str, str] | None = None,
) -> AudioItem:
    try:
        info = audio_info(path)
        sample_rate, n_samples = info.sample_rate, info.n_samples
    except AudiodiffError:
        # Kept in the list, so that `check_corpus` can name it.
        sample_rate, n_samples = 0, 0
    return AudioItem(path, text, split, speaker, sample_rate, n_samples, licence, extra or {})


_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "eval": "test",
}


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_EXTENSIONS and not path.name.startswith(".")


def _audio_files(root: Path) -> list[Path]:
    found = [
        Path(folder) / name
        for folder, folders, names in os.walk(root, followlinks=True)
        for name in names
        if _is_audio(Path(name)) and folders is not None
    ]
    return sorted(found)


def _read_metadata(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "file_name" not in columns:
                raise AudiodiffError(
                    f"{path} has the columns {', '.join(columns) or '(none)'}; a column file_name is needed."
                )
            return [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise AudiodiffError(f"{path} cannot be read as a UTF-8 CSV table ({error}).") from error


def folder_items(root: str | Path, split: str | None = None) -> list[AudioItem]:
    """List the clips of a folder after the Hugging Face audiofolder convention.

    With a `metadata.csv` its rows are the clips: `file_name` relative to the folder, optional `text`,
    `split`, `speaker`, `licence` (or `license`); other columns go to `extra`. Without one every sound file
    below the folder is a clip, with `split` from a path part named train, valid(ation), dev or test, and
    `text` from a `.txt` file of the same name.

    Args:
        root: the folder.
        split: only clips of that split; None for all.

    Raises:
        AudiodiffError: no such folder, a table without file_name, a clip outside the folder, nothing found.
    """
    root = Path(root)
    if not root.is_dir():
        raise AudiodiffError(f"{root} is not a folder; give a folder of sound files.")
    metadata = root / "metadata.csv"
    items: list[AudioItem] = []
    known_splits: set[str] = set()
    if metadata.is_file():
        for row in _read_metadata(metadata):
            name = row.pop("file_name")
            if not name:
                continue
            path = root / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise AudiodiffError(f"{metadata} names {name}, outside the folder; file_name must be relative to it.")
            text, row_split, speaker = row.pop("text", ""), row.pop("split", ""), row.pop("speaker", "")
            licence = row.pop("licence", "") or row.pop("license", "")
            row.pop("license", None)
            row_split = _SPLIT_NAMES.get(row_split.lower(), row_split)
            known_splits.add(row_split)
            if split is None or row_split == _SPLIT_NAMES.get(split, split):
                items.append(_item(path, text=text, split=row_split, speaker=speaker, licence=licence, extra=row))
    else:
        for path in _audio_files(root):
            parts = path.relative_to(root).parts[:-1]
            row_split = next((_SPLIT_NAMES[part.lower()] for part in parts if part.lower() in _SPLIT_NAMES), "")
            known_splits.add(row_split)
            if split is None or row_split == _SPLIT_NAMES.get(split, split):
                transcript = path.with_suffix(".txt")
                text = ""
                if transcript.is_file():
                    text = transcript.read_text(encoding="utf-8", errors="replace").strip()
                items.append(_item(path, text=text, split=row_split))
    if not items:
        if known_splits:
            names = ", ".join(sorted(name or "(none)" for name in known_splits))
            raise AudiodiffError(f"{root} has no clips of split {split!r}; its splits are {names}.")
        raise AudiodiffError(f"{root} has no sound files; expected {', '.join(sorted(AUDIO_EXTENSIONS))}.")
    return items
