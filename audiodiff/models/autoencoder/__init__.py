"""The mel autoencoder: log-mels to latents, and back."""

from audiodiff.models.autoencoder.config import (
    AutoencoderLossConfig,
    MelAutoencoderConfig,
    StereoConfig,
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
    "StereoConfig",
]
