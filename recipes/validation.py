"""Measuring a model while it trains: on the same clips, at the same times, with the same noise whenever it is done."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.data.dataset import AudioDataset

from .corpus import fit_length

N_TIMES = 4
"""Times at which the loss of each clip is measured."""


def even_times(t_min: float, t_max: float) -> Tensor:
    """Times `[N_TIMES]` spread evenly over a range."""
    return t_min + (t_max - t_min) * ((torch.arange(N_TIMES) + 0.5) / N_TIMES)


def beginnings(data: AudioDataset, n_samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each clip's beginning, once for each time, `[N_TIMES, n_samples]`, and its bandwidth `[N_TIMES]` (Hz)."""
    for index in range(len(data)):
        waveform = fit_length(data.waveform(index, stop=n_samples), n_samples)
        yield waveform.expand(N_TIMES, -1), torch.full((N_TIMES,), data.bandwidth_hz(index))


@contextmanager
def exported(
    averaged: nn.Module, run: Path, export: Callable[[nn.Module, Path, Mapping[str, Any]], None]
) -> Iterator[Path]:
    """Write the averaged model as a checkpoint into a folder for a while.

    Validation loads it as everybody does (`audiodiff.load`), and so hears what everybody will.
    """
    folder = run / "validation"
    try:
        export(averaged, folder, {})
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
