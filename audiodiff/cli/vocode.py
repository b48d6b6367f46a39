"""`audiodiff vocode`: a recording or a mel in, the vocoder's waveform out."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import note, tell
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import Sampling, VocodeFileSettings, VocodeSettings

EXAMPLE = Path(__file__).resolve().parents[1] / "assets" / "example.flac"


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
    parser.add_argument("--model", default="speech", help="name, checkpoint folder or hf:ORG/NAME (default: speech)")
    parser.add_argument("--steps", type=int, help="sampling steps, 1 or more (default: the model's)")
    parser.add_argument("--sampler", choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument("--grid", choices=GRID_NAMES, help="spacing of the steps (default: the model's)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="arithmetic of the network (default: the model's)"
    )
    parser.add_argument("--keep-level", action="store_true", help="do not match the level of the training audio")
    parser.add_argument("--mel", metavar="PRESET", help="how the mel in a .npy was computed, e.g. hifigan-22k")
    parser.add_argument("--rate", type=int, metavar="HZ", help="rate of the output (default: the model's)")
    parser.add_argument("--no-provenance", action="store_true", help="do not keep in the file what made it")
    parser.add_argument("--sidecar", action="store_true", help="also write what made it beside the file, as .json")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


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
    if args.sidecar and args.no_provenance:
        raise AudiodiffError("--sidecar writes what --no-provenance leaves out; give one of them.")
    settings = VocodeSettings(
        Sampling(steps=args.steps, sampler=args.sampler, grid=args.grid, precision=args.precision, seed=args.seed),
        level="keep" if args.keep_level else "match",
    )
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
            VocodeFileSettings(settings, spec, args.rate),
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
