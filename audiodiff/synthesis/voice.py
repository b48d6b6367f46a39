"""Placeholder of the speech synthesizer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.models.find import find_checkpoint
from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.settings import Resolved
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.text.utterance import Utterance


@dataclass(frozen=True)
class Spoken:
    """One utterance, before the vocoder."""

    log_mel: Tensor
    durations: tuple[int, ...]
    f0: Tensor


class VoiceSynthesizer:
    """The contract."""

    name: str
    sample_rate: int
    defaults: Resolved
    variation: float
    identity: tuple[ModelRecord, ...]
    device: torch.device
    vocoder: VocoderSynthesizer

    def utterances(self, text: str, lexicon: Mapping[str, tuple[str, ...]] | None = None) -> Iterator[Utterance]:
        """Read."""
        raise NotImplementedError

    def read(
        self,
        utterance: Utterance,
        sampling: Resolved,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        variation: float | None = None,
        speaker: str = "",
        durations: tuple[int, ...] | None = None,
    ) -> Spoken:
        """Say."""
        raise NotImplementedError

    def waveform(self, spoken: Spoken, sampling: Resolved, vocoder_steps: int | None = None) -> Tensor:
        """Vocode."""
        raise NotImplementedError


def load_voice(name_or_path: str | Path = "kathleen", *, device: str = "auto") -> VoiceSynthesizer:
    """Load."""
    raise AudiodiffError(f"{find_checkpoint(name_or_path)} is no voice.")
