"""`audiodiff train`: a corpus in, a checkpoint out."""

import argparse
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.cli.parser import Parser
from audiodiff.errors import AudiodiffError
from audiodiff.models.kinds import KINDS, RECIPES
from audiodiff.plugins import load_plugin, plugins

from ..presets import PRESETS


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on a corpus or a folder of recordings",
        description="Train a vocoder, a mel autoencoder, a latent model, its prior or an upsampler. The run folder "
        "ends as a checkpoint; a stopped run goes on with --resume.",
        epilog="Any other setting is --key value, e.g. --learning_rate 4e-4 or --model.wavenet.channels 128; "
        "`audiodiff train PRESET --help` explains them all, --settings prints them as JSON.",
        usage="audiodiff train PRESET|CONFIG.yaml --data FOLDER --output RUN [--steps N] [--seed S] "
        "[--key value ...] [--init CHECKPOINT]\n       audiodiff train --resume RUN [--steps N] [--key value ...]",
    )
    parser.add_argument(
        "config",
        metavar="PRESET",
        help=f"{', '.join(PRESETS)}, or a .yaml or .json of settings",
    )
    _add_options(parser, {})
    # Everything after PRESET, so that settings can be named freely; `run` reads the options among it.
    rest = parser.add_argument("settings_given", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # or its name would be in the message where PRESET is missing


def _add_options(parser: argparse.ArgumentParser, defaults: dict[str, Any]) -> None:
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="the corpus, or what `audiodiff prepare` has made; for latent models the shards that `audiodiff encode` "
        "has made, a folder or a URL (https://, s3://, gs://, hf://; extra `remote`)",
    )
    parser.add_argument("--output", "-o", metavar="RUN", help="the run folder")
    parser.add_argument("--steps", type=int, metavar="N", help="training steps (default: the preset's)")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of weights, crops and noise (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN, with its own settings")
    parser.add_argument("--init", metavar="CHECKPOINT", help="start from these weights: a folder, or a model by name")
    parser.add_argument("--settings", action="store_true", help="print the settings and stop")
    parser.set_defaults(**defaults)


def run(args: argparse.Namespace) -> int:
    """Train and print where the checkpoint is."""
    args, changes = _read(args)
    source = args.config
    if args.resume and "output" not in changes and not args.help:
        source = _run_settings(source)
        changes["output"] = args.config
    module = recipe_module(recipe_of(source))
    config = module.RECIPE.configure(source, changes)
    if args.help:
        print(_explained(module.RECIPE, config), end="")
        return 0
    if args.settings:
        import json

        tell(json.dumps(module.RECIPE.to_dict(config), indent=1))
        return 0
    if not config.data.folder or not config.output:
        raise AudiodiffError("a run needs a corpus and a folder: give --data FOLDER and --output RUN.")
    from audiodiff.training.devices import close_devices, end_process

    folder = module.train(config, resume=args.resume)
    if close_devices():
        tell(f"{folder}: a checkpoint; {module.NEXT.format(folder=folder)}")
    end_process()
    return 0


def _run_settings(run: str) -> str:
    """Where a run folder keeps its settings.

    Raises:
        AudiodiffError: it is not the folder of a run.
    """
    from ..run_folder import SETTINGS_FILE

    file = Path(run) / SETTINGS_FILE
    if not file.is_file():
        raise AudiodiffError(
            f"{run} is not the folder of a run ({SETTINGS_FILE} is not there); go on with one by `audiodiff train "
            "--resume RUN`, or by the command that started it and --resume."
        )
    return str(file)


def _explained(recipe: Any, config: Any) -> str:
    """The options, and every setting with its value and what it means."""
    import json
    import shlex
    import textwrap

    from audiodiff.signal.mel import PRESETS as MELS

    from ..settings import explain

    parser = argparse.ArgumentParser(
        prog="audiodiff train", usage=f"audiodiff train {config.preset} [--key value ...]", add_help=False
    )
    _add_options(parser, {})
    lines = [parser.format_help(), f"settings and their values in {config.preset}; the last parts of a key will do:"]
    for key, value, words in explain(type(config), recipe.to_dict(config)):
        mel, _, first = key.rpartition(".")
        if first == "sample_rate" and mel.endswith("mel"):
            lines.append(f"  --{mel} NAME")
            lines += textwrap.wrap(", ".join(MELS), 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
        shown = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"  --{key} {shlex.quote(shown)}")
        lines += textwrap.wrap(words, 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines) + "\n"


def recipe_of(source: str) -> str:
    """Return the recipe that trains what a preset, or a file that starts from one, describes.

    Raises:
        AudiodiffError: there is no such preset.
    """
    name = source
    if (Path(source) / "train.json").is_file():
        raise AudiodiffError(f"{source} is the folder of a run; go on with it by `audiodiff train --resume {source}`.")
    if Path(source).suffix.lower() in (".yaml", ".yml", ".json"):
        from ..settings import read_table

        name = str(read_table(Path(source)).get("preset", "") or "folder")
    if name in PRESETS:
        return PRESETS[name].recipe
    for recipe in sorted({kind.recipe for kind in KINDS.usable() if kind.name not in KINDS.own} - {""}):
        if name in recipe_module(recipe).PRESETS:
            return recipe
    where = "" if name == source else f"{source} starts from a preset that does not exist: "
    raise AudiodiffError(f"{where}there is no preset {name!r}; known are {', '.join(PRESETS)}, or give a .yaml file.")


def recipe_module(name: str) -> Any:
    """Import a recipe of `audiodiff.models.kinds.RECIPES`.

    Raises:
        AudiodiffError: no package registers it, or it cannot be imported.
    """
    entry = plugins(RECIPES).get(name)
    if entry is None:
        raise AudiodiffError(f"no installed package has the recipe {name!r}; install the package that trains with it.")
    return load_plugin(entry, "recipe")


def _read(args: argparse.Namespace) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Return the options, wherever they stood, and the settings that are to change."""
    parser = Parser(prog="audiodiff train", add_help=False, allow_abbrev=False, argument_default=None)
    known = {name: getattr(args, name) for name in ("data", "output", "steps", "seed", "resume", "init", "settings")}
    _add_options(parser, known)
    parser.add_argument("--debug", action="store_true", default=getattr(args, "debug", False))
    parser.add_argument("--help", "-h", action="store_true")
    options, rest = parser.parse_known_args(args.settings_given)
    args.debug = options.debug
    options.config = args.config
    from ..settings import pairs

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
            changes[key] = value
    return options, changes
