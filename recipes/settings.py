"""Nested settings from presets, files and the command line: `--model.wavenet.channels 128`, typed and checked."""

import contextlib
import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import check_nesting, parse_json
from audiodiff.models.config import given_fields
from audiodiff.signal import mel
from audiodiff.signal.mel import MelSpec

_MAX_BYTES = 256 * 1024  # the settings of a run are 5 KiB


def given_types(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield name and type of the fields of a dataclass that can be given."""
    hints = typing.get_type_hints(kind)
    yield from ((field.name, hints[field.name]) for field in given_fields(kind))


def leaves(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(dotted key, type)` for every setting of a nested dataclass; nested ones come as a whole, too."""
    for name, hint in given_types(kind):
        yield prefix + name, hint
        if dataclasses.is_dataclass(hint):
            yield from leaves(typing.cast(type, hint), f"{prefix}{name}.")


def attribute_docs(kind: type) -> dict[str, str]:
    """Return what the `Attributes:` section of a class's docstring says of each name, in one line."""
    lines = (inspect.getdoc(kind) or "").splitlines()
    docs: dict[str, str] = {}
    names: list[str] = []
    for line in lines[lines.index("Attributes:") + 1 :] if "Attributes:" in lines else []:
        if line and not line.startswith(" "):
            break
        if entry := re.fullmatch(r" {4}(\w+(?:, \w+)*): (.*)", line):
            names = entry[1].split(", ")
            docs.update(dict.fromkeys(names, entry[2]))
        elif line.strip():
            docs.update({name: f"{docs[name]} {line.strip()}" for name in names})
    return docs


def explain(kind: type, values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield `(dotted key, value, explanation)` for every single setting of a nested dataclass.

    Args:
        kind: the dataclass; its docstrings explain the settings.
        values: nested values, as `dataclass_to_dict` gives them.
        prefix: of the keys.
    """
    docs = {name: text for each in reversed(kind.__mro__) for name, text in attribute_docs(each).items()}
    for name, hint in given_types(kind):
        if dataclasses.is_dataclass(hint):
            yield from explain(typing.cast(type, hint), values[name], f"{prefix}{name}.")
        else:
            yield prefix + name, values[name], docs.get(name, "")


def resolve(kind: type, key: str) -> tuple[str, Any]:
    """Return the full key and its type; a key may be shortened to its last parts where only one setting fits.

    Raises:
        AudiodiffError: no setting, or more than one, has that name.
    """
    known = dict(leaves(kind))
    key = key.replace("-", "_")
    if key in known:
        return key, known[key]
    fitting = [name for name in known if name.endswith(f".{key}")]
    if len(fitting) == 1:
        return fitting[0], known[fitting[0]]
    if fitting:
        raise AudiodiffError(f"--{key} could be {' or '.join(fitting)}; write it out.")
    import difflib

    near = difflib.get_close_matches(key, [*known, *(name.rsplit(".", 1)[-1] for name in known)], 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(known))}."
    raise AudiodiffError(f"there is no setting {key!r}; {hint}")


def parse_text(hint: Any, text: str, key: str) -> Any:
    """Read the text of a setting as its type wants it: `1e-4`, `true`, `none`, `0.9,0.99`, `{"name": "x0"}`.

    Raises:
        AudiodiffError: the text is not of that type.
    """
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if text.lower() in ("none", "null"):
            return None
        (inner,) = (option for option in typing.get_args(hint) if option is not type(None))
        return parse_text(inner, text, key)
    if hint is str or origin is typing.Literal or dataclasses.is_dataclass(hint):
        return text
    try:
        if hint is bool:
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if hint in (int, float):
            return hint(text)
        if origin is tuple and not text.lstrip().startswith("["):
            if typing.get_args(hint)[0] is str:
                return [part.strip() for part in text.split(",")]
            text = f"[{text}]"
        return parse_json(text, key)
    except (KeyError, ValueError, OverflowError) as error:
        expected = {bool: "true or false", int: "a whole number", float: "a number"}.get(hint, "a JSON value")
        if origin is tuple:
            of_text = typing.get_args(hint)[0] is str
            expected = f"{'texts' if of_text else 'numbers'} with commas between them"
        raise AudiodiffError(f"{key} is {text[:60]!r}; expected {expected}.") from error


def with_changes(kind: type, base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values `base` with `changes` in place.

    Args:
        kind: the dataclass that the values are for.
        base: nested values, as `dataclass_to_dict` gives them.
        changes: full or short dotted keys -> values (text is read as the setting's type), or nested tables.

    Raises:
        AudiodiffError: an unknown or ambiguous key, or text that is not of the type.
    """
    result: dict[str, Any] = json.loads(json.dumps(dict(base)))
    for short, given in changes.items():
        if not isinstance(short, str):
            raise AudiodiffError(f"there is no setting {str(short)[:60]!r}; the name of a setting is text.")
        key, hint = resolve(kind, short)
        if dataclasses.is_dataclass(hint) and not isinstance(given, Mapping | str):
            raise AudiodiffError(f"{key} is {str(given)[:60]!r}; expected a table of settings.")
        if dataclasses.is_dataclass(hint):
            inner = typing.cast(type, hint)
            _put(result, key, with_changes(inner, _get(result, key), _as_table(inner, given, key)))
            continue
        _put(result, key, parse_text(hint, given, key) if isinstance(given, str) else given)
    return result


def given_keys(kind: type, changes: Mapping[str, Any]) -> set[str]:
    """Return the full dotted keys of all single settings that `changes` (as for `with_changes`) sets."""
    keys: set[str] = set()
    for short, given in changes.items():
        key, hint = resolve(kind, short)
        if dataclasses.is_dataclass(hint):
            inner = typing.cast(type, hint)
            keys |= {f"{key}.{name}" for name in given_keys(inner, _as_table(inner, given, key))}
        else:
            keys.add(key)
    return keys


def _as_table(kind: type, given: Any, key: str) -> Mapping[str, Any]:
    """The settings of a group: a table, one written as JSON, or the name of a mel.

    Raises:
        AudiodiffError: it is something else.
    """
    if kind is MelSpec and isinstance(given, str) and not given.lstrip().startswith("{"):
        return mel.to_dict(mel.preset(given))
    if isinstance(given, str) and given.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            given = json.loads(given)
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise AudiodiffError(
            f"{key} is {given!r}; expected a table of its settings; set them one by one: --{key}.NAME VALUE."
        )
    return given


def pairs(arguments: Sequence[str]) -> dict[str, str]:
    """Read `--key value --other=value` from a command line.

    Raises:
        AudiodiffError: something that is not such a pair.
    """
    result: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise AudiodiffError(f"cannot understand {word!r}; settings are written --key value.")
        if not equals:
            if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
                raise AudiodiffError(f"--{key} has no value; settings are written --key value.")
            value = rest.pop(0)
        if key in result:
            raise AudiodiffError(f"--{key} is given twice; give it once.")
        result[key] = value
    return result


def read_table(path: Path) -> dict[str, Any]:
    """Read a table of settings from a YAML or JSON file.

    Raises:
        AudiodiffError: the file is missing, not YAML or JSON, or not a table.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AudiodiffError(f"{path} cannot be read ({error}); give a YAML or JSON file of settings.") from error
    if len(content) > _MAX_BYTES:
        raise AudiodiffError(f"{path} is larger than {_MAX_BYTES // 1024} KiB; give a YAML or JSON file of settings.")
    if path.suffix.lower() == ".json" or text.lstrip().startswith("{"):
        table = parse_json(text, str(path))
    else:
        try:
            import yaml
        except ImportError as error:
            raise AudiodiffError("YAML files need PyYAML; install audiodiff-synth[train] or use JSON.") from error
        try:
            table = yaml.safe_load(text)
        except Exception as error:  # its constructors let through what Python's raise, on dates and numbers for example
            raise AudiodiffError(f"{path} is neither YAML nor JSON; check its syntax.") from error
        check_nesting(table, str(path))
        try:
            table = parse_json(json.dumps(table), str(path))
        except TypeError as error:
            raise AudiodiffError(f"{path} has a value that is no text, number, list or table ({error}).") from error
    if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
        raise AudiodiffError(f"{path} is not a table of keys and values; write lines such as `steps: 1000`.")
    return table


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """List `(dotted key, old value, new value)` where two nested tables differ."""
    found: list[tuple[str, Any, Any]] = []
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            found.append((prefix + key, before, after))
    return found


def _get(values: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        values = values[part]
    values[last] = value
