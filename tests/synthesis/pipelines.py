"""Tiny pipelines of diffusers on disk, shared by the tests that run them."""

from collections.abc import Callable

import numpy as np

from tests.models.pipelines import tiny

BUILDERS: dict[str, Callable[[], object]] = {
    "StableAudioPipeline": tiny.stable_audio,
    "AudioLDM2Pipeline": tiny.audioldm2,
    "AceStepPipeline": tiny.ace_step,
}


def recording(seconds: float = 0.6, rate: int = 22050) -> np.ndarray:
    """A gliding tone with noise, `[n_samples]`."""
    time = np.arange(round(seconds * rate)) / rate
    noise = 0.01 * np.random.default_rng(0).standard_normal(time.size)
    return (0.1 * np.sin(2 * np.pi * (220 * time + 40 * time**2)) + noise).astype(np.float32)
