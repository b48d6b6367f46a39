"""`audiodiff vary`: variations of a clip."""

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
from audiodiff.synthesis.edit_settings import VarySettings
from audiodiff.synthesis.verbs import VERBS

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport

VERB = VERBS["vary"]
SKIP = ("loop",)
"""The clip tells by itself whether it is a loop."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "vary",
        help="make variations of a clip",
        description=(
            "Make variations of a clip, as long as it is: noise takes a part of it away, and the model puts something "
            "else there."
        ),
        epilog=PROMPT_SYNTAX,
    )
    parser.add_argument("clip", type=Path, help="any sound file of up to 10 minutes")
    add_output(parser, "CLIP-vary.wav, here")
    add_prompt(parser)
    add_count(parser)
    add_clip_settings(parser, VERB, skip=SKIP)


def run(args: argparse.Namespace) -> int:
    """Vary the clip and print a line about each variation."""
    check_count(args.count)
    clip_settings(args, VERB, VarySettings(), skip=SKIP)  # refused before anything is loaded
    from audiodiff.synthesis.files import run_file
    from audiodiff.synthesis.load import load_generator
    from audiodiff.synthesis.source import Source

    source = Source(args.clip)
    prompt, negative = prompts_for(args, source)
    targets = targets_of(args.output, seed_names(args.seed, args.count), f"{args.clip.stem}-vary")
    synthesizer = load_generator(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: Callable[[float, float], None]) -> "FileReport":
        return run_file(
            "vary",
            synthesizer,
            [source],
            target,
            clip_settings(args, VERB, VarySettings(), skip=SKIP, prompt=prompt, negative=negative, index=index),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )

    return make_all("varying", targets, make)
