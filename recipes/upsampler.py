"""Training an upsampler, the second stage of a cascade: the settings, and the run from corpus to checkpoint.

The upper band of a crop is mixed with noise at a random time, the lower band with a little noise of a level that the
model gets, and the model says what the upper band was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiodiff.bounds import check_bounds
from audiodiff.data.dataset import AudioDataset
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.spectral import log_spectral_distance
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.config import dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint
from audiodiff.models.upsampler import (
    Upsampler,
    UpsamplerConfig,
)
from audiodiff.signal.resample import resample
from audiodiff.synthesis.upsample import UpsamplerSynthesizer
from audiodiff.synthesis.upsample import load_upsampler as load_upsampler_synthesizer
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, step_seed

from .corpus import DataConfig, RandomCrops, describe_corpus, fit_length, open_corpus
from .recipe import OnStep, PlainSampling, Recipe, RunSettings, check_shape, with_loss
from .session import run_steps
from .validation import beginnings, even_times, exported

# Crops that decide how log-magnitudes are standardised.
_STATISTICS_CROPS = 128


@dataclass(frozen=True)
class UpsamplerSampling(PlainSampling):
    """How the upsampler is meant to be sampled; validation uses it.

    Attributes:
        augmentation: as in `audiodiff upsample`.
    """

    augmentation: float = 0.05


@dataclass(frozen=True)
class ValidationConfig:
    """Fixed clips that the model is measured on.

    Attributes:
        clips: how many; 0 for no validation.
        seconds: of each clip, at most.
        sounds: whether it puts sounds on the board.
    """

    clips: int = 8
    seconds: float = 3.0
    sounds: bool = True


@dataclass(frozen=True, kw_only=True)
class Config(RunSettings):
    """A whole run.

    Attributes:
        full_noise: share of training items at t_max, where sampling starts.
    """

    model: UpsamplerConfig
    data: DataConfig = field(default_factory=DataConfig)
    sampling: UpsamplerSampling = field(default_factory=partial(UpsamplerSampling, 8, "ddim", "uniform"))
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    full_noise: float = 0.1

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.data.normalize != "rms" or self.data.level != self.model.level:
            raise AudiodiffError(
                f"data.normalize is {self.data.normalize!r} at level {self.data.level}; the model expects clips at the "
                f'"rms" model.level = {self.model.level}.'
            )
        if not 0.0 <= self.full_noise <= 1.0:
            raise AudiodiffError(f"full_noise is {self.full_noise}; expected a share from 0 to 1.")
        check_bounds(self.validation, "validation", clips=(0, 10_000), seconds=(1e-3, 3600.0))
        if not 0.0 <= self.sampling.augmentation <= self.model.augmentation_max:
            raise AudiodiffError(
                f"sampling.augmentation is {self.sampling.augmentation}; expected 0 to model.augmentation_max = "
                f"{self.model.augmentation_max}."
            )


RECIPE = Recipe(
    "upsampler",
    Config(model=UpsamplerConfig(), train=TrainConfig(steps=1, batch_size=1)),
)

configure = RECIPE.configure

NEXT = "try it with `audiodiff upsample in.wav -o out.wav --model {folder}`"
"""What to do with the checkpoint, for the command line."""


def train(config: Config, *, resume: bool, on_step: OnStep | None = None) -> Path:
    """Train, and return the run folder, which is then a checkpoint for `load_checkpoint`.

    Args:
        config: the settings; `data.folder` and `output` must be set.
        resume: go on with the run in `output`.
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the corpus or the run folder is not fit; the loss is not finite.
    """
    run = RECIPE.open_run(
        config, lambda: Upsampler(config.model), config.data.crop_frames, resume=resume, on_step=on_step
    )
    devices = run.devices
    train_set, valid_set = open_corpus(
        config.data, config.validation.clips, config.model.sample_rate, tell=devices.rank == 0
    )
    run.tell_memory()
    crops = RandomCrops(
        train_set, config.data, config.train.seed, _n_samples(config), config.train.batch_size, clamp=False
    )
    model = build_model(config, train_set).to(devices.device)
    metadata = describe(config, train_set)

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, Upsampler)
        save_checkpoint(folder, averaged, {**metadata, **facts})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, Upsampler)
        loss = validation_loss(averaged, valid_set, config, devices)
        with exported(averaged, run.folder, export) as folder:
            synthesizer = load_upsampler_synthesizer(folder, device=str(devices.device))
            return {"loss": loss, "lsd_above": listen(synthesizer, valid_set, config, board=board, step=step)}

    return run_steps(
        run,
        [model_with_loss(model, crops, config, devices)],
        train_set,
        export=export,
        validate=validate if config.validation.clips else None,
        name_batch=crops.names,
    )


def build_model(config: Config, data: AudioDataset) -> Upsampler:
    """Return the upsampler with random weights from the run's seed, or with those of `config.init`.

    Args:
        config: the settings.
        data: some of its crops decide how log-magnitudes are standardised.

    Raises:
        AudiodiffError: the checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = Upsampler(config.model)
    if not config.init:
        model.fit_statistics(data.crops(config.train.seed, 0, _STATISTICS_CROPS, _n_samples(config)).waveform)
        return model
    given = load_checkpoint(find_checkpoint(config.init), Upsampler)
    theirs, ours = model_config_to_dict(given.config), model_config_to_dict(config.model)
    check_shape(config.init, theirs, ours, lambda key: not key.startswith(("t_min", "augmentation_max")))
    model.load_state_dict(given.state_dict())
    return model


