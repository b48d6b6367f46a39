"""The noise of `audiodiff.diffusion.noise` without torch: the same seed gives the same numbers, within 1e-6.

torch's generator on CPUs is the Mersenne Twister MT19937, seeded with the lower 32 bits of the seed. Of every number it
takes 24 bits as a uniform one, and makes normal numbers of sixteen at a time by the transform of G. Box and M. Muller,
"A note on the generation of random normal deviates", 1958: the first eight give radii, the other eight angles.
"""

import numpy as np
from numpy.typing import NDArray

from audiodiff.diffusion.seeds import NOISE_BLOCK, mix_key

__all__ = ["positional_noise"]


def positional_noise(seed: int, draw: int, start: int, stop: int, channels: int = 1) -> NDArray[np.float32]:
    """Normal noise at absolute positions `start` to `stop`, which may be negative: `[channels, stop - start]`.

    Args:
        seed: the item's own.
        draw: which independent field of noise.
        start: first position.
        stop: one past the last position.
        channels: number of rows.
    """
    out = np.empty((channels, stop - start), np.float32)
    for block in range(start // NOISE_BLOCK, -(-stop // NOISE_BLOCK)):
        first = block * NOISE_BLOCK
        low, high = max(start, first), min(stop, first + NOISE_BLOCK)
        for channel in range(channels):
            values = _block(mix_key(seed, draw, channel, block))
            out[channel, low - start : high - start] = values[low - first : high - first]
    return out


def _block(key: int) -> NDArray[np.float32]:
    """Standard normal numbers `[NOISE_BLOCK]`, as `torch.randn` gives them after `manual_seed(key)`."""
    # The only door of NumPy to the seeding by one 32-bit number that the authors of the generator published.
    state = np.random.RandomState(key & 0xFFFFFFFF)
    bits = state.randint(0, 1 << 32, NOISE_BLOCK, dtype=np.uint32) & np.uint32(0xFFFFFF)
    uniform = (bits.astype(np.float32) * np.float32(2.0**-24)).reshape(-1, 2, 8)
    radius = np.sqrt(np.float32(-2.0) * np.log(np.float32(1.0) - uniform[:, 0]))
    angle = np.float32(2.0 * np.pi) * uniform[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
