"""`audiodiff add-stereo`: an autoencoder and stereo recordings in, an autoencoder whose latents hold stereo out."""

import argparse
import sys
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.cli.prepare import CORPUS_NAMES


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "add-stereo",
        help="let the latents of a trained autoencoder hold stereo",
        description="Learn from stereo recordings how level differences and coherence of two channels go together, and "
        "write a copy of an autoencoder whose latents have further channels for them. Shards that `audiodiff encode` "
        "makes with it, and latent models trained on these, are stereo; the mean of their two channels is what the "
        "mono autoencoder makes.",
    )
    parser.add_argument("folder", help="a corpus of stereo recordings; several with commas")
    parser.add_argument("-o", "--output", required=True, help="folder for the new checkpoint")
    parser.add_argument(
        "--autoencoder", required=True, help="its checkpoint, or a latent model that has it (e.g. music)"
    )
    parser.add_argument(
        "--numbers",
        type=int,
        help="further channels of the latents (default: 12)",
    )
    parser.add_argument(
        "--corpus",
        choices=("folder", *CORPUS_NAMES),
        metavar="NAME",
        default="folder",
        help=f"layout of the corpus: folder, {', '.join(CORPUS_NAMES)} (default: folder)",
    )


def run(args: argparse.Namespace) -> int:
    """Learn, write the checkpoint, and print what was done."""
    from audiodiff.cli.progress import progress_bar
    from audiodiff.data.items import duration

    from ..add_stereo import add_stereo

    skipped: list[str] = []
    with progress_bar("listening", "clips") as on_clip:
        added = add_stereo(
            args.folder,
            args.output,
            autoencoder=args.autoencoder,
            corpus=args.corpus,
            numbers=args.numbers,
            on_clip=on_clip,
            on_skip=skipped.append,
        )
    for reason in skipped:
        tell(f"left out: {reason}", file=sys.stderr)
    tell(
        f"{args.output}: the further channels of its latents hold {added.kept:.0%} of what tells the channels of "
        f"{added.clips} clips apart, {duration(added.seconds)}"
    )
    return 0
