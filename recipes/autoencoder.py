"""Training a mel autoencoder: the settings, the presets, and the run from corpus to checkpoint."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.data.dataset import AudioDataset
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import (
    MelAutoencoder,
    MelAutoencoderConfig,
)
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.signal import mel
from audiodiff.training.devices import Devices, open_devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, Player, Step, TrainConfig

from .corpus import (
    DataConfig,
    describe_corpus,
    fit_length,
    open_corpus,
)
from .memory import expect_memory
from .run import check_run_folder, describe_origins, layered, run_command
from .session import run_steps

# Crops that decide how log-mels and latents are standardised.
_STATISTICS_CROPS = 128


@dataclass(frozen=True)
class ValidationConfig:
    """Fixed clips that the autoencoder is measured on.

    Attributes:
        clips: how many; 0 for no validation.
        seconds: of each clip, at most.
    """

    clips: int = 8
    seconds: float = 4.0


@dataclass(frozen=True)
class Config:
    """A whole run. Any key can be set on the command line, nested ones with dots.

    Attributes:
        output: the run folder.
        init: checkpoint folder to start the weights from; empty for random weights.
        device: "auto", "cpu", "cuda", "mps".
        description: one line for the checkpoint.
        preset: what the settings started from.
    """

    model: MelAutoencoderConfig
    train: TrainConfig
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    output: str = ""
    init: str = ""
    device: str = "auto"
    description: str = ""
    preset: str = ""

    def __post_init__(self) -> None:
        """Refuse crops that do not fit the latents, and mels with empty bands."""
        check_bounds(self.validation, "validation", clips=(0, 10_000), seconds=(1e-3, 3600.0))
        mel.check_filters(self.model.mel)
        per_latent = self.model.network.frames_per_latent
        if self.data.crop_frames % per_latent:
            raise AudiodiffError(
                f"data.crop_frames is {self.data.crop_frames}, which is no multiple of the {per_latent} frames per "
                f"latent ({' x '.join(map(str, self.model.network.strides))})."
            )


_MUSIC = Config(
    model=MelAutoencoderConfig(mel=mel.preset("bigvgan-44k")),
    train=TrainConfig(
        steps=6_000,
        batch_size=24,
        learning_rate=1e-3,
        warmup_steps=200,
        final_learning_rate_ratio=0.02,
        adam_betas=(0.9, 0.99),
        weight_decay=0.01,
        clip_norm=1.0,
        ema_half_life=12_000.0,
        precision="bf16",
        log_every=50,
        validate_every=1_000,
        save_every_seconds=120.0,
    ),
    data=DataConfig(crop_frames=128, gain_db=(-12.0, 3.0)),
    description="mel autoencoder for music, 44.1 kHz, BigVGAN-v2 mel",
)

# Runs for a GPU, which the authors have not made: steps are what such corpora usually get.
_LONG = dataclasses.replace(
    _MUSIC.train,
    steps=100_000,
    batch_size=64,
    warmup_steps=1_000,
    ema_half_life=200_000.0,
    validate_every=5_000,
    save_every_seconds=600.0,
)

# A corpus of ten hours is seen often enough in a third of the time.
_SHORT = dataclasses.replace(_LONG, steps=30_000, ema_half_life=100_000.0)

_MUSIC_DATA = DataConfig(crop_frames=128, gain_db=(-12.0, 3.0))

# Phones are shorter than most notes: twice the latents of music.
_SPEECH_MODEL = MelAutoencoderConfig(
    mel=mel.preset("hifigan-22k"), network=AutoencoderConfig(strides=(2,), blocks=(2, 2))
)

NEXT = "encode a corpus with it: `audiodiff encode CORPUS -o SHARDS --autoencoder {folder}`"
"""What to do with the checkpoint, for the command line."""

PRESETS: dict[str, Config] = {
    # The codec in the model `music`: 689 numbers a second stand for 11,000 of the mel.
    "music-autoencoder": _MUSIC,
    # The same for speech.
    "speech-autoencoder": dataclasses.replace(
        _MUSIC, model=_SPEECH_MODEL, description="mel autoencoder for speech, 22.05 kHz, HiFi-GAN mel"
    ),
    # The music in any folder, for as long as a GPU is at hand.
    "folder-autoencoder": dataclasses.replace(
        _MUSIC, train=_LONG, description="mel autoencoder for music of a folder, 44.1 kHz, BigVGAN-v2 mel"
    ),
    # 200 hours of one instrument. Every music preset keeps the mel of `music`, so that its vocoder serves them all.
    "maestro-autoencoder": dataclasses.replace(
        _MUSIC,
        train=_LONG,
        data=dataclasses.replace(_MUSIC_DATA, corpus="maestro"),
        description="mel autoencoder for piano (MAESTRO), 44.1 kHz, BigVGAN-v2 mel",
    ),
    # 10 hours of songs, voices among them.
    "musdb18-autoencoder": dataclasses.replace(
        _MUSIC,
        train=_SHORT,
        data=dataclasses.replace(_MUSIC_DATA, corpus="musdb18"),
        description="mel autoencoder for songs (MUSDB18-HQ), 44.1 kHz, BigVGAN-v2 mel",
    ),
    # 8 hours at 22.05 kHz: what the upper half of the mel should hold it never hears, and leaves it empty.
    "gtzan-autoencoder": dataclasses.replace(
        _MUSIC,
        train=_SHORT,
        data=dataclasses.replace(_MUSIC_DATA, corpus="gtzan"),
        description="mel autoencoder for ten genres (GTZAN), 44.1 kHz, BigVGAN-v2 mel",
    ),
    # 66 hours (small) or 208 (medium) of everything: the one to take for music of other kinds.
    "fma-autoencoder": dataclasses.replace(
        _MUSIC,
        train=dataclasses.replace(_LONG, steps=200_000),
        data=dataclasses.replace(_MUSIC_DATA, corpus="fma"),
        description="mel autoencoder for the Free Music Archive, 44.1 kHz, BigVGAN-v2 mel",
    ),
    # Words of a second at 16 kHz, all that the HiFi-GAN mel (to 8 kHz) shows; crops leave a quarter to move about in.
    "sc09-autoencoder": dataclasses.replace(
        _MUSIC,
        model=_SPEECH_MODEL,
        train=_SHORT,
        data=DataConfig(corpus="sc09", crop_frames=64),
        validation=ValidationConfig(seconds=1.0),
        description="mel autoencoder for spoken digits (SC09), 22.05 kHz, HiFi-GAN mel",
    ),
    # 24 hours of one reader.
    "ljspeech-autoencoder": dataclasses.replace(
        _MUSIC,
        model=_SPEECH_MODEL,
        train=_SHORT,
        data=DataConfig(corpus="ljspeech", crop_frames=128),
        description="mel autoencoder for LJSpeech, 22.05 kHz, HiFi-GAN mel",
    ),
    # Shows that everything works, in seconds.
    "tiny-autoencoder": dataclasses.replace(
        _MUSIC,
        model=MelAutoencoderConfig(
            mel=mel.preset("hifigan-22k"),
            network=AutoencoderConfig(width=32, latent_channels=8, blocks=(1, 0, 1)),
        ),
        train=dataclasses.replace(
            _MUSIC.train, steps=60, batch_size=4, warmup_steps=10, ema_half_life=100.0, precision="fp32", log_every=10
        ),
        data=DataConfig(crop_frames=32),
        validation=ValidationConfig(clips=2, seconds=1.0),
        description="a mel autoencoder that has hardly learnt anything",
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
    return dataclass_from_dict(Config, {**values, "model": dataclass_from_dict(MelAutoencoderConfig, values["model"])})


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
    memory = expect_memory(lambda: MelAutoencoder(config.model), config.train, config.data.crop_frames, devices)
    train_set, valid_set = open_corpus(
        config.data, config.validation.clips, config.model.mel.sample_rate, tell=devices.rank == 0
    )
    waveform, bandwidth = _crops(train_set, config, 0, _STATISTICS_CROPS, None)
    examples = _log_mels(waveform, config)
    if devices.rank == 0:
        print(f"training takes {memory}.", flush=True)
    model = build_model(config, examples, bandwidth).to(devices.device)
    examples = examples.to(devices.device)
    metadata = describe(config, train_set)

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, MelAutoencoder)
        averaged.fit_latent_statistics(examples)
        save_checkpoint(folder, averaged, {**metadata, **facts})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, MelAutoencoder)
        distance, pictures = reconstruct(averaged, valid_set, config, devices)
        for index, picture in enumerate(pictures):
            board.picture(step, f"clip {index + 1}", picture)
        return {"log_mel_l1": distance}

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


def build_model(config: Config, examples: Tensor, bandwidth_hz: Tensor | None = None) -> MelAutoencoder:
    """Return the autoencoder with random weights from the run's seed, or with those of `config.init`.

    Args:
        config: the settings.
        examples: log-mels `[batch, n_mels, n_frames]` that decide their standardisation.
        bandwidth_hz: what their recordings hold nothing above, `[batch]` (Hz); None for those that hold everything.

    Raises:
        AudiodiffError: the checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = MelAutoencoder(config.model)
    if not config.init:
        model.fit_mel_statistics(examples, bandwidth_hz)
        return model
    given = load_checkpoint(find_checkpoint(config.init), MelAutoencoder)
    if (given.config.mel, given.config.network) != (config.model.mel, config.model.network):
        raise AudiodiffError(
            f"the checkpoint {config.init} is of another shape or mel; give the settings that it was trained with."
        )
    model.load_state_dict(given.state_dict())
    return model


