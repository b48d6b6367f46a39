"""What is wrong with a corpus, found before hours of training are lost on it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiodiff.data.items import SILENCE_PEAK, AudioItem, duration, progress_bar, sound_info
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_blocks
from audiodiff.signal.truncation import find_truncation

if TYPE_CHECKING:
    from audiodiff.data.text_fit import TextFits

# Three samples in a row at full scale are clipping, a single one may be the true peak.
_CLIPPED_RUN = 3
_FULL_SCALE = 1.0 - 2.0**-15
_SHOWN = 5


@dataclass(frozen=True)
class CorpusReport:
    """What `check_corpus` found.

    Attributes:
        n_items: clips listed.
        n_usable: clips that can be read and are not silent.
        seconds: duration of the readable clips (s).
        sample_rates: clips per sample rate (Hz).
        channels: clips per number of channels.
        splits: per split, clips and seconds.
        speakers: number of different speakers named.
        unreadable: path and reason.
        misfits: path and reason of clips whose text is not what is said in them.
        texts: sentences about texts that were not compared with what is said.
        cut_off: readable, but shorter than the header promises, or without an end; path and what is there.
        silent: readable, but the mean of its channels is never above -60 dB of full scale.
        clipped: path and number of samples in stretches of 3 or more at full scale.
        too_short: path and seconds of clips shorter than the crop.
        duplicates: groups of clips with the same decoded samples.
        across_splits: those of the groups whose clips are in different splits.
        crop_seconds: the crop that `too_short` refers to; 0 if none was given.
        notes: what of the corpus is left out or not read.
    """

    n_items: int
    n_usable: int
    seconds: float
    sample_rates: dict[int, int]
    channels: dict[int, int]
    splits: dict[str, tuple[int, float]]
    speakers: int
    unreadable: tuple[tuple[Path, str], ...]
    silent: tuple[Path, ...]
    clipped: tuple[tuple[Path, int], ...]
    too_short: tuple[tuple[Path, float], ...]
    duplicates: tuple[tuple[Path, ...], ...]
    across_splits: tuple[tuple[Path, ...], ...]
    crop_seconds: float
    notes: tuple[str, ...] = ()
    cut_off: tuple[tuple[Path, str], ...] = ()
    misfits: tuple[tuple[Path, str], ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def has_problems(self) -> bool:
        """Whether anything was found that is worth looking at."""
        found = (
            self.unreadable,
            self.cut_off,
            self.silent,
            self.clipped,
            self.too_short,
            self.duplicates,
            self.misfits,
            self.notes,
        )
        return any(found)

    def text(self) -> str:
        """Render the report for a terminal."""
        lines = [f"{self.n_items} clips, {duration(self.seconds)}, {self.n_usable} usable"]
        lines.append("rates     " + ", ".join(f"{n} at {rate} Hz" for rate, n in sorted(self.sample_rates.items())))
        lines.append("channels  " + ", ".join(f"{n} with {count}" for count, n in sorted(self.channels.items())))
        for split, (count, seconds) in sorted(self.splits.items()):
            lines.append(f"split     {split or '(none)'}: {count} clips, {seconds / 60:.1f} min")
        if self.speakers:
            lines.append(f"speakers  {self.speakers}")
        lines += _section("unreadable", [f"{path}: {reason}" for path, reason in self.unreadable])
        lines += _section("cut off", [f"{path}: {said}" for path, said in self.cut_off])
        lines += _section("silent (peak below -60 dB)", [str(path) for path in self.silent])
        lines += _section("clipped", [f"{path}: {count} samples at full scale" for path, count in self.clipped])
        lines += _section(
            f"shorter than the crop of {self.crop_seconds:.3g} s (padded with zeros)",
            [f"{path}: {seconds:.3f} s" for path, seconds in self.too_short],
        )
        lines += _section("duplicates", [" = ".join(str(path) for path in group) for group in self.duplicates])
        lines += _section(
            "the same clip in different splits",
            [" = ".join(str(path) for path in group) for group in self.across_splits],
        )
        lines += _section("with a text that is not said in them", [f"{path}: {why}" for path, why in self.misfits])
        lines += [f"left out: {note}" for note in self.notes]
        lines += [f"note: {note}" for note in self.texts]
        if not self.has_problems:
            lines.append(f"no {'other ' if self.texts else ''}problems found")
        return "\n".join(lines)


def _section(title: str, entries: list[str]) -> list[str]:
    if not entries:
        return []
    shown = [f"  {entry}" for entry in entries[:_SHOWN]]
    more = [f"  ... and {len(entries) - _SHOWN} more"] if len(entries) > _SHOWN else []
    return [f"{len(entries)} {title}:", *shown, *more]


@dataclass(frozen=True)
class _Measured:
    seconds: float
    sample_rate: int
    channels: int
    peak: float
    clipped: int
    digest: str


def _clipped(block: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> int:
    """Samples in stretches of `_CLIPPED_RUN` or more at full scale (stretches end at a block's border)."""
    hot = np.abs(block) >= _FULL_SCALE
    if not hot.any():
        return 0
    total = 0
    for channel in hot:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], channel.astype(np.int8), [0]])))
        runs = edges[1::2] - edges[::2]
        total += int(runs[runs >= _CLIPPED_RUN].sum())
    return total


