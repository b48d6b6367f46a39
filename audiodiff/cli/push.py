"""`audiodiff push`: a trained model to the Hugging Face Hub."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "push",
        help="upload a trained model with a model card to the Hugging Face Hub",
        description=(
            "Upload the inference weights of a run or checkpoint folder, the vocoder of a latent model among them, "
            "with a model card: licence, training data, validation figures, evaluation and sounds. Others then load "
            "hf:ORG/NAME. Log in first: hf auth login."
        ),
    )
    parser.add_argument("source", help="run or checkpoint folder, or a model of the package")
    parser.add_argument("repository", metavar="ORG/NAME", help="repository on the Hub; made if there is none")
    parser.add_argument(
        "--licence", "--license", metavar="NAME", help="of the weights, e.g. cc-by-4.0 (default: that of the corpus)"
    )
    parser.add_argument(
        "--evaluation",
        type=Path,
        metavar="DIR",
        help="report of `audiodiff evaluate -o DIR` for the card (default: evaluation in the source)",
    )
    parser.add_argument(
        "--sounds",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="for the card (default: sounds in the source)",
    )
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--message", default="", help="of the commit")
    parser.add_argument("--half", action="store_true", help="store weights in float16: half the size")
    parser.add_argument(
        "--dry-run", type=Path, metavar="FOLDER", help="write what would be uploaded into this new folder instead"
    )


def run(args: argparse.Namespace) -> int:
    """Upload, or write the folder, and say where it is."""
    from audiodiff.models.hub import package, push_to_hub

    card: dict[str, Any] = {"licence": args.licence, "evaluation": args.evaluation, "sounds": args.sounds}
    if args.dry_run is not None:
        _write(args, card, package)
        return 0
    address = push_to_hub(
        args.source, args.repository, **card, private=args.private, message=args.message, half=args.half
    )
    tell(f"{address}  load it as hf:{args.repository}")
    return 0


def _write(args: argparse.Namespace, card: dict[str, Any], package: Any) -> None:
    from audiodiff.atomic import atomic_folder

    target: Path = args.dry_run
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(target) as unfinished:
        files = package(args.source, unfinished, args.repository, **card, half=args.half)
    for name in files:
        tell(f"{target / name}")