def make_player(model: MelAutoencoder, data: AudioDataset, config: Config, devices: Devices) -> Player:
    """Return the one who trains: crops at random gains are encoded, blurred by their variance, and decoded."""
    n_latents = config.data.crop_frames // model.frames_per_latent

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        waveform, bandwidth = _crops(data, config, step, config.train.batch_size, generator)
        noise = torch.randn(len(waveform), model.latent_channels, n_latents, generator=generator)
        log_mel = _log_mels(devices.shard(waveform), config)
        result = model.loss(log_mel, devices.shard(noise), devices.shard(bandwidth))
        return LossOutput(result.per_item.mean(), result.terms)

    first, *further = [partial(loss, part) for part in devices.parts(config.train.accumulate)]
    return Player("autoencoder", model, first, further=further)


def _crops(
    data: AudioDataset, config: Config, step: int, count: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Random crops `[count, n_samples]` of `crop_frames` frames, at random gains if there is a generator.

    With them what their recordings hold nothing above, `[count]` (Hz).
    """
    n_samples = config.data.crop_frames * config.model.mel.hop_length
    batch = data.crops(config.train.seed, step, count, n_samples)
    if generator is None:
        return batch.waveform, batch.bandwidth_hz
    low, high = config.data.gain_db
    gain = 10.0 ** ((torch.rand(count, generator=generator) * (high - low) + low) / 20.0)
    return (batch.waveform * gain[:, None]).clamp(-1.0, 1.0), batch.bandwidth_hz


def _log_mels(waveform: Tensor, config: Config) -> Tensor:
    """Log-mels `[batch, n_mels, crop_frames]` of crops."""
    with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
        return mel.log_mel(waveform, config.model.mel)[..., : config.data.crop_frames]


def batch_names(data: AudioDataset, config: Config, step: int) -> str:
    """Name the clips of a step's batch."""
    n_samples = config.data.crop_frames * config.model.mel.hop_length
    index = data.crops(config.train.seed, step, config.train.batch_size, n_samples).index
    return ", ".join(dict.fromkeys(str(data.items[i].path) for i in index.tolist()))


@torch.no_grad()
def reconstruct(
    model: MelAutoencoder, data: AudioDataset, config: Config, devices: Devices
) -> tuple[float, list[Tensor]]:
    """Encode and decode the validation clips.

    Returns:
        Mean distance of log-mels (L1) in the bands that the recordings can hold, and for each clip the mels
        `[2, n_mels, n_frames]`, the recording's first.
    """
    spec, per_latent = config.model.mel, model.frames_per_latent
    n_frames = max(int(config.validation.seconds * spec.sample_rate / spec.hop_length) // per_latent, 1) * per_latent
    n_samples = n_frames * spec.hop_length
    distances, pictures = [], []
    for index in range(len(data)):
        waveform = fit_length(data.waveform(index, stop=n_samples), n_samples)
        log_mel = mel.log_mel(waveform[None], spec)[..., :n_frames].to(devices.device)
        output = model.decode(model.encode(log_mel))
        heard = model.heard(log_mel, torch.tensor([data.bandwidth_hz(index)]))
        distances.append(((output - log_mel).abs() * heard).mean().item())
        pictures.append(torch.cat([log_mel, output]).cpu())
    return sum(distances) / len(distances), pictures


def describe(config: Config, data: AudioDataset) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, the settings, the command that made it."""
    training = {key: value for key, value in config_to_dict(config).items() if key in ("train", "data")}
    training["data"] = {key: value for key, value in training["data"].items() if key not in ("folder", "cache")}
    preset = config_to_dict(PRESETS[config.preset]) if config.preset else None
    corpus = describe_corpus(config.data, data)
    return {
        "description": config.description,
        "corpus": corpus,
        "origins": describe_origins(corpus, init=config.init),
        "training": training,
        "command": run_command(config.preset, preset, config_to_dict(config)),
    }
