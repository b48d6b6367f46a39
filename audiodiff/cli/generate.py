"""`audiodiff generate`: clips from a prompt."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.clip_options import (
    PROMPT_SYNTAX,
    add_clip_settings,
    add_count,
    add_output,
    check_count,
    clip_settings,
    make_all,
    seed_names,
    targets_of,
)
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.synthesis.verbs import VERBS

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport

VERB = VERBS["generate"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "generate",
        help="make clips from a prompt",
        description="Make one or several clips from a prompt. The same seed gives the same samples.",
        epilog=PROMPT_SYNTAX,
    )
    parser.add_argument("prompt", help='what to hear, e.g. "solo piano, slow, minor key"; "" for anything')
    add_output(parser)
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="CLIP",
        help="a sound file to sound like, for a model that was trained to fit recordings; the prompt may be empty",
    )
    add_count(parser)
    add_clip_settings(parser, VERB)


def run(args: argparse.Namespace) -> int:
    """Generate the clips and print a line about each."""
    check_count(args.count)
    all_settings = [
        clip_settings(args, VERB, GenerateSettings(), prompt=args.prompt, index=index) for index in range(args.count)
    ]
    from audiodiff.synthesis.files import run_file
    from audiodiff.synthesis.load import load_generator
    from audiodiff.synthesis.source import Source
    from audiodiff.text.prompt import parse_prompt

    for text in (args.prompt, args.negative):
        parse_prompt(text)
    targets = targets_of(args.output, seed_names(args.seed, args.count), "generated")
    sources = [] if args.reference is None else [Source(args.reference)]
    synthesizer = load_generator(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: Callable[[float, float], None]) -> "FileReport":
        return run_file(
            "generate",
            synthesizer,
            sources,
            target,
            all_settings[index],
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )

    return make_all("generating", targets, make)
