"""`audiodiff encode`: a captioned corpus in, shards of latents to train a latent model on out."""

import argparse
import sys
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.cli.prepare import CORPUS_NAMES

from ..presets import names_of


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "encode",
        help="turn a captioned corpus into shards of latents for training",
        description="Encode every clip by an autoencoder and its captions by a text encoder, once; "
        "`audiodiff train music --data OUTPUT --autoencoder CHECKPOINT` trains from the result. Without a split "
        "`valid` one clip in twenty is held out. A run that was stopped goes on when it is started again. Recordings "
        "of more than a minute become several clips.",
    )
    parser.add_argument(
        "folder",
        help="the corpus: a folder with a metadata.csv (file_name, text, split), what `audiodiff prepare` has made, or "
        "the layout that --corpus names; several with commas",
    )
    parser.add_argument(
        "-o", "--output", required=True, help="folder or URL (s3://..., gs://...) for the shards, one folder a split"
    )
    parser.add_argument(
        "--autoencoder", required=True, help="its checkpoint, or a latent model that has it (e.g. music)"
    )
    parser.add_argument(
        "--preset",
        choices=names_of("latent"),
        metavar="PRESET",
        default="music",
        help="what the shards are for: decides which numbers and classes they hold, and the layout of the corpus "
        "(default: music)",
    )
    parser.add_argument(
        "--corpus",
        choices=("folder", *CORPUS_NAMES),
        metavar="NAME",
        help=f"layout of the corpus: folder, {', '.join(CORPUS_NAMES)} (default: the preset's)",
    )
    parser.add_argument("--text", help="text encoder: minilm, t5:ORG/NAME or clap:ORG/NAME (default: the preset's)")
    parser.add_argument("--cache", type=Path, help="where decoded audio is kept (default: the user's cache folder)")
    parser.add_argument("--device", default="cpu", help="where the autoencoder runs (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """Encode the corpus and print what was made."""
    from audiodiff.cli.progress import progress_bar

    from ..encode import encode_for

    skipped: list[str] = []
    with progress_bar("encoding", "clips") as on_clip:
        counts = encode_for(
            args.preset,
            args.folder,
            args.output,
            autoencoder=args.autoencoder,
            corpus=args.corpus,
            text_encoder=args.text or "",
            cache="" if args.cache is None else str(args.cache),
            device=args.device,
            on_clip=on_clip,
            on_skip=skipped.append,
        )
    for reason in skipped:
        tell(f"left out: {reason}", file=sys.stderr)
    tell(f"{args.output}: " + ", ".join(f"{count} clips of {split}" for split, count in counts.items()))
    return 0
