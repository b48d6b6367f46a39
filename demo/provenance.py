"""Provenance of a file and its replay, as plain functions like those of `handlers`."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from audiodiff.cli.inspect import audio_line, file_document, look_at, provenance_lines
from audiodiff.errors import AudiodiffError
from audiodiff.models.adapter import Adapter
from audiodiff.signal.audio_io import read_audio
from audiodiff.synthesis.provenance import ProvenanceRecord, file_sha256, read_provenance
from audiodiff.synthesis.replay import replay as replay_file

from . import checks
from .app_state import AppState
from .handlers import ProgressReporter, Report, one_turn, slug
from .jobs import User
from .limits import MOST_FILES
from .pictures import mel_image, mel_pictures, sound_mel
from .said import Said, said


@dataclass(frozen=True)
class Inspected:
    """What a file tells.

    Attributes:
        path: the sound; `None` if only a record was given.
        headline: what it is, in a sentence.
        lines: label and text of everything else.
        document: all of it as JSON.
        record: what made it; `None` if it does not tell.
        picture: its log-mel; `None` if only a record was given.
    """

    path: Path | None
    headline: str
    lines: tuple[tuple[str, str], ...]
    document: str
    record: ProvenanceRecord | None
    picture: Image.Image | None


@dataclass(frozen=True)
class Replayed:
    """What a replay came to.

    Attributes:
        path: the file that was made again.
        identical: whether its samples are those of the record, bit for bit.
        reasons: if they are not, what may have caused it.
        untouched: whether the file given still has the samples of its record; `None` if only a record was given.
        pictures: log-mels of the given file, if there is one, and of the new one.
    """

    path: Path
    identical: bool
    reasons: tuple[str, ...]
    untouched: bool | None
    pictures: tuple[Image.Image | None, Image.Image]

    @property
    def sentence(self) -> Said:
        """What came out, in a sentence or two."""
        if self.identical:
            told = said("Recreated exactly, sample for sample.")
        else:
            told = said("Not identical: {reasons}.", reasons="; ".join(self.reasons))
        if self.untouched is False:
            told = said("{told} The file given has changed since its record was written.", told=told)
        return told


def inspect(state: AppState, *, input: str | Path | None) -> Inspected:
    """Read the record of a sound file, or of the JSON next to one.

    Raises:
        AudiodiffError: the file cannot be used, or has a damaged record.
    """
    path = _upload(state, input)
    return state.jobs.off_queue(lambda: _inspected(path))


def _inspected(path: Path) -> Inspected:
    record, info, untouched, latents = look_at(path)
    document = json.dumps(file_document(path, record, info, untouched, latents), indent=2)
    if record is None:
        headline = f"No settings found in {path.name}: it was not made by audiodiff, or has lost its tags."
        lines = [("audio", audio_line(info))]
    else:
        headline = f"{path.name}: {record.made_by} (audiodiff {record.audiodiff_version} {record.verb})"
        lines = provenance_lines(record, info, untouched, latents)
    sound = None if info is None else path
    return Inspected(
        path=sound,
        headline=headline,
        lines=tuple(lines),
        document=document,
        record=record,
        picture=None if sound is None else mel_image(_mel(sound)),
    )


def replay(
    state: AppState,
    report: Report,
    *,
    user: User | str,
    input: str | Path | None,
    recording: str | Path | Sequence[str | Path] | None = None,
) -> Replayed:
    """Make a file again from its record, and compare.

    Args:
        state: the demo.
        report: called with what there is to show.
        user: who asks.
        input: a sound file with a provenance record, or the JSON next to one.
        recording: the file or files that went in, where the record names any.

    Raises:
        AudiodiffError: there is no record, or one that cannot be replayed here.
        Stopped: the job was stopped.
    """
    source = _upload(state, input)
    record = read_provenance(source)
    checks.check_record(state.limits, record, source.name)
    originals = _originals(state, record, recording)
    ending = source.suffix.lower() if source.suffix.lower().lstrip(".") in checks.FORMATS else ".flac"
    target = state.workspace.new_file(f"{slug(source.stem)}-replayed{ending}")

    def work(progress: ProgressReporter) -> Replayed:
        def on_progress(done: float, total: float) -> None:
            progress.say(said("making it again"), done / total)

        told = replay_file(
            source,
            target,
            model=model_of(state, record),
            recording=originals,
            adapters=adapters_of(state, record),
            on_progress=on_progress,
        )
        again = _mel(target)
        if source.suffix.lower() == ".json":
            pictures: tuple[Image.Image | None, Image.Image] = (None, mel_image(again))
        else:
            given = _mel(source)
            shared = min(given.shape[-1], again.shape[-1])
            first, second = mel_pictures([given[:, :shared], again[:, :shared]])
            pictures = (first, second)
        return Replayed(target, told.identical, told.reasons, told.untouched, pictures)

    held = [source, target.parent, *([] if originals is None else [originals])]
    return one_turn(state, report, user, work, held=held)


def model_of(state: AppState, record: ProvenanceRecord) -> str | None:
    """Return the name of the served model that made a record's sound; `None` if it was none of them."""
    wanted = record.models[0].weights_sha256 if record.models else ""
    served = state.models.records
    return next((name for name, identity in served if wanted and identity.weights_sha256 == wanted), None)


