"""Training an upsampler: the settings, the presets, and the run from corpus to checkpoint.

config = configure("upsampler-speech", {"data.folder": "corpus", "output": "runs/upsampler"})
train(config, resume=False)
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.data.dataset import AudioDataset
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import GRIDS
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.spectral import log_spectral_distance
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint
from audiodiff.models.upsampler import (
    Upsampler,
    UpsamplerConfig,
)
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.training.devices import Devices, open_devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, Player, Step, TrainConfig, step_seed

from .corpus import (
    DataConfig,
    describe_corpus,
    fit_length,
    open_corpus,
)
from .memory import expect_memory
from .run import check_run_folder, describe_origins, layered, run_command
from .session import run_steps
from .settings import differences

# Crops that decide how log-magnitudes are standardised.
_STATISTICS_CROPS = 128


@dataclass(frozen=True)
class SamplingConfig:
    """How the model is meant to be sampled; goes into the checkpoint, and validation uses it.

    Attributes:
        steps, sampler, grid, precision, augmentation: as in `audiodiff upsample`.
    """

    steps: int = 8
    sampler: str = "ddim"
    grid: str = "uniform"
    precision: Literal["fp32", "bf16"] = "fp32"
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


@dataclass(frozen=True)
class Config:
    """A whole run. Any key can be set on the command line, nested ones with dots.

    Attributes:
        full_noise: share of training items at t_max, where sampling starts.
        output: the run folder.
        init: checkpoint folder to start the weights from; empty for random weights.
        device: "auto", "cpu", "cuda", "mps".
        description: one line for the checkpoint.
        preset: what the settings started from.
    """

    model: UpsamplerConfig
    train: TrainConfig
    data: DataConfig = field(default_factory=DataConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    full_noise: float = 0.1
    output: str = ""
    init: str = ""
    device: str = "auto"
    description: str = ""
    preset: str = ""

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
        check_bounds(self.sampling, "sampling", steps=(1, 10_000))
        if self.sampling.sampler not in SAMPLERS:
            raise AudiodiffError(f"sampling.sampler is {self.sampling.sampler!r}; known: {', '.join(SAMPLERS)}.")
        if self.sampling.grid not in GRIDS:
            raise AudiodiffError(f"sampling.grid is {self.sampling.grid!r}; known: {', '.join(GRIDS)}.")
        if not 0.0 <= self.sampling.augmentation <= self.model.augmentation_max:
            raise AudiodiffError(
                f"sampling.augmentation is {self.sampling.augmentation}; expected 0 to model.augmentation_max = "
                f"{self.model.augmentation_max}."
            )


_SPEECH = Config(
    # 16 kHz in frames of 8 ms: 145 of 257 bins are made, in 24 bands.
    model=UpsamplerConfig(
        wavenet=WaveNetConfig(channels=160, layers=8, dilation_cycle=4, cond_channels=96, embedding_width=128),
    ),
    train=TrainConfig(
        steps=2_200,
        batch_size=16,
        learning_rate=8e-4,
        warmup_steps=200,
        final_learning_rate_ratio=0.02,
        adam_betas=(0.9, 0.99),
        weight_decay=0.01,
        clip_norm=1.0,
        ema_half_life=8_000.0,
        precision="bf16",
        log_every=50,
        validate_every=500,
        save_every_seconds=120.0,
    ),
    # Gains either way: a clip of much silence is brought to the level by its average.
    data=DataConfig(crop_frames=128, gain_db=(-9.0, 6.0)),
    description="speech upsampler, 8 to 16 kHz",
)

NEXT = "try it with `audiodiff upsample in.wav -o out.wav --model {folder}`"
"""What to do with the checkpoint, for the command line."""

PRESETS: dict[str, Config] = {
    # The model in the package: ten minutes of one CPU core. More steps still help.
    "upsampler-speech": _SPEECH,
    # Shows that everything works, in seconds.
    "tiny-upsampler": dataclasses.replace(
        _SPEECH,
        model=dataclasses.replace(
            _SPEECH.model,
            wavenet=WaveNetConfig(channels=32, layers=4, dilation_cycle=2, cond_channels=16, embedding_width=32),
        ),
        train=dataclasses.replace(
            _SPEECH.train,
            steps=60,
            batch_size=4,
            warmup_steps=10,
            ema_half_life=100.0,
            precision="fp32",
            log_every=10,
            validate_every=60,
        ),
        data=DataConfig(crop_frames=32, gain_db=(-9.0, 6.0)),
        sampling=SamplingConfig(steps=2),
        validation=ValidationConfig(clips=2, seconds=1.0),
        description="an upsampler that has hardly learnt anything",
    ),
}


def configure(source: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a run; see `audiodiff_recipes.vocoder.configure`."""
    name, values, _ = layered(
        source, changes or {}, {key: config_to_dict(preset) for key, preset in PRESETS.items()}, Config
    )
    return config_from_dict({**values, "preset": name})


