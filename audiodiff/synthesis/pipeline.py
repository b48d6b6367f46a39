"""A pipeline of diffusers at work behind our verbs: what `audiodiff.load("diffusers:ORG/NAME")` opens."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.models.find import public_name
from audiodiff.models.libraries import LIBRARIES
from audiodiff.models.pipelines import PIPELINES, PipelineClass, PipelineFolder, Request
from audiodiff.models.pipelines.opening import library_versions, open_pipeline, pipeline_class, run_pipeline
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.settings import AudioLevel, GenerateSettings, Precision, Resolved, values_of
from audiodiff.text.keys import key_name
from audiodiff.text.prompt import parse_prompt

DTYPES: Mapping[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

_ALWAYS = frozenset({"prompt", "seconds", "steps", "guidance", "seed", "precision", "level", "fade_out", "mono"})
"""Settings of a clip that every pipeline takes."""

_SCHEDULER = "ddim"
"""Stands in `Resolved` for a pipeline's own scheduler; it is in no record."""


@dataclass(frozen=True)
class PipelineClip:
    """`GenerateSettings` resolved against a pipeline.

    Attributes:
        prompt: plain text.
        negative: plain text; empty for nothing.
        seconds: length (s).
        sampling: steps, guidance, precision and seed; the sampler is the pipeline's own scheduler.
        level: what to do with the level.
        fade_out: how long the end fades out (s).
        mono: one channel, whatever the pipeline makes.
        own: further settings that it takes, by name.
        edit: settings of an edit besides those of its clip, as a record keeps them; `None` of a new clip.
    """

    prompt: str
    negative: str
    seconds: float
    sampling: Resolved
    level: AudioLevel
    fade_out: float
    mono: bool
    own: Mapping[str, Any] = field(default_factory=dict)
    edit: Mapping[str, Any] | None = None

    def values(self) -> dict[str, object]:
        """Return the settings as a file keeps them, by the names of `GenerateSettings`; prompts and seed left out."""
        new = {"seconds": self.seconds, "bars": None} if self.edit is None else {}
        return {
            **new,
            "steps": self.sampling.steps,
            "guidance": self.sampling.guidance,
            "precision": self.sampling.precision,
            "level": self.level,
            "fade_out": self.fade_out,
            "mono": self.mono,
            **self.own,
            **(self.edit or {}),
        }


