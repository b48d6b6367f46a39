"""Looking for marks of synthetic audio in a sound file: what `audiodiff detect` reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import audio_info
from audiodiff.signal.sample_hash import samples_sha256
from audiodiff.synthesis.provenance import ProvenanceRecord, provenance_of_sound


@dataclass(frozen=True)
class Detection:
    """What was found in a file.

    Attributes:
        path: the file.
        seconds: its length.
        record: the provenance record in its tags or beside it; `None` without any.
        samples_unchanged: whether the samples are those of the record; `None` without one.
        record_error: what is wrong with a record that is there but cannot be read; empty otherwise.
    """

    path: Path
    seconds: float
    record: ProvenanceRecord | None
    samples_unchanged: bool | None
    record_error: str = ""

    @property
    def found(self) -> bool:
        """Whether there is any mark; a damaged record is one, too."""
        return self.record is not None or bool(self.record_error)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        record = self.record
        return {
            "file": str(self.path),
            "seconds": self.seconds,
            "found": self.found,
            "record": None
            if record is None
            else {
                "made_by": record.made_by,
                "verb": record.verb,
                "models": [model.name for model in record.models],
                "audiodiff_version": record.audiodiff_version,
                "samples_unchanged": self.samples_unchanged,
            },
            "record_error": self.record_error or None,
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return a label and a sentence for every kind of mark."""
        return [("record", self._record_line())]

    def _record_line(self) -> str:
        if self.record_error:
            return self.record_error
        if self.record is None:
            return "none"
        made = f"{self.record.made_by} (audiodiff {self.record.audiodiff_version} {self.record.verb})"
        return f"{made}, samples {'as they were written' if self.samples_unchanged else 'changed since'}"


def detect(path: str | Path) -> Detection:
    """Look for every mark that audiodiff puts into files.

    Args:
        path: a sound file of any origin and format that libsndfile reads.

    Raises:
        AudiodiffError: the file is missing, or not audio.
    """
    path = Path(path)
    info = audio_info(path)
    record, unchanged, problem = None, None, ""
    try:
        record = provenance_of_sound(path)
    except AudiodiffError as error:
        problem = str(error)
    if record is not None:
        unchanged = samples_sha256(path) == record.audio.samples_sha256
    return Detection(path, info.seconds, record, unchanged, problem)
