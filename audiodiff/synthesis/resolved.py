"""A clip as it will be made: every setting filled in, every prompt read. Made once, before any work is done."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from audiodiff.errors import AudiodiffError
from audiodiff.models.mel_latent import MelLatentConfig
from audiodiff.runtime.chord_track import usual_chords
from audiodiff.synthesis.sampling import VocodePlan
from audiodiff.synthesis.settings import (
    MAX_SECONDS,
    MIN_SECONDS,
    AudioLevel,
    GenerateSettings,
    Resolved,
    bar_seconds,
    check_tempo,
)
from audiodiff.text.chords import AUTO_CHORDS, CHORD_TEMPO, Chord, chord_track, has_chords, parse_chords
from audiodiff.text.keys import find_key, key_name
from audiodiff.text.prompt import Prompt, parse_prompt

_TEMPO = re.compile(r"(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*bpm\b", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A prompt that a clip goes towards.

    Attributes:
        text: the prompt as it was written.
        prompt: the same, read.
        tempo: beats per minute that go with it; `None` for any.
        key: that goes with it, as the model calls it; empty for any.
        share: its part among the targets, which sum to 1.
    """

    text: str
    prompt: Prompt
    tempo: float | None
    key: str
    share: float = 1.0


@dataclass(frozen=True)
class ResolvedClip:
    """`GenerateSettings` resolved against a model.

    Attributes:
        targets: one prompt, or the two that a clip is between.
        negative: what to avoid, as it was written.
        unwanted: the same, read.
        seconds: length (s).
        sampling: how the latents are sampled.
        vocoder: how the waveform is sampled.
        guidance_interval: process times at which to guide, low and high; everywhere when `None`.
        tempo: beats per minute as they are kept in the file; `None` for any.
        key: as it is kept in the file; empty for any.
        chords: of each bar; () for any.
        beat: tempo of the beats that condition the network; `None` for none.
        source: class of that name; empty for any.
        level: what to do with the level.
        fade_out: how long the end fades out (s).
        loop: the end leads into the beginning.
        mono: one channel, whatever the model can.
        bars: of a loop, of four beats each; `None` if it has no tempo, 0 if it is a whole number of latents.
        variety: by which the guidance has been loosened.
        idea: seed of the idea that it follows; `None` for none.
    """

    targets: tuple[Target, ...]
    negative: str
    unwanted: Prompt
    seconds: float
    sampling: Resolved
    vocoder: VocodePlan
    guidance_interval: tuple[float, float] | None
    tempo: float | None
    key: str
    chords: tuple[tuple[Chord, ...], ...]
    beat: float | None
    source: str
    level: AudioLevel
    fade_out: float
    loop: bool
    mono: bool
    bars: int | None
    variety: float = 0.0
    idea: int | None = None

    def lasting(self, seconds: float) -> "ResolvedClip":
        """Return the same for a clip of another length (s)."""
        return replace(self, seconds=min(max(seconds, MIN_SECONDS), MAX_SECONDS), bars=None)

    @property
    def prompt(self) -> str:
        """The prompt as a file keeps it: of two, the mixture in the syntax of `audiodiff.text.prompt`."""
        texts = [target.text for target in self.targets]
        if len(texts) == 1:
            return texts[0]
        parts = [f"{target.text}:{target.share:.3g}" for target in self.targets if target.share > 0.0]
        if len(parts) == 1 or texts[0] == texts[1]:
            return texts[round(self.targets[1].share)]
        if any(not text.strip() or "|" in text for text in texts):
            return " | ".join(text for text in texts if text.strip())
        return " | ".join(parts)

    def values(self) -> dict[str, object]:
        """Return the settings as a file keeps them, by the names of `GenerateSettings`; prompts and seed left out."""
        interval = self.guidance_interval
        return {
            "seconds": self.seconds,
            "steps": self.sampling.steps,
            "sampler": self.sampling.sampler,
            "grid": self.sampling.grid,
            "guidance": self.sampling.guidance,
            "rescale": self.sampling.rescale,
            "guidance_hold": self.sampling.guidance_hold,
            "guidance_interval": None if interval is None else list(interval),
            "tempo": self.tempo,
            "key": self.key,
            "chords": chord_track(self.chords),
            "source": self.source,
            "precision": self.sampling.precision,
            "level": self.level,
            "fade_out": self.fade_out,
            "vocoder_steps": self.vocoder.sampling.steps,
            "loop": self.loop,
            "mono": self.mono,
            "bars": self.bars,
            **({"variety": self.variety} if self.variety else {}),
            **({} if self.idea is None else {"idea": self.idea}),
        }


