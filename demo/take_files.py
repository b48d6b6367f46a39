"""The files of takes: what the page fetches of each, and all of them in one ZIP."""

import contextlib
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.meters import loudness
from audiodiff.synthesis.provenance import ProvenanceRecord, file_sha256, read_provenance

from .handlers import ClipResult
from .takes import Take, TakeFacts
from .workspace import Workspace

PEAKS = 400
"""Values of a waveform as it is drawn, whatever its length."""

SERVED = "gradio"
"""Folder in the workspace from which Gradio hands out files to whoever knows their paths, which nobody can guess."""

_JPEG_QUALITY = 80


def publish(workspace: Workspace, made: ClipResult) -> TakeFacts:
    """Put a finished clip and its picture where the page can fetch them, and return what the file tells.

    Args:
        workspace: the folder of the demo.
        made: the clip.

    Raises:
        AudiodiffError: there is no room for it, or it cannot be read.
    """
    sound = read_audio(made.path)
    folder = _served_folder(workspace)
    path, picture = folder / made.path.name, folder / "picture.jpg"
    try:
        os.link(made.path, path)  # the same bytes, so no room of its own
    except OSError:  # where files have one name only
        shutil.copy2(made.path, path)
    made.picture.convert("RGB").save(picture, "JPEG", quality=_JPEG_QUALITY)
    told = _record(made.path)
    waveform = torch.from_numpy(np.ascontiguousarray(sound.waveform))
    return TakeFacts(
        path=path,
        picture=picture,
        sha256=file_sha256(made.path),
        made_from=() if told is None else tuple(item.sha256 for item in told.inputs),
        verb="" if told is None else told.verb,
        prompt="" if told is None else told.prompt,
        seed=made.seed,
        seconds=made.seconds,
        tempo=_tempo(told),
        loudness=loudness(waveform, sound.sample_rate) if sound.sample_rate >= 8000 else float("-inf"),
        peaks=peaks(sound.waveform),
        loop=made.seam is not None,
    )


def tempo_in(path: Path) -> float | None:
    """Return the tempo that a file was made at, in beats per minute; `None` if it does not tell."""
    return _tempo(_record(path))


def _record(path: Path) -> ProvenanceRecord | None:
    with contextlib.suppress(AudiodiffError):
        return read_provenance(path)
    return None


def _tempo(record: ProvenanceRecord | None) -> float | None:
    """Return the tempo that a clip was made at (beats per minute), from a record that anybody may have written."""
    tempo = None if record is None else record.settings.get("tempo")
    if isinstance(tempo, int | float) and not isinstance(tempo, bool) and 10.0 <= tempo <= 400.0:
        return float(tempo)
    return None


def peaks(waveform: NDArray[np.float32], count: int = PEAKS) -> bytes:
    """Return the largest magnitudes of equal parts of `[channels, n_samples]`, full scale as 255.

    Args:
        waveform: the sound.
        count: number of parts; a shorter sound has one for each sample.
    """
    envelope = np.abs(waveform).max(axis=0)
    starts = np.linspace(0, len(envelope), min(count, len(envelope)), endpoint=False, dtype=np.int64)
    largest = np.maximum.reduceat(envelope, starts)
    return np.clip(np.round(largest * 255.0), 0, 255).astype(np.uint8).tobytes()


def zip_takes(workspace: Workspace, takes: Iterable[Take], most_bytes: int) -> Path:
    """Write the files of takes into one ZIP, and return where the page can fetch it.

    They are stored, not compressed: what they hold cannot be made smaller. Each name begins with the take's number.

    Args:
        workspace: the folder of the demo.
        takes: what goes in.
        most_bytes: how large they may be together.

    Raises:
        AudiodiffError: there is nothing to put in, it is too much, or there is no room for it.
    """
    files = [(take, take.facts.path) for take in takes]
    if not files:
        raise AudiodiffError("there are no takes to download; make some first.")
    with workspace.hold(*(path.parent for _, path in files)):
        size = sum(path.stat().st_size for _, path in files if path.is_file())
        if size > most_bytes:
            raise AudiodiffError(
                f"the takes have {size / 2**20:.0f} MiB together; one ZIP holds up to {most_bytes / 2**20:.0f} MiB, so "
                "star those that you want, or delete some."
            )
        workspace.make_room(size)
        target = _served_folder(workspace) / "takes.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for take, path in sorted(files, key=lambda item: item[0].number):
                if path.is_file():
                    archive.write(path, f"{take.number:02d}-{path.name}")
    return target


def _served_folder(workspace: Workspace) -> Path:
    folder = workspace.folder / SERVED / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder
