"""`audiodiff extend`: a clip that goes on."""

import argparse
import sys
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
from audiodiff.cli.output import tell
from audiodiff.synthesis.edit_settings import ExtendSettings
from audiodiff.synthesis.verbs import VERBS

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport

VERB = VERBS["extend"]
SKIP = ("trim",)


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "extend",
        help="let a clip go on, or lead into it",
        description="Let a clip go on where it ends, or lead into its beginning. Rate, channels and samples are kept.",
        epilog=PROMPT_SYNTAX,
    )
    parser.add_argument("clip", type=Path, help="any sound file of up to 10 minutes")
    add_output(parser, "CLIP-extend.wav, here")
    add_prompt(parser)
    parser.add_argument(
        "--trim",
        type=float,
        metavar="SECONDS",
        help="replace this much of the end, such as a fade (default: the fade of a clip by audiodiff, else 0)",
    )
    add_count(parser)
    add_clip_settings(parser, VERB, skip=SKIP)


def run(args: argparse.Namespace) -> int:
    """Extend the clip and print a line about each file."""
    check_count(args.count)
    clip_settings(args, VERB, ExtendSettings(trim=args.trim or 0.0), skip=SKIP)
    from audiodiff.synthesis.files import run_file
    from audiodiff.synthesis.load import load_generator
    from audiodiff.synthesis.source import Source

    source = Source(args.clip)
    prompt, negative = prompts_for(args, source)
    end = "beginning" if args.before else "end"
    trim = args.trim
    if trim is None:
        trim = source.fade(before=args.before)
        if trim:
            tell(
                f"audiodiff: {args.clip.name} was made by audiodiff and fades for {1000 * trim:g} ms at its {end}, "
                "which "
                "is replaced; --trim 0 keeps it.",
                file=sys.stderr,
            )
    targets = targets_of(args.output, seed_names(args.seed, args.count), f"{args.clip.stem}-extend")
    synthesizer = load_generator(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: Callable[[float, float], None]) -> "FileReport":
        base = ExtendSettings(trim=trim)
        return run_file(
            "extend",
            synthesizer,
            [source],
            target,
            clip_settings(args, VERB, base, skip=SKIP, prompt=prompt, negative=negative, index=index),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )

    told = f"{args.seconds:g} s new at the {end}, {1000 * args.crossfade:g} ms cross-fade beyond the clip"
    return make_all("extending", targets, make, told)
