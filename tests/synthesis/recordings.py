"""Recordings to edit."""

import numpy as np
from numpy.typing import NDArray

from audiodiff.synthesis.settings import GenerateSettings, changed


def tones(seconds: float, rate: int, seed: int = 0) -> NDArray[np.float32]:
    """A few notes with a little noise, `[n_samples]`, peak about 0.3."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sound = 0.01 * generator.standard_normal(time.size)
    for start in np.arange(0.0, seconds, 0.5):
        frequency = 110.0 * 2.0 ** (generator.integers(0, 24) / 12.0)
        after = np.clip(time - start, 0.0, None)
        sound += 0.25 * np.sin(2 * np.pi * frequency * after) * np.exp(-3.0 * after) * (time >= start)
    return sound.astype(np.float32)


def quick(**changes: object) -> GenerateSettings:
    """Settings without guidance, so that the text encoder is not needed."""
    return changed(GenerateSettings(), {"guidance": 1.0, "level": "none", **changes})
