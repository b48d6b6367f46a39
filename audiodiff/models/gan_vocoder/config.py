"""Everything that makes a vocoder of another project but its weights, and how it is written down."""

from dataclasses import dataclass

from audiodiff.errors import AudiodiffError
from audiodiff.nn.hifigan import HifiGanConfig
from audiodiff.nn.vocos import VocosConfig
from audiodiff.signal.mel_spec import MelSpec

__all__ = ["GanVocoderConfig"]


@dataclass(frozen=True)
class GanVocoderConfig:
    """Everything that makes a `GanVocoder`; stored in its checkpoint.

    Attributes:
        mel: the log-mel that is made into sound.
        hifigan: the network, if it is that of HiFi-GAN or BigVGAN.
        vocos: the network, if it is that of Vocos.

    Raises:
        AudiodiffError: none or both are given, or the network does not fit the mel.
    """

    mel: MelSpec
    hifigan: HifiGanConfig | None = None
    vocos: VocosConfig | None = None

    def __post_init__(self) -> None:
        """Check what only the combination can tell."""
        if (self.hifigan is None) == (self.vocos is None):
            raise AudiodiffError("a vocoder has one network: give either hifigan or vocos.")
        network = self.network
        if network.n_mels != self.mel.n_mels or network.hop_length != self.mel.hop_length:
            raise AudiodiffError(
                f"the network takes {network.n_mels} bands and makes {network.hop_length} samples of a frame, the mel "
                f"has {self.mel.n_mels} bands and a hop of {self.mel.hop_length}; they must be the same."
            )
        if self.vocos is not None and self.vocos.padding != self.mel.centring:
            raise AudiodiffError(
                f"vocos.padding is {self.vocos.padding!r} and mel.centring {self.mel.centring!r}; they must be the "
                "same."
            )

    @property
    def network(self) -> HifiGanConfig | VocosConfig:
        """The one that is given."""
        found = self.hifigan or self.vocos
        assert found is not None
        return found
