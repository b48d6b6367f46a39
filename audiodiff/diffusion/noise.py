"""Random numbers that belong to a place, not to a batch or a chunk."""

from __future__ import annotations

import torch
from torch import Tensor

from audiodiff.diffusion.seeds import NOISE_BLOCK, mix_key
from audiodiff.errors import AudiodiffError


def positional_noise(seed: int, draw: int, start: int, stop: int, channels: int = 1) -> Tensor:
    """Normal noise at absolute positions ``start`` to ``stop``: float32 ``[channels, stop - start]`` on the CPU.

    A value depends on ``(seed, draw, channel, position)`` alone: any window is equal to the same slice of any longer
    one, so an item sounds the same alone, in a batch, in chunks of any size and on any device. Positions may be
    negative.

    Args:
        seed: the item's own seed.
        draw: which independent field of noise (0 for the prior, then one for each stochastic step).
        start: first position.
        stop: one past the last position.
        channels: number of rows; channel ``c`` is the same however many there are.

    Raises:
        AudiodiffError: ``stop < start``, or no channel.
    """
    if stop < start or channels < 1:
        raise AudiodiffError(
            f"noise needs start <= stop and at least one channel, got start={start}, stop={stop}, channels={channels}."
        )
    out = torch.empty(channels, stop - start, dtype=torch.float32, device="cpu")
    generator = torch.Generator(device="cpu")
    for block in range(start // NOISE_BLOCK, -(-stop // NOISE_BLOCK)):
        first = block * NOISE_BLOCK
        low, high = max(start, first), min(stop, first + NOISE_BLOCK)
        for channel in range(channels):
            generator.manual_seed(mix_key(seed, draw, channel, block))
            # always the whole block: how many numbers are asked for changes the numbers
            values = torch.randn(NOISE_BLOCK, generator=generator, dtype=torch.float32, device="cpu")
            out[channel, low - start : high - start] = values[low - first : high - first]
    return out
