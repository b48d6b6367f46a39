"""Training a mel autoencoder, the codec of a latent model: the settings, and the run from corpus to checkpoint.

The log-mel of a crop is encoded, blurred as its variance says, and decoded again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from audiodiff.models.checkpoint import autoencoder_hash, load_checkpoint, read_config, save_checkpoint
from audiodiff.models.find import find_checkpoint
from audiodiff.nn.discriminator import MelDiscriminator
from audiodiff.signal import mel
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig

from .adversarial import Adversary, check_adversarial
from .corpus import DataConfig, RandomCrops, describe_corpus, fit_length, open_corpus
from .recipe import OnStep, Recipe, RunSettings, with_loss
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
class AdversarialConfig:
    """A discriminator of mels, which gives them the grain that the mean of all errors smooths away.

    Attributes:
        weight: of the adversarial loss; 0 trains without a discriminator.
        feature_weight: of the feature matching loss.
        discriminator_rate: learning rate of the discriminator.
        discriminator_channels: its width.
        judged_items: how many items of a batch are judged; they are the costly ones.
        fade_in_steps: steps over which both weights grow from 0, while the discriminator learns the basics.
    """

    weight: float = 0.0
    feature_weight: float = 0.5
    discriminator_rate: float = 1e-3
    discriminator_channels: int = 16
    judged_items: int = 6
    fade_in_steps: int = 200


@dataclass(frozen=True, kw_only=True)
class Config(RunSettings):
    """A whole run.

    Attributes:
        adversarial: a discriminator, for the last stretch, from trained weights (`init`).
        keep_encoder: train the decoder of `init` alone: latents of recordings stay what they are, so shards of them
            keep fitting, and so do denoisers.
    """

    model: MelAutoencoderConfig
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    keep_encoder: bool = False

    def __post_init__(self) -> None:
        """Refuse crops that do not fit the latents, and mels with empty bands."""
        check_bounds(self.validation, "validation", clips=(0, 10_000), seconds=(1e-3, 3600.0))
        check_adversarial(self.adversarial, self.train)
        if self.keep_encoder and not self.init:
            raise AudiodiffError("keep_encoder is set, but there is no encoder to keep; give a checkpoint (--init).")
        mel.check_filters(self.model.mel)
        if self.model.stereo is not None:
            raise AudiodiffError(
                "model.stereo is not trained; leave it out, and add it to the checkpoint by `audiodiff add-stereo`."
            )
        per_latent = self.model.network.frames_per_latent
        if self.data.crop_frames % per_latent:
            raise AudiodiffError(
                f"data.crop_frames is {self.data.crop_frames}, which is no multiple of the {per_latent} frames per "
                f"latent ({' x '.join(map(str, self.model.network.strides))})."
            )


RECIPE = Recipe(
    "autoencoder",
    Config(
        model=MelAutoencoderConfig(mel=mel.preset("bigvgan-44k")),
        train=TrainConfig(steps=1, batch_size=1),
    ),
)

configure = RECIPE.configure

NEXT = "encode a corpus with it: `audiodiff encode CORPUS -o SHARDS --autoencoder {folder}`"
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
        config, lambda: MelAutoencoder(config.model), config.data.crop_frames, resume=resume, on_step=on_step
    )
    devices = run.devices
    train_set, valid_set = open_corpus(
        config.data, config.validation.clips, config.model.mel.sample_rate, tell=devices.rank == 0
    )
    crops = RandomCrops(train_set, config.data, config.train.seed, _n_samples(config), config.train.batch_size)
    first = train_set.crops(config.train.seed, 0, _STATISTICS_CROPS, _n_samples(config))
    examples = _log_mels(first.waveform, config)
    run.tell_memory()
    model = build_model(config, examples, first.bandwidth_hz).to(devices.device)
    examples = examples.to(devices.device)
    metadata = describe(config, train_set)
    if config.keep_encoder:
        init = find_checkpoint(config.init)
        metadata |= {"shards_of": shards_of(init), "sampling": limits_of(init)}

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, MelAutoencoder)
        if not config.keep_encoder:
            averaged.fit_latent_statistics(examples)
        save_checkpoint(folder, averaged, {**metadata, **facts})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, MelAutoencoder)
        distance, pictures = reconstruct(averaged, valid_set, config, devices)
        for index, picture in enumerate(pictures):
            board.picture(step, f"clip {index + 1}", picture)
        return {"log_mel_l1": distance}

    return run_steps(
        run,
        models_with_losses(model, crops, config, devices),
        train_set,
        export=export,
        validate=validate if config.validation.clips else None,
        name_batch=crops.names,
    )


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
    if config.keep_encoder:  # with its statistics, and what it tells of stereo
        given.encoder.requires_grad_(False)
        return given
    model.load_state_dict({name: value for name, value in given.state_dict().items() if "stereo." not in name})
    return model


def models_with_losses(
    model: MelAutoencoder, crops: RandomCrops, config: Config, devices: Devices
) -> list[ModelAndLoss]:
    """Return who trains: the autoencoder, and the discriminator of adversarial training.

    Crops at random gains are encoded, blurred by their variance, and decoded.
    """
    n_latents = config.data.crop_frames // model.frames_per_latent
    settings = config.adversarial
    adversary: Adversary | None = None
    if settings.weight:
        discriminator = MelDiscriminator(settings.discriminator_channels).to(devices.device)
        adversary = Adversary(discriminator, settings, max(settings.judged_items // devices.n_processes, 1))

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        waveform, bandwidth = crops.draw(step, generator)
        noise = torch.randn(len(waveform), config.model.network.latent_channels, n_latents, generator=generator)
        log_mel = _log_mels(devices.shard(waveform), config)
        result = model.loss(log_mel, devices.shard(noise), devices.shard(bandwidth))
        total, terms = result.per_item.mean(), dict(result.terms)
        if adversary is not None:
            paid, parts = adversary.loss(step, result.target, result.output, result.heard)
            total, terms = total + paid, terms | parts
        return LossOutput(total, terms)

    trained = with_loss("autoencoder", model, loss, devices, config.train.accumulate)
    return [trained] if adversary is None else [trained, adversary.trained()]


def _log_mels(waveform: Tensor, config: Config) -> Tensor:
    """Log-mels `[batch, n_mels, crop_frames]` of crops."""
    with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
        return mel.log_mel(waveform, config.model.mel)[..., : config.data.crop_frames]


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
    return RECIPE.describe(config, describe_corpus(config.data, data), init=config.init)


def shards_of(checkpoint: Path) -> list[str]:
    """Hashes of the autoencoders whose encoder one has: its own, and those it started from (`keep_encoder`)."""
    own = autoencoder_hash(load_checkpoint(checkpoint, MelAutoencoder))
    kept = read_config(checkpoint)["metadata"].get("shards_of", [])
    return [own, *(digest for digest in kept if digest != own)]


def limits_of(checkpoint: Path) -> dict[str, Any]:
    """The limits that go with an autoencoder out of a latent model, whoever uses it (`synthesis.top_bands`)."""
    sampling = read_config(checkpoint)["metadata"].get("sampling", {})
    return {"band_limits": sampling["band_limits"]} if "band_limits" in sampling else {}


def _n_samples(config: Config) -> int:
    return config.data.crop_frames * config.model.mel.hop_length
