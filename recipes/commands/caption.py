"""`audiodiff caption`: captions for a folder of music that has none."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "caption",
        help="listen to a folder of music and write the captions that training needs",
        description="Write metadata.csv into a folder of music: several captions for each clip, genre, instruments and "
        "mood (by the tagger musicnn), tempo and key where they are sure. Existing entries are kept, so "
        "the file can be edited and the command run again.",
    )
    parser.add_argument("folder", type=Path, help="folder of sound files, with or without a metadata.csv")


def run(args: argparse.Namespace) -> int:
    """Caption one folder and print what was done."""
    from audiodiff.cli.progress import progress_bar

    from ..caption import caption_folder

    with progress_bar("Listening", "clips") as report:
        done = caption_folder(args.folder, on_clip=report)
    print(done.text())
    return 0
