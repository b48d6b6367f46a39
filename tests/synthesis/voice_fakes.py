"""A voice whose sound is known: every phoneme takes four frames, and is noise of the sentence's seed."""

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace

import torch
from torch import Tensor

from audiodiff.signal.mel import MelSpec
from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.settings import Resolved
from audiodiff.synthesis.vocode import DEFAULTS
from audiodiff.synthesis.voice import Spoken
from audiodiff.synthesis.voice_settings import Manner
from audiodiff.text.english import utterances
from audiodiff.text.utterance import Utterance
from tests.synthesis.vocoder_fakes import SPEC
from tests.synthesis.vocoder_fakes import synthesizer as vocoder

FRAMES = 4


class FakeVoice:
    """Has the interface of `audiodiff.synthesis.voice.VoiceSynthesizer`."""

    def __init__(self, spec: MelSpec = SPEC) -> None:
        self.name = "fake"
        self.spec = spec
        self.vocoder = vocoder() if spec is SPEC else SimpleNamespace(mel_spec=spec, defaults=DEFAULTS)
        self.sample_rate = spec.sample_rate
        self.pronunciations: dict[str, tuple[str, ...]] = {}
        self.defaults = Resolved(steps=4, sampler="euler", grid="uniform")
        self.manner = Manner(0.4)
        self.level = 0.08
        self.device = torch.device("cpu")
        self.identity = (ModelRecord("fake", "", role="voice"), ModelRecord("speech", "", role="vocoder"))
        self.seeds: list[int] = []

    def utterances(self, text: str, lexicon: Mapping[str, tuple[str, ...]] | None = None) -> Iterator[Utterance]:
        return utterances(text, own_words=lexicon or {})

    def read(
        self,
        utterance: Utterance,
        sampling: Resolved,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        manner: Manner | None = None,
        speaker: str = "",
        durations: tuple[int, ...] | None = None,
    ) -> Spoken:
        self.seeds.append(sampling.seed)
        second = self.spec.sample_rate / self.spec.hop_length
        lengths = [
            round(FRAMES / speed) if pause is None and not symbol.startswith("<") else round((pause or 0.0) * second)
            for symbol, pause in zip(utterance.symbols, utterance.pauses, strict=True)
        ]
        lengths[-1] = FRAMES
        lengths[0] = lengths[0] or (FRAMES if manner and manner.ending else 0)
        lengths = lengths if durations is None else list(durations)
        total = sum(lengths)
        return Spoken(torch.full((self.spec.n_mels, total), -4.0 + pitch), tuple(lengths), torch.full((total,), 200.0))

    def complete(
        self,
        utterance: Utterance,
        durations: Sequence[int],
        f0: Tensor,
        log_mel: Tensor,
        keep: Tensor,
        sampling: Resolved,
        *,
        manner: Manner | None = None,
        speaker: str = "",
    ) -> Tensor:
        assert len(durations) == len(utterance.symbols)
        assert sum(durations) == len(f0) == len(keep) == log_mel.shape[1]
        return torch.where(keep, log_mel, torch.tensor(-4.0))

    def waveform(self, spoken: Spoken, sampling: Resolved, vocoder_steps: int | None = None) -> Tensor:
        generator = torch.Generator().manual_seed(sampling.seed)
        return 0.1 * torch.randn(spoken.log_mel.shape[-1] * self.spec.hop_length, generator=generator)
