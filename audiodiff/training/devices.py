"""Where training runs: CPU, CUDA, MPS, one process or several (through accelerate)."""

import os
import sys
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.training.processes import Sharding

_WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where launchers (torchrun and accelerate; three of MPI) say how many processes they have started."""


@dataclass(frozen=True)
class Devices:
    """The device of this process and its place among the processes of the run.

    Attributes:
        device: where modules and batches go.
        rank: number of this process, 0 is the main one.
        n_processes: how many take part.
        part: which part of this process's share of a batch `shard` returns, from 0.
        n_parts: into how many parts the share is divided, to be computed one after the other.
        sharding: how the processes divide the weights among them; None where each has all.
    """

    device: torch.device
    rank: int = 0
    n_processes: int = 1
    part: int = 0
    n_parts: int = 1
    sharding: Sharding | None = None

    def parts(self, count: int) -> list["Devices"]:
        """Return the same place once for each of `count` parts of a batch."""
        return [replace(self, part=part, n_parts=count) for part in range(count)]

    def shard(self, batch: Tensor) -> Tensor:
        """Return this process's share of a whole batch, or a part of the share, on the device.

        Every process draws the whole batch from the same seeds and keeps each `n_processes`-th item, so a run sees
        the same items, times and noise on one process or many, in one part or many.

        Raises:
            AudiodiffError: the batch cannot be divided evenly.
        """
        stride = self.n_processes * self.n_parts
        if batch.shape[0] % stride:
            in_parts = f" in {self.n_parts} parts each" if self.n_parts > 1 else ""
            raise AudiodiffError(
                f"a batch of {batch.shape[0]} items cannot be divided among {self.n_processes} processes{in_parts}; "
                f"choose a batch_size that is a multiple of {stride}."
            )
        return batch[self.rank + self.n_processes * self.part :: stride].to(self.device, non_blocking=True)


def open_devices(name: str = "auto") -> Devices:
    """Choose the device.

    Args:
        name: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps", ...

    In a process started by `accelerate launch`, `torchrun` or `mpirun` this joins the others of the run: on GPUs, or on
    CPUs where there are none or "cpu" is asked for. They divide the weights among them (FSDP) where `accelerate launch
    --use_fsdp` or accelerate's configuration file says so, which reaches the processes as `ACCELERATE_USE_FSDP`.

    Raises:
        AudiodiffError: there is no such device, or several processes were started that cannot train together.
    """
    started = _processes_started()
    if started > 1:
        return _join(name, started)
    if name == "auto":
        try:
            from accelerate import PartialState
        except ImportError:
            return Devices(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return Devices(PartialState().device)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise AudiodiffError(f"device {name!r} cannot be used ({reason}); choose auto, cpu, cuda or mps.") from error
    return Devices(device)


def _processes_started() -> int:
    """How many processes the launcher says it has started; 1 without a launcher."""
    counts = [os.environ.get(name, "") for name in _WORLD_SIZES]
    return max([1, *(int(count) for count in counts if count.isdecimal())])


def _join(name: str, started: int) -> Devices:
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise AudiodiffError(
            "training in several processes needs accelerate; install audiodiff-synth[train]."
        ) from error
    on_cpu = name == "cpu" or (name == "auto" and not torch.cuda.is_available())
    try:
        state = PartialState(cpu=on_cpu)
    except (RuntimeError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AudiodiffError(
            f"the {started} processes cannot reach each other ({reason}); start them with `accelerate launch` or "
            "`torchrun`, or train in one process."
        ) from error
    if state.num_processes != started:
        # Each would take itself for the only one and train into the same folder.
        raise AudiodiffError(
            f"{started} processes were started, but on device {name!r} they cannot train together "
            f"({state.num_processes} joined); choose --device cpu, a GPU for each, or train in one process."
        )
    return Devices(state.device, state.process_index, state.num_processes, sharding=wanted_sharding())


def wanted_sharding() -> Sharding | None:
    """Return what accelerate's configuration says of FSDP, from the variables that it sets.

    Raises:
        AudiodiffError: it asks for what is not supported.
    """
    if not _is_set("ACCELERATE_USE_FSDP"):
        return None
    if _is_set("FSDP_OFFLOAD_PARAMS"):
        raise AudiodiffError(
            "FSDP that keeps parameters in the memory of the CPU (FSDP_OFFLOAD_PARAMS, fsdp_offload_params) is not "
            "supported; switch it off."
        )
    # Version 1 of FSDP names strategies here; all but one of them gather again.
    return Sharding(os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").upper() not in ("FALSE", "0", "SHARD_GRAD_OP"))


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on", "y", "t")


def close_devices() -> bool:
    """Leave the run that `open_devices` joined, once all its processes have come to their end.

    A process that just ends while its threads talk to the others may be aborted by the C++ runtime. After an error
    nobody should wait for the others: do not call it then.

    Returns:
        Whether this was the main process, the one that speaks for all.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return True
    is_main = torch.distributed.get_rank() == 0
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    return is_main


def end_process() -> None:
    """End a process that was one of several, once all is written, without the shutdown of Python.

    Threads of the group may outlive it. When the shutdown of Python stops one inside C++, the runtime aborts the
    process, although its work is done. A process that is alone goes on.
    """
    if _processes_started() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def peak_memory(device: torch.device) -> float:
    """The most memory that this process has used so far (bytes): on its GPU, or else in all; 0 where nothing tells."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(used if sys.platform == "darwin" else used * 1024)
