"""The upsampler: a narrow-band recording in, a wide-band one out."""

from audiodiff.models.upsampler.config import (
    UpsamplerConfig,
    upsampler_config_from_dict,
    upsampler_config_to_dict,
)
from audiodiff.models.upsampler.model import (
    Upsampler,
    UpsamplerLoss,
)

__all__ = [
    "Upsampler",
    "UpsamplerConfig",
    "UpsamplerLoss",
    "upsampler_config_from_dict",
    "upsampler_config_to_dict",
]
