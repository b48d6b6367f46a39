"""`audiodiff compress`: a model in, a smaller one of low rank out."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.cli.parser import Parser
from audiodiff.errors import AudiodiffError

_NAMES = ("keep", "data", "steps", "seed", "device")
"""Options that are settings of `audiodiff_recipes.compress.CompressSettings`."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "compress",
        help="make a model smaller: weights of low rank, trained on the original's estimates",
        description="Write a model of the same kind whose linear layers and convolutions have weights of low rank: of "
        "each layer the largest singular values, as many as --keep has room for. With --data, a short training then "
        "lets it learn the estimates of the original on recordings (for latent models also on shards of latents); "
        "a run that was stopped goes on with `audiodiff train --resume RUN`.",
        epilog="Any other setting of the training is --key value, as for `audiodiff train`.",
        usage="audiodiff compress MODEL -o RUN [--keep SHARE] [--data FOLDER] [--steps N] [--key value ...]",
    )
    parser.add_argument("model", metavar="MODEL", help="a vocoder, a latent model or an upsampler: name or folder")
    _add_options(parser)
    # Everything after MODEL, so that settings can be named freely; `run` reads the options among it.
    rest = parser.add_argument("settings_given", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # or its name would be in the message where MODEL is missing


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="RUN", help="folder of the smaller model")
    parser.add_argument("--keep", type=float, help="share of the numbers in the weights that is kept (default: 0.5)")
    parser.add_argument("--data", metavar="FOLDER", help="recordings to learn on (default: none, no training)")
    parser.add_argument("--steps", type=int, metavar="N", help="training steps (default: 400)")
    parser.add_argument("--seed", type=int, help="seed of crops and noise (default: 0)")
    parser.add_argument("--device", help="auto, cpu, cuda or mps (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Compress, train, and print how much smaller the model is."""
    args, changes = _read(args)
    if not args.output:
        raise AudiodiffError("the smaller model needs a folder of its own: give -o RUN.")
    from audiodiff.training.devices import close_devices, end_process

    from ..compress import CompressSettings, compress_model

    given = {name: value for name in _NAMES if (value := getattr(args, name)) is not None}
    settings = CompressSettings(args.model, args.output, **given, changes=changes)
    folder, found = compress_model(settings)
    if close_devices():
        size = _size(folder)
        tell(
            f"{folder}: {found.parameters / 1e6:.3g} M of {found.before / 1e6:.3g} M parameters, "
            f"{size / 2**20:.1f} MiB of {found.bytes_before / 2**20:.1f} MiB; use it with "
            f"`--model {shlex.quote(str(folder))}`"
        )
        if not settings.data:
            print(
                "audiodiff: without --data the weights are only cut to their rank; with recordings they also learn the "
                "original's estimates.",
                file=sys.stderr,
                flush=True,
            )
    end_process()
    return 0


def _size(folder: Path) -> int:
    return (folder / "model.safetensors").stat().st_size


def _read(args: argparse.Namespace) -> tuple[argparse.Namespace, dict[str, str]]:
    """Return the options, wherever they stood, and the settings that are to change."""
    from ..settings import pairs

    parser = Parser(prog="audiodiff compress", add_help=False, allow_abbrev=False)
    _add_options(parser)
    parser.set_defaults(**{name: getattr(args, name) for name in (*_NAMES, "output")})
    parser.add_argument("--debug", action="store_true", default=getattr(args, "debug", False))
    options, rest = parser.parse_known_args(args.settings_given)
    args.debug = options.debug
    options.model = args.model
    return options, dict(pairs(rest))
