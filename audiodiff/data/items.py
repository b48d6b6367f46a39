"""One clip of a corpus, whatever its layout: the file, what is known of it, and the names of splits."""

import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from audiodiff.data.names import path_part
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AudioInfo, audio_info

_T = TypeVar("_T")

SILENCE_PEAK = 1e-3
"""Below this peak (-60 dB of full scale) of its channels' mean a clip counts as silent, and is not learnt from."""


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

    Raises:
        AudiodiffError: the split cannot be the name of a folder.
    """

    path: Path
    text: str = ""
    split: str = ""
    speaker: str = ""
    sample_rate: int = 0
    n_samples: int = 0
    licence: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the split, which becomes the name of a folder."""
        if self.split:
            path_part(self.split, f"the split of {self.path}")

    @property
    def seconds(self) -> float:
        """Duration in seconds, 0 if the file cannot be read."""
        return self.n_samples / self.sample_rate if self.sample_rate else 0.0


@dataclass(frozen=True)
class Listing:
    """The clips of a corpus, and what was there but is not among them.

    Attributes:
        items: the clips.
        notes: what is left out, and why; each completes the sentence "left out: ...".
    """

    items: tuple[AudioItem, ...]
    notes: tuple[str, ...] = ()


def sound_info(path: Path) -> AudioInfo:
    """Read the header of a clip's file, which must be a regular file: a device never ends.

    Raises:
        AudiodiffError: it is missing, empty, not audio or not a file.
    """
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise AudiodiffError(f"{path} is not a regular file; a clip of a corpus must be one.")
        return audio_info(path)
    except (OSError, UnicodeError) as error:
        raise AudiodiffError(f"{path} cannot be read ({getattr(error, 'strerror', '') or error}).") from error


def audio_item(
    path: Path,
    *,
    text: str = "",
    split: str = "",
    speaker: str = "",
    licence: str = "",
    extra: Mapping[str, str] | None = None,
) -> AudioItem:
    """Make an item of a file by its header; an unreadable one has sample rate 0, so that it can be named later."""
    try:
        info = sound_info(path)
        sample_rate, n_samples = info.sample_rate, info.n_samples
    except AudiodiffError:
        sample_rate, n_samples = 0, 0
    return AudioItem(path, text, split, speaker, sample_rate, n_samples, licence, extra or {})


def unreadable_reason(item: AudioItem) -> str:
    """Say why the file of an item cannot be read, "" if it can."""
    try:
        sound_info(item.path)
    except AudiodiffError as error:
        return str(error)
    return ""


SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "eval": "test",
}


def split_name(name: str) -> str:
    """Return "train", "valid" or "test" for the usual spellings of these, other names unchanged."""
    return SPLIT_NAMES.get(name.lower(), name)


def split_notes(items: Sequence[AudioItem]) -> tuple[str, ...]:
    """Name the splits that nothing here uses: a misspelt one loses its clips."""
    counts = Counter(item.split for item in items)
    return tuple(
        f"{count} clips of split {split!r}, which training does not use (it uses train and valid)"
        for split, count in sorted(counts.items())
        if split not in ("", *SPLIT_NAMES.values())
    )


def duration(seconds: float) -> str:
    """Hours, or minutes where they are fewer than sixty."""
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def progress_bar(values: Iterable[_T], description: str) -> Iterable[_T]:
    """Show progress on a terminal for what may take more than a second."""
    from tqdm import tqdm

    bar: Iterable[_T] = tqdm(values, desc=description, unit="clip", disable=None, delay=1.0, leave=False)
    return bar


def select_split(items: list[AudioItem], split: str | None, where: str) -> list[AudioItem]:
    """Keep the clips of one split.

    Raises:
        AudiodiffError: none is left; the message names the splits there are.
    """
    chosen = items if split is None else [item for item in items if item.split == split_name(split)]
    if not chosen:
        names = ", ".join(sorted({item.split or "(none)" for item in items})) or "none, it is empty"
        raise AudiodiffError(f"{where} has no clips of split {split!r}; its splits: {names}.")
    return chosen
