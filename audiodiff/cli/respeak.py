"""`audiodiff respeak`: other words in a recording."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.align import text_for
from audiodiff.cli.clip_options import (
    add_count,
    add_model,
    add_output,
    check_count,
    check_sidecar_asked,
    make_all,
    seed_names,
    targets_of,
)
from audiodiff.cli.settings_options import add_settings, option_values
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import changed
from audiodiff.synthesis.voice_settings import RespeakSettings

if TYPE_CHECKING:
    from audiodiff.synthesis.files import FileReport

SKIP = ("guidance", "rescale", "text", "replace")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "respeak",
        help="let a recording say other words",
        description="Replace words of a recording by others, which the voice of the model says in their place; all "
        "else is kept. It fits best where the recording is of that voice.",
    )
    parser.add_argument("input", type=Path, help="any sound file of up to 2 minutes in which English is spoken")
    add_output(parser, "the input's name and -respoken")
    parser.add_argument("--text", help="what is said in it (default: what the file says that it was made from)")
    parser.add_argument("--file", type=Path, metavar="TEXT", help="text file with what is said in it, in UTF-8")
    parser.add_argument(
        "--replace",
        nargs=2,
        action="append",
        metavar=("OLD", "NEW"),
        help='words, and what is said in their place, "" to leave them out; may be given several times',
    )
    add_count(parser)
    add_settings(parser, RespeakSettings, skip=SKIP)
    add_model(parser, "kathleen", "--voice")


def run(args: argparse.Namespace) -> int:
    """Replace the words and print a line about each file."""
    check_count(args.count)
    check_sidecar_asked(args)
    if not args.replace:
        raise AudiodiffError('say what to replace: --replace "Tuesday" "Thursday".')
    from audiodiff.synthesis.files import check_output, run_file
    from audiodiff.synthesis.source import Source
    from audiodiff.synthesis.voice import load_voice

    source = Source(args.input)
    values = option_values(args, RespeakSettings, skip=SKIP)
    pairs = tuple((old, new) for old, new in args.replace)
    settings = changed(RespeakSettings(), {**values, "text": text_for(args, source), "replace": pairs})
    targets = targets_of(args.output, seed_names(args.seed, args.count), f"{args.input.stem}-respoken")
    for target in targets:
        check_output(args.input, target)
    synthesizer = load_voice(args.model, device=args.device)

    def make(index: int, target: Path, on_progress: Callable[[float, float], None]) -> "FileReport":
        return run_file(
            "respeak",
            synthesizer,
            [source],
            target,
            changed(settings, {"seed": args.seed + index}),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )

    return make_all("replacing words in", targets, make, unit="places")
