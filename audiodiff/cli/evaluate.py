"""`audiodiff evaluate`: score a model on recordings, as tables, CSV and JSON."""

import argparse
import os
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from audiodiff.cli.adapters import adapters_of, add_adapter_option
from audiodiff.cli.output import tell
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES, sampler_name
from audiodiff.errors import AudiodiffError
from audiodiff.models.kinds import KINDS, Kind, imported
from audiodiff.synthesis.settings import MAX_STEPS, Sampling


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a vocoder or a music model on recordings",
        description="A vocoder copies the recordings, and the copies are scored: PESQ, STOI, DistillMOS, spectral and "
        "pitch distances, real-time factor and memory, each with a 95 % interval (needs the extra `eval`). A music "
        "model makes clips for the prompts of held-out recordings, which are scored next to the recordings: distances "
        "of embeddings, instrument family, tempo, key, levels, and whether they are copies of training recordings. "
        "Embeddings whose packages are not installed are left out, and the report says how to install them.",
    )
    parser.add_argument(
        "--model",
        default="speech",
        help="name, checkpoint folder or hf:ORG/NAME[@REVISION] of a vocoder or a latent model (default: speech)",
    )
    add_adapter_option(parser)
    parser.add_argument("--part", metavar="NAME", help="evaluate this part of the model, e.g. vocoder")
    parser.add_argument(
        "--data",
        required=True,
        help="prepared folder, or one of audio whose metadata.csv may name split and speaker; for music also text, "
        "instrument, tempo and key",
    )
    parser.add_argument(
        "--split",
        help="split to score, or `all` (default: test, of music valid and test; all where there are no splits)",
    )
    parser.add_argument(
        "--clips", "--limit", type=int, metavar="N", help="at most N clips, evenly spread (default: all; of music 30)"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="length of the clips (default: whole; of music 10)")
    parser.add_argument(
        "--steps", type=step_counts, metavar="N,N,...", help="step counts, e.g. 1,4,8 (default: the model's)"
    )
    parser.add_argument("--sampler", type=sampler_name, choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument(
        "--grid",
        help=f"spacing of the steps: {', '.join(GRID_NAMES)}, or times such as 1,0.6,0.3 (default: the model's)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    vocoder = parser.add_argument_group("vocoders only")
    vocoder.add_argument(
        "--keep-level", action="store_true", default=None, help="do not scale the clips to a peak of 0.95"
    )
    vocoder.add_argument("--measures", type=_names, metavar="NAME,...", help="e.g. pesq_wb,stoi (default: all)")
    vocoder.add_argument(
        "--baselines", action="store_true", default=None, help="add Griffin-Lim 32 and 200, WORLD and Opus rungs"
    )
    music = parser.add_argument_group("music models only")
    music.add_argument("--guidance", type=_scales, metavar="X,X,...", help="guidance scales (default: the model's)")
    music.add_argument(
        "--train-clips", type=int, metavar="N", help="recordings of the train split to compare with (default: 100)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write evaluation.json, .csv and .md, and the clips, here"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


SAMPLING = {"steps", "sampler", "grid", "seed", "guidance"}
NOT_FIELDS = {"command", "debug", "model", "adapters", "part", "device", *SAMPLING}


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the tables."""
    _check_output(args.output)
    from audiodiff.cli.progress import progress_bar

    model, kind = _model_and_kind(args.model, args.part)
    if not kind.evaluation:
        raise AudiodiffError(f"{args.model} is {kind.label}, which is not evaluated; give a vocoder or a latent model.")
    evaluation = imported(kind.evaluation)
    taken = {field.name for field in fields(evaluation)}
    given = {name: value for name, value in vars(args).items() if value is not None and name not in NOT_FIELDS}
    wrong = [f"--{name.replace('_', '-')}" for name in given if name not in {*taken, "output"}]
    if wrong:
        raise AudiodiffError(f"{', '.join(wrong)} does not apply: {args.model} is {kind.label}; leave it out.")
    sampling = tuple(
        Sampling(steps=steps, sampler=args.sampler, grid=args.grid, seed=args.seed, guidance=guidance)
        for steps, guidance in product(args.steps or (None,), args.guidance or (None,))
    )
    settings = evaluation(sampling=sampling, **{name: value for name, value in given.items() if name in taken})
    report = settings.run(model, device=args.device, progress=progress_bar, **adapters_of(args))
    tell(report.markdown(), end="")
    if args.output is not None:
        written = report.write(args.output)
        tell(f"\nwritten: {', '.join(str(path) for path in written)}")
    return 0


def _model_and_kind(name: str, part: str | None) -> tuple[str, Kind]:
    """Find a model, or a part of it, and its kind."""
    from audiodiff.models.checkpoint import read_config
    from audiodiff.models.find import find_checkpoint

    folder = find_checkpoint(name)
    kind = KINDS[read_config(folder)["kind"]]
    if part is None:
        return name, kind
    if part not in kind.parts:
        known = ", ".join(kind.parts) or "none"
        raise AudiodiffError(f"{name} is {kind.label}, and has no part {part!r}; its parts: {known}.")
    return str(folder / part), KINDS[kind.parts[part]]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(" ", "").split(","))


def _scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        scales = ()
    if not scales:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers, such as 1,3")
    return scales


def step_counts(text: str) -> tuple[int, ...]:
    """Read a list of step counts, such as `1,4,8`.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
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
