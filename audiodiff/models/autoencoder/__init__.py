"""The mel autoencoder: log-mels to latents, and back."""

from audiodiff.models.autoencoder.config import (
    AutoencoderLossConfig,
    MelAutoencoderConfig,
    autoencoder_config_from_dict,
    autoencoder_config_to_dict,
)
from audiodiff.models.autoencoder.model import (
    AutoencoderLoss,
    MelAutoencoder,
)

__all__ = [
    "AutoencoderLoss",
    "AutoencoderLossConfig",
    "MelAutoencoder",
    "MelAutoencoderConfig",
    "autoencoder_config_from_dict",
    "autoencoder_config_to_dict",
]
