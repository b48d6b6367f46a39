"""`audiodiff vocode`: a recording or a mel in, the vocoder's waveform out."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiodiff.cli.clip_options import add_model, check_sidecar_asked
from audiodiff.cli.output import note, tell
from audiodiff.cli.settings_options import add_settings, option_values
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import Level, VocodeFileSettings, VocodeSettings, changed

EXAMPLE = Path(__file__).resolve().parents[1] / "assets" / "example.flac"

SKIP = ("guidance", "rescale", "level", "mel", "window_seconds")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "vocode",
        help="turn a recording or a log-mel into the vocoder's waveform",
        description="Reduce a recording to its log-mel and synthesise it again, or synthesise a log-mel from .npy.",
    )
    parser.add_argument("input", nargs="?", type=Path, help="any sound file, or a log-mel as .npy [n_mels, n_frames]")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write: .wav, .flac or .ogg")
    parser.add_argument("--example", action="store_true", help="use the speech clip that comes with the package")
    add_settings(parser, VocodeFileSettings, skip=SKIP)
    parser.add_argument("--keep-level", action="store_true", help="do not match the level of the training audio")
    parser.add_argument("--mel", metavar="PRESET", help="how the mel in a .npy was computed, e.g. hifigan-22k")
    add_model(parser, "speech")


def run(args: argparse.Namespace) -> int:
    """Vocode one file and print one line about it."""
    if args.example == (args.input is not None):
        raise AudiodiffError("give one input: a sound file or .npy mel, or --example for the clip of the package.")
    source: Path = EXAMPLE if args.example else args.input
    if not source.exists():
        raise AudiodiffError(f"{source} does not exist; give the path of a sound file or a .npy log-mel.")
    if args.mel is not None and source.suffix.lower() != ".npy":
        raise AudiodiffError(f"--mel describes a .npy log-mel, but {source} is not one; leave --mel out.")
    if args.rate is not None and not 1000 <= args.rate <= 768_000:
        raise AudiodiffError(f"--rate is {args.rate} Hz; expected 1000 to 768000.")
    check_sidecar_asked(args)
    level: Level = "keep" if args.keep_level else "match"
    values = option_values(args, VocodeFileSettings, skip=SKIP)
    settings = changed(VocodeFileSettings(VocodeSettings(level=level)), values)
    from audiodiff.cli.progress import progress_bar
    from audiodiff.signal.mel import preset
    from audiodiff.synthesis.files import check_output, run_file
    from audiodiff.synthesis.load import load_vocoder as load

    spec = None if args.mel is None else preset(args.mel)
    check_output(source, args.output)
    synthesizer = load(args.model, device=args.device)
    with progress_bar("vocoding", "s of audio") as on_progress:
        report = run_file(
            "vocode",
            synthesizer,
            [source],
            args.output,
            replace(settings, mel=spec),
            provenance=not args.no_provenance,
            sidecar=args.sidecar,
            on_progress=on_progress,
        )
    for remark in report.notes:
        note(f"{remark}.")
    notes = "" if report.channels == 1 else f", {report.channels} channels"
    if report.silent_channels:
        what = "the input is silence" if report.silent_channels == report.channels else "silence in some channels"
        notes += f"; {what} (nothing above -80 dBFS), so silence was written"
    if report.clipped:
        notes += f"; {report.clipped} samples beyond full scale were clipped"
    used = report.sampling
    tell(
        f"{report.path}: {report.seconds:.2f} s at {report.sample_rate} Hz, {used.steps} "
        f"step{'' if used.steps == 1 else 's'} of {used.sampler} ({used.grid} grid), seed {used.seed}, "
        f"real-time factor {report.real_time_factor:.3f}{notes}"
    )
    return 0
