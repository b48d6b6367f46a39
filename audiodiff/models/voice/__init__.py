"""The speech model: phonemes in, durations, pitch and a log-mel out."""

from audiodiff.models.voice.config import VoiceConfig
from audiodiff.models.voice.model import Draws, Voice, VoiceLoss

__all__ = ["Draws", "Voice", "VoiceConfig", "VoiceLoss"]
