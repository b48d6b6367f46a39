"""The folder of a run: which one may use it, and the settings that are kept in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.training.state import has_state

from .settings import differences, read_table

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
    "model.dropout",
    "sampling.",
    "validation.",
    "output",
    "init",
    "autoencoder",
    "teacher",
    "vocoder",
    "device",
    "description",
    "preset",
)


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
        with atomic_file(run / SETTINGS_FILE) as temporary:
            temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise AudiodiffError(f"the run folder {run} cannot be written ({error.strerror or error}).") from error
