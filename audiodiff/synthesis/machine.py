"""What the last bits of computed samples depend on: the device, its instructions, the number of threads."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from audiodiff.synthesis.provenance import StoryMachine

MOST_THREADS = 1024


def this_machine(device: torch.device) -> StoryMachine:
    """Describe where `device` computes; the CPU's threads count for every device, since mels are made there."""
    import soundfile

    processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if device.type == "cuda":
        processor = f"{torch.cuda.get_device_name(device)}, {processor}"
    return StoryMachine(
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
