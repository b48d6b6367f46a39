"""Adapters with random weights that do something."""

from pathlib import Path

import torch
from torch import nn

from audiodiff.models.adapter import Base, save_adapter
from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, weights_hash
from audiodiff.nn.adapters import AdapterConfig, add_adapter


def write_adapter(folder: Path, base: Path, seed: int = 0, config: AdapterConfig | None = None) -> Path:
    """Write an adapter of the model in `base`."""
    config = AdapterConfig(rank=2) if config is None else config
    torch.manual_seed(seed)
    model = load_checkpoint(base, nn.Module)
    add_adapter(model, config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape))
    named = Base(base.name, read_config(base)["kind"], weights_hash(base / WEIGHTS_FILE))
    save_adapter(folder, model, config, named, {"word": "mine"})
    return folder
