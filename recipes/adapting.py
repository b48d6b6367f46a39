"""What recipes do where an adapter is trained in the place of all weights (`audiodiff.nn.adapters`)."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.models.adapter import Base, save_adapter
from audiodiff.models.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_config, weights_hash
from audiodiff.models.find import public_name
from audiodiff.nn.adapters import AdapterConfig, add_adapter
from audiodiff.training.loop import ModelAndLoss, TrainConfig, step_seed
from audiodiff.training.progress import clock

from .session import BEST_FOLDER, Export


def check_adapter(adapter: AdapterConfig, init: str) -> None:
    """Refuse an adapter of nothing.

    Raises:
        AudiodiffError: there is an adapter and no model to start from.
    """
    if adapter.rank and not init:
        raise AudiodiffError("adapter.rank is given without a model to adapt; name that with --init.")


def adapt(model: nn.Module, adapter: AdapterConfig) -> None:
    """Freeze a model and add an adapter to it, where one is asked for."""
    if adapter.rank:
        add_adapter(model, adapter)


def adapter_export(adapter: AdapterConfig, base: Path, name: str, metadata: Mapping[str, Any], plain: Export) -> Export:
    """Return what writes the run's checkpoint: the adapter where one is trained, all weights where none is.

    Args:
        adapter: what is trained.
        base: folder of the model that it is for.
        name: how that was asked for.
        metadata: what travels with the adapter.
        plain: writes all weights.
    """
    if not adapter.rank:
        return plain
    found = Base(public_name(name), read_config(base)["kind"], weights_hash(base / WEIGHTS_FILE))

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        save_adapter(folder, averaged, adapter, found, {**metadata, **facts})

    return export


def tell_time(models: Sequence[ModelAndLoss], config: TrainConfig, done: int) -> None:
    """Measure a step of training and say how long the run takes; nothing of the models changes."""
    with torch.random.fork_rng(devices=[]):
        for step in range(2):  # the first allocates
            before = time.monotonic()
            for model in models:
                for loss_fn in (model.loss_fn, *model.further):
                    generator = torch.Generator().manual_seed(step_seed(config.seed, step))
                    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
                        loss = loss_fn(step, generator).loss
                    loss.backward()  # type: ignore[no-untyped-call]
            seconds = time.monotonic() - before
    for model in models:
        model.module.zero_grad(set_to_none=True)
    left = max(config.steps - done, 0)
    print(
        f"audiodiff: {left} steps of {seconds:.2g} s, about {clock(left * seconds)} in all; Ctrl+C stops, --resume "
        "goes on.",
        file=sys.stderr,
        flush=True,
    )


def keep_best(run: Path) -> None:
    """Let the folder of a finished run hold the adapter that validation found best.

    Raises:
        AudiodiffError: the folder cannot be written.
    """
    best = run / BEST_FOLDER
    if not (best / CONFIG_FILE).is_file():
        return
    try:
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            with atomic_file(run / name) as temporary:
                shutil.copyfile(best / name, temporary)
    except OSError as error:
        raise AudiodiffError(f"{run} cannot be written ({error.strerror or error}).") from error
