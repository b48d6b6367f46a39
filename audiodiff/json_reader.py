"""JSON that anybody may have written: bounded in size and depth, and every fault is one sentence."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from audiodiff.errors import AudiodiffError

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "check_nesting",
    "json_bytes",
    "parse_json",
    "read_json",
    "read_json_table",
    "take",
]

MAX_BYTES = 32 * 2**20
"""Longest document: the list of clips of a full shard takes a quarter of it."""

MAX_DEPTH = 64
"""Most lists and tables inside each other."""

_MAX_PARTS = 2_000_000
"""Most lists and tables of a document."""

T = TypeVar("T")

_WORDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table of keys and values",
}

_MAX_INTEGER = 2**64
"""Beyond it there are no seeds, sizes or steps, and numbers that floating point cannot hold begin."""


def parse_json(content: bytes | str, where: str) -> Any:
    """Read a JSON document.

    Args:
        content: the document; bytes are UTF-8.
        where: what to call it in messages.

    Returns:
        Its value. `NaN` and `Infinity` are floats, as Python writes them.

    Raises:
        AudiodiffError: it is not JSON, names a key twice, or goes beyond `MAX_BYTES`, `MAX_DEPTH` or 64-bit integers.
    """
    if len(content) > MAX_BYTES:
        raise AudiodiffError(f"{where} is larger than {MAX_BYTES // 2**20} MiB; expected a small JSON document.")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AudiodiffError(
            f"{where} is damaged: it is not UTF-8 text (byte {error.start}); copy it again."
        ) from error
    try:
        value = json.loads(text, parse_int=_integer, object_pairs_hook=_table)
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:
        raise AudiodiffError(f"{where} is damaged: it is not JSON ({error}); copy it again or mend it.") from error
    check_nesting(value, where)
    return value


def check_nesting(value: Any, where: str) -> None:
    """Refuse plain values that lie too deep inside each other, or are too many, for whoever walks through them.

    Raises:
        AudiodiffError: lists and tables go beyond `MAX_DEPTH`, or are millions (an alias of YAML counts as a copy).
    """
    level, parts = [value], 1
    for _ in range(MAX_DEPTH):
        inside: list[Any] = []
        for parent in level:
            inside += [item for item in _inside(parent) if isinstance(item, dict | list)]
            if parts + len(inside) > _MAX_PARTS:
                raise AudiodiffError(f"{where} is damaged: it has more than {_MAX_PARTS:,} lists and tables.")
        level, parts = inside, parts + len(inside)
        if not level:
            return
    raise _too_deep(where)


def take(table: Mapping[str, Any], key: str, kind: type[T], where: str, default: T | None = None) -> T:
    """Return a value of a table if it is of the right type; whole numbers serve as floats.

    Args:
        table: as JSON gives it.
        key: whose value is wanted.
        kind: `str`, `int`, `float` (a finite one), `bool`, `list` or `dict`.
        where: what to call the table in messages.
        default: what a missing key stands for; None if it must be there.

    Raises:
        AudiodiffError: it is missing, or of another type.
    """
    value: Any = table.get(key, default)
    if kind is float and type(value) is int:
        value = float(value)
    fits = type(value) is kind
    if isinstance(value, float):
        fits = fits and math.isfinite(value)
    if not fits:
        seen = "missing" if key not in table else _shown(value)
        raise AudiodiffError(f'{where}: "{key}" is {seen}; expected {_WORDS[kind]}.')
    found: T = value
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file; see `parse_json`.

    Raises:
        AudiodiffError: it is missing, cannot be read, or is not such a document.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudiodiffError(f"{path} cannot be read ({reason}); give a JSON file.") from error
    return parse_json(content, str(path))


def read_json_table(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds a table of keys and values.

    Raises:
        AudiodiffError: as `read_json`, or it holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise AudiodiffError(f"{path} is not a table of keys and values; expected a JSON object.")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """Write a document as UTF-8; half characters, as in file names that are no text, stay escaped."""
    try:
        return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(value, indent=indent) + "\n").encode()


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _too_deep(where: str) -> AudiodiffError:
    return AudiodiffError(f"{where} is damaged: it has more than {MAX_DEPTH} lists or tables inside each other.")


def _integer(text: str) -> int:
    value = int(text) if len(text) < 32 else _MAX_INTEGER + 1
    if abs(value) > _MAX_INTEGER:
        raise ValueError(f"the whole number {text[:20]}... has more than 64 bits")
    return value


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        for key, _ in pairs:
            if key not in table:
                raise ValueError(f'the key "{key[:40]}" stands twice')
            del table[key]
    return table
