"""Free game music as an audio folder: clips and `metadata.csv`."""

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audiodiff.data.game_music.cut import Pulse, band_limit, boundaries, find_pulse, resampled
from audiodiff.data.game_music.packages import PACKAGES, GamePackage
from audiodiff.data.game_music.tracks import Known, Track, free_tracks, known_tracks, split_of
from audiodiff.data.game_music.unpack import deb_files, deb_tool, is_installed, opened_track, unpack
from audiodiff.data.tables import write_table, write_text
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_audio, write_audio

FloatArray = npt.NDArray[np.float32]

SAMPLE_RATE = 44_100
CLIPS_NAME = "clips"
TABLE_NAME = "metadata.csv"
SETTINGS_NAME = "game_music.json"
COLUMNS = (
    "file_name",
    "text",
    "genre",
    "instrument",
    "tempo",
    "license",
    "source",
    "split",
    "key",
    "tempo_source",
    "label_source",
    "title",
    "author",
    "package",
    "tempo_confidence",
    "bandwidth_hz",
)

_RECIPE = 1
_SECONDS = (4.0, 120.0)
_SHORTEST = 4.0
"""A track of less (s), or of less than half a clip, is a jingle."""


@dataclass
class GameMusic:
    """What `make_game_music` has made.

    Attributes:
        table: the metadata table.
        seconds: duration of the clips of each package (s).
        clips: their number.
        refused: tracks of each package whose licence is not free or not clear.
        excluded: tracks that another corpus holds out, as "PACKAGE: TITLE".
        missing: packages that were not there.
        skipped: what could not be read, and why.
    """

    table: Path
    seconds: dict[str, float] = field(default_factory=dict)
    clips: int = 0
    refused: dict[str, list[str]] = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Render for a terminal."""
        lines = [f"{name}: {seconds / 60:.1f} min" for name, seconds in self.seconds.items()]
        lines += [f"{name}: {len(titles)} tracks left out, not free" for name, titles in self.refused.items()]
        if self.excluded:
            lines.append(f"left out, held out by the other corpus: {', '.join(self.excluded)}")
        if self.missing:
            lines.append(f"not found: {', '.join(self.missing)}; {_apt(self.missing)}")
        lines += [f"skipped: {reason}" for reason in self.skipped]
        lines.append(f"{self.clips} clips, {sum(self.seconds.values()) / 3600:.2f} h: {self.table}")
        return "\n".join(lines)


def _apt(names: Sequence[str]) -> str:
    listed = " ".join(names)
    return f"apt install {listed}; or apt download {listed} and give that folder by --packages"


def make_game_music(
    output: str | Path,
    *,
    packages: str | Path | None = None,
    exclude: str | Path | None = None,
    seconds: float = 20.0,
    table: Sequence[GamePackage] = PACKAGES,
) -> GameMusic:
    """Cut the free music of Debian's games into clips; a run that was stopped goes on where it was.

    Args:
        output: folder for `metadata.csv` and the clips.
        packages: folder of downloaded `.deb` files; None for the packages that are installed.
        exclude: `metadata.csv` of another corpus; what it holds out for valid and test is left out.
        seconds: length of a clip, roughly (s).
        table: the packages.

    Raises:
        AudiodiffError: no package is there, a `.deb` or the table to exclude cannot be read, librosa or dpkg-deb is
            missing, a folder made with other settings or that cannot be written.
    """
    low, high = _SECONDS
    if not low <= seconds <= high:
        raise AudiodiffError(f"--seconds is {seconds:g}; expected {low:g} to {high:g} for a clip.")
    known = [] if exclude is None else known_tracks(Path(exclude))
    debs = None
    if packages is not None:
        debs = deb_files(Path(packages))
        deb_tool()  # missing: say so before anything is written
    there = [package for package in table if (package.name in debs if debs is not None else is_installed(package))]
    if not there:
        names = [package.name for package in table]
        where = "installed" if packages is None else f"in {packages}"
        raise AudiodiffError(f"None of the packages with free game music is {where}; {_apt(names)}.")
    output = Path(output)
    settings = {
        "recipe": _RECIPE,
        "seconds": seconds,
        "held_out_elsewhere": sorted(k.source for k in known if k.held_out),
    }
    _open_folder(output, settings)
    made = GameMusic(output / TABLE_NAME, missing=[package.name for package in table if package not in there])
    rows: list[dict[str, str]] = []
    for package in there:
        with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=output) as folder:
            root = Path("/")
            if debs is not None:
                root = Path(folder)
                unpack(debs[package.name], package, root)
            rows += _package_rows(root, package, known, output, seconds, made)
        write_table(output / TABLE_NAME, COLUMNS, rows)  # of what is there so far
    if not rows:
        raise AudiodiffError("None of the packages that were found has a free track that can be read.")
    made.clips = len(rows)
    return made


def _package_rows(
    root: Path, package: GamePackage, known: Sequence[Known], output: Path, seconds: float, made: GameMusic
) -> list[dict[str, str]]:
    """Cut the tracks of one package."""
    from tqdm import tqdm

    tracks, refused = free_tracks(root, package)
    if refused:
        made.refused[package.name] = refused
    rows: list[dict[str, str]] = []
    for track in tqdm(tracks, desc=package.name, unit="track", disable=None):
        split = split_of(track, known)
        if not split:
            made.excluded.append(f"{package.name}: {track.title}")
            continue
        try:
            rows += _track_rows(root, track, split, output, seconds)
        except AudiodiffError as error:
            made.skipped.append(f"{package.name}: {track.title}: {error}")
    made.seconds[package.name] = sum(float(row["seconds"]) for row in rows)
    return rows


def _track_rows(root: Path, track: Track, split: str, output: Path, seconds: float) -> list[dict[str, str]]:
    """Cut one track, or take the rows that an earlier run has left."""
    folder = output / CLIPS_NAME / track.package.name / track.name
    done = folder / "clips.json"
    rows = _earlier_rows(done, output)
    if rows is not None:
        return [{**row, "split": split} for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    waveform, source_rate = _mixed(root, track, folder)
    mono = waveform.mean(axis=0)
    pulse = find_pulse(mono, SAMPLE_RATE)
    limit = band_limit(mono, SAMPLE_RATE)
    if source_rate < SAMPLE_RATE:
        limit = source_rate / 2 if math.isnan(limit) else min(limit, source_rate / 2)
    waveform *= min(1.0, 0.999 / max(1e-9, float(np.abs(waveform).max())))
    cuts = boundaries(mono, SAMPLE_RATE, pulse, seconds)
    rows = []
    for number, (start, stop) in enumerate(pairwise(cuts)):
        if stop - start < min(_SHORTEST, seconds / 2) * SAMPLE_RATE:
            continue
        path = folder / f"{number:02d}.flac"
        write_audio(path, waveform[:, start:stop], SAMPLE_RATE)
        row = _row(track, split, path.relative_to(output).as_posix(), pulse, limit)
        rows.append({**row, "seconds": f"{(stop - start) / SAMPLE_RATE:.3f}"})
    write_text(done, json.dumps(rows, indent=1) + "\n")
    return rows


def _earlier_rows(done: Path, output: Path) -> list[dict[str, str]] | None:
    """Return the rows that an earlier run has left, None if it has not, or if clips are missing."""
    try:
        rows: list[dict[str, str]] = json.loads(done.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return rows if all((output / row["file_name"]).is_file() for row in rows) else None


def _mixed(root: Path, track: Track, scratch: Path) -> tuple[FloatArray, int]:
    """Decode a track, its parts added up: `[channels, n_samples]` at 44.1 kHz, at most stereo, and its own rate."""
    parts: list[FloatArray] = []
    rates = []
    for name in track.files:
        with opened_track(root, track.package, name, scratch) as path:
            audio = read_audio(path)
        rates.append(audio.sample_rate)
        parts.append(resampled(audio.waveform[:2], audio.sample_rate, SAMPLE_RATE))
    if len(parts) == 1:
        return parts[0], rates[0]
    mix = np.zeros((max(len(part) for part in parts), max(part.shape[1] for part in parts)), dtype=np.float32)
    for part in parts:
        mix[:, : part.shape[1]] += part
    return mix, min(rates)


def _row(track: Track, split: str, file_name: str, pulse: Pulse, limit: float) -> dict[str, str]:
    tempo = f"{pulse.tempo:.1f}" if pulse.is_sure else ""
    package = track.package
    return {
        "file_name": file_name,
        "text": f"{package.style}, {float(tempo):.0f} bpm" if tempo else package.style,
        "genre": "",
        "instrument": "",
        "tempo": tempo,
        "license": track.licence,
        "source": f"{track.author or package.name}, {package.name}: {track.title}",
        "split": split,
        "key": "",
        "tempo_source": "estimated" if tempo else "",
        "label_source": "package (weak)",
        "title": track.title,
        "author": track.author,
        "package": package.name,
        "tempo_confidence": f"{pulse.confidence:.2f}",
        "bandwidth_hz": "" if math.isnan(limit) else f"{limit:.0f}",
    }


def _open_folder(output: Path, settings: dict[str, Any]) -> None:
    """Make the folder, or see that it was begun with the same settings."""
    try:
        (output / CLIPS_NAME).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudiodiffError(f"{output} cannot be written ({error.strerror}); choose another output.") from error
    path = output / SETTINGS_NAME
    if path.is_file():
        try:
            before = json.loads(path.read_text("utf-8"))
        except json.JSONDecodeError as error:
            raise AudiodiffError(f"{path} is damaged; remove it and the clips, or choose another output.") from error
        if before != settings:
            raise AudiodiffError(
                f"{output} was started with other settings; give the same ones or choose another output."
            )
    elif any((output / CLIPS_NAME).iterdir()):
        raise AudiodiffError(f"{output / CLIPS_NAME} holds files but {path} is missing; choose another output.")
    else:
        write_text(path, json.dumps(settings, indent=1) + "\n")
