"""What every training run has, whatever it trains: its folder, its settings, the command that repeats it."""

import json
import os
import random
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import read_config
from audiodiff.models.find import find_checkpoint, pretrained_names, public_name
from audiodiff.training.state import has_state

from .settings import differences, given_keys, read_table, with_changes

SETTINGS_FILE = "train.json"
"""The run's settings, in the run folder; can be given to `audiodiff train` again."""

# What may change between the sessions of one run; the rest would make it another run.
_MAY_CHANGE = (
    "train.steps",
    "train.batch_size",
    "train.accumulate",
    "train.precision",
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
) -> tuple[str, dict[str, Any], set[str]]:
    """Return the name of the preset, the plain values of a run's settings, and the keys that the preset did not set.

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
    values, given = dict(presets[name]), set[str]()
    for layer in (table, changes):
        values = with_changes(kind, values, layer)
        given |= given_keys(kind, layer)
    return name, values, given


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
    if resume and not has_state(run):
        known = "stopped before its first step" if (run / SETTINGS_FILE).is_file() else "not the folder of a run"
        raise AudiodiffError(
            f"{run} holds no training state to go on with: it is {known}; check the name, or start a run by leaving "
            "out --resume."
        )
    if has_state(run) and not resume:
        raise AudiodiffError(f"{run} already holds a training run; add --resume to go on, or choose another folder.")
    if not has_state(run) and any((run / name).exists() for name in ("model.safetensors", "config.json")):
        raise AudiodiffError(f"{run} holds a model already; choose another folder.")
    for key, before, now in changes_of(run, settings):
        if not key.startswith(_MAY_CHANGE):
            raise AudiodiffError(
                f"the run in {run} was started with {key} = {before}, now it is {now}; resume with the same settings."
            )
    return run


def changes_of(run: Path, settings: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """List `(dotted key, old value, new value)` of settings that are not those of the run's last session.

    Raises:
        AudiodiffError: the settings in the run folder cannot be read.
    """
    if not has_state(run) or not (run / SETTINGS_FILE).is_file():
        return []
    saved = read_table(run / SETTINGS_FILE)
    # A setting that the run does not know yet has come with a later version and means what was always done.
    return [change for change in differences(saved, settings) if _has(saved, change[0])]


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
            if key in _FOLDERS and value and not (value in pretrained_names() or value.startswith("hf:")):
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
