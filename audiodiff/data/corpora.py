"""Lists of audio clips: any folder of sound files, and public corpora in their own layouts.

LJSpeech, LibriTTS, VCTK and Speech Commands are found (and on request downloaded) by `torchaudio.datasets`; sound is
only ever decoded by soundfile, never by torchaudio. The corpora of music are in `music_corpora`.
"""

import csv
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from audiodiff._torchaudio import import_torchaudio
from audiodiff.data.items import (
    SPLIT_NAMES,
    AudioItem,
    audio_item,
    progress_bar,
    select_split,
    split_name,
    unreadable_reason,
)
from audiodiff.data.music_corpora import fma_items, gtzan_items, maestro_items, musdb18_items
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AUDIO_EXTENSIONS

__all__ = [
    "CORPORA",
    "SC09_WORDS",
    "AudioItem",
    "audio_item",
    "corpus_items",
    "fma_items",
    "folder_items",
    "gtzan_items",
    "libritts_items",
    "ljspeech_items",
    "maestro_items",
    "musdb18_items",
    "progress_bar",
    "sc09_items",
    "select_split",
    "speechcommands_items",
    "split_name",
    "unreadable_reason",
    "vctk_items",
]


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_EXTENSIONS and not path.name.startswith(".")


def _audio_files(root: Path) -> list[Path]:
    found = [
        Path(folder) / name
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
        if _is_audio(Path(name))
    ]
    return sorted(found)


def read_metadata(path: Path) -> list[dict[str, str]]:
    """Return the rows of a `metadata.csv`, values that are missing as "".

    Raises:
        AudiodiffError: not a UTF-8 CSV table, or one without the column `file_name`.
    """
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
    `split`, `speaker`, `licence` (or `license`); other columns go to `extra`, such as `bandwidth_hz`: the frequency
    above which a lossy or upsampled file holds nothing, so that no model learns this. Without one every sound file
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
    wanted = split_name(split) if split is not None else None
    if metadata.is_file():
        for row in progress_bar(read_metadata(metadata), "Listing clips"):
            name = row.pop("file_name")
            if not name:
                continue
            path = root / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise AudiodiffError(f"{metadata} names {name}, outside the folder; file_name must be relative to it.")
            text, row_split, speaker = row.pop("text", ""), row.pop("split", ""), row.pop("speaker", "")
            licence = row.pop("licence", "") or row.pop("license", "")
            row.pop("license", None)
            row_split = split_name(row_split)
            known_splits.add(row_split)
            if wanted is None or row_split == wanted:
                items.append(audio_item(path, text=text, split=row_split, speaker=speaker, licence=licence, extra=row))
    else:
        for path in progress_bar(_audio_files(root), "Listing clips"):
            parts = path.relative_to(root).parts[:-1]
            row_split = next((SPLIT_NAMES[part.lower()] for part in parts if part.lower() in SPLIT_NAMES), "")
            known_splits.add(row_split)
            if wanted is None or row_split == wanted:
                transcript = path.with_suffix(".txt")
                text = ""
                if transcript.is_file():
                    text = transcript.read_text(encoding="utf-8", errors="replace").strip()
                items.append(audio_item(path, text=text, split=row_split))
    if not items:
        if known_splits:
            names = ", ".join(sorted(name or "(none)" for name in known_splits))
            raise AudiodiffError(f"{root} has no clips of split {split!r}; its splits are {names}.")
        raise AudiodiffError(f"{root} has no sound files; expected {', '.join(sorted(AUDIO_EXTENSIONS))}.")
    return items


def _dataset(name: str, root: Path, download: bool, expected: Path, **arguments: Any) -> Any:
    """Open a torchaudio corpus; it looks for `expected` below `root`."""
    constructor = getattr(import_torchaudio().datasets, name)
    try:
        if download:
            root.mkdir(parents=True, exist_ok=True)
        return constructor(str(root), download=download, **arguments)
    except (RuntimeError, OSError, ValueError) as error:
        if not download and not expected.exists():
            raise AudiodiffError(
                f"{expected} does not exist; give the folder that holds {expected.name}, or ask for a download."
            ) from error
        raise AudiodiffError(f"The corpus below {root} cannot be opened ({error}).") from error


