"""Sound files that tell what made them: samples, tags and sidecar appear together or not at all."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from audiodiff.atomic import atomic_file
from audiodiff.signal.audio_io import AudioWriter
from audiodiff.signal.sample_hash import SampleHash
from audiodiff.signal.tags import put_tags
from audiodiff.synthesis.clip_latents import TAG, ClipLatents
from audiodiff.synthesis.provenance import (
    AudioRecord,
    ProvenanceRecord,
    check_sidecar,
    provenance_tags,
    put_sidecar,
    sidecar_path,
)


class TaggedAudioWriter:
    """An `AudioWriter` that puts a provenance record into its file; sound and record appear together or not at all.

    Args:
        path: target; the extension chooses WAV, FLAC, OGG or MP3.
        sample_rate: in Hz.
        channels: number of channels.
        provenance: makes the record when the samples are known, such as
            `functools.partial(ProvenanceRecord, "vocode", ...)`; `None` writes the sound alone.
        encoding: libsndfile's name; `None` for the usual one.
        latents: what the sound was decoded from, kept with the record, in the sidecar alone if there are too many.
        sidecar: also write the record next to the sound, as `sidecar_path` says.
        seal: called with the path of the temporary file when all else is in it, to sign it.

    Raises:
        AudiodiffError: as `AudioWriter`; or there is no record for the sidecar.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        channels: int = 1,
        *,
        provenance: Callable[[AudioRecord], ProvenanceRecord] | None = None,
        encoding: str | None = None,
        latents: ClipLatents | None = None,
        sidecar: bool = False,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        """Open the temporary file."""
        self._path = Path(path)
        self._make_record = provenance
        self._latents = latents
        self._sidecar = sidecar
        self._seal = seal
        self._shape = (sample_rate, channels)
        self._hash = SampleHash()
        self._written = 0
        self._sidecar_file: Path | None = None
        self.record: ProvenanceRecord | None = None
        """The record, once everything is written; `None` before, and if there is none."""

        if sidecar:
            check_sidecar(self._path, provenance=provenance is not None)
        self._decoded = SampleHash()
        self._writer = AudioWriter(
            path, sample_rate, channels, encoding, finish=self._finish, on_decoded=self._decoded.update
        )

    def write(self, waveform: npt.NDArray[Any]) -> None:
        """Append float samples `[channels, n]`, or `[n]` for one channel."""
        self._writer.write(waveform)
        self._hash.update(waveform)
        self._written += waveform.shape[-1]

    def _finish(self, temporary: Path) -> None:
        if self._make_record is not None:
            self._put_record(temporary, self._make_record)
        if self._seal is not None:
            self._seal(temporary)

    def _put_record(self, temporary: Path, make_record: Callable[[AudioRecord], ProvenanceRecord]) -> None:
        rate, channels = self._shape
        hashes = (self._decoded.hexdigest(), self._hash.hexdigest())
        self.record = make_record(AudioRecord(rate, channels, self._written, *hashes))
        tags, latents = provenance_tags(self.record), self._latents
        if latents is not None:
            latents = replace(latents, samples_sha256=hashes[0])
            if latents.fits_tag:
                tags[TAG] = latents.to_json()
        if self._sidecar_file is not None:
            put_sidecar(self._sidecar_file, self.record, None if latents is None else latents.to_dict())
        put_tags(temporary, tags, name=self._path)

    def __enter__(self) -> Self:
        """Return the writer."""
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the finished files in place, or remove what was begun."""
        with contextlib.ExitStack() as stack:
            if kind is None and self._sidecar:
                self._sidecar_file = stack.enter_context(atomic_file(sidecar_path(self._path)))
            self._writer.__exit__(kind, error, trace)
