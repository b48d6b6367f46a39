"""`audiodiff evaluate`: score a vocoder on recordings, next to baselines, as a table, CSV and JSON."""

import argparse
import os
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES, sampler_name
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.settings import MAX_STEPS


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a vocoder on recordings, next to baselines",
        description="Copy recordings through a vocoder and score the copies: PESQ, STOI, DistillMOS, spectral and "
        "pitch distances, real-time factor and memory, each with a 95 % interval. Speakers that the train split of "
        "the folder has and those it lacks are reported apart. Needs the extra `eval`.",
    )
    parser.add_argument(
        "--model",
        default="speech",
        help="name, checkpoint folder or hf:ORG/NAME[@REVISION] of a vocoder, or of a latent model that has one "
        "(default: speech)",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="prepared folder, or one of audio whose metadata.csv may name split and speaker",
    )
    parser.add_argument("--split", default="test", help="split to score, or `all` (default: test)")
    parser.add_argument(
        "--steps", type=_steps, metavar="N,N,...", help="step counts, e.g. 1,4,8 (default: the model's)"
    )
    parser.add_argument("--sampler", type=sampler_name, choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument("--grid", choices=GRID_NAMES, help="spacing of the steps (default: the model's)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each group, evenly spread")
    parser.add_argument("--seconds", type=float, metavar="S", help="only the first S seconds of each clip")
    parser.add_argument("--keep-level", action="store_true", help="do not scale the clips to a peak of 0.95")
    parser.add_argument("--measures", metavar="NAME,...", help="measures to take, e.g. pesq_wb,stoi (default: all)")
    parser.add_argument("--baselines", action="store_true", help="add Griffin-Lim 32 and 200, WORLD and Opus rungs")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write evaluation.json, .csv, .md and clips.csv here"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the tables."""
    _check_output(args.output)
    from audiodiff.cli.progress import progress_bar
    from audiodiff.evaluation.evaluate import evaluate, folder_clips, vocoder_system
    from audiodiff.metrics.baselines import baselines, opus_available
    from audiodiff.metrics.scoring import MEASURES, named_measure
    from audiodiff.synthesis.load import load_vocoder

    names = tuple(MEASURES) if args.measures is None else tuple(args.measures.replace(" ", "").split(","))
    for name in names:
        named_measure(name)
    split = None if args.split == "all" else args.split
    clips = folder_clips(
        args.data,
        split,
        limit=args.limit,
        max_seconds=args.seconds,
        peak=None if args.keep_level else 0.95,
    )
    synthesizer = load_vocoder(args.model, device=args.device)
    label = Path(args.model).name or args.model
    systems = {
        f"{label}, {steps} step{'' if steps == 1 else 's'}": vocoder_system(
            synthesizer, steps=steps, sampler=args.sampler, grid=args.grid, seed=args.seed
        )
        for steps in args.steps or (synthesizer.defaults.steps,)
    }
    if args.baselines:
        systems.update(baselines(synthesizer.mel_spec))
    details = {
        "model": args.model,
        "sampler": f"{args.sampler or synthesizer.defaults.sampler}, {args.grid or synthesizer.defaults.grid} grid, "
        f"seed {args.seed}",
        "clips": f"split {args.split} of {Path(args.data).name}, "
        + ("own level" if args.keep_level else "scaled to peak 0.95")
        + ("" if args.seconds is None else f", first {args.seconds:g} s"),
    }
    if args.baselines and not opus_available():
        details["left out"] = "Opus, which the installed soundfile cannot write at a chosen bitrate"
    with progress_bar("evaluating", "clips x systems") as on_progress:
        report = evaluate(systems, clips, names, details=details, on_progress=on_progress)
    tell(report.markdown(), end="")
    if args.output is not None:
        written = report.write(args.output)
        tell(f"\nwritten: {', '.join(str(path) for path in written)}")
    return 0


def _steps(text: str) -> tuple[int, ...]:
    try:
        steps = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        steps = ()
    if not steps or not all(1 <= count <= MAX_STEPS for count in steps):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of step counts from 1 to {MAX_STEPS}, such as 1,4,8")
    return steps


def _check_output(folder: Path | None) -> None:
    """Refuse an output folder that cannot be written, before minutes are spent.

    Raises:
        AudiodiffError: it is a file, or the folder it lies in is read-only.
    """
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise AudiodiffError(f"--output {folder} is a file; give a folder for the reports.")
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise AudiodiffError(f"--output {folder} cannot be made in {existing}, which is not writable; choose another.")
