"""Where models are found by name, and what their configs say. Imports no torch."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table
from audiodiff.models.kinds import KINDS
from audiodiff.models.libraries import library_of, place_in

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"
"""Folder of the models that come with the package, one folder each."""

VOCODER_FOLDER = "vocoder"
"""Where a latent model's checkpoint keeps its vocoder."""

PHONE_MODEL_FILE = "phone_model.safetensors"
"""Where the checkpoint of a voice keeps how its phonemes sound."""

FILES = ("config.json", "model.safetensors", PHONE_MODEL_FILE)
"""What is fetched of a model from the Hub."""

ASSETS = Path(__file__).resolve().parents[1] / "assets"
"""Folder of the recordings that come with the package."""


def pretrained_names() -> list[str]:
    """Return the names of the models that come with the package."""
    if not PRETRAINED.is_dir():
        return []
    return sorted(folder.name for folder in PRETRAINED.iterdir() if (folder / "config.json").is_file())


def find_checkpoint(name_or_path: str | Path) -> Path:
    """Return the folder of a model, fetched from the Hub first if the name starts with `hf:`.

    Args:
        name_or_path: a model of the package, a checkpoint folder, `hf:ORG/NAME`, or `hf:ORG/NAME@REVISION` for a
            branch, tag or commit.

    Raises:
        AudiodiffError: there is no such model.
    """
    name = str(name_or_path)
    library = library_of(name)
    if library is not None:
        raise AudiodiffError(
            f"{name} is {library.label}, which makes and edits clips and does nothing else; give a model of audiodiff "
            "here, the folder of a checkpoint, or hf:ORG/NAME."
        )
    if name.startswith("hf:"):
        return _hub_folder(name.removeprefix("hf:"))
    if name in pretrained_names():
        return PRETRAINED / name
    folder = Path(os.path.expanduser(name))  # what begins with an unknown home stays as it is
    if folder.is_dir():
        return folder
    known = ", ".join(pretrained_names()) or "none yet"
    if folder.exists():
        raise AudiodiffError(
            f"{name} is a file; a model is a folder with config.json and model.safetensors. Weights of another project "
            "become one by `audiodiff export FILE -o FOLDER`."
        )
    raise AudiodiffError(
        f"there is no model {name!r}: it is neither a model of the package ({known}) nor a folder; "
        "give one of these, the path of a checkpoint folder, or hf:ORG/NAME[@REVISION]."
    )


def find_vocoder(name_or_path: str | Path) -> Path:
    """Return the folder of a vocoder, or of the one that belongs to a latent model.

    Raises:
        AudiodiffError: there is no such model.
    """
    folder = find_checkpoint(name_or_path)
    inner = folder / VOCODER_FOLDER
    kind = KINDS.get(str(read_model_config(folder).get("kind"))) if inner.is_dir() else None
    return inner if kind is not None and VOCODER_FOLDER in kind.parts else folder


def public_name(name_or_path: str | Path) -> str:
    """Return what a model may be called in a file that others read: never a path, only its last part."""
    name = str(name_or_path)
    library = library_of(name)
    if library is not None:
        _, folder = place_in(name)
        return name if folder is None else f"{library.name}:{folder.resolve().name}"
    if name.startswith("hf:") or name in pretrained_names():
        return name
    return Path(name).resolve().name


def read_model_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` of a model of any kind, as it stands.

    Raises:
        AudiodiffError: it is missing, or not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise AudiodiffError(f"{folder} holds no config.json; give the folder of a model.")
    return read_json_table(path)


def _hub_folder(name: str) -> Path:
    folders = {"", *(f"{part}/" for kind in KINDS.usable() for part in kind.parts)}
    return hub_snapshot(name, [folder + name for folder in sorted(folders) for name in FILES], "hf")


def hub_snapshot(name: str, wanted: Sequence[str], prefix: str) -> Path:
    """Fetch files of a model on the Hub, and return the folder of the cache that they are in.

    Args:
        name: `ORG/NAME`, or `ORG/NAME@REVISION`.
        wanted: patterns of the files' names.
        prefix: what the user writes before the name and a colon.

    Raises:
        AudiodiffError: the name is none, huggingface_hub is missing, or the files cannot be fetched.
    """
    repository, at, revision = name.partition("@")
    known = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repository) and (not at or re.fullmatch(r"[\w./-]+", revision))
    if not known:
        raise AudiodiffError(
            f"{prefix}:{name} does not name a model; expected {prefix}:ORG/NAME, or {prefix}:ORG/NAME@REVISION for a "
            "branch, tag or commit."
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise AudiodiffError(
            "loading from the Hugging Face Hub needs huggingface_hub; install it with `pip install huggingface_hub`."
        ) from error
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=[*wanted]))
    except Exception as error:  # the hub's client raises a dozen unrelated classes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AudiodiffError(f"{name!r} could not be fetched from the Hugging Face Hub: {reason}") from error
