"""The option `--adapter` of every command that loads a model."""

import argparse
from collections.abc import Sequence
from typing import Any


def add_adapter_option(parser: argparse.ArgumentParser, what: str = "") -> None:
    """Add the option to a command.

    Args:
        parser: of the command.
        what: what it is for; empty for the usual words.
    """
    said = "adapter of the model, as `audiodiff adapt` makes them, and how strongly it is applied (repeatable)"
    parser.add_argument(
        "--adapter", action="append", dest="adapters", metavar="FOLDER[:STRENGTH]", default=[], help=what or said
    )


def adapters_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what a loader is given for the option: nothing if it was not used."""
    given: Sequence[str] = getattr(args, "adapters", ())
    return {"adapters": tuple(given)} if given else {}