def model_with_loss(model: Upsampler, crops: RandomCrops, config: Config, devices: Devices) -> ModelAndLoss:
    """Return the one who trains: crops at random gains, their upper band in noise, their lower band in a little."""
    count, shape = crops.count, config.model

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        waveform, bandwidth = crops.draw(step, generator)
        t = shape.t_min + (model.process.t_max - shape.t_min) * torch.rand(count, generator=generator)
        full = torch.rand(count, generator=generator) < config.full_noise
        t = torch.where(full, torch.full_like(t, model.process.t_max), t)
        frames = config.data.crop_frames
        noise = torch.randn(count, shape.bands, frames, generator=generator)
        augmentation = shape.augmentation_max * torch.rand(count, generator=generator)
        condition_noise = torch.randn(count, shape.n_kept, frames, generator=generator)
        parts = (waveform, bandwidth, t, noise, augmentation, condition_noise)
        result = model.loss(*(devices.shard(part) for part in parts))
        return LossOutput(result.per_item.mean(), result.terms)

    return with_loss("upsampler", model, loss, devices, config.train.accumulate)


@torch.no_grad()
def validation_loss(model: Upsampler, data: AudioDataset, config: Config, devices: Devices) -> float:
    """The training loss on the validation clips, at the same times and with the same noise whenever it is asked for."""
    shape, frames, total = config.model, config.data.crop_frames, 0.0
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    t = even_times(shape.t_min, model.process.t_max)
    augmentation = torch.full((len(t),), config.sampling.augmentation)
    for waveform, bandwidth in beginnings(data, _n_samples(config)):
        noise = torch.randn(len(t), shape.bands, frames, generator=generator)
        condition_noise = torch.randn(len(t), shape.n_kept, frames, generator=generator)
        parts = (waveform, bandwidth, t, noise, augmentation, condition_noise)
        total += model.loss(*(part.to(devices.device) for part in parts)).per_item.mean().item()
    return total / len(data)


def listen(model: UpsamplerSynthesizer, data: AudioDataset, config: Config, *, board: Board, step: int) -> float:
    """Upsample the validation clips; return the mean log-spectral distance above the kept band (dB)."""
    rate, total = model.sample_rate, 0.0
    for index in range(len(data)):
        waveform = data.waveform(index, stop=int(config.validation.seconds * rate))
        waveform = fit_length(waveform, max(len(waveform), 2048))
        low = resample(waveform[None], rate, model.low_rate)[0]
        estimate = fit_length(model.upsample(low, model.low_rate, seed=index), len(waveform))
        total += log_spectral_distance(waveform.numpy(), estimate.numpy(), rate, from_hz=model.low_rate / 2)
        if config.validation.sounds:
            board.audio(step, f"clip {index + 1}/upsampled", estimate, rate)
            board.audio(step, f"clip {index + 1}/recording", waveform, rate)
    return total / len(data)


def describe(config: Config, data: AudioDataset) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, the settings, how to sample, the command."""
    corpus = describe_corpus(config.data, data)
    metadata = RECIPE.describe(config, corpus, keep=("full_noise", "init"), init=config.init)
    return {**metadata, "sampling": dataclass_to_dict(config.sampling)}


def _n_samples(config: Config) -> int:
    return config.data.crop_frames * config.model.hop_length
