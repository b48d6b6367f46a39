"""Adapters in loaded models: merged into the weights before anything is sampled, and named in what is made."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from audiodiff.models.adapter import Adapter, merge_into, open_adapters, part_adapters
from audiodiff.synthesis.provenance import AdapterRecord

__all__ = ["Adapters", "merged", "parted"]

Adapters = Sequence[str | Path | Adapter]
"""Folders or `hf:ORG/NAME`, each with a strength behind a colon where that is not 1, as in "runs/mine:0.8"."""


def parted(adapters: Adapters, *folders: Path) -> list[tuple[Adapter, ...]]:
    """Read adapters, and return which are for the model in each of the folders.

    Args:
        adapters: as the user gave them.
        folders: of a model and of its parts.

    Raises:
        AudiodiffError: one is no adapter, damaged, named twice, or for none of the models.
    """
    return part_adapters(open_adapters(adapters), *folders)


def merged(model: nn.Module, adapters: Sequence[Adapter]) -> tuple[AdapterRecord, ...]:
    """Merge adapters into their base model, and return what a record says of them.

    Raises:
        AudiodiffError: one is damaged.
    """
    if adapters:
        merge_into(model, adapters)
    return tuple(AdapterRecord(each.name, each.weights_sha256, float(each.strength)) for each in adapters)
