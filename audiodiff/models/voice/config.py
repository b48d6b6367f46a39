"""Everything that makes a speech model but its weights."""

from dataclasses import dataclass, field
from typing import Any

from audiodiff.bounds import check_bounds
from audiodiff.diffusion.config import parameterization_from_dict, process_from_dict
from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel_spec import MelSpec, preset
from audiodiff.text.phones import SYMBOLS

__all__ = ["VoiceConfig"]


def _mel() -> MelSpec:
    return preset("hifigan-22k")


def _flow() -> dict[str, Any]:
    return {"name": "rectified_flow"}


def _velocity() -> dict[str, Any]:
    return {"name": "velocity"}


@dataclass(frozen=True)
class VoiceConfig:
    """Everything that makes a `Voice`; stored in its checkpoint.

    Attributes:
        mel: what comes out.
        speakers: names of those that it can speak as; empty for a single voice.
        symbols: how many of `audiodiff.text.phones.SYMBOLS` it reads.
        f0_min, f0_max: range of pitch (Hz).
        width: channels of encoder and decoder.
        encoder_blocks, encoder_layers: convolutional blocks of the encoder, and layers of attention after them.
        heads: of the attention.
        decoder_blocks: convolutional blocks from the states of the encoder to the mean mel.
        prosody_width: channels of the flows of durations and F0.
        duration_blocks, f0_blocks: depth of these.
        denoiser_width, denoiser_blocks: shape of the flow of the residual mel.
        time_width: channels that tell the flows their time.
        dropout: share of the channels of a block that are silenced for an item in training.
        process, parameterization: of all three flows, as `audiodiff.diffusion.config` writes them.

    Raises:
        AudiodiffError: a setting cannot work.
    """

    mel: MelSpec = field(default_factory=_mel)
    speakers: tuple[str, ...] = ()
    symbols: int = len(SYMBOLS)
    f0_min: float = 65.0
    f0_max: float = 500.0
    width: int = 192
    encoder_blocks: int = 3
    encoder_layers: int = 2
    heads: int = 4
    decoder_blocks: int = 5
    prosody_width: int = 128
    duration_blocks: int = 3
    f0_blocks: int = 5
    denoiser_width: int = 256
    denoiser_blocks: int = 9
    time_width: int = 64
    dropout: float = 0.1
    process: dict[str, Any] = field(default_factory=_flow)
    parameterization: dict[str, Any] = field(default_factory=_velocity)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        check_bounds(
            self,
            "model",
            symbols=(2, len(SYMBOLS)),
            f0_min=(20.0, 1e4),
            f0_max=(20.0, 1e4),
            width=(8, 4096),
            encoder_blocks=(1, 100),
            encoder_layers=(0, 100),
            heads=(1, 64),
            decoder_blocks=(1, 100),
            prosody_width=(8, 4096),
            duration_blocks=(1, 100),
            f0_blocks=(1, 100),
            denoiser_width=(8, 4096),
            denoiser_blocks=(1, 100),
            time_width=(4, 4096),
            dropout=(0.0, 0.9),
        )
        if not self.f0_min < self.f0_max <= self.mel.sample_rate / 4:
            raise AudiodiffError(
                f"model.f0_min is {self.f0_min:g} and model.f0_max {self.f0_max:g} Hz; expected f0_min < f0_max <= "
                f"{self.mel.sample_rate // 4}."
            )
        if self.width % (2 * self.heads) or self.time_width % 2:
            raise AudiodiffError(
                f"model.width is {self.width} and model.time_width {self.time_width}; expected a multiple of twice "
                f"the {self.heads} heads, and an even number."
            )
        if len(set(self.speakers)) != len(self.speakers) or not all(self.speakers):
            raise AudiodiffError("model.speakers has a name twice, or an empty one; expected different names.")
        process_from_dict(self.process)
        parameterization_from_dict(self.parameterization)
