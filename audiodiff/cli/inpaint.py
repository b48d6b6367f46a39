"""`audiodiff inpaint`: parts of a clip replaced."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.clip_options import (
    PROMPT_SYNTAX,
    add_clip_settings,
    add_count,
    add_output,
    add_prompt,
    check_count,
    clip_settings,
    make_all,
    prompts_for,
    seed_names,
    targets_of,
)
from audiodiff.synthesis.edit_settings import InpaintSettings, parse_region
from audiodiff.synthesis.verbs import VERBS

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport

VERB = VERBS["inpaint"]
SKIP = ("regions",)


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "inpaint",
        help="replace parts of a clip",
        description=(
            "Replace regions of a clip by new sound that fits its surroundings. Rate, channels and every sample "
            "outside the "
            "regions are kept."
        ),
        epilog=PROMPT_SYNTAX,
    )
    parser.add_argument("clip", type=Path, help="any sound file of up to 10 minutes")
    parser.add_argument(
        "--region",
        action="append",
        required=True,
        metavar="START:STOP",
        help="seconds to replace, e.g. 2:4; may be given several times",
    )
    add_output(parser, "CLIP-inpaint.wav, here")
    add_prompt(parser)
    add_count(parser)
    add_clip_settings(parser, VERB, skip=SKIP)


def run(args: argparse.Namespace) -> int:
    """Fill the regions and print a line about each file."""
    check_count(args.count)
    regions = tuple(parse_region(text) for text in args.region)
    asked = clip_settings(args, VERB, InpaintSettings(regions), skip=SKIP)
    from audiodiff.synthesis.files import run_file
    from audiodiff.synthesis.load import load_generator
    from audiodiff.synthesis.source import Source

    source = Source(args.clip)
    prompt, negative = prompts_for(args, source)
    targets = targets_of(args.output, seed_names(args.seed, args.count), f"{args.clip.stem}-inpaint")
    synthesizer = load_generator(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: Callable[[float, float], None]) -> "FileReport":
        return run_file(
            "inpaint",
            synthesizer,
            [source],
            target,
            clip_settings(args, VERB, asked, skip=SKIP, prompt=prompt, negative=negative, index=index),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )

    told = ", ".join(f"{start:g}:{stop:g}" for start, stop in asked.regions)
    return make_all("filling", targets, make, f"new in {told}, {1000 * asked.crossfade:g} ms cross-fades inside")
