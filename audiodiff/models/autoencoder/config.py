"""Everything that makes a mel autoencoder but its weights, and how it is written down."""

from dataclasses import dataclass, field

from audiodiff.bounds import check_bounds
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.signal import mel

__all__ = [
    "AutoencoderLossConfig",
    "MelAutoencoderConfig",
    "StereoConfig",
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
class StereoConfig:
    """How latents tell two channels apart (`audiodiff.signal.stereo`).

    Attributes:
        bands: bands of the parameters.
        numbers: channels of the latents that stand for them.
    """

    bands: int = 20
    numbers: int = 12

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be."""
        check_bounds(self, "stereo", bands=(1, 64), numbers=(1, 2 * self.bands))


@dataclass(frozen=True)
class MelAutoencoderConfig:
    """Everything that makes a `MelAutoencoder`; stored in its checkpoint.

    Attributes:
        mel: of the recordings, or of their mono fold-down.
        network: encoder and decoder.
        loss: of the training.
        stereo: what the latents hold besides the mel; None for mono.
    """

    mel: mel.MelSpec
    network: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    loss: AutoencoderLossConfig = field(default_factory=AutoencoderLossConfig)
    stereo: StereoConfig | None = None

    @property
    def latents_per_second(self) -> float:
        """Rate of the latents (Hz)."""
        return self.mel.sample_rate / (self.mel.hop_length * self.network.frames_per_latent)
