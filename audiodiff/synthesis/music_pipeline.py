"""Our models that generate, called as code that was written for the audio pipelines of diffusers calls those.

The names of arguments and results are those of `StableAudioPipeline` and `AudioLDM2Pipeline`; diffusers is not needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load
from audiodiff.synthesis.pipeline_generator import PipelineGenerator
from audiodiff.synthesis.settings import MAX_SEED, Precision

__all__ = ["AudioOutput", "MusicPipeline"]

Waveforms = NDArray[np.float32] | Tensor

_PRECISIONS: Mapping[torch.dtype, Precision] = {torch.float32: "fp32", torch.bfloat16: "bf16"}


@dataclass(frozen=True)
class AudioOutput:
    """What a call returns; also read as `output["audios"]` and `output[0]`.

    Attributes:
        audios: `[prompts * num_waveforms_per_prompt, channels, n_samples]`, float32, those of one prompt together.
    """

    audios: Waveforms

    def __getitem__(self, key: str | int) -> Waveforms:
        """Return the waveforms by their name or their place.

        Raises:
            KeyError: they have another.
        """
        if key not in {"audios", 0}:
            raise KeyError(key)
        return self.audios


class MusicPipeline:
    """A model that generates, in the shape of a `DiffusionPipeline`.

    The clips are those of `audiodiff.load(name).generate` with the same seeds, bit for bit.
    """

    def __init__(self, model: Generator | PipelineGenerator, precision: Precision | None = None) -> None:
        """Wrap a loaded model.

        Args:
            model: what `audiodiff.load` returns for a model that generates.
            precision: what its networks compute in; what it recommends when `None`.
        """
        self.model = model
        self.precision = precision
        self._shows_progress = True

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path = "music", *, torch_dtype: torch.dtype | None = None, device: str = "cpu"
    ) -> Self:
        """Load a model.

        Args:
            name_or_path: as of `audiodiff.load`.
            torch_dtype: float32 or bfloat16; what the model recommends when `None`.
            device: what torch calls the device; `to` changes it.

        Raises:
            AudiodiffError: there is no such model or device, it does not generate, or the dtype is another.
        """
        if torch_dtype is not None and torch_dtype not in _PRECISIONS:
            raise AudiodiffError(
                f"torch_dtype is {torch_dtype}; expected torch.float32 or torch.bfloat16, or none for what the model "
                "recommends."
            )
        model = load(name_or_path, device=device)
        if not isinstance(model, Generator | PipelineGenerator):
            raise AudiodiffError(f"{name_or_path} does not generate from prompts; give a model such as music.")
        return cls(model, None if torch_dtype is None else _PRECISIONS[torch_dtype])

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.synthesizer.device

    @property
    def sample_rate(self) -> int:
        """The rate of its waveforms (Hz); also `vae.sampling_rate` and `vocoder.config.sampling_rate`."""
        return self.model.sample_rate

    @property
    def vae(self) -> SimpleNamespace:
        """Where code for Stable Audio looks the rate up: `vae.sampling_rate` and `vae.config.sampling_rate`."""
        return SimpleNamespace(sampling_rate=self.sample_rate, config=SimpleNamespace(sampling_rate=self.sample_rate))

    @property
    def vocoder(self) -> SimpleNamespace:
        """Where code for AudioLDM looks the rate up: `vocoder.config.sampling_rate`."""
        return SimpleNamespace(config=SimpleNamespace(sampling_rate=self.sample_rate))

    def to(self, device: torch.device | str) -> Self:
        """Return it on another device, loaded there again.

        Raises:
            AudiodiffError: there is no such device.
        """
        if torch.device(device) == self.device:
            return self
        moved = type(self).from_pretrained(self.model.name, device=str(device))
        moved.precision = self.precision
        moved._shows_progress = self._shows_progress
        return moved

    def set_progress_bar_config(self, *, disable: bool = False) -> None:
        """Show a bar for each clip on standard error, or none."""
        self._shows_progress = not disable

    def __call__(
        self,
        prompt: str | Sequence[str] = "",
        *,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        seed: int | None = None,
        audio_end_in_s: float | None = None,
        output_type: Literal["np", "pt"] = "np",
        return_dict: bool = True,
    ) -> AudioOutput | tuple[Waveforms]:
        """Make clips.

        Args:
            prompt: one or several.
            audio_length_in_s: length of each clip (s); 10 when neither this nor `audio_end_in_s` is given.
            num_inference_steps: sampling steps; what the model recommends when `None`.
            guidance_scale: of classifier-free guidance, 1 for none; what the model recommends when `None`.
            negative_prompt: what to avoid; one for all prompts, or one for each.
            num_waveforms_per_prompt: clips of each prompt.
            generator: seeds the clips. One that was just seeded with `s` gives the clips the seeds `s`, `s + 1`, ...;
                one that was drawn from since, as by a call before, gives others. A list has one for each clip.
            seed: of the first clip, instead; the others follow it.
            audio_end_in_s: another name of `audio_length_in_s`, that of Stable Audio.
            output_type: "np" for NumPy arrays, "pt" for tensors on the CPU.
            return_dict: `False` returns a tuple.

        Returns:
            `audios [clips, channels, n_samples]`; with `return_dict=False`, in a tuple.

        Raises:
            AudiodiffError: an argument that cannot be used.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        if not prompts or not all(isinstance(each, str) for each in prompts):
            raise AudiodiffError(f"prompt is {prompt!r}; it must be a text, or a list of texts.")
        if type(num_waveforms_per_prompt) is not int or num_waveforms_per_prompt < 1:
            raise AudiodiffError(
                f"num_waveforms_per_prompt is {num_waveforms_per_prompt!r}; it must be a whole number above 0."
            )
        if output_type not in {"np", "pt"}:
            raise AudiodiffError(f"output_type is {output_type!r}; expected np or pt.")
        if None not in (audio_length_in_s, audio_end_in_s):
            raise AudiodiffError("audio_length_in_s and audio_end_in_s are two names of one length; give one of them.")
        seconds = audio_end_in_s if audio_length_in_s is None else audio_length_in_s
        negatives = _one_for_each(negative_prompt, len(prompts))
        pairs = [pair for pair in zip(prompts, negatives, strict=True) for _ in range(num_waveforms_per_prompt)]
        clips = [
            self._clip(text, negative, 10.0 if seconds is None else seconds, num_inference_steps, guidance_scale, each)
            for (text, negative), each in zip(pairs, _seeds(generator, seed, len(pairs)), strict=True)
        ]
        stacked = np.stack([clip if clip.ndim == 2 else clip[None] for clip in clips])
        audios: Waveforms = stacked if output_type == "np" else torch.from_numpy(stacked)
        return AudioOutput(audios) if return_dict else (audios,)

    def _clip(
        self, prompt: str, negative: str, seconds: float, steps: int | None, guidance: float | None, seed: int
    ) -> NDArray[np.float32]:
        """Make one clip."""
        with self._bar() as on_progress:
            return self.model.generate(
                prompt,
                negative=negative,
                seconds=seconds,
                steps=steps,
                guidance=guidance,
                precision=self.precision,
                seed=seed,
                on_progress=on_progress,
            )

    @contextmanager
    def _bar(self) -> Iterator[OnProgress | None]:
        """The progress of a clip as a bar, if it is to be shown."""
        if not self._shows_progress:
            yield None
            return
        with tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed}<{remaining}", leave=False) as bar:

            def report(done: float, total: float) -> None:
                bar.update(done / total - bar.n)

            yield report


