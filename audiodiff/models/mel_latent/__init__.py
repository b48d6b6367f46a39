"""The latent model: a prompt in, the latents of a mel autoencoder out."""

from audiodiff.models.mel_latent.config import (
    CLASSES,
    KEY,
    NUMBERS,
    ClassConfig,
    MelLatentConfig,
    NumberConfig,
    mel_latent_config_from_dict,
    mel_latent_config_to_dict,
)
from audiodiff.models.mel_latent.model import (
    MelLatent,
    MelLatentLoss,
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
    "mel_latent_config_from_dict",
    "mel_latent_config_to_dict",
]