def _measure(path: Path) -> _Measured:
    info = sound_info(path)
    digest = hashlib.sha256(f"{info.sample_rate} {info.channels}".encode())
    peak, clipped, count = 0.0, 0, 0
    for block in read_blocks(path):
        peak = max(peak, float(np.abs(block.mean(axis=0)).max()))
        clipped += _clipped(block)
        count += block.shape[1]
        digest.update(np.ascontiguousarray(block.T).tobytes())
    return _Measured(count / info.sample_rate, info.sample_rate, info.channels, peak, clipped, digest.hexdigest())


def check_corpus(
    items: Sequence[AudioItem],
    *,
    crop_seconds: float = 0.0,
    notes: Sequence[str] = (),
    compare: "Callable[[Sequence[AudioItem]], TextFits] | None" = None,
) -> CorpusReport:
    """Decode every clip and report what may spoil a training run; nothing is fatal while a clip is left.

    Args:
        items: the clips.
        crop_seconds: duration of a training crop (s); shorter clips are named. 0 to skip this.
        notes: of the listing; they go into the report.
        compare: tells how the texts of readable clips fit their sound; None to skip this.

    Raises:
        AudiodiffError: the list is empty, or not one clip can be used.
    """
    if not items:
        raise AudiodiffError("There are no clips to check; the list is empty.")
    unreadable: list[tuple[Path, str]] = []
    silent: list[Path] = []
    sounding: list[AudioItem] = []
    cut_off: list[tuple[Path, str]] = []
    clipped: list[tuple[Path, int]] = []
    too_short: list[tuple[Path, float]] = []
    rates: Counter[int] = Counter()
    channels: Counter[int] = Counter()
    splits: dict[str, tuple[int, float]] = {}
    same: dict[str, list[AudioItem]] = {}
    seconds = 0.0
    for item in progress_bar(items, "Checking audio"):
        try:
            measured = _measure(item.path)
            cut = find_truncation(item.path)
        except AudiodiffError as error:
            unreadable.append((item.path, str(error)))
            continue
        seconds += measured.seconds
        if cut is not None:
            cut_off.append((item.path, cut.note(item.path)))
        rates[measured.sample_rate] += 1
        channels[measured.channels] += 1
        count, total = splits.get(item.split, (0, 0.0))
        splits[item.split] = (count + 1, total + measured.seconds)
        same.setdefault(measured.digest, []).append(item)
        if measured.peak < SILENCE_PEAK:
            silent.append(item.path)
        else:
            sounding.append(item)
        if measured.clipped:
            clipped.append((item.path, measured.clipped))
        if measured.seconds < crop_seconds:
            too_short.append((item.path, measured.seconds))
    usable = len(items) - len(unreadable) - len(silent)
    if usable == 0:
        reason = unreadable[0][1] if unreadable else f"{silent[0]} and the others are silent"
        raise AudiodiffError(f"None of the {len(items)} clips can be used: {reason}")
    fits = compare(sounding) if compare else None
    groups = [group for group in same.values() if len(group) > 1]
    return CorpusReport(
        n_items=len(items),
        n_usable=usable,
        seconds=seconds,
        sample_rates=dict(rates),
        channels=dict(channels),
        splits=splits,
        speakers=len({item.speaker for item in items if item.speaker}),
        unreadable=tuple(unreadable),
        silent=tuple(silent),
        clipped=tuple(clipped),
        too_short=tuple(too_short),
        duplicates=tuple(tuple(item.path for item in group) for group in groups),
        across_splits=tuple(
            tuple(item.path for item in group) for group in groups if len({item.split for item in group}) > 1
        ),
        crop_seconds=crop_seconds,
        notes=tuple(notes),
        cut_off=tuple(cut_off),
        misfits=fits.misfits if fits else (),
        texts=fits.notes if fits else (),
    )
