"""Seeds made of other seeds. Imports no torch."""

import hashlib

__all__ = ["NOISE_BLOCK", "channel_seed", "mix_key"]

NOISE_BLOCK = 4096
"""Positions of noise that one key makes (`audiodiff.diffusion.noise`)."""

_MASK = (1 << 64) - 1


def mix_key(*parts: int) -> int:
    """One well-mixed 64-bit number from several integers (the finalizer of splitmix64, Steele et al. 2014)."""
    state = 0
    for part in parts:
        state = (state + (part & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def channel_seed(seed: int, channel: int) -> int:
    """Return the noise seed of a channel: the given one for the first, unrelated ones for the others."""
    if channel == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{channel}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2