def _parent_of(root: Path, name: str) -> Path:
    """Accept the corpus folder itself as well as the folder that holds it, which torchaudio wants."""
    return root.parent if root.name == name else root


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def ljspeech_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List LJSpeech 1.1: one speaker, 13,100 clips, 24 hours, 22.05 kHz.

    The corpus has no splits; the last clips are held out, 250 each for valid and test (2 % each of a part of it).

    Args:
        root: the folder that holds `LJSpeech-1.1`, or that folder.
        download: fetch it (2.6 GB) if it is missing.
    """
    root = _parent_of(Path(root), "LJSpeech-1.1")
    folder = root / "LJSpeech-1.1"
    dataset = _dataset("LJSPEECH", root, download, folder / "wavs")
    rows: list[list[str]] = dataset._flist
    held_out = min(250, len(rows) // 50)
    items = []
    for number, row in enumerate(progress_bar(rows, "Listing LJSpeech")):
        left = len(rows) - number
        split = "test" if left <= held_out else "valid" if left <= 2 * held_out else "train"
        path = folder / "wavs" / f"{row[0]}.wav"
        text = row[2] if len(row) > 2 and row[2] else row[1] if len(row) > 1 else ""
        items.append(audio_item(path, text=text, split=split, speaker="LJ", licence="Public-Domain"))
    return items


_LIBRITTS_PARTS = (
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
)


def libritts_items(root: str | Path, *, download: bool = False, part: str | None = None) -> list[AudioItem]:
    """List LibriTTS: 2,456 speakers, up to 585 hours, 24 kHz; the split follows from the part's name.

    Args:
        root: the folder that holds `LibriTTS`, or that folder.
        download: fetch the part if it is missing (train-clean-100: 8 GB).
        part: such as "train-clean-100"; None for every part that is there (to download: train-clean-100).
    """
    if part is not None and part not in _LIBRITTS_PARTS:
        raise AudiodiffError(f"Unknown part {part!r} of LibriTTS; known parts: {', '.join(_LIBRITTS_PARTS)}.")
    root = _parent_of(Path(root), "LibriTTS")
    present = [name for name in _LIBRITTS_PARTS if (root / "LibriTTS" / name).is_dir()]
    parts = [part] if part is not None else present or ["train-clean-100"]
    items = []
    for name in parts:
        folder = root / "LibriTTS" / name
        dataset = _dataset("LIBRITTS", root, download, folder, url=name)
        for clip in progress_bar(dataset._walker, f"Listing LibriTTS {name}"):
            speaker, chapter = clip.split("_")[:2]
            stem = folder / speaker / chapter / clip
            items.append(
                audio_item(
                    stem.with_name(f"{clip}.wav"),
                    text=_line(stem.with_name(f"{clip}.normalized.txt")),
                    split=split_name(name.split("-")[0]),
                    speaker=speaker,
                    licence="CC-BY-4.0",
                    extra={"chapter": chapter, "part": name},
                )
            )
    return items


def vctk_items(root: str | Path, *, download: bool = False, microphone: str = "mic2") -> list[AudioItem]:
    """List VCTK 0.92: 110 English speakers, 44 hours, 48 kHz.

    The corpus has no splits; the last twentieth of the speakers is held out for test, the one before for valid.

    Args:
        root: the folder that holds `VCTK-Corpus-0.92`, or that folder.
        download: fetch it (11 GB) if it is missing.
        microphone: "mic1" or "mic2".
    """
    if microphone not in ("mic1", "mic2"):
        raise AudiodiffError(f"Unknown microphone {microphone!r} of VCTK; expected 'mic1' or 'mic2'.")
    root = _parent_of(Path(root), "VCTK-Corpus-0.92")
    folder = root / "VCTK-Corpus-0.92"
    dataset = _dataset("VCTK_092", root, download, folder, mic_id=microphone)
    clips: list[tuple[str, str]] = [(speaker, number) for speaker, number in dataset._sample_ids]
    speakers = sorted({speaker for speaker, _ in clips})
    held_out = max(len(speakers) // 20, 1) if len(speakers) >= 3 else 0
    splits = dict.fromkeys(speakers, "train")
    splits.update(dict.fromkeys(speakers[len(speakers) - 2 * held_out :], "valid") if held_out else {})
    splits.update(dict.fromkeys(speakers[len(speakers) - held_out :], "test") if held_out else {})
    items = []
    for speaker, number in progress_bar(clips, "Listing VCTK"):
        path = folder / "wav48_silence_trimmed" / speaker / f"{speaker}_{number}_{microphone}.flac"
        text = _line(folder / "txt" / speaker / f"{speaker}_{number}.txt")
        items.append(audio_item(path, text=text, split=splits[speaker], speaker=speaker, licence="CC-BY-4.0"))
    return items


SC09_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""The words of Speech Commands that make SC09."""


