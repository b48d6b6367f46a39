"""`audiodiff prepare`: decode and resample a corpus once, so that training starts at once."""

import argparse
from pathlib import Path
from typing import Any

CORPUS_NAMES = ("ljspeech", "libritts", "vctk", "speechcommands")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "prepare",
        help="decode and resample a corpus or folder for training",
        description="Write a manifest and a cache of decoded audio; `audiodiff train --data OUTPUT` opens them.",
    )
    parser.add_argument("source", help=f"a folder of sound files, or one of {', '.join(CORPUS_NAMES)}")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for manifest.jsonl and the cache")
    parser.add_argument("--rate", type=int, default=22050, metavar="HZ", help="rate of the cache (default: 22050)")
    parser.add_argument("--root", type=Path, help="where the named corpus is, or is put (default: the output)")
    parser.add_argument("--split", help="only clips of this split")
    parser.add_argument("--download", action="store_true", help="fetch the named corpus if it is missing")


def run(args: argparse.Namespace) -> int:
    """Prepare one corpus and print what was made."""
    from audiodiff.data.prepare import prepare

    done = prepare(
        args.source,
        args.output,
        sample_rate=args.rate,
        root=args.root,
        split=args.split,
        download=args.download,
    )
    print(done.text())
    return 0
