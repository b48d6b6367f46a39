"""Numbers of NumPy in settings as Python's own, which JSON can hold. Imports no torch."""

import numbers
from dataclasses import fields
from typing import Any


def plain_number(value: Any) -> Any:
    """Return a number of NumPy, alone or in a tuple, as Python's own, and anything else as it is."""
    if isinstance(value, tuple | list):
        return type(value)(plain_number(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def make_plain(settings: Any) -> None:
    """Turn the numbers in the fields of a frozen dataclass into Python's own, which JSON can hold."""
    for item in fields(settings):
        object.__setattr__(settings, item.name, plain_number(getattr(settings, item.name)))
