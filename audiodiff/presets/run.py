"""What every training run does, whatever it trains: its folder, its settings, its log and its board."""

import json
import os
import random
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table
from audiodiff.models.checkpoint import read_config
from audiodiff.models.find import find_checkpoint, pretrained_names, public_name
from audiodiff.presets.settings import differences, read_table, with_changes
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import Player, Step, TrainConfig, train_steps
from audiodiff.training.progress import append_log, follow
from audiodiff.training.state import has_state, saved_step

SETTINGS_FILE = "train.json"
"""The run's settings, in the run folder; can be given to `audiodiff train` again."""

# What may change between the sessions of one run; the rest would make it another run.
_MAY_CHANGE = (
    "train.steps",
    "train.learning_rate",
    "train.final_learning_rate_ratio",
    "train.clip_norm",
    "train.save_every_seconds",
    "train.log_every",
    "train.validate_every",
    "train.stop_after_seconds",
    "data.folder",
    "data.cache",
    "sampling.",
    "validation.",
    "output",
    "init",
    "autoencoder",
    "vocoder",
    "device",
    "description",
    "preset",
)


_FOLDERS = ("autoencoder", "vocoder", "init")
"""Settings that name other checkpoints: in a command to be repeated elsewhere they are placeholders."""


def layered(
    source: str | Path, changes: Mapping[str, Any], presets: Mapping[str, Mapping[str, Any]], kind: type
) -> tuple[str, dict[str, Any]]:
    """Return the name of the preset and the plain values of a run's settings.

    Args:
        source: name of a preset, or a YAML or JSON file; a file names the preset it starts from (`preset: speech`),
            otherwise that is the first one.
        changes: full or short dotted keys -> values (text is read as the setting's type).
        presets: their plain values.
        kind: the dataclass that the values are for.

    Raises:
        AudiodiffError: an unknown preset, key or value.
    """
    table: dict[str, Any] = {}
    name = str(source)
    if name not in presets:
        path = Path(source)
        if path.suffix.lower() not in (".yaml", ".yml", ".json"):
            raise AudiodiffError(f"there is no preset {name!r}; known are {', '.join(presets)}, or give a .yaml file.")
        table = read_table(path)
        name = table.pop("preset", "") or next(iter(presets))
        if name not in presets:
            raise AudiodiffError(f"{path} starts from preset {name!r}; known are {', '.join(presets)}.")
    values = dict(presets[name])
    for layer in (table, changes):
        values = with_changes(kind, values, layer)
    return name, values


def check_run_folder(output: str, settings: Mapping[str, Any], resume: bool) -> Path:
    """Return the run folder if this run may use it.

    Args:
        output: the run folder.
        settings: of this run, as plain values.
        resume: whether the run is to go on.

    Raises:
        AudiodiffError: none was given, it holds another run, or the settings of the run have changed.
    """
    if not output:
        raise AudiodiffError("output is not set; give the run folder (--output RUN).")
    if "://" in output:
        raise AudiodiffError(f"output is the URL {output}; a run needs a folder of this machine, copy it afterwards.")
    run = Path(output)
    if has_state(run) and not resume:
        raise AudiodiffError(f"{run} already holds a training run; add --resume to go on, or choose another folder.")
    if not has_state(run) and any((run / name).exists() for name in ("model.safetensors", "config.json")):
        raise AudiodiffError(f"{run} holds a model already; choose another folder.")
    if has_state(run) and (run / SETTINGS_FILE).is_file():
        saved = read_json_table(run / SETTINGS_FILE)
        changed = [
            change
            for change in differences(saved, settings)
            # A setting that the run does not know yet has come with a later version and means what was always done.
            if not change[0].startswith(_MAY_CHANGE) and _has(saved, change[0])
        ]
        if changed:
            key, before, now = changed[0]
            raise AudiodiffError(
                f"the run in {run} was started with {key} = {before}, now it is {now}; resume with the same settings."
            )
    return run


def _has(values: Mapping[str, Any], key: str) -> bool:
    *path, last = key.split(".")
    for part in path:
        values = values.get(part, {})
        if not isinstance(values, Mapping):
            return False
    return last in values