def config_to_dict(config: Config) -> dict[str, Any]:
    """Turn a config into JSON values."""
    return {**dataclass_to_dict(config), "model": model_config_to_dict(config.model)}


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """Read a config from plain values.

    Raises:
        AudiodiffError: an unknown key, a value of the wrong type, or parts that do not fit each other.
    """
    return dataclass_from_dict(Config, {**values, "model": dataclass_from_dict(UpsamplerConfig, values["model"])})


def train(config: Config, *, resume: bool, on_step: Callable[[Step], None] | None = None) -> Path:
    """Train, and return the run folder, which is then a checkpoint for `load_checkpoint`.

    Args:
        config: the settings; `data.folder` and `output` must be set.
        resume: go on with the run in `output`.
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the corpus or the run folder is not fit; the loss is not finite.
    """
    settings = config_to_dict(config)
    run = check_run_folder(config.output, settings, resume)
    devices = open_devices(config.device)
    memory = expect_memory(lambda: Upsampler(config.model), config.train, config.data.crop_frames, devices)
    train_set, valid_set = open_corpus(
        config.data, config.validation.clips, config.model.sample_rate, tell=devices.rank == 0
    )
    if devices.rank == 0:
        print(f"training takes {memory}.", flush=True)
    model = build_model(config, train_set).to(devices.device)
    metadata = describe(config, train_set)

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, Upsampler)
        save_checkpoint(folder, averaged, {**metadata, **facts})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, Upsampler)
        return {
            "loss": validation_loss(averaged, valid_set, config, devices),
            "lsd_above": listen(averaged, valid_set, config, devices, board=board, step=step),
        }

    run_steps(
        [make_player(model, train_set, config, devices)],
        config.train,
        run,
        devices,
        settings=settings,
        corpus=train_set,
        resume=resume,
        export=export,
        validate=validate if config.validation.clips else None,
        name_batch=lambda step: batch_names(train_set, config, step),
        on_step=on_step,
    )
    return run


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
    odd = [
        change
        for change in differences(model_config_to_dict(given.config), model_config_to_dict(config.model))
        if not change[0].startswith(("t_min", "augmentation_max"))
    ]
    if odd:
        key, theirs, ours = odd[0]
        raise AudiodiffError(
            f"the checkpoint {config.init} is of another shape: model.{key} is {theirs} there and {ours} here; "
            "give the settings that it was trained with."
        )
    model.load_state_dict(given.state_dict())
    return model


def make_player(model: Upsampler, data: AudioDataset, config: Config, devices: Devices) -> Player:
    """Return the one who trains: crops at random gains, their upper band in noise, their lower band in a little."""
    count, shape = config.train.batch_size, config.model

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        batch = data.crops(config.train.seed, step, count, _n_samples(config))
        low, high = config.data.gain_db
        gain = 10.0 ** ((torch.rand(count, generator=generator) * (high - low) + low) / 20.0)
        t = shape.t_min + (model.process.t_max - shape.t_min) * torch.rand(count, generator=generator)
        full = torch.rand(count, generator=generator) < config.full_noise
        t = torch.where(full, torch.full_like(t, model.process.t_max), t)
        frames = config.data.crop_frames
        noise = torch.randn(count, shape.bands, frames, generator=generator)
        augmentation = shape.augmentation_max * torch.rand(count, generator=generator)
        condition_noise = torch.randn(count, shape.n_kept, frames, generator=generator)
        waveform = batch.waveform * gain[:, None]
        parts = (waveform, batch.bandwidth_hz, t, noise, augmentation, condition_noise)
        result = model.loss(*(devices.shard(part) for part in parts))
        return LossOutput(result.per_item.mean(), result.terms)

    first, *further = [partial(loss, part) for part in devices.parts(config.train.accumulate)]
    return Player("upsampler", model, first, further=further)


