"""A loaded voice: what `audiodiff.load("kathleen")` gives."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.synthesis import speech
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.settings import Precision, Resolved, changed
from audiodiff.synthesis.speech import Reading, Speech
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.synthesis.voice import VoiceSynthesizer, load_voice
from audiodiff.synthesis.voice_settings import SpeakSettings
from audiodiff.text.transcription import transcribe
from audiodiff.torch_state import standard_state


class SpeakOptions(TypedDict, total=False):
    """What every method takes besides the text; see `SpeakSettings` and `Sampling`.

    What is not given is what the voice recommends.
    """

    speed: float
    pitch: float
    variation: float | None
    intonation: float | None
    ending: float | None
    speaker: str
    language: str
    lexicon: Mapping[str, tuple[str, ...]]
    seed: int
    steps: int | None
    sampler: str | None
    grid: str | None
    precision: Precision | None
    vocoder_steps: int | None


class Speaker:
    """A voice with its vocoder. All methods raise `AudiodiffError` for a text or a setting that cannot be used."""

    def __init__(self, synthesizer: VoiceSynthesizer) -> None:
        """Wrap a loaded model."""
        self.synthesizer = synthesizer

    @property
    def name(self) -> str:
        """How the voice was asked for."""
        return self.synthesizer.name

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms (Hz)."""
        return self.synthesizer.sample_rate

    @property
    def vocoder(self) -> VocoderSynthesizer:
        """What turns its mels into sound."""
        return self.synthesizer.vocoder

    @property
    def defaults(self) -> Resolved:
        """How the voice recommends to sample."""
        return self.synthesizer.defaults

    @standard_state()
    def speak(self, text: str, **options: Unpack[SpeakOptions]) -> NDArray[np.float32]:
        """Speak a text.

        Args:
            text: of any length, with `[pause 0.5]`, `*emphasis*`, `{HH AH0 L OW1}` and `/həˈloʊ/` where wanted.
            options: see `SpeakOptions`.

        Returns:
            `[n_samples]`, float32, not clipped.
        """
        return torch.cat([reading.waveform for reading in self.stream(text, **options)]).numpy()

    def stream(self, text: str, **options: Unpack[SpeakOptions]) -> Iterator[Reading]:
        """Speak a text sentence by sentence, each when it is asked for; their waveforms joined are those of `speak`."""
        return speech.readings(self.synthesizer, self._plan(text, options))

    def phonemes(self, text: str, **options: Unpack[SpeakOptions]) -> str:
        """The text as phonemes in braces, a line for each sentence: a text that `speak` reads as it reads this one."""
        return transcribe(self._plan(text, options).utterances(self.synthesizer))

    @standard_state()
    def durations(self, text: str, **options: Unpack[SpeakOptions]) -> list[tuple[str, float]]:
        """Phonemes and boundaries of a text, and how long each is (s); silence between sentences is not counted."""
        frames = self.sample_rate / self.vocoder.mel_spec.hop_length
        return [
            (symbol, duration / frames)
            for utterance, spoken, _ in speech.read(self.synthesizer, self._plan(text, options))
            for symbol, duration in zip(utterance.symbols, spoken.durations, strict=True)
        ]

    @standard_state()
    def log_mel(self, text: str, **options: Unpack[SpeakOptions]) -> Tensor:
        """The log-mel of a text, `[n_mels, n_frames]` as `vocoder.mel_spec` says, one sentence after the other."""
        made = speech.read(self.synthesizer, self._plan(text, options))
        return torch.cat([spoken.log_mel for _, spoken, _ in made], dim=-1)

    def _plan(self, text: str, options: SpeakOptions) -> Speech:
        return speech.plan(self.synthesizer, changed(SpeakSettings(text), options))


def load_speaker(name_or_path: str | Path = "kathleen", *, device: str = "auto", adapters: Adapters = ()) -> Speaker:
    """Load a voice.

    Raises:
        AudiodiffError: as `load_voice`.
    """
    return Speaker(load_voice(name_or_path, device=device, adapters=adapters))
