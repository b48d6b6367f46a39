"""How a class of pipelines of diffusers is called: one table row for each (`PIPELINES`). Imports no torch."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from audiodiff.errors import AudiodiffError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Configs",
    "Generates",
    "Inpaints",
    "PipelineClass",
    "Request",
    "Varies",
    "signature_defaults",
    "whole_number",
]

Configs = Callable[[str], Mapping[str, Any]]
"""Returns the config of a component by its name."""


@dataclass(frozen=True)
class Request:
    """What a pipeline is asked for.

    Attributes:
        prompt: plain text.
        negative: what to avoid; empty for nothing.
        sample_rate: of the pipeline (Hz).
        n_samples: length of the clip.
        steps: of its scheduler.
        guidance: scale of classifier-free guidance; 1 is none.
        seed: of all that is random.
        tempo: beats per minute, for a pipeline that takes it.
        key: such as "F# minor", for a pipeline that takes it; empty for any.
        on_step: called with the index of every step that is done.
    """

    prompt: str
    negative: str
    sample_rate: int
    n_samples: int
    steps: int
    guidance: float
    seed: int
    tempo: float | None = None
    key: str = ""
    on_step: Callable[[int], None] = lambda index: None

    @property
    def seconds(self) -> float:
        """Length (s) of which a pipeline, which rounds down, makes `n_samples`."""
        seconds = self.n_samples / self.sample_rate
        while int(seconds * self.sample_rate) < self.n_samples:
            seconds = math.nextafter(seconds, math.inf)
        return seconds

    @property
    def callback(self) -> Callable[[int, Any, Any], None]:
        """What pipelines call after every step: `callback(index, timestep, latents)`."""
        return lambda index, timestep, latents: self.on_step(index)


class Generates(Protocol):
    """Makes a clip `[channels, n]`, where `n` is at least `n_samples`."""

    def __call__(self, pipeline: Any, request: Request) -> "Tensor":
        """Run the pipeline."""


class Varies(Protocol):
    """Makes a variation of a recording `[channels, n_samples]`, at the pipeline's rate, as `Generates` does."""

    def __call__(self, pipeline: Any, request: Request, recording: "Tensor", strength: float) -> "Tensor":
        """Run the pipeline; a strength of 1 keeps nothing."""


class Inpaints(Protocol):
    """Makes a recording `[channels, n_samples]` again with new sound between two times (s)."""

    def __call__(self, pipeline: Any, request: Request, recording: "Tensor", start: float, stop: float) -> "Tensor":
        """Run the pipeline."""


@dataclass(frozen=True)
class PipelineClass:
    """A class of pipelines.

    Attributes:
        name: of the class in diffusers.
        module: of diffusers, where components of its own may come from.
        takes: settings of a clip that it takes besides prompt, length, steps, guidance and seed.
        sample_rate: of its waveforms (Hz), from the configs of its components.
        channels: of its waveforms.
        longest: longest clip (s); infinity for any.
        usual: `(pipeline's class, configs) -> (steps, guidance)` that it recommends.
        generate: makes a clip.
        vary: makes a variation; `None` if it starts from no recording.
        inpaint: makes part of a recording again; `None` if it cannot.
        parts: verb -> components without which it cannot do that.
    """

    name: str
    module: str
    takes: frozenset[str]
    sample_rate: Callable[[Configs], int]
    channels: Callable[[Configs], int]
    longest: Callable[[Configs], float]
    usual: Callable[[Any, Configs], tuple[int, float]]
    generate: Generates
    vary: Varies | None = None
    inpaint: Inpaints | None = None
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def signature_defaults(pipeline_class: Any, configs: Configs) -> tuple[int, float]:
    """The steps and the guidance that a pipeline takes if none are given."""
    given = inspect.signature(pipeline_class.__call__).parameters
    return given["num_inference_steps"].default, float(given["guidance_scale"].default)


def whole_number(config: Mapping[str, Any], key: str) -> int:
    """Read a size of a config, which anybody may have written.

    Raises:
        AudiodiffError: it is missing, or no whole number above 0.
    """
    value = config.get(key)
    if type(value) is not int or not 0 < value < 1 << 31:
        raise AudiodiffError(f"the config of a component has {key} {str(value)[:60]}; expected a whole number above 0.")
    return value
