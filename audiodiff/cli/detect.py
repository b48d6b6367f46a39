"""`audiodiff detect`: whether sound files bear marks of synthetic audio."""

import argparse
import json
from pathlib import Path
from typing import Any

from audiodiff.cli.output import note, tell
from audiodiff.errors import AudiodiffError

NOTHING_FOUND = 1
UNREADABLE = 2


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "detect",
        help="tell whether sound files bear marks of synthetic audio",
        description=(
            "Look into sound files for the provenance record that audiodiff writes. Exit status 0 if something was "
            "found in any of the files, 1 if nothing was, 2 if a file could not be read. That nothing is found does "
            "not prove that a recording is real."
        ),
    )
    parser.add_argument("files", nargs="+", type=Path, help="sound files of any origin")
    parser.add_argument("--json", action="store_true", help="print JSON: a list with a table for each file")


def run(args: argparse.Namespace) -> int:
    """Report on every file; one that cannot be read does not keep the others from being looked at."""
    from audiodiff.synthesis.detect import detect

    documents: list[dict[str, Any]] = []
    found = failed = False
    for path in args.files:
        try:
            result = detect(path)
        except AudiodiffError as error:
            failed = True
            documents.append({"file": str(path), "error": str(error)})
            note(str(error))
            continue
        found = found or result.found
        documents.append(result.to_dict())
        if not args.json:
            tell(f"{path}: {'marked' if result.found else 'no mark found'}")
            for label, text in result.lines() if result.found else ():
                tell(f"  {label:<10}{''.join(c if c.isprintable() else ' ' for c in text)}")
    if args.json:
        tell(json.dumps(documents, indent=2))
    if failed:
        return UNREADABLE
    return 0 if found else NOTHING_FOUND
