"""Where training runs: CPU, CUDA, MPS, one process or several (through accelerate)."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError


@dataclass(frozen=True)
class Devices:
    """The device of this process and its place among the processes of the run.

    Attributes:
        device: where modules and batches go.
        rank: number of this process, 0 is the main one.
        n_processes: how many take part.
    """

    device: torch.device
    rank: int = 0
    n_processes: int = 1

    def shard(self, batch: Tensor) -> Tensor:
        """Return this process's share of a whole batch, on the device.

        Every process draws the whole batch from the same seeds and keeps each `n_processes`-th item, so a run sees
        the same items, times and noise on one process or many.

        Raises:
            AudiodiffError: the batch cannot be divided evenly.
        """
        if batch.shape[0] % self.n_processes:
            raise AudiodiffError(
                f"a batch of {batch.shape[0]} items cannot be divided among {self.n_processes} processes; "
                "choose a batch_size that is a multiple of the number of processes."
            )
        return batch[self.rank :: self.n_processes].to(self.device, non_blocking=True)


def open_devices(name: str = "auto") -> Devices:
    """Choose the device.

    Args:
        name: "auto" (what accelerate finds: a GPU if there is one), "cpu", "cuda", "cuda:1", "mps", ...

    In a process started by `accelerate launch` or `torchrun` this joins the others of the run.

    Raises:
        AudiodiffError: there is no such device, or several processes were started without accelerate.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if launched or name == "auto":
        try:
            from accelerate import PartialState
        except ImportError as error:
            if launched:
                raise AudiodiffError(
                    "training in several processes needs accelerate; install audiodiff-synth[train]."
                ) from error
            return Devices(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        state = PartialState(cpu=name == "cpu")
        return Devices(state.device, state.process_index, state.num_processes)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise AudiodiffError(f"device {name!r} cannot be used ({reason}); choose auto, cpu, cuda or mps.") from error
    return Devices(device)


def close_devices() -> None:
    """Leave the run that `open_devices` joined, once all its processes have come to their end.

    A process that just ends while its threads talk to the others may be aborted by the C++ runtime. After an error
    nobody should wait for the others: do not call it then.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
