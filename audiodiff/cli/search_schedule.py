"""`audiodiff search-schedule`: the times of a few sampling steps that suit a given model."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.evaluate import step_counts
from audiodiff.cli.output import tell
from audiodiff.diffusion.names import SAMPLER_NAMES, sampler_name
from audiodiff.errors import AudiodiffError


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "search-schedule",
        help="search the noise levels at which a few sampling steps of a model are best",
        description="Search the times (noise levels) of a few sampling steps that suit a model, without training it. "
        "Half of the items are fitted, the other half checks what was found against what the model does so far. With "
        "--store the model keeps what was better, and uses it whenever so many steps are asked for; the weights stay.",
    )
    parser.add_argument("model", metavar="MODEL", help="name, checkpoint folder or hf:ORG/NAME of a model")
    parser.add_argument(
        "--steps", type=step_counts, default=(2, 4), metavar="N,N,...", help="numbers of steps (default: 2,4)"
    )
    parser.add_argument("--sampler", type=sampler_name, choices=SAMPLER_NAMES, help="sampler (default: the model's)")
    parser.add_argument(
        "--data",
        type=Path,
        help="for a vocoder a folder of recordings; for others a text file with a prompt or a sentence on each line "
        "(default: built-in ones)",
    )
    parser.add_argument("--split", help="split of the folder to take recordings from (default: all)")
    parser.add_argument(
        "--items", type=int, default=8, metavar="N", help="items to fit; as many others check the result (default: 8)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the first item (default: 0)")
    parser.add_argument("--store", action="store_true", help="keep what is better in the config of the checkpoint")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Search, print a line for each number of steps, and store what is better."""
    from audiodiff.cli.progress import progress_bar
    from audiodiff.evaluation.schedules import FoundSchedule, SearchSettings, search_schedules, store_searched

    settings = SearchSettings(args.steps, args.sampler, args.data, args.split, args.items, args.seed)
    folder = Path(args.model)
    if args.store and not folder.is_dir():
        raise AudiodiffError(
            f"--store changes the config of a checkpoint folder, and {args.model} is none; give the folder, or use "
            "what is printed with --grid."
        )

    def found(steps: int, schedule: FoundSchedule) -> None:
        change = f"{schedule.before:.4g} -> {schedule.after:.4g} ({schedule.unit}, items not fitted to)"
        verdict = "better" if schedule.better else "not better than what the model does so far"
        tell(f"{steps} steps of {schedule.sampler}: --grid {schedule.grid}  {change}: {verdict}", flush=True)

    with progress_bar("Searching", "runs") as report:
        schedules = search_schedules(args.model, settings, device=args.device, on_progress=report, on_found=found)
    better = [schedule for schedule in schedules.values() if schedule.better]
    if args.store and better:
        store_searched(folder, better)
        tell(f"stored in {folder}: {', '.join(str(len(each.times)) for each in better)} steps")
    elif args.store:
        tell(f"nothing was better; {folder} is as it was")
    return 0
