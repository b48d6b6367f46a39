"""`audiodiff interpolate`: clips on the way from one to another."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.clip_options import (
    PROMPT_SYNTAX,
    add_clip_settings,
    add_output,
    add_prompt,
    check_count,
    clip_settings,
    make_all,
    prompts_for,
    targets_of,
)
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import InterpolateSettings
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.synthesis.verbs import VERBS

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport

SECONDS = 10.0

VERB = VERBS["interpolate"]
SKIP = ("position", "prompts", "seconds")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "interpolate",
        help="make clips on the way from one clip, or prompt, to another",
        description=(
            "Make several clips of one seed on the way from one clip to another, from one prompt to another, or both. "
            "The first and the last are variations of the two clips."
        ),
        epilog=PROMPT_SYNTAX,
    )
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP", help="two sound files")
    add_output(parser, "A-B.wav, here; the place of each is put behind the name")
    parser.add_argument("--prompts", nargs=2, metavar=("A", "B"), help="two prompts to go between")
    add_prompt(parser)
    parser.add_argument("--count", type=int, default=5, help="clips, both ends included (default: 5)")
    parser.add_argument("--seconds", type=float, help=f"length without clips (default: {SECONDS:g})")
    add_clip_settings(parser, VERB, skip=SKIP)


def run(args: argparse.Namespace) -> int:
    """Make the clips and print a line about each."""
    check_count(args.count, 2)
    if len(args.clips) not in {0, 2} or (not args.clips and args.prompts is None):
        raise AudiodiffError('give two sound files to interpolate, or --prompts "A" "B".')
    if args.prompts is not None and args.prompt is not None:
        raise AudiodiffError("--prompt is one for all clips and --prompts are two to go between; give one of them.")
    if args.clips and args.seconds is not None:
        raise AudiodiffError("the clips say how long the result is; leave --seconds out.")
    prompts = None if args.prompts is None else (args.prompts[0], args.prompts[1])
    seconds = SECONDS if args.seconds is None else args.seconds
    clip_settings(args, VERB, InterpolateSettings(0.0, GenerateSettings(seconds=seconds), prompts=prompts), skip=SKIP)
    from audiodiff.synthesis.files import run_file
    from audiodiff.synthesis.load import load_generator
    from audiodiff.synthesis.source import Source
    from audiodiff.text.prompt import parse_prompt

    prompt, negative = args.prompt or "", args.negative
    for text in (*(prompts or (prompt,)), negative):
        parse_prompt(text)
    sources = [Source(clip) for clip in args.clips]
    if prompts is None:
        found = [prompts_for(args, source) for source in sources]
        prompt, negative = found[0]
        prompts = None if found[0][0] == found[1][0] else (found[0][0], found[1][0])
    names = [f"{index + 1:0{len(str(args.count))}}" for index in range(args.count)]
    default = "-".join(clip.stem for clip in args.clips) or "prompts"
    targets = targets_of(args.output, names, default)
    synthesizer = load_generator(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: Callable[[float, float], None]) -> "FileReport":
        between = InterpolateSettings(index / (args.count - 1), GenerateSettings(seconds=seconds), prompts=prompts)
        return run_file(
            "interpolate",
            synthesizer,
            sources,
            target,
            clip_settings(args, VERB, between, skip=SKIP, prompt=prompt, negative=negative),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )

    return make_all("interpolating", targets, make)
