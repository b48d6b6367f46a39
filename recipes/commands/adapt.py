"""`audiodiff adapt`: a few clips in, an adapter of a model out."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.cli.parser import Parser
from audiodiff.errors import AudiodiffError

_NAMES = ("model", "rank", "method", "word", "prior", "steps", "seed", "device")
"""Options that are settings of `audiodiff_recipes.adapt.AdaptSettings`."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "adapt",
        help="make a model yours: a small adapter from 5 to 50 clips",
        description="Train an adapter (LoRA or DoRA) of a model on a folder of clips. Captions are those "
        "of a metadata.csv or of .txt files beside the clips, and may be missing; a voice needs the texts. The adapter "
        "with the lowest validation loss is what the folder ends as; use it with --adapter FOLDER[:STRENGTH].",
        epilog="Any other setting of the training is --key value, as for `audiodiff train`.",
        usage="audiodiff adapt CLIPS -o RUN [--model MODEL] [--rank N] [--method lora|dora] [--word WORD] "
        "[--steps N] [--key value ...]\n       audiodiff adapt RUN --resume [--steps N]",
    )
    parser.add_argument("clips", metavar="CLIPS", help="folder of clips; with --resume that of the run")
    _add_options(parser)
    # Everything after CLIPS, so that settings can be named freely; `run` reads the options among it.
    rest = parser.add_argument("settings_given", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # or its name would be in the message where CLIPS is missing


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="RUN", help="folder of the adapter")
    parser.add_argument("--model", help="a latent model, a vocoder or a voice: name or folder (default: music)")
    parser.add_argument("--rank", type=int, help="rank of the changes (default: 16)")
    parser.add_argument("--method", choices=("lora", "dora"), help="how the weights are changed (default: lora)")
    parser.add_argument("--word", help="word that stands for the clips in prompts; goes in front of every caption")
    parser.add_argument(
        "--prior",
        metavar="FOLDER",
        help="recordings that the model should go on to master, learnt along with the clips (default: of a latent "
        "model samples of its own; else none)",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="training steps (default: 400; of a vocoder 200)")
    parser.add_argument("--seed", type=int, help="seed of weights, crops and noise (default: 0)")
    parser.add_argument("--device", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped: its folder is CLIPS")


def run(args: argparse.Namespace) -> int:
    """Train and print how the adapter is used."""
    args, changes = _read(args)
    given = {name: value for name in _NAMES if (value := getattr(args, name)) is not None}
    folder = _resumed(args, given, changes) if args.resume else _new(args, given, changes)
    from audiodiff.models.adapter import open_adapters
    from audiodiff.training.devices import close_devices, end_process

    if close_devices():
        (adapter,) = open_adapters([folder])
        size = sum(path.stat().st_size for path in (folder / "model.safetensors", folder / "config.json")) / 2**20
        step = adapter.metadata.get("step")
        tell(
            f"{folder}: an adapter of {adapter.base.name}, {size:.1f} MiB, of step {step}; use it with `--model "
            f"{shlex.quote(adapter.base.name)} --adapter {shlex.quote(str(folder))}`"
        )
    end_process()
    return 0


def _read(args: argparse.Namespace) -> tuple[argparse.Namespace, dict[str, str]]:
    """Return the options, wherever they stood, and the settings that are to change."""
    from ..settings import pairs

    parser = Parser(prog="audiodiff adapt", add_help=False, allow_abbrev=False)
    _add_options(parser)
    parser.set_defaults(**{name: getattr(args, name) for name in (*_NAMES, "output", "resume")})
    parser.add_argument("--debug", action="store_true", default=getattr(args, "debug", False))
    options, rest = parser.parse_known_args(args.settings_given)
    args.debug = options.debug
    options.clips = args.clips
    return options, dict(pairs(rest))


def _new(args: argparse.Namespace, given: dict[str, Any], changes: dict[str, str]) -> Path:
    if not args.output:
        raise AudiodiffError("an adapter needs a folder of its own: give -o RUN.")
    from audiodiff.cli.progress import progress_bar

    from ..adapt import AdaptSettings, adapt_model

    settings = AdaptSettings(args.clips, args.output, **given, changes=changes)
    with (
        progress_bar("encoding", "clips") as on_encoded,
        progress_bar("making clips of the model to keep", "clips") as on_clip,
    ):
        return adapt_model(settings, on_encoded=on_encoded, on_clip=on_clip)


def _resumed(args: argparse.Namespace, given: dict[str, Any], changes: dict[str, str]) -> Path:
    """Go on with a run.

    Raises:
        AudiodiffError: it is no run of an adapter, or something else than the number of steps is to change.
    """
    if odd := [name for name in (*given, *(["output"] if args.output else [])) if name not in ("steps", "device")]:
        raise AudiodiffError(f"--resume goes on with the run's own settings; leave --{odd[0]} out.")
    from ..adapt import finish
    from ..run_folder import SETTINGS_FILE
    from ..settings import read_table
    from .train import recipe_module, recipe_of

    source = Path(args.clips) / SETTINGS_FILE
    if not source.is_file() or not read_table(source).get("adapter", {}).get("rank"):
        raise AudiodiffError(f"{args.clips} is not the folder of an adapter that was being trained; check the name.")
    module = recipe_module(recipe_of(str(source)))
    wanted = {"output": args.clips, **{f"train.{name}" if name == "steps" else name: given[name] for name in given}}
    config = module.RECIPE.configure(str(source), {**wanted, **changes})
    return finish(module.train(config, resume=True), config)