class PipelineSynthesizer:
    """A pipeline of diffusers, ready to make clips. Its weights are read when settings have been resolved."""

    library = LIBRARIES["diffusers"]

    def __init__(self, name: str, folder: PipelineFolder, device: torch.device) -> None:
        """Look into its folder.

        Args:
            name: how it was asked for.
            folder: where it is.
            device: where it computes.

        Raises:
            AudiodiffError: a library is missing, or a config is damaged.
        """
        self.name = name
        self.folder = folder
        self.device = device
        self.known: PipelineClass = PIPELINES[folder.class_name]
        own = pipeline_class(self.known)
        self.libraries = library_versions()
        self.sample_rate = self.known.sample_rate(folder.config)
        self.channels = self.known.channels(folder.config)
        self.longest = self.known.longest(folder.config)
        steps, guidance = self.known.usual(own, folder.config)
        self.defaults = Resolved(steps=steps, sampler=_SCHEDULER, grid="uniform", guidance=guidance)
        self._opened: tuple[Precision, Any] | None = None

    @property
    def takes(self) -> frozenset[str]:
        """Names of the settings of a clip that it takes."""
        return _ALWAYS | self.known.takes

    @cached_property
    def identity(self) -> tuple[ModelRecord, ...]:
        """What the records of its files say of it."""
        hashes = self.folder.weights_sha256, self.folder.config_sha256
        return (ModelRecord(public_name(self.name), *hashes, role=self.folder.class_name),)

    def resolve(self, settings: GenerateSettings, edit: Mapping[str, Any] | None = None) -> PipelineClip:
        """Return `settings` with the pipeline's recommendations in the place of every `None`, and load its weights.

        Raises:
            AudiodiffError: it does not take a setting, a clip is too long, or the weights cannot be loaded.
        """
        given, usual = values_of(settings), values_of(GenerateSettings())
        takes = self.takes
        odd = [name for name, value in given.items() if name not in takes and (value or None) != (usual[name] or None)]
        if odd:
            raise AudiodiffError(
                f"{self.name} is of the class {self.known.name} of diffusers, which has no setting {odd[0]}; leave it "
                f"out (it takes {', '.join(sorted(takes))})."
            )
        if edit is None:
            self.check_length(settings.seconds)
        clip = PipelineClip(
            prompt=_plain("prompt", settings.prompt, self.known),
            negative=_plain("negative", settings.negative, self.known),
            seconds=settings.seconds,
            sampling=settings.sampling.resolve(self.defaults),
            level=settings.level,
            fade_out=settings.fade_out,
            mono=settings.mono,
            own={name: given[name] for name in sorted(self.known.takes - {"negative"})} | _key(settings, self.known),
            edit=edit,
        )
        self._pipeline(clip.sampling.precision)
        return clip

    def check_length(self, seconds: float) -> None:
        """Refuse what is longer than the pipeline's window.

        Raises:
            AudiodiffError: it is.
        """
        if seconds > self.longest:
            raise AudiodiffError(
                f"{seconds:g} s are longer than the {math.floor(100.0 * self.longest) / 100.0:g} s that {self.name} "
                "can make at once; ask for less."
            )

    def run(
        self,
        clip: PipelineClip,
        n_samples: int,
        call: Callable[[Any, Request], Tensor],
        on_progress: OnProgress | None = None,
    ) -> Tensor:
        """Run the pipeline once.

        Args:
            clip: what is asked for.
            n_samples: length, at the pipeline's rate.
            call: of the pipeline's class, with what it takes besides filled in.
            on_progress: called with the steps done and the steps in all; what it raises ends the work.

        Returns:
            `[channels, n_samples]`, float32 on the CPU.

        Raises:
            AudiodiffError: it fails.
        """
        sampling = clip.sampling
        stopped_by: list[Exception] = []

        def on_step(index: int) -> None:
            if on_progress is None:
                return
            try:
                on_progress(float(min(index + 1, sampling.steps)), float(sampling.steps))
            except Exception as error:
                stopped_by.append(error)
                raise

        request = Request(
            prompt=clip.prompt,
            negative=clip.negative,
            sample_rate=self.sample_rate,
            n_samples=n_samples,
            steps=sampling.steps,
            guidance=sampling.guidance,
            seed=sampling.seed,
            tempo=clip.own.get("tempo"),
            key=clip.own.get("key", ""),
            on_step=on_step,
        )
        pipeline = self._pipeline(sampling.precision)
        try:
            return run_pipeline(pipeline, request, lambda: call(pipeline, request))
        except AudiodiffError:
            if stopped_by:  # which is no failure of the pipeline
                raise stopped_by[0] from None
            raise

    def _pipeline(self, precision: Precision) -> Any:
        """Return the pipeline with its weights in a precision, which are loaded once."""
        if self._opened is None or self._opened[0] != precision:
            self._opened = None  # both would not fit
            self._opened = precision, open_pipeline(self.folder, self.device, DTYPES[precision])
        return self._opened[1]


def _key(settings: GenerateSettings, known: PipelineClass) -> dict[str, str]:
    """The key that is asked for, of a pipeline that takes one.

    Raises:
        AudiodiffError: it is no key.
    """
    named = key_name(settings.key)
    if settings.key and not named:
        raise AudiodiffError(f'key is "{settings.key}"; expected a major or minor key such as "F# minor".')
    return {"key": named} if "key" in known.takes else {}


def _plain(what: str, text: str, known: PipelineClass) -> str:
    """Read a prompt that may have no weights and no blend.

    Raises:
        AudiodiffError: it has.
    """
    parts = parse_prompt(text).parts
    if len(parts) > 1 or parts[0].spans:
        raise AudiodiffError(
            f"the {what} weighs or blends words, which the class {known.name} of diffusers cannot; write plain words, "
            r"and \( \) \| for these characters themselves."
        )
    return parts[0].text
