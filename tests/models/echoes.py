"""Somebody else's package: a kind of vocoder with its process, its recipe and a text encoder.

`test_kinds` installs it from a folder; nothing in the package knows of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.diffusion.config import process_from_dict
from audiodiff.diffusion.gaussian import GaussianProcess
from audiodiff.diffusion.noise import positional_noise
from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, save_checkpoint, weights_hash
from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.models.kinds import Kind
from audiodiff.signal.mel import MelSpec, log_mel_to_mel, preset
from audiodiff.synthesis.machine import open_device
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.text.encoder import TextStates


@dataclass(frozen=True)
class Slow(GaussianProcess):
    """The straight line, told to the network on another scale."""

    scale: float = 2.0

    def alpha(self, t: Tensor) -> Tensor:
        """Down."""
        return 1.0 - t

    def sigma(self, t: Tensor) -> Tensor:
        """And up."""
        return t.clone()

    def noise_label(self, t: Tensor) -> Tensor:
        """The time times `scale`."""
        return self.scale * t


@dataclass(frozen=True)
class EchoConfig:
    """Settings of an `Echo`."""

    mel: MelSpec
    gain: float = 0.5
    process: dict[str, Any] = field(default_factory=lambda: {"name": "slow", "scale": 3.0})


class Echo(nn.Module):
    """Noise as loud as the mel: what a vocoder is to the synthesizer, and hardly anything else."""

    context_frames = condition_context_frames = noise_context_frames = 1

    def __init__(self, config: EchoConfig) -> None:
        super().__init__()
        self.config = config
        self.mel_spec = config.mel
        self.process = process_from_dict(config.process)
        self.gain = nn.Parameter(torch.full((1,), config.gain))

    def prepare(self, log_mel: Tensor, compute_dtype: torch.dtype | None = None) -> Tensor:
        """Loudness of the samples."""
        loudness = log_mel_to_mel(log_mel, self.mel_spec).mean(dim=-2, keepdim=True)
        return loudness.repeat_interleave(self.mel_spec.hop_length, dim=-1)

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> Callable[[Tensor, Tensor, Any], Tensor]:
        """A bit of what is there."""
        return lambda x, t, cond: (self.gain * x * cond).detach()

    def noise(self, log_mel: Tensor, seed: int, first_frame: int, cond: Any = None) -> Callable[[int], Tensor]:
        """White noise."""
        first, last = (i * self.mel_spec.hop_length for i in (first_frame, first_frame + log_mel.shape[-1]))
        return lambda draw: positional_noise(seed, draw, first, last)[None]


def open_echo(name_or_path: str | Path, *, device: str = "auto") -> VocoderSynthesizer:
    """What `audiodiff.load` calls."""
    chosen = open_device(device)
    folder = find_checkpoint(name_or_path)
    model = load_checkpoint(folder, Echo).to(chosen)
    config = read_config(folder)
    identity = ModelRecord(public_name(name_or_path), weights_hash(folder / WEIGHTS_FILE), hash_config(config["model"]))
    return VocoderSynthesizer(model, name=str(name_or_path), identity=identity, device=chosen)


ECHO = Kind(
    "echo",
    "an echo, which hardly does anything",
    config="echoes:EchoConfig",
    module="echoes:Echo",
    synthesizer="echoes:open_echo",
    recipe="echo",
)


@dataclass(frozen=True)
class Data:
    """Where the corpus is."""

    folder: str = ""


@dataclass(frozen=True)
class Config:
    """A run of `train`."""

    data: Data = field(default_factory=Data)
    output: str = ""
    gain: float = 0.25
    preset: str = "echo-tiny"


class Recipe:
    """Reads settings."""

    to_dict = staticmethod(asdict)

    def configure(self, source: str, changes: Mapping[str, Any]) -> Config:
        """The settings of a run."""
        return Config(Data(changes.get("data.folder", "")), changes["output"], float(changes.get("gain", 0.25)))


RECIPE = Recipe()
PRESETS = ("echo-tiny",)
NEXT = "try it with `audiodiff vocode in.wav -o out.wav --model {folder}`"


def train(config: Config, *, resume: bool) -> Path:
    """Learn nothing, and keep it."""
    folder = Path(config.output)
    save_checkpoint(folder, Echo(EchoConfig(preset("hifigan-22k"), config.gain)), {"description": "an echo"})
    return folder


class Letters:
    """One state for each letter."""

    width, max_tokens = 1, 100

    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        """The letters' numbers."""
        return [TextStates(torch.tensor([[math.log(ord(c))] for c in text]), 0, "") for text in texts]


def open_letters(place: str) -> Letters:
    """What `open_encoder` calls."""
    return Letters(f"letters:{place}")
