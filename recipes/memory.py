"""How much memory a training run takes, told and refused before it is taken."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from audiodiff.errors import AudiodiffError
from audiodiff.models.memory import memory_bytes, without_weights
from audiodiff.training.devices import Devices
from audiodiff.training.loop import TrainConfig
from audiodiff.training.processes import divided_parameters

__all__ = ["TrainingMemory", "expect_memory", "training_memory"]

_GIB = 2**30


@dataclass(frozen=True)
class TrainingMemory:
    """What a training run takes at least.

    Attributes:
        parameters: numbers that are trained.
        state_bytes: weights, their average, gradients and the optimizer's two moments, in float32. Of weights that are
            divided among processes the part of one process, and once more all of them, as they are before.
        batch_bytes: the outputs of all layers, which the backward pass needs; losses may take several times as much.
    """

    parameters: int
    state_bytes: int
    batch_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.state_bytes + self.batch_bytes

    def __str__(self) -> str:
        """In words, for the first lines of a run."""
        state, batch, total = (number / _GIB for number in (self.state_bytes, self.batch_bytes, self.total_bytes))
        return (
            f"at least {total:.2f} GiB of memory ({state:.2f} for {self.parameters:,} parameters and their optimizer, "
            f"{batch:.2f} for a batch)"
        )

    def check(self, device: torch.device) -> None:
        """Refuse a run that cannot fit.

        Raises:
            AudiodiffError: it needs more than the device has.
        """
        most = memory_bytes(device)
        if most is not None and self.total_bytes > most:
            raise AudiodiffError(
                f"this run needs {self}, and this machine has {most / _GIB:.1f}; take a smaller batch, crop or model."
            )


def training_memory(
    module: nn.Module, items: int, positions: int, *, half: bool, divided_by: int = 1
) -> TrainingMemory:
    """Estimate what training takes.

    Args:
        module: what is trained; it may have been built `without_weights`.
        items: of a batch, in one process.
        positions: places of an item at which the network works: frames, latents or samples.
        half: whether the network computes in 16 bits.
        divided_by: number of processes that divide the weights among them.
    """
    parameters = sum(parameter.numel() for parameter in module.parameters())
    outputs = sum(parameter.shape[0] for parameter in module.parameters() if parameter.ndim > 1)
    state = 5 * 4 * parameters
    if divided_by > 1:
        divided = sum(parameter.numel() for parameter in divided_parameters(module))
        state += 4 * parameters - 5 * 4 * (divided - divided // divided_by)
    return TrainingMemory(
        parameters=parameters,
        state_bytes=state,
        batch_bytes=items * positions * outputs * (2 if half else 4),
    )


def expect_memory(
    build: Callable[[], nn.Module], config: TrainConfig, positions: int, devices: Devices
) -> TrainingMemory:
    """Return how much memory a run takes at least, before anything is read or built for it.

    Args:
        build: makes what is trained.
        config: settings of the loop.
        positions: as for `training_memory`.
        devices: where this process trains.

    Raises:
        AudiodiffError: it needs more than there is.
    """
    with without_weights():
        module = build()
    items = -(-config.batch_size // devices.n_processes)
    divided_by = devices.n_processes if devices.sharding is not None else 1
    memory = training_memory(module, items, positions, half=config.precision == "bf16", divided_by=divided_by)
    memory.check(devices.device)
    return memory
