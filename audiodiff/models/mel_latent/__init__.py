"""The latent model: a prompt in, the latents of a mel autoencoder out."""

from audiodiff.models.mel_latent.config import (
    CLASSES,
    KEY,
    NUMBERS,
    ClassConfig,
    MelLatentConfig,
    NumberConfig,
    PriorConfig,
)
from audiodiff.models.mel_latent.model import (
    MelLatent,
    MelLatentLoss,
    pooled,
)

__all__ = [
    "CLASSES",
    "KEY",
    "NUMBERS",
    "ClassConfig",
    "MelLatent",
    "MelLatentConfig",
    "MelLatentLoss",
    "NumberConfig",
    "PriorConfig",
    "pooled",
]
