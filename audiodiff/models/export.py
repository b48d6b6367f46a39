"""Checkpoints as they are handed on: inference weights only, with the checkpoints that are parts of them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from audiodiff.models import checkpoint
from audiodiff.models.adapter import Adapter, merge_into
from audiodiff.models.find import PHONE_MODEL_FILE
from audiodiff.models.kinds import KINDS

__all__ = ["export_checkpoint"]


def export_checkpoint(
    source: Path, target: Path, dtype: torch.dtype, *kinds: str, adapters: Sequence[Adapter] = ()
) -> nn.Module:
    """Write a checkpoint and those that are parts of it into a folder, and return its model.

    Args:
        source: run or checkpoint folder.
        target: written to.
        dtype: stored dtype of the weights.
        kinds: what `source` may be; anything if none is given.
        adapters: merged into the model, or the part of it, that they are for.

    Raises:
        AudiodiffError: `source` is no checkpoint, is damaged, or cannot be written.
    """
    config = checkpoint.read_config(source, *kinds)
    parts = {part: kind for part, kind in KINDS[config["kind"]].parts.items() if (source / part).is_dir()}
    model, metadata = checkpoint.load_checkpoint(source, nn.Module), config["metadata"]
    weights = checkpoint.weights_hash(source / checkpoint.WEIGHTS_FILE)
    if own := [each for each in adapters if each.base.weights_sha256 == weights]:
        merge_into(model, own)
        names = [{"name": each.name, "weights_sha256": each.weights_sha256, "strength": each.strength} for each in own]
        metadata = {**metadata, "adapters": names}
    checkpoint.save_checkpoint(target, model, metadata, dtype=dtype)
    if (source / PHONE_MODEL_FILE).is_file():
        shutil.copyfile(source / PHONE_MODEL_FILE, target / PHONE_MODEL_FILE)
    for part, kind in parts.items():
        export_checkpoint(source / part, target / part, dtype, *KINDS.in_place_of(kind), adapters=adapters)
    return model
