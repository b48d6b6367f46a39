"""`audiodiff export`: a trained run or foreign weights as a checkpoint to hand on."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write a checkpoint to hand on: smaller, or converted from lmnt's DiffWave",
        description=(
            "Write a checkpoint folder from a run folder (inference weights only, no training state) or from the "
            "weights.pt of lmnt's DiffWave. That file is a pickle; it is opened so that no code in it can run."
        ),
    )
    parser.add_argument("source", type=Path, help="run or checkpoint folder, or lmnt's weights.pt")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--half", action="store_true", help="store weights in float16: half the size")


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what it holds."""
    import torch

    from audiodiff.models.checkpoint import load_vocoder, read_config, save_vocoder
    from audiodiff.models.lmnt import load_lmnt_diffwave

    target: Path = args.output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AudiodiffError(f"{target} exists already; choose a folder that is new or empty.")
    if args.source.is_file():
        model = load_lmnt_diffwave(args.source)
        metadata: dict[str, Any] = {
            "description": "DiffWave, converted from lmnt's checkpoint",
            "sampling": {"steps": 6, "sampler": "ddpm", "grid": "log_snr"},
        }
    else:
        model = load_vocoder(args.source)
        metadata = read_config(args.source)["metadata"]
    save_vocoder(target, model, metadata, dtype=torch.float16 if args.half else torch.float32)
    size = sum(path.stat().st_size for path in target.iterdir()) / 2**20
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{target}  {size:.1f} MiB  {parameters:,} parameters, {'float16' if args.half else 'float32'}")
    return 0
