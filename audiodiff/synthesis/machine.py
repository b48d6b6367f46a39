"""What the last bits of computed samples depend on: the device, its instructions, the number of threads."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.provenance import MachineRecord
from audiodiff.synthesis.settings import Resolved
from audiodiff.torch_state import bfloat16_is_fast

MOST_THREADS = 1024


def this_machine(device: torch.device) -> MachineRecord:
    """Describe where `device` computes; the CPU's threads count for every device, since mels are made there."""
    import soundfile

    processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if device.type == "cuda":
        processor = f"{torch.cuda.get_device_name(device)}, {processor}"
    return MachineRecord(
        device=device.type,
        processor=processor,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        libsndfile=soundfile.__libsndfile_version__,
    )


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute with so many threads inside the block; a number that no machine has changes nothing."""
    before = torch.get_num_threads()
    if not 1 <= number <= MOST_THREADS or number == before:
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_model(model: object, name: str, device: torch.device) -> None:
    """Refuse a model that was changed after loading: its weights have another dtype, or are on another device.

    Raises:
        AudiodiffError: they have, or are.
    """
    if not isinstance(model, torch.nn.Module):
        return
    for parameter in model.parameters():
        if parameter.dtype != torch.float32:
            raise AudiodiffError(
                f"the weights of {name} are {str(parameter.dtype).removeprefix('torch.')}; call float() on the model, "
                'and ask for lower precision with the setting precision="bf16".'
            )
        if parameter.device.type != device.type:
            raise AudiodiffError(
                f"the weights of {name} are on {parameter.device.type}, and it was loaded for {device.type}; load it "
                "with the device that it is to compute on."
            )


def fitting(recommended: Resolved, device: torch.device) -> Resolved:
    """What a model recommends, in float32 on a device on which bfloat16 would be slow."""
    if recommended.precision == "bf16" and not bfloat16_is_fast(device):
        return replace(recommended, precision="fp32")
    return recommended


def open_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is CUDA, then MPS, then the CPU.

    Raises:
        AudiodiffError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = ["auto", "cpu"]
        here += ["cuda"] if torch.cuda.is_available() else []
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise AudiodiffError(f"device {name!r} cannot be used here; here are {', '.join(here)}.") from error
    return device
