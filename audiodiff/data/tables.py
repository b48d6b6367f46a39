"""Tables of clips (CSV), read strictly: a row that does not fit is named, never dropped or mended by guessing."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AUDIO_EXTENSIONS

OTHER_SOUNDS = frozenset(
    [
        ".3gp",
        ".aac",
        ".ac3",
        ".aifc",
        ".amr",
        ".ape",
        ".dsf",
        ".dts",
        ".m4a",
        ".m4b",
        ".mka",
        ".mkv",
        ".mov",
        ".mp2",
        ".mp4",
        ".mpc",
        ".pcm",
        ".ra",
        ".raw",
        ".snd",
        ".spx",
        ".tta",
        ".voc",
        ".webm",
        ".wma",
        ".wv",
    ]
)
"""Extensions of sound files that are not taken."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class Row(NamedTuple):
    """One row: the line that it begins on, counted from 1, and its cells by column, without spaces around them."""

    line: int
    cells: dict[str, str]


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a CSV table with a header.

    Empty rows are passed over, spaces around cells are not kept.

    Args:
        path: the table, UTF-8 with or without a byte order mark.
        columns: those that must be there.

    Raises:
        AudiodiffError: the table cannot be read, or (the line is named) a column is missing or stands twice, a quote is
            not closed, or a row has more or fewer cells than the header has columns.
    """
    rows: list[Row] = []
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            header = _without_empty_end([name.strip() for name in next(reader, [])], 0)
            _check_header(path, header, columns)
            line = reader.line_num + 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append(Row(line, _fitted(cells, header, f"{path} line {line}")))
                line = reader.line_num + 1
    except (UnicodeDecodeError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise AudiodiffError(f"{path} cannot be read as a UTF-8 CSV table ({why}).") from error
    except csv.Error as error:
        raise AudiodiffError(
            f"{path} line {line} is not CSV ({error}); a cell with quotes or commas stands in quotes, and each quote "
            "within it is doubled."
        ) from error
    return rows


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        shown = ", ".join(header)[:200] or "(none)"
        raise AudiodiffError(
            f"{path} has the columns {shown}; a column {missing[0]} is needed, in a first line of names with commas "
            "between them."
        )
    twice = [name for index, name in enumerate(header) if name in header[:index] or not name]
    if twice:
        raise AudiodiffError(f"{path} line 1 has the column {twice[0]!r} twice or without a name; name each one once.")


def _fitted(cells: list[str], header: list[str], where: str) -> dict[str, str]:
    cells = _without_empty_end(cells, len(header))
    if len(cells) != len(header):
        raise AudiodiffError(
            f"{where} has {len(cells)} cells where the header has {len(header)} columns; put a cell that holds commas "
            "in quotes, and leave no cell out."
        )
    for cell in cells:
        # A quote that nobody meant swallows rows until the next one; what it swallowed names sound files.
        if any(_names_a_sound(part) for line in _LINE_END.split(cell)[1:] for part in line.split(",")):
            raise AudiodiffError(f"{where} opens a quote that swallows the rows after it; close it, or double it.")
    return {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


def _names_a_sound(text: str) -> bool:
    return PurePosixPath(text.strip(' "')).suffix.lower() in AUDIO_EXTENSIONS | OTHER_SOUNDS


def _without_empty_end(cells: list[str], length: int) -> list[str]:
    """Leave out empty cells beyond `length`: some programs end every row with commas."""
    while len(cells) > length and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def read_pipe_rows(path: Path) -> list[tuple[str, str]]:
    """Read a table in the layout of LJSpeech, `id|text` or `id|text|normalised text`, without header and quotes.

    Returns:
        Ids and texts, the normalised ones where they are given.

    Raises:
        AudiodiffError: the table cannot be read, a line has another number of fields, or an id stands twice.
    """
    try:
        lines = _LINE_END.split(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, OSError) as error:
        raise AudiodiffError(f"{path} cannot be read as UTF-8 lines of id|text|text ({error}).") from error
    first: dict[str, int] = {}
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *texts = (field.strip() for field in line.split("|"))
        if not name or len(texts) not in (1, 2):
            raise AudiodiffError(f"{path} line {number} has {len(texts) + 1} fields; expected id|text or id|text|text.")
        if name in first:
            raise AudiodiffError(f"{path} line {number} names {name} again, after line {first[name]}; delete one.")
        first[name] = number
        rows.append((name, texts[-1] or texts[0]))
    return rows


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, which appears only when complete.

    Raises:
        AudiodiffError: as `audiodiff.atomic.atomic_file`.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV table, which appears only when complete; values of other columns are left out.

    Raises:
        AudiodiffError: as `write_text`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
