"""What installed packages add to this one: entry points, found by name and imported only when they are used."""

import contextlib
import functools
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from audiodiff.errors import AudiodiffError

__all__ = ["OWN_DISTRIBUTION", "broken", "load_plugin", "owner", "plugins"]

OWN_DISTRIBUTION = "audiodiff-synth"
"""The distribution of this package, whose entry points come before those of others."""

_LONGEST_REASON = 300


def plugins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; of several with one name the first by the package's name."""
    return dict(_plugins(group, tuple((folder, _changed(folder)) for folder in sys.path)))


@functools.lru_cache(maxsize=16)
def _plugins(group: str, _folders: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    """`plugins` while these folders stay as they are: reading what every package says takes tens of milliseconds."""
    found = sorted(entry_points(group=group), key=lambda entry: (owner(entry) != OWN_DISTRIBUTION, owner(entry)))
    return {entry.name: entry for entry in reversed(found)}


def _changed(folder: str) -> int:
    """Return when a package was last added to a folder or removed from it (ns), 0 where there is none."""
    with contextlib.suppress(OSError, ValueError):
        return os.stat(folder or ".").st_mtime_ns
    return 0


def owner(entry: EntryPoint) -> str:
    """Return the name of the package that registers an entry point."""
    return str(entry.dist.name) if entry.dist is not None else "?"


def load_plugin(entry: EntryPoint, what: str, expected: type = object) -> Any:
    """Import what an entry point names.

    Args:
        entry: of `plugins`.
        what: what it is called in messages, such as "model kind".
        expected: what it must be an instance of.

    Raises:
        AudiodiffError: it cannot be imported, or is something else.
    """
    try:
        value = entry.load()
    except (Exception, SystemExit) as error:
        raise broken(entry, what, error) from error
    if not isinstance(value, expected):
        raise broken(entry, what, f"{entry.value} is no {expected.__name__}")
    return value


def broken(entry: EntryPoint, what: str, reason: object) -> AudiodiffError:
    """Return the error that says why an entry point is of no use, and whose it is."""
    if isinstance(reason, BaseException):
        reason = f"{type(reason).__name__}: {reason}"
    return AudiodiffError(
        f"the {what} {entry.name!r} of the package {owner(entry)} cannot be loaded ({str(reason)[:_LONGEST_REASON]}); "
        "install that package again, or remove it."
    )
