"""Checkpoints of adapters: a folder with `config.json` and `model.safetensors` of a few MB, and the base they are for.

`config.json` names the base model by the hash of its weights; an adapter is merged into no others.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from audiodiff._version import __version__
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import CONFIG_FILE, WEIGHTS_FILE, weights_hash, write_checkpoint
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict
from audiodiff.models.find import find_checkpoint, pretrained_names, public_name, read_model_config
from audiodiff.nn.adapters import AdapterConfig, WeightedAdapter, adapter_tensors, merge_adapters

__all__ = ["Adapter", "Base", "merge_into", "open_adapters", "part_adapters", "save_adapter"]

KIND = "adapter"
"""What `config.json` of an adapter has where models have their kind."""

_FORMAT = 1
_STRONGEST = 10.0


@dataclass(frozen=True)
class Base:
    """The model that an adapter is for.

    Attributes:
        name: what it was called.
        kind: of `audiodiff.models.kinds`.
        weights_sha256: hash of its `model.safetensors`.
    """

    name: str
    kind: str
    weights_sha256: str


@dataclass(frozen=True)
class Adapter:
    """An adapter to be merged.

    Attributes:
        folder: its checkpoint.
        name: what it may be called in a file that others read.
        config: its shape.
        base: the model it is for.
        weights_sha256: hash of its own weights.
        strength: 1 as it was trained, 0 for nothing of it.
        metadata: JSON values that travel with it.
    """

    folder: Path
    name: str
    config: AdapterConfig
    base: Base
    weights_sha256: str
    strength: float = 1.0
    metadata: Mapping[str, Any] = field(default_factory=dict)


def save_adapter(
    folder: Path | str, model: nn.Module, config: AdapterConfig, base: Base, metadata: Mapping[str, Any]
) -> None:
    """Write the adapter of a model (`audiodiff.nn.adapters.add_adapter`) as a checkpoint folder, in float16.

    Args:
        folder: made if missing.
        model: the base model with the adapter.
        config: the adapter's shape.
        base: the model it is for.
        metadata: JSON values that travel with it.

    Raises:
        AudiodiffError: the folder cannot be written.
    """
    tensors = {name: value.to("cpu", torch.float16).contiguous() for name, value in adapter_tensors(model).items()}
    about = {"kind": KIND, "format": _FORMAT, "adapter": dataclass_to_dict(config), "base": dataclass_to_dict(base)}
    write_checkpoint(folder, tensors, about, metadata)


def open_adapters(given: Sequence[str | Path | Adapter]) -> tuple[Adapter, ...]:
    """Read what adapters are for.

    Args:
        given: folders or `hf:ORG/NAME`, each with a strength behind a colon where that is not 1: "runs/mine:0.8".

    Raises:
        AudiodiffError: one is no adapter, damaged, or named twice.
    """
    opened = tuple(each if isinstance(each, Adapter) else _opened(str(each)) for each in given)
    hashes = [each.weights_sha256 for each in opened]
    for index, each in enumerate(opened):
        if each.weights_sha256 in hashes[:index]:
            raise AudiodiffError(f"the adapter {each.folder} is given twice; give it once, with the strength you want.")
    return opened


def part_adapters(adapters: Sequence[Adapter], *folders: Path) -> list[tuple[Adapter, ...]]:
    """Return which adapters are for the model in each of the folders; the first is the one that the user named.

    Raises:
        AudiodiffError: one is for none of them.
    """
    if not adapters:
        return [()] * len(folders)
    hashes = [weights_hash(folder / WEIGHTS_FILE) for folder in folders]
    for each in adapters:
        if each.base.weights_sha256 not in hashes:
            raise AudiodiffError(
                f"the adapter {each.folder} is for the model {each.base.name} (weights "
                f"{each.base.weights_sha256[:12]}), and {public_name(folders[0])} has others ({hashes[0][:12]}); "
                "use it with the model it was made for."
            )
    return [tuple(each for each in adapters if each.base.weights_sha256 == found) for found in hashes]


def merge_into(model: nn.Module, adapters: Sequence[Adapter]) -> None:
    """Add the changes of adapters to the weights of their base model.

    Raises:
        AudiodiffError: one is damaged.
    """
    weighted = []
    for each in adapters:
        path = each.folder / WEIGHTS_FILE
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise AudiodiffError(f"{path} is missing or damaged; copy the adapter again.") from error
        for name, value in tensors.items():
            if not value.is_floating_point() or not bool(torch.isfinite(value).all()):
                raise AudiodiffError(f"{path}: {name[:80]} holds values that are not finite numbers.")
        weighted.append(WeightedAdapter(each.config, tensors, each.strength))
    try:
        merge_adapters(model, weighted)
    except AudiodiffError as error:
        names = ", ".join(str(each.folder) for each in adapters)
        raise AudiodiffError(f"{names} does not fit {adapters[0].base.name}: {error}") from error


def _opened(given: str) -> Adapter:
    path, strength = _strength(given)
    known = path.startswith("hf:") or path in pretrained_names()
    if not known and not os.path.isdir(os.path.expanduser(path)):
        raise AudiodiffError(
            f"there is no adapter {path!r}; give the folder of one, as `audiodiff adapt` makes it, or hf:ORG/NAME, "
            "with a strength behind a colon if that is not 1."
        )
    folder = find_checkpoint(path)
    values = read_model_config(folder)
    if values.get("kind") != KIND:
        raise AudiodiffError(
            f'{folder} holds a model of kind "{str(values.get("kind"))[:40]}" and no adapter; make one with '
            "`audiodiff adapt`."
        )
    if values.get("format") != _FORMAT:
        raise AudiodiffError(
            f"{folder} has adapter format {str(values.get('format'))[:20]}; this audiodiff {__version__} reads "
            f"{_FORMAT}. Update audiodiff."
        )
    where = str(folder / CONFIG_FILE)
    config = dataclass_from_dict(AdapterConfig, values.get("adapter", {}), f"{where}: adapter")
    base = dataclass_from_dict(Base, values.get("base", {}), f"{where}: base")
    if config.rank < 1:
        raise AudiodiffError(f"{where}: adapter.rank is {config.rank}; expected 1 or more.")
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise AudiodiffError(f"{weights} is missing; copy the whole folder of the adapter.")
    metadata = values.get("metadata")
    # Of the weights as they are, which need not be what the config says.
    found = Adapter(folder, public_name(path), config, base, weights_hash(weights))
    return replace(found, strength=strength, metadata=metadata if isinstance(metadata, dict) else {})


def _strength(given: str) -> tuple[str, float]:
    """Part "runs/mine:0.8" into the folder and the strength.

    Raises:
        AudiodiffError: the strength is no number, or out of range.
    """
    path, colon, text = given.rpartition(":")
    if not colon or not path or os.path.isdir(os.path.expanduser(given)):  # whose name may have a colon
        return given, 1.0
    try:
        strength = float(text)
    except ValueError:
        if not os.path.isdir(os.path.expanduser(path)):
            return given, 1.0
        strength = math.nan
    if not -_STRONGEST <= strength <= _STRONGEST:
        raise AudiodiffError(
            f"the strength of the adapter {path} is {text[:40]!r}; expected a number from {-_STRONGEST:g} to "
            f"{_STRONGEST:g}, usually 0 to 1."
        )
    return path, strength
