"""`audiodiff check`: what is wrong with a corpus, before training on it."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audiodiff.cli.output import tell

if TYPE_CHECKING:
    from audiodiff.data.items import AudioItem
    from audiodiff.data.text_fit import TextFits


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="look for what may spoil training in a folder of audio",
        description=(
            "Decode every clip; report counts, hours, rates, splits, clipping, silence, short clips, duplicates, "
            "unreadable files and texts that are not what is said."
        ),
    )
    parser.add_argument("folder", help="folder of sound files, prepared folder or manifest")
    parser.add_argument("--split", help="only clips of this split")
    parser.add_argument("--crop", type=float, default=0.0, metavar="SECONDS", help="name clips shorter than this")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Check one corpus and print the report."""
    import dataclasses

    from audiodiff.data.checks import check_corpus
    from audiodiff.data.manifest import load_listing

    listing = load_listing(args.folder, args.split)
    compare = _compare if any(item.text.strip() for item in listing.items) else None
    report = check_corpus(listing.items, crop_seconds=args.crop, notes=listing.notes, compare=compare)
    if args.json:
        tell(json.dumps(dataclasses.asdict(report), indent=2, default=str))
    else:
        tell(report.text())
    return 0


def _compare(items: "Sequence[AudioItem]") -> "TextFits":
    """Compare clips with their texts by how the voice of the package sounds."""
    from audiodiff.data.text_fit import text_fits
    from audiodiff.synthesis.word_times import SPEC, load_voice_phones

    return text_fits(items, load_voice_phones("kathleen"), SPEC)
