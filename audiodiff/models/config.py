"""Plain dictionaries to frozen dataclasses and back, with every mistake named."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from audiodiff.diffusion.config import (
    parameterization_from_dict,
    parameterization_to_dict,
    process_from_dict,
    process_to_dict,
)
from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel_spec
from audiodiff.signal.mel_spec import MelSpec

__all__ = ["dataclass_from_dict", "dataclass_to_dict", "given_fields", "model_config_to_dict"]

T = TypeVar("T")

_FORMER_KEYS = {"mel_deviation": "mel_std"}
"""Keys in files of earlier versions -> their names now."""


def dataclass_from_dict(kind: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """Build a (nested) dataclass from plain values.

    Args:
        kind: a dataclass.
        values: a value for any of its fields that can be given (`init`); the others keep their default. A mel
            specification may be the name of a preset, and is otherwise complete.
        where: name of this level in error messages, such as "config.wavenet".

    Raises:
        AudiodiffError: an unknown key, or a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise AudiodiffError(f"{where} is {_shown(values)}; expected a table of keys and values.")
    fields = {field.name: field for field in given_fields(kind)}
    values = {key if key in fields else _FORMER_KEYS.get(key, key): value for key, value in values.items()}
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in fields:
            raise AudiodiffError(f'{where} has an unknown key "{str(key)[:60]}"; known: {", ".join(sorted(fields))}.')
    arguments = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    missing = [
        name
        for name, field in fields.items()
        if name not in arguments
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise AudiodiffError(f"{where} lacks the key(s) {', '.join(missing)}.")
    return kind(**arguments)


def dataclass_to_dict(value: Any, *, stored: bool = False) -> Any:
    """Turn the fields of a (nested) dataclass that can be given into JSON values; tuples become lists.

    Args:
        value: the dataclass.
        stored: leave out what has its default and the mark `omit_default`: models without it are written as before.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: dataclass_to_dict(getattr(value, field.name), stored=stored)
            for field in given_fields(type(value))
            if not (stored and field.metadata.get("omit_default") and getattr(value, field.name) == field.default)
        }
    if isinstance(value, (list, tuple)):
        return [dataclass_to_dict(item, stored=stored) for item in value]
    return value


def given_fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a dataclass that its constructor takes."""
    return [field for field in dataclasses.fields(kind) if field.init]


def model_config_to_dict(config: Any, *, stored: bool = False) -> dict[str, Any]:
    """Turn the config of a model into JSON values; `dataclass_from_dict` reads them.

    A process and a parameterization are written with all their settings.

    Args:
        config: of the model.
        stored: as in its checkpoint; see `dataclass_to_dict`.

    Raises:
        AudiodiffError: one of them cannot be stored.
    """
    values: dict[str, Any] = dataclass_to_dict(config, stored=stored)
    if "process" in values:
        values["process"] = process_to_dict(process_from_dict(config.process))
    if "parameterization" in values:
        values["parameterization"] = parameterization_to_dict(parameterization_from_dict(config.parameterization))
    return values


def _convert(hint: Any, value: Any, where: str) -> Any:
    if hint is MelSpec:
        return value if isinstance(value, MelSpec) else mel_spec.from_dict(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else dataclass_from_dict(hint, value, where)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(hint):
            return None
        (inner,) = (item for item in typing.get_args(hint) if item is not type(None))
        return _convert(inner, value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            known = ", ".join(str(item) for item in typing.get_args(hint))
            raise AudiodiffError(f"{where} is {_shown(value)}; known: {known}.")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise AudiodiffError(f"{where} is {_shown(value)}; expected a list.")
        inner_hints = typing.get_args(hint)
        if len(inner_hints) == 2 and inner_hints[1] is Ellipsis:
            return tuple(_convert(inner_hints[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(inner_hints) != len(value):
            raise AudiodiffError(f"{where} has {len(value)} entries; expected {len(inner_hints)}.")
        return tuple(_convert(inner, item, where) for inner, item in zip(inner_hints, value, strict=True))
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise AudiodiffError(f"{where} is {_shown(value)}; expected a table of keys and values.")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise AudiodiffError(f"{where} is {_shown(value)}; expected a value of type {hint.__name__}.")
    if isinstance(value, float) and math.isnan(value):
        raise AudiodiffError(f"{where} is not a number (NaN); expected one.")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."
