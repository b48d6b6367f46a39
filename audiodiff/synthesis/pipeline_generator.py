"""A loaded pipeline of diffusers: what `audiodiff.load("diffusers:ORG/NAME")` gives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.models.pipelines import find_pipeline
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.clip import OnProgress, Sound, Waveform
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.machine import open_device
from audiodiff.synthesis.pipeline import PipelineSynthesizer
from audiodiff.synthesis.settings import AudioLevel, Precision, Resolved, built
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs import VERBS


class PipelineOptions(TypedDict, total=False):
    """What every method takes besides its own arguments; see `GenerateSettings` and `Sampling`.

    What is not given is what the pipeline takes by itself. A setting that its class has not is refused.
    """

    negative: str
    steps: int | None
    precision: Precision | None
    seed: int
    guidance: float | None
    tempo: float | None
    key: str
    level: AudioLevel
    fade_out: float
    mono: bool
    on_progress: OnProgress | None


class PipelineGenerator:
    """A pipeline of diffusers with the methods of our own models, as far as its class can do what they do.

    They return float32 waveforms `[n_samples]`, or `[channels, n_samples]` of a pipeline or a kept recording with
    several channels, and raise `AudiodiffError` for what cannot be done.
    """

    def __init__(self, synthesizer: PipelineSynthesizer) -> None:
        """Wrap an opened pipeline."""
        self.synthesizer = synthesizer

    @property
    def name(self) -> str:
        """How it was asked for."""
        return self.synthesizer.name

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms that are made (Hz); `inpaint` keeps the rate of its recording instead."""
        return self.synthesizer.sample_rate

    @property
    def defaults(self) -> Resolved:
        """The steps and the guidance that it takes by itself; the sampler is its own scheduler."""
        return self.synthesizer.defaults

    def generate(
        self, prompt: str = "", *, seconds: float = 10.0, **options: Unpack[PipelineOptions]
    ) -> NDArray[np.float32]:
        """Make a clip.

        Args:
            prompt: what to hear.
            seconds: its length (s), to the sample.
            options: see `PipelineOptions`.
        """
        return self.apply("generate", prompt=prompt, seconds=seconds, **options)

    def vary(
        self,
        clip: Waveform | Sound | str | Path,
        *,
        prompt: str = "",
        strength: float = 0.4,
        **options: Unpack[PipelineOptions],
    ) -> NDArray[np.float32]:
        """Make a variation of a clip, as long as it is.

        Args:
            clip: an array at the pipeline's rate, an array with its rate (Hz), or a sound file.
            prompt: what to hear.
            strength: how much is new, 0 to 1.
            options: see `PipelineOptions`.
        """
        return self.apply("vary", clip, prompt=prompt, strength=strength, **options)

    def inpaint(
        self,
        clip: Waveform | Sound | str | Path,
        regions: Sequence[tuple[float, float]],
        *,
        prompt: str = "",
        crossfade: float = 0.05,
        **options: Unpack[PipelineOptions],
    ) -> NDArray[np.float32]:
        """Replace regions of a clip; every sample outside them is kept.

        Args:
            clip: as of `vary`.
            regions: starts and stops (s).
            prompt: what to hear.
            crossfade: how long old and new fade into each other, inside the regions (s).
            options: see `PipelineOptions`.
        """
        return self.apply("inpaint", clip, prompt=prompt, regions=tuple(regions), crossfade=crossfade, **options)

    def apply(
        self,
        verb: str,
        *given: Waveform | Sound | str | Path,
        on_progress: OnProgress | None = None,
        **values: Any,
    ) -> NDArray[np.float32]:
        """Do what a verb does.

        Args:
            verb: one of `audiodiff.synthesis.verbs.VERBS` that make clips.
            given: the recordings that go in.
            on_progress: called with the steps done and the steps in all.
            values: its settings by name; what is not given is as usual.
        """
        sounds = [self._sound(each) for each in given]
        return apply(verb, self.synthesizer, sounds, built(VERBS[verb].settings, values), on_progress).waveform

    def _sound(self, given: Waveform | Sound | str | Path) -> Sound:
        if isinstance(given, str | Path):
            audio = Source(given).audio
            return audio.waveform, audio.sample_rate
        return given if isinstance(given, tuple) else (given, self.sample_rate)


def load_pipeline(name: str | Path, *, device: str = "auto", adapters: Adapters = ()) -> PipelineGenerator:
    """Open a pipeline of diffusers: its weights are read when the first clip is asked for.

    Args:
        name: `diffusers:` and the path of a folder, `ORG/NAME`, or `ORG/NAME@REVISION`.
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.
        adapters: none.

    Raises:
        AudiodiffError: there is no such pipeline or device, it is of an unknown class, adapters are given, or diffusers
            is not installed.
    """
    if adapters:
        raise AudiodiffError(
            f"{name} is a pipeline of diffusers, into which no adapters can be merged; leave them out."
        )
    return PipelineGenerator(PipelineSynthesizer(str(name), find_pipeline(name), open_device(device)))