def write_settings(run: Path, settings: Mapping[str, Any]) -> None:
    """Keep the settings in the run folder.

    Raises:
        AudiodiffError: the folder cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        temporary = run / f".{SETTINGS_FILE}.{random.getrandbits(32):08x}"
        temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, run / SETTINGS_FILE)
    except OSError as error:
        raise AudiodiffError(f"the run folder {run} cannot be written ({error.strerror or error}).") from error


def run_command(preset: str, preset_settings: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> str:
    """Return the command line that repeats a run.

    Args:
        preset: its preset; empty if it had none.
        preset_settings: the preset's own settings.
        settings: those of the run.
    """
    words = ["audiodiff", "train", preset or "CONFIG.json", "--data", "FOLDER", "--output", "RUN"]
    # Places and words are not settings: they differ from machine to machine.
    elsewhere = ("data.folder", "data.cache", "output", "device", "description", "preset")
    if preset and preset_settings is not None:
        for key, _, value in differences(preset_settings, settings):
            if key in _FOLDERS and value and value not in pretrained_names():
                words += [f"--{key}", key.upper()]
            elif key not in elsewhere:
                words += [f"--{key}", value if isinstance(value, str) else json.dumps(value)]
    return shlex.join(words)


def describe_origins(
    corpus: Mapping[str, Any], *, find: Callable[[str], Path] = find_checkpoint, **checkpoints: str
) -> dict[str, Any]:
    """What travels with weights that were not learnt from the corpus alone: whose weights they started from or contain.

    Args:
        corpus: description of the run's own corpus.
        find: returns the folder whose weights a name stands for.
        checkpoints: name or folder of a checkpoint by the setting that named it; empty where there is none.

    Returns:
        For each of them its name, the hash of its weights, its licences, the sources that are not the run's own, and
        its own origins.

    Raises:
        AudiodiffError: one of them is not there, or no checkpoint.
    """
    origins = {}
    for setting, checkpoint in checkpoints.items():
        if not checkpoint:
            continue
        config = read_config(find(checkpoint))
        heard = config["metadata"].get("corpus", {})
        origins[setting] = {
            "model": public_name(checkpoint),
            "weights_sha256": config["weights_sha256"],
            "corpus": heard.get("name", ""),
            "licences": heard.get("licences", []),
            "sources": sorted(set(heard.get("sources", [])) - set(corpus.get("sources", []))),
            **({"origins": config["metadata"]["origins"]} if config["metadata"].get("origins") else {}),
        }
    return origins


def run_steps(
    players: Sequence[Player],
    config: TrainConfig,
    run: Path,
    devices: Devices,
    *,
    resume: bool,
    export: Callable[[nn.Module, int], None],
    validate: Callable[[nn.Module, int, Board], Mapping[str, float]] | None,
    name_batch: Callable[[int], str],
    on_step: Callable[[Step], None] | None,
) -> None:
    """Train to the end, with progress bar, log file and TensorBoard.

    Args:
        players: as for `train_steps`, like the arguments without a line here.
        config: the loop's settings.
        run: the run folder.
        devices: where this process trains.
        resume: go on from the state in `run`.
        export: writes the averaged model.
        validate: measures the averaged model; what it returns goes into log and board. None to leave that out.
        name_batch: describes the batch of a step.
        on_step: called after every step.
    """
    board = Board(run, first_step=saved_step(run) + 1) if devices.rank == 0 else None

    def on_validate(averaged: nn.Module, step: int) -> None:
        assert validate is not None
        assert board is not None
        values = validate(averaged, step, board)
        board.scalars(step, {f"validation/{name}": value for name, value in values.items()})
        append_log(run, {"step": step, **{f"validation_{name}": value for name, value in values.items()}})

    steps: Iterator[Step] = train_steps(
        players,
        config,
        run,
        resume=resume,
        export=export,
        on_validate=None if validate is None else on_validate,
        name_batch=name_batch,
    )
    if devices.rank == 0:
        steps = follow(steps, run, total=config.steps, log_every=config.log_every)
    for step in steps:
        if board is not None and step.step % config.log_every == 0:
            board.scalars(step.step, {"loss": step.loss, **step.terms, "grad_norm": step.grad_norm})
            board.scalars(step.step, {"learning_rate": step.learning_rate, "items/s": step.items_per_second})
        if on_step is not None:
            on_step(step)
    if board is not None:
        board.close()
