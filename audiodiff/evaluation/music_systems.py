"""What makes the clips that are scored: a music model and its parts alone; kept on disk."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from audiodiff.evaluation.music_clips import Array, MusicClip, OnProgress
from audiodiff.signal.audio_io import read_mono, write_audio
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.settings import Sampling


class Model(Protocol):
    """What an evaluation needs of a model: `audiodiff.load(name)` gives one."""

    @property
    def sample_rate(self) -> int:
        """Hz."""
        ...

    def generate(
        self,
        prompt: str = "",
        *,
        seconds: float = 10.0,
        seed: int = 0,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        guidance: float | None = None,
    ) -> Array:
        """Make a clip `[n_samples]`, or `[channels, n_samples]`, which is measured in mono."""
        ...


@runtime_checkable
class Parts(Protocol):
    """The decoder of a model alone; a model without one has no ceiling and no random latents in the table."""

    def reconstruct(self, waveform: Array, sample_rate: int) -> Array:
        """A recording through autoencoder and vocoder."""
        ...

    def vocode(self, waveform: Array, sample_rate: int) -> Array:
        """A recording through the vocoder alone."""
        ...

    def random(self, seconds: float, seed: int) -> Array:
        """Random latents through autoencoder and vocoder."""
        ...


def label(sampling: Sampling) -> str:
    """What is asked for, for tables: "20 steps, guidance 3, heun"."""
    parts = [] if sampling.steps is None else [f"{sampling.steps} step{'' if sampling.steps == 1 else 's'}"]
    parts += [] if sampling.guidance is None else [f"guidance {sampling.guidance:g}"]
    parts += [] if sampling.sampler is None else [sampling.sampler]
    parts += [] if sampling.grid is None else [f"{sampling.grid} grid"]
    return ", ".join(parts) or "as recommended"


@dataclass(frozen=True)
class ModelParts:
    """The parts of a `LatentSynthesizer`."""

    synthesizer: Any

    def reconstruct(self, waveform: Array, sample_rate: int) -> Array:
        """A recording through autoencoder and vocoder."""
        model = self.synthesizer.model
        with torch.inference_mode():
            latents = model.autoencoder.encode(self._mel(waveform, sample_rate)[None])
            return self._sound(self.synthesizer.mel(latents))

    def vocode(self, waveform: Array, sample_rate: int) -> Array:
        """A recording through the vocoder alone."""
        with torch.inference_mode():
            return self._sound(self._mel(waveform, sample_rate))

    def random(self, seconds: float, seed: int) -> Array:
        """Random latents through autoencoder and vocoder."""
        model = self.synthesizer.model
        n_latents = self.synthesizer.n_latents(seconds)
        latents = torch.randn(1, model.channels, n_latents, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            sound = self._sound(self.synthesizer.mel(latents))
        return sound[: round(seconds * self.synthesizer.sample_rate)]

    def _mel(self, waveform: Array, sample_rate: int) -> torch.Tensor:
        samples = torch.from_numpy(np.array(waveform, np.float32))
        mel: torch.Tensor = self.synthesizer.vocoder.mel(samples, sample_rate)
        return mel

    def _sound(self, mel: torch.Tensor) -> Array:
        sound: Array = self.synthesizer.vocoder.vocode_mel(mel.cpu(), seed=0).float().numpy()
        return sound


def parts_of(model: Model) -> Parts | None:
    """The parts of a model, None where it does not show them."""
    if isinstance(model, Parts):
        return model
    synthesizer = getattr(model, "synthesizer", None)
    return None if synthesizer is None else ModelParts(synthesizer)


@dataclass
class Workshop:
    """Makes clips and keeps them as 24-bit FLAC in a folder, so that a run can go on where it stopped.

    Attributes:
        folder: of the kept clips; None keeps none.
        identity: what tells this model from others (its weights); clips of another are never used.
        seconds: length of generated clips.
        on_progress: told of every clip.
        seed: of the first clip of every prompt.
    """

    folder: Path | None
    identity: str
    seconds: float
    on_progress: OnProgress | None = None
    seed: int = 0
    made: int = field(default=0, init=False)

    def clips(
        self, system: str, sources: Sequence[MusicClip], seeds: int, make: Callable[[MusicClip, int], tuple[Array, int]]
    ) -> list[MusicClip]:
        """Clips of a system for every prompt and seed.

        Args:
            system: everything that decides the samples, besides model, prompt and seed.
            sources: recordings whose prompts, families, tempi and keys are asked for.
            seeds: how many clips for each.
            make: `(source, seed) -> waveform [n_samples], sample rate`.
        """
        found = []
        total = len(sources) * seeds
        for seed in range(self.seed, self.seed + seeds):
            for source in sources:
                path = self._path(system, source, seed)
                if path is not None and path.is_file():
                    audio = read_mono(path)
                    waveform, rate = audio.waveform[0], audio.sample_rate
                else:
                    waveform, rate = make(source, seed)
                    if path is not None:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write_audio(path, waveform, rate, "PCM_24")  # what is beyond full scale stays clipped
                    self.made += 1
                found.append(replace(source, name=f"{source.name}@{seed}", waveform=waveform, sample_rate=rate))
                if self.on_progress is not None:
                    self.on_progress(len(found), total)
        return found

    def _path(self, system: str, source: MusicClip, seed: int) -> Path | None:
        if self.folder is None:
            return None
        content = json.dumps([self.identity, system, source.name, source.prompt, self.seconds, seed])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        slug = "".join(c if c.isalnum() else "-" for c in system)[:48].strip("-")
        return self.folder / slug / f"{source.name}-{seed}-{digest}.flac"


def generated(model: Model, sampling: Sampling, seconds: float) -> Callable[[MusicClip, int], tuple[Array, int]]:
    """A maker of clips for `Workshop.clips`: the model, sampled in some way from the seed that is given."""

    def make(source: MusicClip, seed: int) -> tuple[Array, int]:
        waveform = model.generate(
            source.prompt,
            seconds=seconds,
            seed=seed,
            steps=sampling.steps,
            sampler=sampling.sampler,
            grid=sampling.grid,
            guidance=sampling.guidance,
        )
        samples = np.asarray(waveform, np.float32)
        return samples.mean(axis=0) if samples.ndim == 2 else samples, model.sample_rate

    return make


def model_identity(folder: Path | str, adapters: Adapters = ()) -> str:
    """A hash of a checkpoint's files, its vocoder's among them, and of the adapters that are merged into it.

    Raises:
        AudiodiffError: there is no such model.
    """
    from audiodiff.models.adapter import open_adapters
    from audiodiff.models.find import find_checkpoint

    place = find_checkpoint(folder)
    digest = hashlib.sha256()
    for path in sorted(place.rglob("*")):
        if path.suffix in {".safetensors", ".json"}:
            digest.update(path.relative_to(place).as_posix().encode() + path.read_bytes())
    for adapter in open_adapters(adapters):
        digest.update(f"{adapter.weights_sha256} {adapter.strength}".encode())
    return digest.hexdigest()[:16]