def speechcommands_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List Speech Commands 0.02: 35 words, 105,829 clips of a second, 16 kHz, with its own splits.

    Args:
        root: the folder that holds `SpeechCommands`, or that folder.
        download: fetch it (2.3 GB) if it is missing.
    """
    return _speechcommands(root, download, None)


def sc09_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List SC09, the ten digits of Speech Commands: the small benchmark of raw audio generation (arXiv 1802.04208).

    The word is the text of a clip, and stands in `extra["word"]` for a class condition.

    Args:
        root: as of `speechcommands_items`.
        download: fetch all of Speech Commands (2.3 GB) if it is missing.
    """
    return _speechcommands(root, download, SC09_WORDS)


def _speechcommands(root: str | Path, download: bool, words: Collection[str] | None) -> list[AudioItem]:
    root = _parent_of(Path(root), "SpeechCommands")
    folder = root / "SpeechCommands"
    items = []
    for split, subset in (("train", "training"), ("valid", "validation"), ("test", "testing")):
        dataset = _dataset("SPEECHCOMMANDS", root, download, folder / "speech_commands_v0.02", subset=subset)
        for number in progress_bar(range(len(dataset)), f"Listing Speech Commands {split}"):
            name, _, label, speaker, _ = dataset.get_metadata(number)
            if words is None or label in words:
                items.append(
                    audio_item(
                        folder / name,
                        text=label,
                        split=split,
                        speaker=speaker,
                        licence="CC-BY-4.0",
                        extra={} if words is None else {"word": label, "source": "Speech Commands v0.02"},
                    )
                )
    return items


CORPORA: dict[str, Callable[..., list[AudioItem]]] = {
    "ljspeech": ljspeech_items,
    "libritts": libritts_items,
    "vctk": vctk_items,
    "speechcommands": speechcommands_items,
    "sc09": sc09_items,
    "maestro": maestro_items,
    "musdb18": musdb18_items,
    "gtzan": gtzan_items,
    "fma": fma_items,
}
"""Corpora by the name that settings and the command line call them."""


_DOWNLOADED = ("ljspeech", "libritts", "vctk", "speechcommands", "sc09")


def corpus_items(name: str, root: str | Path, split: str | None = None, *, download: bool = False) -> list[AudioItem]:
    """List the clips of a corpus by name, "folder" for any folder of sound files.

    Args:
        name: "folder" or a name of `CORPORA`.
        root: where it is, or where to put it.
        split: only clips of that split; None for all.
        download: fetch the corpus if it is missing.

    Raises:
        AudiodiffError: unknown name, corpus not found, download failed, no clip of that split.
    """
    if name == "folder":
        if download:
            raise AudiodiffError(f"A folder cannot be downloaded; corpora that can: {', '.join(_DOWNLOADED)}.")
        return folder_items(root, split)
    if name not in CORPORA:
        raise AudiodiffError(f"Unknown corpus {name!r}; known: folder, {', '.join(CORPORA)}.")
    items = CORPORA[name](root, download=download)
    return select_split(items, split, str(root))
