"""English text to phonemes: normalization, homographs, CMU's dictionary and a letter-to-sound model."""

from audiodiff.text.english.reading import phonemes, pronunciations, utterances

__all__ = ["phonemes", "pronunciations", "utterances"]
