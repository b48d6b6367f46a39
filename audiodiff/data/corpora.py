"""Lists of audio clips: any folder of sound files, and public corpora in their own layouts.

LJSpeech, LibriTTS, VCTK and Speech Commands are found (and on request downloaded) by `torchaudio.datasets`; sound is
only ever decoded by soundfile, never by torchaudio. The corpora of music are in `music_corpora`.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiodiff._torchaudio import import_torchaudio
from audiodiff.data.folders import folder_items, folder_listing, is_ljspeech, ljspeech_rows
from audiodiff.data.items import (
    AudioItem,
    Listing,
    audio_item,
    progress_bar,
    select_split,
    split_name,
    split_notes,
    unreadable_reason,
)
from audiodiff.data.music_corpora import fma_items, gtzan_items, maestro_items, musdb18_items
from audiodiff.errors import AudiodiffError

__all__ = [
    "CORPORA",
    "SC09_WORDS",
    "AudioItem",
    "Listing",
    "audio_item",
    "corpus_items",
    "corpus_listing",
    "fma_items",
    "folder_items",
    "folder_listing",
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


def _dataset(name: str, root: Path, download: bool, expected: Path, **arguments: Any) -> Any:
    """Open a torchaudio corpus; it looks for `expected` below `root`."""
    if not download and not expected.exists():
        raise AudiodiffError(
            f"{expected} does not exist; give the folder that holds {expected.name}, or ask for a download."
        )
    constructor = getattr(import_torchaudio().datasets, name)
    try:
        if download:
            root.mkdir(parents=True, exist_ok=True)
        return constructor(str(root), download=download, **arguments)
    except (RuntimeError, OSError, ValueError) as error:
        raise AudiodiffError(f"The corpus below {root} cannot be opened ({error}).") from error


def _parent_of(root: Path, name: str) -> Path:
    """Accept the corpus folder itself as well as the folder that holds it, which torchaudio wants."""
    return root.parent if root.name == name else root


_LJSPEECH = "LJSpeech-1.1"


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def ljspeech_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List LJSpeech 1.1 (one speaker, 13,100 clips, 24 hours, 22.05 kHz), or recordings in the same layout.

    There are no splits; the last clips are held out, 250 each for valid and test (2 % each of a smaller corpus).

    Args:
        root: the folder that holds `LJSpeech-1.1`, or a folder with `wavs` and `metadata.csv`, whatever its name.
        download: fetch it (2.6 GB) if it is missing.
    """
    root = Path(root)
    folder = root if is_ljspeech(root) else _parent_of(root, _LJSPEECH) / _LJSPEECH
    if not is_ljspeech(folder):
        _dataset("LJSPEECH", folder.parent, download, folder / "wavs")
    # Of another speaker's recordings in this layout nothing more is known.
    speaker, licence = ("LJ", "Public-Domain") if folder.resolve().name == _LJSPEECH else ("", "")
    rows = list(progress_bar(ljspeech_rows(folder), "Listing LJSpeech"))
    held_out = min(250, len(rows) // 50)
    items = []
    for number, item in enumerate(rows):
        left = len(rows) - number
        split = "test" if left <= held_out else "valid" if left <= 2 * held_out else "train"
        items.append(replace(item, split=split, speaker=speaker, licence=licence))
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


def corpus_listing(name: str, root: str | Path, split: str | None = None, *, download: bool = False) -> Listing:
    """List the clips of a corpus by name, "folder" for any folder of sound files, and what is left out.

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
        return folder_listing(root, split)
    if name not in CORPORA:
        raise AudiodiffError(f"Unknown corpus {name!r}; known: folder, {', '.join(CORPORA)}.")
    items = CORPORA[name](root, download=download)
    return Listing(tuple(select_split(items, split, str(root))), split_notes(items))


def corpus_items(name: str, root: str | Path, split: str | None = None, *, download: bool = False) -> list[AudioItem]:
    """List the clips of a corpus: `corpus_listing` without what is left out."""
    return list(corpus_listing(name, root, split, download=download).items)
