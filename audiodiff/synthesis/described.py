"""What settings say of themselves: names, types, defaults, and the text that the docstring has. Imports no torch."""

import inspect
import re
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin

from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES
from audiodiff.synthesis.settings import HELD

_NAMES = {"sampler": SAMPLER_NAMES, "grid": GRID_NAMES}


def described(kind: type) -> dict[str, tuple[Any, Any, str]]:
    """Return type, default and description of every value of settings; of two with one name the outer one counts."""
    said = attribute_docs(kind)
    found: dict[str, tuple[Any, Any, str]] = {}
    for item in fields(kind):
        if isinstance(item.type, type) and item.type in HELD:
            inner = described(item.type)
            held = item.default_factory() if callable(item.default_factory) else None
            own = {other.name for other in fields(kind)}
            found |= {
                name: (annotation, getattr(held, name, default), text)
                for name, (annotation, default, text) in inner.items()
                if name not in own
            }
        else:
            default = item.default_factory() if callable(item.default_factory) else item.default
            found[item.name] = (item.type, default, said.get(item.name, ""))
    return found


def attribute_docs(kind: type) -> dict[str, str]:
    """Return what the section `Attributes` of a class says of each of them."""
    text = inspect.getdoc(kind) or ""
    section = text.partition("Attributes:")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", said).strip() for name, said in found}


def choices(name: str, annotation: Any) -> tuple[str, ...]:
    """Return the values that a setting may have, none if it takes others than names."""
    plain = without_none(annotation)
    return get_args(plain) if get_origin(plain) is Literal else _NAMES.get(name, ())


def without_none(annotation: Any) -> Any:
    """Return the type of a setting, of an optional one the type of what it may be."""
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return parts[0] if _is_union(annotation) and len(parts) == 1 else annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or type(annotation).__name__ == "UnionType"
