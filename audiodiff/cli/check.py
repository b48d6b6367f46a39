"""`audiodiff check`: what is wrong with a corpus, before training on it."""

import argparse
import json
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="look for what may spoil training in a folder of audio",
        description=(
            "Decode every clip; report counts, hours, rates, splits, clipping, silence, short clips, duplicates and "
            "unreadable files."
        ),
    )
    parser.add_argument("folder", type=Path, help="folder of sound files, prepared folder or manifest")
    parser.add_argument("--split", help="only clips of this split")
    parser.add_argument("--crop", type=float, default=0.0, metavar="SECONDS", help="name clips shorter than this")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Check one corpus and print the report."""
    import dataclasses

    from audiodiff.data.checks import check_corpus
    from audiodiff.data.manifest import load_items

    report = check_corpus(load_items(args.folder, args.split), crop_seconds=args.crop)
    if args.json:
        tell(json.dumps(dataclasses.asdict(report), indent=2, default=str))
    else:
        tell(report.text())
    return 0