def batch_names(data: AudioDataset, config: Config, step: int) -> str:
    """Name the clips of a step's batch."""
    index = data.crops(config.train.seed, step, config.train.batch_size, _n_samples(config)).index
    return ", ".join(dict.fromkeys(str(data.items[i].path) for i in index.tolist()))


@torch.no_grad()
def validation_loss(model: Upsampler, data: AudioDataset, config: Config, devices: Devices) -> float:
    """The training loss on the validation clips, at the same times and with the same noise whenever it is asked for."""
    shape, n_samples, n_times = config.model, _n_samples(config), 4
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    total = 0.0
    for index in range(len(data)):
        waveform = fit_length(data.waveform(index, stop=n_samples), n_samples).expand(n_times, -1)
        share = (torch.arange(n_times) + 0.5) / n_times
        t = shape.t_min + (model.process.t_max - shape.t_min) * share
        bandwidth = torch.full((n_times,), data.bandwidth_hz(index))
        noise = torch.randn(n_times, shape.bands, config.data.crop_frames, generator=generator)
        augmentation = torch.full((n_times,), config.sampling.augmentation)
        condition_noise = torch.randn(n_times, shape.n_kept, config.data.crop_frames, generator=generator)
        parts = (waveform, bandwidth, t, noise, augmentation, condition_noise)
        total += model.loss(*(part.to(devices.device) for part in parts)).per_item.mean().item()
    return total / len(data)


def listen(model: Upsampler, data: AudioDataset, config: Config, devices: Devices, *, board: Board, step: int) -> float:
    """Upsample the validation clips; return the mean log-spectral distance above the kept band (dB)."""
    rate, total = config.model.sample_rate, 0.0
    for index in range(len(data)):
        waveform = data.waveform(index, stop=int(config.validation.seconds * rate))
        waveform = fit_length(waveform, max(len(waveform), 2048))
        base = model.narrow(waveform[None].to(devices.device))
        estimate = upsample(model, base, config.sampling, seed=index)[0].cpu()
        total += log_spectral_distance(waveform.numpy(), estimate.numpy(), rate, from_hz=config.model.low_rate / 2)
        if config.validation.sounds:
            board.audio(step, f"clip {index + 1}/upsampled", estimate, rate)
            board.audio(step, f"clip {index + 1}/recording", waveform, rate)
    return total / len(data)


@torch.no_grad()
def upsample(model: Upsampler, base: Tensor, settings: SamplingConfig, seed: int) -> Tensor:
    """Give short interpolated waveforms `[1, n_samples]` at the model's level the band they lack: `[1, n_samples]`."""
    n_frames = model.stft.n_frames(base.shape[-1])
    level = torch.full((len(base),), settings.augmentation, device=base.device)
    cond = model.condition(base, level, model.condition_noise(seed, 0, n_frames).to(base.device))
    denoiser = model.denoiser(torch.bfloat16 if settings.precision == "bf16" else None)

    def noise(draw: int) -> Tensor:
        return model.noise(seed, draw, 0, n_frames).to(base.device)

    state = sample(
        SAMPLERS[settings.sampler](),
        lambda x, t: denoiser(x, t, cond),
        model.process,
        model.process.prior(noise(0)),
        GRIDS[settings.grid](model.process, settings.steps),
        noise,
    )
    return model.decode(state, base)


def describe(config: Config, data: AudioDataset) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, the settings, how to sample, the command."""
    training = {
        key: value for key, value in config_to_dict(config).items() if key in ("train", "data", "full_noise", "init")
    }
    training["data"] = {key: value for key, value in training["data"].items() if key not in ("folder", "cache")}
    preset = config_to_dict(PRESETS[config.preset]) if config.preset else None
    corpus = describe_corpus(config.data, data)
    return {
        "description": config.description,
        "corpus": corpus,
        "origins": describe_origins(corpus, init=config.init),
        "training": training,
        "sampling": dataclass_to_dict(config.sampling),
        "command": run_command(config.preset, preset, config_to_dict(config)),
    }


def _n_samples(config: Config) -> int:
    return config.data.crop_frames * config.model.hop_length