def resolve_clip(
    settings: GenerateSettings,
    *,
    defaults: Resolved,
    vocoder: VocodePlan,
    config: MelLatentConfig,
    name: str,
    between: tuple[tuple[str, str], float] | None = None,
) -> ResolvedClip:
    """Fill in what a model recommends, and read the prompts.

    Args:
        settings: what was asked for.
        defaults: what the model recommends.
        vocoder: how its vocoder will sample.
        config: what the model knows.
        name: of the model, for messages.
        between: two prompts in the place of the one in the settings, and how far from the first to the second, 0 to 1.

    Raises:
        AudiodiffError: a prompt is malformed, or the key is none or not known to the model.
    """

    texts = (settings.prompt,) if between is None else between[0]
    seed = settings.sampling.resolve(defaults).seed
    chords = _chords(settings, [_key(settings, text, config, name) for text in texts], seed, config, name)
    if has_chords(chords) and all(_tempo(settings, text, config) is None for text in texts):
        settings = replace(settings, tempo=CHORD_TEMPO)

    def target(text: str, share: float) -> Target:
        return Target(
            text, parse_prompt(text), _tempo(settings, text, config), _key(settings, text, config, name), share
        )

    if between is None:
        targets: tuple[Target, ...] = (target(settings.prompt, 1.0),)
        tempo, key, beat = targets[0].tempo, targets[0].key, targets[0].tempo
    else:
        (first, second), position = between
        targets = (target(first, 1.0 - position), target(second, position))
        tempo, key = settings.tempo, _key(settings, "", config, name)
        beat = tempo_between(targets[0].tempo, targets[1].tempo, position)
    bars, seconds = _bars(settings, tempo)
    return ResolvedClip(
        targets=targets,
        negative=settings.negative,
        unwanted=parse_prompt(settings.negative),
        seconds=seconds,
        sampling=settings.sampling.resolve(defaults),
        vocoder=vocoder,
        guidance_interval=settings.guidance_interval,
        tempo=tempo,
        key=key,
        chords=chords,
        beat=beat,
        source=settings.source,
        level=settings.level,
        fade_out=settings.fade_out,
        loop=settings.loop,
        mono=settings.mono,
        bars=bars,
        variety=settings.variety,
        idea=_idea(settings, seed, config, name),
    )


def _idea(settings: GenerateSettings, seed: int, config: MelLatentConfig, name: str) -> int | None:
    """The seed of the idea that is asked for.

    Raises:
        AudiodiffError: there is one, and the model cannot draw any.
    """
    if settings.prior and not config.prior.width:
        raise AudiodiffError(f"the model {name} has no prior to draw an idea with; leave out prior and idea.")
    return (seed if settings.idea is None else settings.idea) if settings.prior else None


def _chords(
    settings: GenerateSettings, keys: Sequence[str], seed: int, config: MelLatentConfig, name: str
) -> tuple[tuple[Chord, ...], ...]:
    """The chords that are asked for.

    Raises:
        AudiodiffError: they are none, the model takes none, or they are to be drawn and there is no key.
    """
    if settings.chords != AUTO_CHORDS:
        chords = parse_chords(settings.chords)
    elif len({*keys}) == 1 and keys[0]:
        chords = usual_chords(keys[0], seed)
    else:
        raise AudiodiffError("chords are auto, which takes a key; give it with --key, or name the chords.")
    if has_chords(chords) and not (config.chords and config.beats):
        raise AudiodiffError(f"the model {name} takes no chords; leave them out, or give a key.")
    return chords


def tempo_between(first: float | None, second: float | None, position: float) -> float | None:
    """The tempo between two; where only one is known, that one but at the other's end."""
    if first is None or second is None or position in (0.0, 1.0):
        return (first if position < 1.0 else None) or (second if position > 0.0 else None)
    return math.exp((1.0 - position) * math.log(first) + position * math.log(second))


def _bars(settings: GenerateSettings, tempo: float | None) -> tuple[int | None, float]:
    """The bars of a loop, and the length of the clip (s).

    Raises:
        AudiodiffError: bars are asked for without a tempo, or more than a clip can have.
    """
    found = _TEMPO.search(settings.prompt)
    if tempo is None and found:  # of a model that is not told
        tempo = float(found.group(1))
    if not settings.loop or settings.bars == 0 or (settings.bars is None and tempo is None):
        return settings.bars, settings.seconds
    if tempo is None:
        raise AudiodiffError('bars cannot be made without a tempo; give it with --tempo, or in the prompt ("110 bpm").')
    bar = bar_seconds(tempo)
    bars = settings.bars or max(1, round(settings.seconds / bar))
    if not MIN_SECONDS <= bars * bar <= MAX_SECONDS:
        raise AudiodiffError(
            f"{bars} bars at {tempo:g} bpm last {bars * bar:g} s; expected {MIN_SECONDS:g} to {MAX_SECONDS:g} s."
        )
    return bars, bars * bar


def _tempo(settings: GenerateSettings, prompt: str, config: MelLatentConfig) -> float | None:
    found = _TEMPO.search(prompt)
    knows_tempo = any(number.name == "tempo" for number in config.numbers)
    if settings.tempo is not None or not found or not knows_tempo:
        return settings.tempo
    tempo = float(found.group(1))
    check_tempo(tempo)
    return tempo


def _key(settings: GenerateSettings, prompt: str, config: MelLatentConfig, name: str) -> str:
    """The key that is asked for, as the model calls it.

    Raises:
        AudiodiffError: it is no key.
    """
    named = key_name(settings.key)
    if settings.key and not named:
        raise AudiodiffError(f'key is "{settings.key}"; expected a major or minor key such as "F# minor".')
    knows_key = any(kind.name == "key" for kind in config.classes)
    if named and not knows_key:
        raise AudiodiffError(f"the model {name} takes a key only in the prompt; write it there.")
    return named or (find_key(prompt) if knows_key else "")
