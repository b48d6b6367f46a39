"""`audiodiff train`: a corpus in, a checkpoint out."""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.cli.parser import Parser
from audiodiff.errors import AudiodiffError

PRESET_NAMES = {
    "audiodiff.presets.vocoder": (
        "speech",
        "speech-adversarial",
        "music-vocoder",
        "folder",
        "ljspeech",
        "libritts",
        "vctk",
        "diffwave-ljspeech",
        "tiny",
    ),
    "audiodiff.presets.autoencoder": (
        "music-autoencoder",
        "speech-autoencoder",
        "folder-autoencoder",
        "maestro-autoencoder",
        "musdb18-autoencoder",
        "gtzan-autoencoder",
        "fma-autoencoder",
        "sc09-autoencoder",
        "ljspeech-autoencoder",
        "tiny-autoencoder",
    ),
    "audiodiff.presets.latent": (
        "music",
        "music-unet",
        "folder-latent",
        "maestro-latent",
        "musdb18-latent",
        "gtzan-latent",
        "fma-latent",
        "sc09-latent",
        "ljspeech-latent",
        "tiny-latent",
    ),
    "audiodiff.presets.upsampler": (
        "upsampler-speech",
        "tiny-upsampler",
    ),
}
"""Names of the presets by the module that has them in its `PRESETS` (and needs torch)."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on a corpus or a folder of recordings",
        description="Train a vocoder, a mel autoencoder, a latent model or an upsampler. The run folder ends as a "
        "checkpoint; a stopped run goes on with --resume.",
        epilog="Any other setting is --key value, e.g. --learning_rate 4e-4 or --model.wavenet.channels 128; "
        "--settings prints them all.",
        usage="audiodiff train PRESET|CONFIG.yaml --data FOLDER --output RUN [--steps N] [--seed S] "
        "[--key value ...] [--resume] [--init CHECKPOINT]",
    )
    parser.add_argument(
        "config",
        metavar="PRESET",
        help=f"{', '.join(name for names in PRESET_NAMES.values() for name in names)}, or a .yaml or .json of settings",
    )
    _add_options(parser, {})
    # Everything after PRESET, so that settings can be named freely; `run` reads the options among it.
    parser.add_argument("settings_given", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _add_options(parser: argparse.ArgumentParser, defaults: dict[str, Any]) -> None:
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the corpus, or what `audiodiff prepare` has made")
    parser.add_argument("--output", "-o", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--steps", type=int, metavar="N", help="training steps (default: the preset's)")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of weights, crops and noise (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    parser.add_argument("--init", metavar="CHECKPOINT", help="start from these weights: a folder, or a model by name")
    parser.add_argument("--settings", action="store_true", help="print the settings and stop")
    parser.set_defaults(**defaults)


def run(args: argparse.Namespace) -> int:
    """Train and print where the checkpoint is."""
    args, changes = _read(args)
    import json

    # Each module has `configure`, `config_to_dict`, `train` and `NEXT`, what to do with the checkpoint.
    presets = import_module(module_of(args.config))
    config = presets.configure(args.config, changes)
    if args.settings:
        tell(json.dumps(presets.config_to_dict(config), indent=1))
        return 0
    if not config.data.folder or not config.output:
        raise AudiodiffError("a run needs a corpus and a folder: give --data FOLDER and --output RUN.")
    from audiodiff.training.devices import close_devices

    folder = presets.train(config, resume=args.resume)
    close_devices()
    tell(f"{folder}: a checkpoint; {presets.NEXT.format(folder=folder)}")
    return 0


def module_of(source: str) -> str:
    """Return the module that trains what a preset, or a file that starts from one, describes.

    Raises:
        AudiodiffError: there is no such preset.
    """
    name = source
    if Path(source).suffix.lower() in (".yaml", ".yml", ".json"):
        from audiodiff.presets.settings import read_table

        name = str(read_table(Path(source)).get("preset", "") or "folder")
    for module, names in PRESET_NAMES.items():
        if name in names:
            return module
    known = ", ".join(name for names in PRESET_NAMES.values() for name in names)
    where = "" if name == source else f"{source} starts from a preset that does not exist: "
    raise AudiodiffError(f"{where}there is no preset {name!r}; known are {known}, or give a .yaml file.")


def _read(args: argparse.Namespace) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Return the options, wherever they stood, and the settings that are to change."""
    parser = Parser(prog="audiodiff train", add_help=False, allow_abbrev=False, argument_default=None)
    known = {name: getattr(args, name) for name in ("data", "output", "steps", "seed", "resume", "init", "settings")}
    _add_options(parser, known)
    parser.add_argument("--debug", action="store_true", default=getattr(args, "debug", False))
    parser.add_argument("--help", "-h", action="store_true")
    options, rest = parser.parse_known_args(args.settings_given)
    if options.help:
        raise AudiodiffError("help stands before the preset: audiodiff train --help.")
    args.debug = options.debug
    options.config = args.config
    from audiodiff.presets.settings import pairs

    changes: dict[str, Any] = dict(pairs(rest))
    for key, value in (
        ("data.folder", options.data),
        ("output", options.output),
        ("init", options.init),
        ("train.steps", options.steps),
        ("train.seed", options.seed),
    ):
        if value is not None:
            if key in changes:
                raise AudiodiffError(f"--{key} is given twice; give it once.")
            changes[key] = str(value) if isinstance(value, Path) else value
    return options, changes


if __name__ == "__main__":
    from audiodiff.cli.main import main

    sys.exit(main(["train", *sys.argv[1:]]))
