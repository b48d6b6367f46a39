"""Everything that makes a mel autoencoder but its weights, and how it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.signal import mel

__all__ = [
    "AutoencoderLossConfig",
    "MelAutoencoderConfig",
    "autoencoder_config_from_dict",
    "autoencoder_config_to_dict",
]


@dataclass(frozen=True)
class AutoencoderLossConfig:
    """Training loss of the autoencoder, on log-mels standardised by band.

    Attributes:
        kl: weight of the divergence from the unit normal, averaged over latents.
        change: weight of the error in the change from frame to frame, which keeps onsets from blurring.
    """

    kl: float = 3e-3
    change: float = 0.5

    def __post_init__(self) -> None:
        """Refuse weights that no loss has."""
        check_bounds(self, "loss", kl=(0.0, 1e6), change=(0.0, 1e6))


@dataclass(frozen=True)
class MelAutoencoderConfig:
    """Everything that makes a `MelAutoencoder`; stored in its checkpoint."""

    mel: mel.MelSpec
    network: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    loss: AutoencoderLossConfig = field(default_factory=AutoencoderLossConfig)

    @property
    def latents_per_second(self) -> float:
        """Rate of the latents (Hz)."""
        return self.mel.sample_rate / (self.mel.hop_length * self.network.frames_per_latent)


def autoencoder_config_from_dict(values: Mapping[str, Any]) -> MelAutoencoderConfig:
    """Read a config from JSON values.

    Raises:
        AudiodiffError: an unknown key, a value of the wrong type, or an impossible combination.
    """
    plain = dict(values)
    if "mel" not in plain:
        raise AudiodiffError("the autoencoder's config lacks the key mel.")
    plain["mel"] = mel.from_dict(plain["mel"])
    return dataclass_from_dict(MelAutoencoderConfig, plain, "config.autoencoder")


def autoencoder_config_to_dict(config: MelAutoencoderConfig) -> dict[str, Any]:
    """Turn a config into JSON values."""
    values: dict[str, Any] = dataclass_to_dict(config)
    values["mel"] = mel.to_dict(config.mel)
    return values
