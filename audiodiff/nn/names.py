"""Names of tensors in files that earlier versions wrote."""

from collections.abc import Container, Mapping
from typing import TypeVar

__all__ = ["former_name", "with_current_names"]

T = TypeVar("T")

_ENDING, _FORMER_ENDING = "_std", "_deviation"


def former_name(name: str) -> str:
    """Return the name that earlier versions had for a tensor."""
    return name.removesuffix(_ENDING) + _FORMER_ENDING if name.endswith(_ENDING) else name


def with_current_names(found: Mapping[str, T], expected: Container[str]) -> dict[str, T]:
    """Return what a file holds, by the names that a model `expected` where the file has former ones."""
    renamed = {}
    for name, value in found.items():
        current = name.removesuffix(_FORMER_ENDING) + _ENDING
        former = name.endswith(_FORMER_ENDING) and name not in expected and current in expected
        renamed[current if former else name] = value
    return renamed
