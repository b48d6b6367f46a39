"""A loaded model that makes clips: what `audiodiff.load("music")` gives."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from audiodiff.synthesis.clip import OnProgress, Sound, Waveform
from audiodiff.synthesis.clip_stream import stream_clip
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.settings import AudioLevel, GenerateSettings, Precision, Resolved, built
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.vocode import VocoderSynthesizer

Given = Waveform | Sound | str | Path
"""A recording: an array at the model's rate, an array with its rate (Hz), or a sound file."""


class ClipOptions(TypedDict, total=False):
    """What every method takes besides its own arguments; see `GenerateSettings` and `Sampling`.

    What is not given is what the model recommends; of edits, the level is that of the recording, too.
    """

    negative: str
    steps: int | None
    sampler: str | None
    grid: str | None
    precision: Precision | None
    seed: int
    guidance: float | None
    rescale: float | None
    guidance_hold: float | None
    guidance_interval: tuple[float, float] | None
    tempo: float | None
    key: str
    chords: str
    source: str
    level: AudioLevel
    fade_out: float
    vocoder_steps: int | None
    loop: bool
    mono: bool
    bars: int | None
    on_progress: OnProgress | None


class Generator:
    """A latent model with its vocoder. The methods are the commands, and take what these take.

    They return float32 waveforms `[n_samples]`, or `[channels, n_samples]` where a recording with channels is kept, and
    raise `AudiodiffError` for a setting or a recording that cannot be used.
    """

    def __init__(self, synthesizer: LatentSynthesizer) -> None:
        """Wrap a loaded model."""
        self.synthesizer = synthesizer

    @property
    def name(self) -> str:
        """How the model was asked for."""
        return self.synthesizer.name

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms that are made (Hz); edits keep the rate of their recording instead."""
        return self.synthesizer.sample_rate

    @property
    def vocoder(self) -> VocoderSynthesizer:
        """What turns its mels into sound."""
        return self.synthesizer.vocoder

    @property
    def defaults(self) -> Resolved:
        """How the model recommends to sample."""
        return self.synthesizer.defaults

    def generate(
        self,
        prompt: str = "",
        *,
        seconds: float = 10.0,
        reference: Given | None = None,
        variety: float = 0.0,
        prior: bool = False,
        idea: int | None = None,
        **options: Unpack[ClipOptions],
    ) -> NDArray[np.float32]:
        """Make a clip.

        Args:
            prompt: what to hear; empty for anything.
            seconds: its length (s), to the sample; of a loop with a tempo, to the bar.
            reference: a recording to sound like, for a model that was trained for it.
            variety: how far clips of other seeds are to differ, 0 to 1; see `GenerateSettings`.
            prior: draw an idea from the prompt first, for a model that has a prior.
            idea: seed of that idea, of which clips of other seeds are variations; that of the clip when `None`.
            options: see `ClipOptions`.
        """
        own = {"seconds": seconds, "variety": variety, "prior": prior, "idea": idea}
        return self.apply("generate", reference, prompt=prompt, **own, **options)

    def stream(
        self,
        prompt: str = "",
        *,
        seconds: float = 10.0,
        reference: Given | None = None,
        variety: float = 0.0,
        prior: bool = False,
        idea: int | None = None,
        **options: Unpack[ClipOptions],
    ) -> Iterator[NDArray[np.float32]]:
        """Make a clip and give it in parts: once it is denoised, its beginning can play while the rest is vocoded.

        The parts joined are the clip of `generate` with the level "none", the only one that does not depend on the
        whole clip, up to the rounding of the vocoder's precision. There are no loops.

        Args:
            prompt: what to hear; empty for anything.
            seconds: its length (s), to the sample.
            reference: a recording to sound like, for a model that was trained for it.
            variety: how far clips of other seeds are to differ, 0 to 1; see `GenerateSettings`.
            prior: draw an idea from the prompt first, for a model that has a prior.
            idea: seed of that idea, of which clips of other seeds are variations; that of the clip when `None`.
            options: see `ClipOptions`; progress is that of the denoising.

        Yields:
            `[n_samples]`, of about 0.2 s.
        """
        on_progress = options.pop("on_progress", None)
        own = {"seconds": seconds, "variety": variety, "prior": prior, "idea": idea}
        values = {"level": "none", "prompt": prompt, **own, **options}
        clip = VERBS["generate"].resolve(self.synthesizer, built(GenerateSettings, values))
        sounds = [] if reference is None else [self._sound(reference)]
        return (part.numpy() for part in stream_clip(self.synthesizer, clip, sounds, on_progress))

    def vary(
        self, clip: Given, *, prompt: str = "", strength: float = 0.4, **options: Unpack[ClipOptions]
    ) -> NDArray[np.float32]:
        """Make a variation of a clip, as long as it is.

        Args:
            clip: a recording.
            prompt: what to hear.
            strength: how much is new, 0 to 1.
            options: see `ClipOptions`.
        """
        return self.apply("vary", clip, prompt=prompt, strength=strength, **options)

    def inpaint(
        self,
        clip: Given,
        regions: Sequence[tuple[float, float]],
        *,
        prompt: str = "",
        strength: float = 1.0,
        crossfade: float = 0.05,
        **options: Unpack[ClipOptions],
    ) -> NDArray[np.float32]:
        """Replace regions of a clip; every sample outside them is kept.

        Args:
            clip: a recording.
            regions: starts and stops (s).
            prompt: what to hear.
            strength: how much is new in the regions, 0 to 1.
            crossfade: how long old and new fade into each other, inside the regions (s).
            options: see `ClipOptions`.
        """
        own = {"regions": tuple(regions), "strength": strength, "crossfade": crossfade}
        return self.apply("inpaint", clip, prompt=prompt, **own, **options)

    def extend(
        self,
        clip: Given,
        *,
        seconds: float = 10.0,
        before: bool = False,
        prompt: str = "",
        crossfade: float = 0.05,
        trim: float = 0.0,
        **options: Unpack[ClipOptions],
    ) -> NDArray[np.float32]:
        """Let a clip go on, or lead into it; every sample of it is kept.

        Args:
            clip: a recording.
            seconds: how much longer it becomes (s).
            before: lead into the clip instead of following it.
            prompt: what to hear.
            crossfade: how long the clip fades into the new sound (s).
            trim: how much of its end is replaced, such as a fade (s).
            options: see `ClipOptions`.
        """
        own = {"seconds": seconds, "before": before, "crossfade": crossfade, "trim": trim}
        return self.apply("extend", clip, prompt=prompt, **own, **options)

    def interpolate(
        self,
        first: Given | None = None,
        second: Given | None = None,
        *,
        position: float = 0.5,
        prompts: tuple[str, str] | None = None,
        prompt: str = "",
        strength: float = 0.5,
        **options: Unpack[ClipOptions],
    ) -> NDArray[np.float32]:
        """Make a clip between two clips, two prompts, or both.

        Args:
            first: a recording.
            second: another.
            position: 0 is the first, 1 the second.
            prompts: to go between.
            prompt: one for both, instead.
            strength: how much of the clips is new, 0 to 1.
            options: see `ClipOptions`.
        """
        own = {"position": position, "prompts": prompts, "strength": strength}
        return self.apply("interpolate", first, second, prompt=prompt, **own, **options)

    def apply(
        self, verb: str, *given: Given | None, on_progress: OnProgress | None = None, **values: Any
    ) -> NDArray[np.float32]:
        """Do what a verb does; `music.apply("vary", clip, strength=0.3)` is `music.vary(clip, strength=0.3)`.

        Args:
            verb: one of `audiodiff.synthesis.verbs.VERBS` that make clips; each of them is a method, too.
            given: the recordings that go in; `None` is none.
            on_progress: called with the steps done and the steps in all.
            values: its settings by name; what is not given is as usual.
        """
        sounds = [self._sound(each) for each in given if each is not None]
        return apply(verb, self.synthesizer, sounds, built(VERBS[verb].settings, values), on_progress).waveform

    def __getattr__(self, name: str) -> Callable[..., NDArray[np.float32]]:
        """Return the method of a verb that is not written out above."""
        if name not in VERBS or VERBS[name].streams:
            raise AttributeError(f"a {type(self).__name__} has no {name!r}")
        return partial(self.apply, name)

    def _sound(self, given: Given) -> Sound:
        if isinstance(given, str | Path):
            return Source(given).sound
        return given if isinstance(given, tuple) else (given, self.sample_rate)
