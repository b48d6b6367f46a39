"""`audiodiff replay`: make a sound again from the record in its file."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.adapters import add_adapter_option
from audiodiff.cli.output import tell

NOT_IDENTICAL = 1


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "replay",
        help="make a sound file again, bit for bit",
        description=(
            "Follow the record in a file that audiodiff wrote: same model, seed, settings, input. Exit status 0 if the "
            "samples are identical, 1 if they are not, 2 if something needed is missing or another."
        ),
    )
    parser.add_argument("input", type=Path, help="sound file with a provenance record, or the .json next to one")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write: .wav, .flac, .ogg or .mp3")
    parser.add_argument(
        "--model", help="name, folder or hf:ORG/NAME (default: the recorded one, if it is in the package)"
    )
    add_adapter_option(parser, "an adapter that the record names (repeatable); its strength is the recorded one")
    parser.add_argument(
        "--input",
        dest="recording",
        type=Path,
        metavar="ORIGINAL",
        help="the original input, or its folder (default: the folder of the file)",
    )
    parser.add_argument("--device", default="auto", help="auto (the recorded one), cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Replay one file and say whether it became the same."""
    from audiodiff.cli.progress import progress_bar
    from audiodiff.synthesis.replay import replay

    with progress_bar("replaying", "s of audio") as on_progress:
        report = replay(
            args.input,
            args.output,
            model=args.model,
            adapters=args.adapters,
            recording=args.recording,
            device=args.device,
            on_progress=on_progress,
        )
    audio = report.again.audio
    if report.identical:
        what = f"the recorded samples of {args.input}" if report.untouched is False else args.input
        tell(f"{report.path}: identical to {what}, {audio.n_samples} samples at {audio.sample_rate} Hz")
    else:
        tell(f"{report.path}: not identical to {args.input}; {'; '.join(report.reasons)}")
    if report.untouched is False:
        tell(f"{args.input} does not decode to those samples any more: edited since, or by another decoder")
    return 0 if report.identical else NOT_IDENTICAL
