"""Small text files and CSV tables that appear only when complete."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from audiodiff.signal.audio_io import temporary_beside


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically.

    Raises:
        AudiodiffError: the folder is missing or may not be written.
    """
    temporary = temporary_beside(path)
    try:
        temporary.write_text(text, "utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV table atomically; values of other columns are left out.

    Raises:
        AudiodiffError: the folder is missing or may not be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
