"""`audiodiff upsample`: a narrow-band recording in, the same with the band it lacks out."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.clip_options import add_model, check_sidecar_asked
from audiodiff.cli.output import note, tell
from audiodiff.cli.settings_options import add_settings, option_values
from audiodiff.synthesis.settings import changed
from audiodiff.synthesis.upsample_settings import UpsampleSettings

SKIP = ("guidance", "rescale")


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
    add_settings(parser, UpsampleSettings, skip=SKIP)
    add_model(parser, "upsample-speech")


def run(args: argparse.Namespace) -> int:
    """Upsample one file and print one line about it."""
    check_sidecar_asked(args)
    settings = changed(UpsampleSettings(), option_values(args, UpsampleSettings, skip=SKIP))
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
