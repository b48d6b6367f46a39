"""`audiodiff encode`: a captioned corpus in, shards of latents to train a latent model on out."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "encode",
        help="turn a captioned corpus into shards of latents for training",
        description="Encode every clip by an autoencoder and its captions by a text encoder, once; "
        "`audiodiff train music --data OUTPUT --autoencoder CHECKPOINT` trains from the result.",
    )
    parser.add_argument("corpus", help="folder with a metadata.csv (file_name, text, split); several with commas")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the shards, one folder a split")
    parser.add_argument("--autoencoder", type=Path, required=True, help="checkpoint of the autoencoder")
    parser.add_argument("--text", default="minilm", help="text encoder: minilm, t5:ORG/NAME or clap:ORG/NAME")
    parser.add_argument("--cache", type=Path, help="where decoded audio is kept (default: the user's cache folder)")
    parser.add_argument("--device", default="cpu", help="where the autoencoder runs (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """Encode the corpus and print what was made."""
    from audiodiff.cli.progress import progress_bar
    from audiodiff.presets.encode import encode_corpus

    with progress_bar("encoding", "clips") as on_clip:
        counts = encode_corpus(
            args.corpus,
            args.output,
            autoencoder=args.autoencoder,
            text_encoder=args.text,
            cache="" if args.cache is None else str(args.cache),
            device=args.device,
            on_clip=on_clip,
        )
    print(f"{args.output}: " + ", ".join(f"{count} clips of {split}" for split, count in counts.items()))
    return 0
