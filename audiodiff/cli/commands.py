"""The commands of the command line: those of this package, and those that installed packages register.

A package adds a command by an entry point, whose value is a module with `add_parser(subparsers)` and
`run(args) -> int`::

    [project.entry-points."audiodiff.commands"]
    shout = "shouting.command"
"""

import argparse
import re
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast

from audiodiff.cli.parser import MAX_MESSAGE
from audiodiff.errors import AudiodiffError

GROUP = "audiodiff.commands"
"""The group of entry points that are commands."""

OWN_DISTRIBUTION = "audiodiff-synth"
"""Whose commands are imported to be listed; those of others only when they are called."""

COMMANDS = {
    "generate": "audiodiff.cli.generate",
    "vary": "audiodiff.cli.vary",
    "inpaint": "audiodiff.cli.inpaint",
    "extend": "audiodiff.cli.extend",
    "interpolate": "audiodiff.cli.interpolate",
    "vocode": "audiodiff.cli.vocode",
    "upsample": "audiodiff.cli.upsample",
    "prepare": "audiodiff.cli.prepare",
    "check": "audiodiff.cli.check",
    "evaluate": "audiodiff.cli.evaluate",
    "export": "audiodiff.cli.export",
    "models": "audiodiff.cli.models",
    "inspect": "audiodiff.cli.inspect",
    "replay": "audiodiff.cli.replay",
    "prompts": "audiodiff.cli.prompts",
    "inspect-mel": "audiodiff.cli.inspect_mel",
    "doctor": "audiodiff.cli.doctor",
}
"""Command name -> module, for the commands of this package."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Command(Protocol):
    """The module of a command."""

    def add_parser(self, subparsers: Any) -> None:
        """Add the command, under its name, to the command line."""

    def run(self, args: argparse.Namespace) -> int:
        """Do what was asked and return the exit status."""


def registered() -> dict[str, EntryPoint]:
    """Return the commands that installed packages register, by name.

    Nobody replaces a command of this package; of others that want one name the first by the package's name has it.
    """
    found = sorted(entry_points(group=GROUP), key=lambda entry: (owner(entry) != OWN_DISTRIBUTION, owner(entry)))
    return {
        entry.name: entry for entry in reversed(found) if _NAME.fullmatch(entry.name) and entry.name not in COMMANDS
    }


def owner(entry: EntryPoint) -> str:
    """The name of the package that registers a command."""
    return str(entry.dist.name) if entry.dist is not None else "?"


def add_commands(subparsers: Any, chosen: str) -> None:
    """Add every command to the command line.

    Args:
        subparsers: of the command line.
        chosen: the command that is called; a registered one of another package is imported only for that.

    Raises:
        AudiodiffError: the chosen command cannot be loaded.
    """
    for module in COMMANDS.values():
        import_module(module).add_parser(subparsers)
    for name, entry in sorted(registered().items()):
        if name == chosen:
            _add(subparsers, entry)
        elif owner(entry) != OWN_DISTRIBUTION:
            subparsers.add_parser(name, help=f"by the package {owner(entry)}")
        else:
            try:
                _add(subparsers, entry)
            except AudiodiffError:  # such as one of an older installation: no reason for the others to fail
                subparsers.add_parser(name, help="cannot be loaded")


def load_command(name: str) -> Command:
    """Import the module of a command.

    Raises:
        AudiodiffError: a registered one cannot be imported, or is no module of a command.
    """
    if name in COMMANDS:
        return cast(Command, import_module(COMMANDS[name]))
    entry = registered()[name]
    try:
        command = entry.load()
    except (Exception, SystemExit) as error:
        raise _broken(entry, error) from error
    if not callable(getattr(command, "add_parser", None)) or not callable(getattr(command, "run", None)):
        raise _broken(entry, f"{entry.value} has no functions `add_parser` and `run`")
    return cast(Command, command)


def _add(subparsers: Any, entry: EntryPoint) -> None:
    command = load_command(entry.name)
    try:
        command.add_parser(subparsers)
    except (Exception, SystemExit) as error:
        raise _broken(entry, error) from error
    if entry.name not in subparsers.choices:
        raise _broken(entry, f"its `add_parser` adds no command {entry.name!r}")


def _broken(entry: EntryPoint, reason: object) -> AudiodiffError:
    if isinstance(reason, BaseException):
        reason = f"{type(reason).__name__}: {reason}"
    return AudiodiffError(
        f"the command {entry.name!r} of the package {owner(entry)} cannot be loaded ({str(reason)[:MAX_MESSAGE]}); "
        "install that package again, or remove it."
    )
