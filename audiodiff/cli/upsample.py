"""`audiodiff upsample`: a narrow-band recording in, the same with the band it lacks out."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import note, tell
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import Sampling
from audiodiff.synthesis.upsample_settings import UpsampleSettings


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "upsample",
        help="give a narrow-band recording the band it lacks",
        description="Make the upper band of a narrow-band recording, such as a telephone call at 8 kHz. The band that "
        "it has stays as it is.",
    )
    parser.add_argument("input", type=Path, help="any sound file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write: .wav, .flac or .ogg")
    parser.add_argument("--rate", type=int, metavar="HZ", help="rate of the output (default, and only: the model's)")
    parser.add_argument(
        "--model", default="upsample-speech", help="name, checkpoint folder or hf:ORG/NAME (default: upsample-speech)"
    )
    parser.add_argument("--steps", type=int, help="sampling steps, 1 or more (default: the model's)")
    parser.add_argument("--sampler", choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument("--grid", choices=GRID_NAMES, help="spacing of the steps (default: the model's)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.add_argument(
        "--augmentation",
        type=float,
        metavar="X",
        help="noise on the condition: 0 trusts the input fully, more follows it loosely (default: the model's)",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="arithmetic of the network (default: the model's)"
    )
    parser.add_argument("--replace", action="store_true", help="make the upper band anew even if the input has one")
    parser.add_argument("--no-provenance", action="store_true", help="do not keep in the file what made it")
    parser.add_argument("--sidecar", action="store_true", help="also write what made it beside the file, as .json")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Upsample one file and print one line about it."""
    if args.sidecar and args.no_provenance:
        raise AudiodiffError("--sidecar writes what --no-provenance leaves out; give one of them.")
    settings = UpsampleSettings(
        Sampling(steps=args.steps, sampler=args.sampler, grid=args.grid, precision=args.precision, seed=args.seed),
        augmentation=args.augmentation,
        replace=args.replace,
        rate=args.rate,
    )
    from audiodiff.cli.progress import progress_bar
    from audiodiff.signal.audio_io import audio_info
    from audiodiff.synthesis.files import check_output, run_file
    from audiodiff.synthesis.upsample import load_upsampler

    audio_info(args.input)
    check_output(args.input, args.output)
    synthesizer = load_upsampler(args.model, device=args.device)
    with progress_bar("upsampling", "s of audio") as on_progress:
        report = run_file(
            "upsample",
            synthesizer,
            [args.input],
            args.output,
            settings,
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )
    for remark in report.notes:
        note(f"{remark}.")
    notes = "" if report.channels == 1 else f", {report.channels} channels"
    if report.silent_channels:
        what = "the input is silence" if report.silent_channels == report.channels else "silence in some channels"
        notes += f"; {what} (nothing above -80 dBFS), which stayed as it is"
    if report.clipped:
        notes += f"; {report.clipped} samples beyond full scale were clipped"
    used, kept_hz = report.sampling, synthesizer.bands.kept_hz
    tell(
        f"{report.path}: {report.seconds:.2f} s at {report.sample_rate} Hz, new above {kept_hz:g} Hz, "
        f"{used.steps} step{'' if used.steps == 1 else 's'} of {used.sampler} ({used.grid} grid), augmentation "
        f"{report.resolved.augmentation:g}, seed {used.seed}, real-time factor {report.real_time_factor:.3f}{notes}"
    )
    return 0
