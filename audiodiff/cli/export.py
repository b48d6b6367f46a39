"""`audiodiff export`: a trained run or foreign weights as a checkpoint to hand on, or a model for other runtimes."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.atomic import atomic_folder
from audiodiff.cli.adapters import add_adapter_option
from audiodiff.cli.output import tell
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_ALIASES, SAMPLER_NAMES
from audiodiff.errors import AudiodiffError
from audiodiff.exporting.names import WEIGHTS
from audiodiff.models.find import find_checkpoint
from audiodiff.signal.mel_spec import PRESETS

if TYPE_CHECKING:
    import torch
    from torch import nn


_STORED = {"fp32": "float32", "fp16": "float16", "int8": "int8"}
"""What `--weights` of a checkpoint asks for -> its name in torch."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write a checkpoint to share: smaller, or converted from another project's vocoder; or a model as ONNX",
        description=(
            "Write a checkpoint folder from a run folder (inference weights only, no training state; a latent model "
            "with its vocoder) or from a vocoder of another project: weights.pt of lmnt's DiffWave, a generator of "
            "HiFi-GAN, BigVGAN or Vocos with its config beside it. Pickles are opened so that no code in them can run. "
            "With --to onnx, write a model as a folder that audiodiff.runtime.load runs without torch: its networks as "
            "ONNX files, its sampling as tables."
        ),
    )
    parser.add_argument("source", help="run or checkpoint folder, name of a model, or weights of another project")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument(
        "--mel", choices=sorted(PRESETS), help="mel that a vocoder of another project takes (default: by its config)"
    )
    add_adapter_option(parser, "adapter to merge into the model for good (repeatable)")
    parser.add_argument("--half", action="store_true", help="the same as --weights fp16, of a checkpoint")
    parser.add_argument("--to", choices=("checkpoint", "onnx"), default="checkpoint", help="what to write")
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        help="how weights are stored: of a checkpoint fp32 (default), fp16, or int8, with a scale for each 32; of ONNX "
        "files exact (default: in float16 where that loses nothing), fp32, fp16, or int8, which is smallest and costs "
        "some quality; all are used in float32",
    )
    parser.add_argument("--steps", type=int, help="for ONNX: a number of sampling steps besides the usual ones")
    parser.add_argument(
        "--sampler", choices=(*SAMPLER_NAMES, *SAMPLER_ALIASES), help="for ONNX: sampler of these steps"
    )
    parser.add_argument(
        "--grid", help=f"for ONNX: grid of these steps: {', '.join(GRID_NAMES)}, or falling times such as 1,0.6,0.3"
    )


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what it holds."""
    target: Path = args.output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AudiodiffError(f"{target} exists already; choose a folder that is new or empty.")
    runs = {name: getattr(args, name) for name in ("steps", "sampler", "grid") if getattr(args, name) is not None}
    if args.to == "onnx":
        return _to_onnx(args, target, runs)
    if runs:
        raise AudiodiffError(f"--{next(iter(runs))} is for --to onnx; a checkpoint takes any number of steps.")
    if args.half and args.weights not in (None, "fp16"):
        raise AudiodiffError(
            f"--half stores weights in float16, and --weights {args.weights} otherwise; give one of them."
        )
    weights = "fp16" if args.half else args.weights or "fp32"
    if weights == "exact":
        raise AudiodiffError("--weights exact is for --to onnx; those of a checkpoint can be fp32, fp16 or int8.")
    source = Path(args.source) if Path(args.source).exists() else find_checkpoint(args.source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(target) as unfinished:
        model = _export(source, unfinished, args.mel, weights=weights, adapters=args.adapters)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 2**20
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tell(f"{target}  {size:.1f} MiB  {parameters:,} parameters, {_STORED[weights]}")
    return 0


def _to_onnx(args: argparse.Namespace, target: Path, runs: dict[str, Any]) -> int:
    """Write the folder for other runtimes and say what it holds."""
    if args.half:
        raise AudiodiffError("--half is for checkpoints; for ONNX files give --weights fp16.")
    if args.mel is not None:
        raise AudiodiffError("--mel is for vocoders of other projects; convert one first, then write it as ONNX.")
    if args.adapters:
        raise AudiodiffError("--adapter is for checkpoints; merge it into one first, and export that --to onnx.")
    from audiodiff.exporting.export import export_onnx
    from audiodiff.synthesis.settings import Sampling

    others = Sampling(**runs)
    target.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(args.source, target, others if runs else None, args.weights or WEIGHTS[0])
    files = sorted(path for path in target.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files) / 2**20
    tell(f"{target}  {size:.1f} MiB  {len(files)} files: audiodiff.runtime.load({str(target)!r}) runs them")
    return 0


def _export(source: Path, target: Path, preset: str | None, *, weights: str, adapters: Sequence[str]) -> "nn.Module":
    """Write the checkpoint and return the model."""
    import torch

    from audiodiff.models.checkpoint import save_checkpoint
    from audiodiff.models.export import export_checkpoint
    from audiodiff.models.gan_vocoder.convert import is_generator
    from audiodiff.models.vocoder.lmnt import load_lmnt_diffwave

    dtype: torch.dtype = getattr(torch, _STORED[weights])
    if is_generator(source):
        return _convert(source, target, preset, dtype)
    if preset is not None:
        raise AudiodiffError(f"--mel is for generators of HiFi-GAN, BigVGAN and Vocos, and {source} is none.")
    if not source.is_file():
        from audiodiff.models.adapter import open_adapters, part_adapters

        opened = open_adapters(adapters)
        part_adapters(opened, source, *(path.parent for path in source.glob("*/model.safetensors")))  # or refused
        return export_checkpoint(source, target, dtype, adapters=opened)
    if adapters:
        raise AudiodiffError(f"{source} is no checkpoint folder, so no adapter is for it; leave --adapter out.")
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
