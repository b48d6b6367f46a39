"""What the model that generates can do: a model of audiodiff, or one of another library such as diffusers.

Tabs, fields and handlers ask this, and never which of the two it is.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.pipeline import PipelineSynthesizer
from audiodiff.synthesis.settings import GenerateSettings, values_of
from audiodiff.synthesis.verb_choice import verb_of
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.text.keys import KEYS

ClipSynthesizer = LatentSynthesizer | PipelineSynthesizer
"""What makes clips from prompts."""


@dataclass(frozen=True)
class LatentMel:
    """How the latents of a clip become a picture.

    Attributes:
        spec: of its log-mel.
        decode: returns the log-mel `[n_mels, n_frames]` of latents.
    """

    spec: MelSpec
    decode: Callable[[Tensor], Tensor]

    def preview(self, latents: Tensor, seconds: float | None) -> Tensor:
        """Return the log-mel `[n_mels, n_frames]` of latents, cut to the length of the clip (s) where it is known."""
        log_mel = self.decode(latents)
        if seconds is None:
            return log_mel
        return log_mel[:, : max(1, round(seconds * self.spec.sample_rate / self.spec.hop_length))]


@dataclass(frozen=True)
class Capabilities:
    """What a generator takes, and what it does with it.

    Attributes:
        settings: names of the settings of `GenerateSettings` that it takes.
        verbs: names of the verbs that it can do; those that need no model are among them.
        keys: musical keys that can be asked for; empty where it takes none.
        sources: kinds of sound that it tells apart; empty where it takes none.
        longest: its longest clip (s); infinity for any.
        reference: whether it makes clips that sound like a recording.
        beats: whether it is told the beats of a recording.
        prompt_weights: whether words of a prompt can be weighed and prompts blended.
        inpaint_strength: whether a part that is replaced may keep something of what was there.
        mel: how its latents are shown; `None` where they are not.
        vocoder: what turns its mels into sound; `None` where that cannot be chosen.
    """

    settings: frozenset[str]
    verbs: frozenset[str]
    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    longest: float = math.inf
    reference: bool = False
    beats: bool = False
    prompt_weights: bool = False
    inpaint_strength: bool = False
    mel: LatentMel | None = None
    vocoder: VocoderSynthesizer | None = None


def capabilities_of(generator: ClipSynthesizer) -> Capabilities:
    """Return what a generator can do."""
    if isinstance(generator, PipelineSynthesizer):
        return _of_pipeline(generator)
    return _of_latent_model(generator)


def _of_latent_model(generator: LatentSynthesizer) -> Capabilities:
    config = generator.model.config
    known = {each.name: each.values for each in config.classes}
    given = {*known, *(each.name for each in config.numbers), *(["chords"] if config.chords else [])}
    lacks = {"tempo", "key", "chords", "source"} - given
    return Capabilities(
        settings=frozenset(values_of(GenerateSettings())) - lacks,
        verbs=frozenset(VERBS),
        keys=known.get("key", ()),
        sources=known.get("source", ()),
        reference=config.known,
        beats=config.beats,
        prompt_weights=True,
        inpaint_strength=True,
        mel=LatentMel(generator.model.mel_spec, generator.mel),
        vocoder=generator.vocoder,
    )


def _of_pipeline(generator: PipelineSynthesizer) -> Capabilities:
    verbs = {name for name, verb in VERBS.items() if not verb.n_models}
    for name in VERBS.keys() - verbs:
        with suppress(AudiodiffError):
            verb_of(name, generator)
            verbs.add(name)
    longest = generator.longest
    return Capabilities(
        settings=generator.takes,
        verbs=frozenset(verbs),
        keys=KEYS if "key" in generator.takes else (),
        longest=longest if math.isinf(longest) else math.floor(100.0 * longest) / 100.0,
    )
