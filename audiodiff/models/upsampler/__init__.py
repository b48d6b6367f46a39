"""The upsampler: a narrow-band recording in, a wide-band one out."""

from audiodiff.models.upsampler.config import UpsamplerConfig
from audiodiff.models.upsampler.model import (
    Upsampler,
    UpsamplerLoss,
)

__all__ = [
    "Upsampler",
    "UpsamplerConfig",
    "UpsamplerLoss",
]
