"""`audiodiff export`: a trained run or foreign weights as a checkpoint to hand on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.atomic import atomic_folder
from audiodiff.cli.output import tell
from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel_spec import PRESETS

if TYPE_CHECKING:
    import torch
    from torch import nn


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write a checkpoint to share: smaller, or converted from another project's vocoder",
        description=(
            "Write a checkpoint folder from a run folder (inference weights only, no training state; a latent model "
            "with its vocoder) or from a vocoder of another project: weights.pt of lmnt's DiffWave, a generator of "
            "HiFi-GAN, BigVGAN or Vocos with its config beside it. Pickles are opened so that no code in them can run."
        ),
    )
    parser.add_argument("source", type=Path, help="run or checkpoint folder, or weights of another project")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument(
        "--mel", choices=sorted(PRESETS), help="mel that a vocoder of another project takes (default: by its config)"
    )
    parser.add_argument("--half", action="store_true", help="store weights in float16: half the size")


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what it holds."""
    target: Path = args.output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AudiodiffError(f"{target} exists already; choose a folder that is new or empty.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(target) as unfinished:
        model = _export(args.source, unfinished, args.mel, half=args.half)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 2**20
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tell(f"{target}  {size:.1f} MiB  {parameters:,} parameters, {'float16' if args.half else 'float32'}")
    return 0


def _export(source: Path, target: Path, preset: str | None, *, half: bool) -> "nn.Module":
    """Write the checkpoint and return the model."""
    import torch

    from audiodiff.models.checkpoint import save_checkpoint
    from audiodiff.models.export import export_checkpoint
    from audiodiff.models.gan_vocoder.convert import is_generator
    from audiodiff.models.vocoder.lmnt import load_lmnt_diffwave

    dtype = torch.float16 if half else torch.float32
    if is_generator(source):
        return _convert(source, target, preset, dtype)
    if preset is not None:
        raise AudiodiffError(f"--mel is for generators of HiFi-GAN, BigVGAN and Vocos, and {source} is none.")
    if not source.is_file():
        return export_checkpoint(source, target, dtype)
    model = load_lmnt_diffwave(source)
    metadata: dict[str, Any] = {
        "description": "DiffWave, converted from lmnt's checkpoint",
        "sampling": {"steps": 6, "sampler": "ddpm", "grid": "log_snr"},
    }
    save_checkpoint(target, model, metadata, dtype=dtype)
    return model


def _convert(source: Path, target: Path, preset: str | None, dtype: "torch.dtype") -> "nn.Module":
    """Write the generator of another project as a checkpoint."""
    from audiodiff.models.checkpoint import save_checkpoint
    from audiodiff.models.gan_vocoder.convert import describe_source, load_generator

    model = load_generator(source, None if preset is None else PRESETS[preset])
    metadata = {
        "description": f"{describe_source(source)}, converted from {source.name}",
        "sampling": {"steps": 1, "sampler": "euler", "grid": "uniform"},
    }
    save_checkpoint(target, model, metadata, dtype=dtype)
    return model
