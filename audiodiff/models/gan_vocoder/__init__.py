"""Vocoders of other projects: HiFi-GAN, BigVGAN and Vocos, which turn a log-mel into sound in one call."""

from audiodiff.models.gan_vocoder.config import GanVocoderConfig
from audiodiff.models.gan_vocoder.model import GanVocoder

__all__ = ["GanVocoder", "GanVocoderConfig"]
