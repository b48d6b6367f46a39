"""Checkpoints as they are handed on: inference weights only, with the checkpoints that are parts of them."""

import shutil
from pathlib import Path

import torch
from torch import nn

from audiodiff.models import checkpoint
from audiodiff.models.find import PHONE_MODEL_FILE
from audiodiff.models.kinds import KINDS

__all__ = ["export_checkpoint"]


def export_checkpoint(source: Path, target: Path, dtype: torch.dtype, *kinds: str) -> nn.Module:
    """Write a checkpoint and those that are parts of it into a folder, and return its model.

    Args:
        source: run or checkpoint folder.
        target: written to.
        dtype: stored dtype of the weights.
        kinds: what `source` may be; anything if none is given.

    Raises:
        AudiodiffError: `source` is no checkpoint, is damaged, or cannot be written.
    """
    config = checkpoint.read_config(source, *kinds)
    parts = {part: kind for part, kind in KINDS[config["kind"]].parts.items() if (source / part).is_dir()}
    model = checkpoint.load_checkpoint(source, nn.Module)
    checkpoint.save_checkpoint(target, model, config["metadata"], dtype=dtype)
    if (source / PHONE_MODEL_FILE).is_file():
        shutil.copyfile(source / PHONE_MODEL_FILE, target / PHONE_MODEL_FILE)
    for part, kind in parts.items():
        export_checkpoint(source / part, target / part, dtype, *KINDS.in_place_of(kind))
    return model