def adapters_of(state: AppState, record: ProvenanceRecord) -> list[Adapter]:
    """Return those of the adapters in the served models that took part in a record's sound."""
    named = {each.weights_sha256 for model in record.models for each in model.adapters}
    return [each for each in state.models.adapters if each.weights_sha256 in named]


def settings_of_file(state: AppState, path: str | Path | None) -> Mapping[str, Any]:
    """Return what of a file's record can be put into the fields of the page: prompt, negative, seed and settings.

    The guidance is what variety has left of it, which is not to be loosened once more.

    Raises:
        AudiodiffError: the file has no record.
    """
    record = read_provenance(_upload(state, path))
    told = {"prompt": record.prompt, "negative": record.negative, "seed": record.seed}
    return {**record.settings, **told, "variety": 0.0}


def seed_of(state: AppState, path: str | Path | None) -> int:
    """Return the seed that a clip was made with.

    Raises:
        AudiodiffError: the file has no record.
    """
    return read_provenance(_upload(state, path)).seed


def _originals(
    state: AppState, record: ProvenanceRecord, recording: str | Path | Sequence[str | Path] | None
) -> Path | None:
    """Return the folder of the files that went in, under the names that the record has for them.

    Uploads may have got other names; the record knows their content.

    Raises:
        AudiodiffError: one is too large, too long, or no audio.
    """
    given = [recording] if isinstance(recording, str | Path) else list(recording or ())
    if len(given) > MOST_FILES:
        raise AudiodiffError(f"there are {len(given)} originals; this demo takes {MOST_FILES} at a time.")
    uploads = [
        checks.check_upload(state.limits, path, mel_seconds_per_frame=_frame_seconds(state)) for path in given if path
    ]
    if not uploads:
        return None
    folder = state.workspace.new_file("inputs")
    folder.mkdir()
    names = {item.sha256: item.name for item in record.inputs if item.name not in {"", ".", ".."}}
    for path in uploads:
        shutil.copyfile(path, folder / names.get(file_sha256(path), path.name))
    return folder


def _upload(state: AppState, path: str | Path | None) -> Path:
    """Return an upload that may also be the JSON next to a sound."""
    if path is not None and Path(path).suffix.lower() == ".json":
        return checks.check_size(state.limits, path)
    return checks.check_upload(state.limits, path)


def _mel(path: Path) -> Any:
    sound = read_audio(path)
    return sound_mel(sound.waveform, sound.sample_rate)


def _frame_seconds(state: AppState) -> float | None:
    vocoder = state.models.vocoder
    return None if vocoder is None else vocoder.mel_spec.hop_length / vocoder.sample_rate
