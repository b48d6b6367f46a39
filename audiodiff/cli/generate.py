"""`audiodiff generate`: clips from a prompt."""

import argparse
import sys
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import GRID_NAMES, MAX_SECONDS, MIN_SECONDS, SAMPLER_NAMES, GenerateSettings

MAX_COUNT = 100


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "generate",
        help="make clips from a prompt",
        description="Make one or several clips from a prompt. The same seed gives the same samples.",
        epilog="Prompts: (warm:1.3) weighs words, `piano | distant choir:0.5` blends prompts, \\( is a parenthesis.",
    )
    parser.add_argument("prompt", help='what to hear, e.g. "solo piano, slow, minor key"; "" for anything')
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write: .wav, .flac or .ogg")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help=f"length, {MIN_SECONDS:g} to {MAX_SECONDS:g} (default: 10)"
    )
    parser.add_argument("--negative", default="", metavar="PROMPT", help="what to avoid")
    parser.add_argument("--count", type=int, default=1, help="clips with seeds SEED, SEED+1, ... (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first clip (default: 0)")
    parser.add_argument("--steps", type=int, help="sampling steps, 1 or more (default: the model's)")
    parser.add_argument(
        "--guidance", type=float, help="how closely to follow the prompt, 1 for none (default: the model's)"
    )
    parser.add_argument("--rescale", type=float, help="how far guidance is kept from exaggerating, 0 to 1")
    parser.add_argument(
        "--interval", type=float, nargs=2, metavar=("LOW", "HIGH"), help="guide between these times only"
    )
    parser.add_argument("--tempo", type=float, metavar="BPM", help="beats per minute (default: as the prompt says)")
    parser.add_argument("--source", default="", help='kind of sound, e.g. "recorded" or "rendered"')
    parser.add_argument("--sampler", choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument("--grid", choices=GRID_NAMES, help="spacing of the steps (default: the model's)")
    parser.add_argument("--vocoder-steps", type=int, help="sampling steps of the vocoder (default: its own)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="arithmetic of the network (default: the model's)"
    )
    parser.add_argument(
        "--level", choices=("peak", "loudness", "none"), default="peak", help="-1 dBFS peak, -23 LUFS, or as it comes"
    )
    parser.add_argument("--no-provenance", action="store_true", help="do not keep in the file what made it")
    parser.add_argument("--sidecar", action="store_true", help="also write what made it beside the file, as .json")
    parser.add_argument("--model", default="music", help="name, checkpoint folder or hf:ORG/NAME (default: music)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Generate the clips and print a line about each."""
    if not 1 <= args.count <= MAX_COUNT:
        raise AudiodiffError(f"--count is {args.count}; expected 1 to {MAX_COUNT}.")
    all_settings = [
        GenerateSettings(
            prompt=args.prompt,
            negative=args.negative,
            seconds=args.seconds,
            steps=args.steps,
            sampler=args.sampler,
            grid=args.grid,
            guidance=args.guidance,
            rescale=args.rescale,
            guidance_interval=None if args.interval is None else (args.interval[0], args.interval[1]),
            seed=args.seed + index,
            tempo=args.tempo,
            source=args.source,
            precision=args.precision,
            level=args.level,
            vocoder_steps=args.vocoder_steps,
        )
        for index in range(args.count)
    ]
    if args.sidecar and args.no_provenance:
        raise AudiodiffError("--sidecar writes what --no-provenance leaves out; give one of them.")
    from audiodiff.cli.progress import progress_bar
    from audiodiff.synthesis.files import check_output
    from audiodiff.synthesis.generate_files import generate_file
    from audiodiff.synthesis.load import load_generator
    from audiodiff.text.prompt import parse_prompt

    for text in (args.prompt, args.negative):
        parse_prompt(text)
    targets = [numbered(args.output, settings.seed, args.count) for settings in all_settings]
    for target in targets:
        check_output(None, target)
    synthesizer = load_generator(args.model, device=args.device)
    said: set[str] = set()
    for settings, target in zip(all_settings, targets, strict=True):
        with progress_bar(f"generating {target.name}", "steps") as on_progress:
            report = generate_file(
                synthesizer,
                target,
                settings,
                provenance=not args.no_provenance,
                sidecar=args.sidecar,
                on_progress=on_progress,
            )
        for note in report.notes:
            if note not in said:
                print(f"audiodiff: {note}.", file=sys.stderr)
                said.add(note)
        clipped = f"; {report.clipped} samples beyond full scale were clipped" if report.clipped else ""
        print(
            f"{report.path}: {report.seconds:.2f} s at {report.sample_rate} Hz, seed {report.seed}, "
            f"{report.elapsed:.1f} s of work{clipped}"
        )
    return 0


def numbered(output: Path, seed: int, count: int) -> Path:
    """The name of one of several files: `clip.wav` becomes `clip-seed7.wav`."""
    return output if count == 1 else output.with_name(f"{output.stem}-seed{seed}{output.suffix}")
