"""What travels with the weights of a run: whose weights they started from, and the command that makes them again."""

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from audiodiff.models.checkpoint import read_config
from audiodiff.models.find import find_checkpoint, pretrained_names, public_name

from .settings import differences

_FOLDERS = ("autoencoder", "vocoder", "init", "teacher")
"""Settings that name other checkpoints: in a command to be repeated elsewhere they are placeholders."""


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
