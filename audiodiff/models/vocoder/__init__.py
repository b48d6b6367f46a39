"""The vocoder: a log-mel in, a waveform out."""

from audiodiff.models.vocoder.config import (
    FrontEndConfig,
    HeadConfig,
    LossConfig,
    VocoderConfig,
)
from audiodiff.models.vocoder.model import (
    Vocoder,
    VocoderCondition,
    VocoderLoss,
)
from audiodiff.models.vocoder.prior import PriorConfig

__all__ = [
    "FrontEndConfig",
    "HeadConfig",
    "LossConfig",
    "PriorConfig",
    "Vocoder",
    "VocoderCondition",
    "VocoderConfig",
    "VocoderLoss",
]