def _one_for_each(negative: str | Sequence[str] | None, count: int) -> list[str]:
    """The negative prompt of each prompt.

    Raises:
        AudiodiffError: there are more or fewer of them.
    """
    if negative is None or isinstance(negative, str):
        return [negative or ""] * count
    if len(negative) != count:
        raise AudiodiffError(
            f"there are {count} prompts and {len(negative)} negative prompts; give one for each, or one text for all."
        )
    return list(negative)


def _seeds(generator: torch.Generator | Sequence[torch.Generator] | None, seed: int | None, count: int) -> list[int]:
    """The seeds of so many clips; without a generator and a seed, from torch's global generator.

    Raises:
        AudiodiffError: both are given, or another number of generators.
    """
    if seed is not None:
        if generator is not None:
            raise AudiodiffError("generator and seed both say what is drawn; give one of them.")
        return [seed + index for index in range(count)]
    if generator is None or isinstance(generator, torch.Generator):
        return _drawn(generator, count)
    if len(generator) != count:
        raise AudiodiffError(f"there are {count} clips and {len(generator)} generators; give one for each, or one.")
    return [found for each in generator for found in _drawn(each, 1)]


def _drawn(generator: torch.Generator | None, count: int) -> list[int]:
    """Seeds from a generator, which goes on: of a fresh one its own seed and those that follow."""
    fresh = None
    if generator is not None:
        seed = generator.initial_seed()
        untouched = torch.Generator(generator.device).manual_seed(seed)
        if torch.equal(untouched.get_state(), generator.get_state()):
            fresh = [(seed + index) % MAX_SEED for index in range(count)]
    device = "cpu" if generator is None else generator.device
    drawn = torch.randint(0, MAX_SEED, (count,), generator=generator, device=device).tolist()
    return drawn if fresh is None else fresh
