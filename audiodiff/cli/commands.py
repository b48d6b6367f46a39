"""The commands of the command line: those of this package, and those that installed packages register.

A package adds a command by an entry point, whose value is a module with `add_parser(subparsers)` and
`run(args) -> int`::

    [project.entry-points."audiodiff.commands"]
    shout = "shouting.command"
"""

import argparse
import re
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, Protocol, cast

from audiodiff.cli.verb_command import VerbCommand
from audiodiff.errors import AudiodiffError
from audiodiff.plugins import OWN_DISTRIBUTION, broken, load_plugin, owner, plugins
from audiodiff.synthesis.verbs import VERBS

GROUP = "audiodiff.commands"
"""The group of entry points that are commands."""

COMMANDS = {
    "align": "audiodiff.cli.align",
    "batch": "audiodiff.cli.batch",
    "prepare": "audiodiff.cli.prepare",
    "check": "audiodiff.cli.check",
    "evaluate": "audiodiff.cli.evaluate",
    "export": "audiodiff.cli.export",
    "search-schedule": "audiodiff.cli.search_schedule",
    "push": "audiodiff.cli.push",
    "models": "audiodiff.cli.models",
    "detect": "audiodiff.cli.detect",
    "inspect": "audiodiff.cli.inspect",
    "replay": "audiodiff.cli.replay",
    "prompts": "audiodiff.cli.prompts",
    "inspect-mel": "audiodiff.cli.inspect_mel",
    "doctor": "audiodiff.cli.doctor",
}
"""Command name -> module, for the commands of this package that are no verbs."""

OWN = {*VERBS, *COMMANDS}
"""The commands of this package."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Command(Protocol):
    """A verb, or the module of another command."""

    def add_parser(self, subparsers: Any) -> None:
        """Add the command, under its name, to the command line."""

    def run(self, args: argparse.Namespace) -> int:
        """Do what was asked and return the exit status."""


def registered() -> dict[str, EntryPoint]:
    """Return the commands that installed packages register, by name.

    Nobody replaces a command of this package; of others that want one name the first by the package's name has it.
    """
    return {name: entry for name, entry in plugins(GROUP).items() if _NAME.fullmatch(name) and name not in OWN}


def add_commands(subparsers: Any, chosen: str) -> None:
    """Add every command to the command line.

    Args:
        subparsers: of the command line.
        chosen: the command that is called; a registered one of another package is imported only for that.

    Raises:
        AudiodiffError: the chosen command cannot be loaded.
    """
    for verb in VERBS.values():
        VerbCommand(verb).add_parser(subparsers)
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
    if name in VERBS:
        return VerbCommand(VERBS[name])
    if name in COMMANDS:
        return cast(Command, import_module(COMMANDS[name]))
    entry = registered()[name]
    command = load_plugin(entry, "command")
    if not callable(getattr(command, "add_parser", None)) or not callable(getattr(command, "run", None)):
        raise broken(entry, "command", f"{entry.value} has no functions `add_parser` and `run`")
    return cast(Command, command)


def _add(subparsers: Any, entry: EntryPoint) -> None:
    command = load_command(entry.name)
    try:
        command.add_parser(subparsers)
    except (Exception, SystemExit) as error:
        raise broken(entry, "command", error) from error
    if entry.name not in subparsers.choices:
        raise broken(entry, "command", f"its `add_parser` adds no command {entry.name!r}")
