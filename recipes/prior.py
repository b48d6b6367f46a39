"""Training the prior of a latent model: it learns what the embeddings of clips are like, given their captions.

The rest of the model stays as it is; the run ends as the whole model with its prior.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.data.shards import LatentBatch, LatentDataset
from audiodiff.diffusion.times import QUANTILES, stratified_uniform
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint
from audiodiff.models.mel_latent import MelLatent, MelLatentConfig, PriorConfig
from audiodiff.models.mel_latent.prior import EMBEDDING_TOKENS, prior_loss, prior_network
from audiodiff.nn.condition import Condition, drop_conditions, drop_parts
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, step_seed

from . import latent_config
from .latent import batch_condition, batch_names, copy_vocoder
from .latent_shards import check_shards, describe_shards, open_shards
from .recipe import OnStep, Recipe, RunSettings, with_loss
from .session import run_steps

__all__ = ["NEXT", "RECIPE", "Config", "configure", "train"]

NEXT = "try it with `audiodiff generate PROMPT -o out.wav --model {folder} --prior --count 4`"
"""What to do with the checkpoint, for the command line."""


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        folder, folder_weights, recorded_weight: as for the latent model.
        crop_latents: latents that an embedding is of, about as many as a clip has.
        drop_all: share of items without any condition.
        drop_text: share of the others without text.
        drop_number: share of numbers, and of classes, that are withheld.
    """

    folder: str = ""
    folder_weights: tuple[float, ...] = ()
    recorded_weight: float = latent_config.DataConfig.recorded_weight
    crop_latents: int = 215
    drop_all: float = latent_config.DataConfig.drop_all
    drop_text: float = latent_config.DataConfig.drop_text
    drop_number: float = latent_config.DataConfig.drop_number


@dataclass(frozen=True)
class ValidationConfig:
    """What is measured while training goes on.

    Attributes:
        crops: how many of the validation split the loss is measured on; 0 for no validation.
    """

    crops: int = 256


@dataclass(frozen=True, kw_only=True)
class Config(RunSettings):
    """A whole run; `init` is the model that gets the prior.

    Attributes:
        times: the quantile function of training times (`audiodiff.diffusion.times.QUANTILES`).
    """

    model: PriorConfig
    data: DataConfig = field(default_factory=DataConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    times: str = "logit_normal"

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.times not in QUANTILES:
            raise AudiodiffError(f"times is {self.times!r}; known: {', '.join(QUANTILES)}.")
        check_bounds(self.model, "model", width=(1, 8192))
        check_bounds(
            self.data,
            "data",
            crop_latents=(1, 100_000),
            recorded_weight=(1e-9, 1e9),
            folder_weights=(1e-9, 1e9),
            drop_all=(0.0, 1.0),
            drop_text=(0.0, 1.0),
            drop_number=(0.0, 1.0),
        )
        check_bounds(self.validation, "validation", crops=(0, 1_000_000))


RECIPE = Recipe("prior", Config(model=PriorConfig(width=128), train=TrainConfig(steps=1, batch_size=1)))

configure = RECIPE.configure


def train(config: Config, *, resume: bool, on_step: OnStep | None = None) -> Path:
    """Train, and return the run folder, which is then the checkpoint of the latent model with its prior.

    Args:
        config: the settings; `data.folder`, `init` and `output` must be set.
        resume: go on with the run in `output`.
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the model, the shards or the run folder is not fit; the loss is not
            finite.
    """
    if not config.init:
        raise AudiodiffError("init is not set; name the latent model that gets the prior (--init MODEL).")
    source = find_checkpoint(config.init)
    given = load_checkpoint(source, MelLatent)
    if not given.config.embedding:
        raise AudiodiffError(
            f"the model {config.init} takes no embedding that a prior could draw; train it further with "
            "`audiodiff train music --init MODEL --embedding true` first."
        )
    run = RECIPE.open_run(
        config,
        lambda: prior_network(_with_prior(given.config, config), given.channels),
        EMBEDDING_TOKENS,
        resume=resume,
        on_step=on_step,
    )
    devices = run.devices
    of_latents = _of_latents(config, given)
    train_set = open_shards(of_latents, "train")
    check_shards(train_set, of_latents)
    valid_set = open_shards(of_latents, "valid") if config.validation.crops else None
    run.tell_memory()
    model = with_prior(given, config).to(devices.device)
    metadata = describe(config, of_latents, source)

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert averaged is model.prior
        if (source / VOCODER_FOLDER).is_dir():  # first, so that a model that is there has its vocoder
            copy_vocoder(source / VOCODER_FOLDER, folder / VOCODER_FOLDER)
        save_checkpoint(folder, model, {**metadata, "prior": {**metadata["prior"], **facts}})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert valid_set is not None
        return {"loss": validation_loss(model, valid_set, config, devices)}

    return run_steps(
        run,
        [model_with_loss(model, train_set, config, devices)],
        train_set,
        export=export,
        validate=validate if valid_set is not None else None,
        name_batch=lambda step: batch_names(train_set, of_latents, step),
    )


def with_prior(given: MelLatent, config: Config) -> MelLatent:
    """Return a trained model with a prior of random weights from the run's seed, the only thing that is learnt."""
    torch.manual_seed(config.train.seed)
    model = MelLatent(_with_prior(given.config, config))
    weights = {name: value for name, value in given.state_dict().items() if not name.startswith("prior.")}
    missing, strange = model.load_state_dict(weights, strict=False)
    assert not strange
    assert all(name.startswith("prior.") for name in missing)
    model.requires_grad_(False)
    assert model.prior is not None
    model.prior.requires_grad_(True)
    return model.eval()


def _with_prior(given: MelLatentConfig, config: Config) -> MelLatentConfig:
    return dataclasses.replace(given, prior=config.model)


def model_with_loss(model: MelLatent, data: LatentDataset, config: Config, devices: Devices) -> ModelAndLoss:
    """Return the one who trains: the embedding of a crop is mixed with noise, and the prior says what it was."""
    settings, batch_size = config.data, config.train.batch_size
    assert model.prior is not None

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        batch = data.batch(config.train.seed, step, batch_size, settings.crop_latents)
        t, noise = _times_and_noise(model, config, batch, generator)
        cond = batch_condition(model, batch)

        def chosen(share: float, *shape: int) -> Tensor:
            return torch.rand(shape or (batch_size,), generator=generator) < share

        nothing = torch.zeros(batch_size, dtype=torch.bool)
        numbers, classes = (chosen(settings.drop_number, *part.shape) for part in (cond.numbers, cond.classes))
        told = drop_parts(cond, chosen(settings.drop_text), numbers, classes, *[nothing] * 4)
        told = drop_conditions(told, chosen(settings.drop_all))
        return LossOutput(_loss(model, cond.clip, told, t, noise, devices).mean(), {})

    return with_loss("prior", model.prior, loss, devices, config.train.accumulate)


@torch.no_grad()
def validation_loss(model: MelLatent, data: LatentDataset, config: Config, devices: Devices) -> float:
    """The training loss on validation crops, at the same times and with the same noise whenever it is asked for."""
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    batch = data.batch(0, 0, config.validation.crops, config.data.crop_latents)
    t, noise = _times_and_noise(model, config, batch, generator)
    cond = batch_condition(model, batch)
    return _loss(model, cond.clip, cond, t, noise, Devices(devices.device)).mean().item()


def _times_and_noise(
    model: MelLatent, config: Config, batch: LatentBatch, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    n_crops = len(batch.latents)
    t = QUANTILES[config.times](model.process, stratified_uniform(n_crops, generator)).float()
    return t, torch.randn(n_crops, model.channels, EMBEDDING_TOKENS, generator=generator)


def _loss(model: MelLatent, clip: Tensor, cond: Condition, t: Tensor, noise: Tensor, devices: Devices) -> Tensor:
    told = Condition(*(devices.shard(part) for part in cond))
    return prior_loss(model.prior_denoiser(), devices.shard(clip), told, devices.shard(t), devices.shard(noise))


def _of_latents(config: Config, given: MelLatent) -> latent_config.Config:
    """The settings of a run on the same shards that would train the latent model."""
    data = latent_config.DataConfig(
        folder=config.data.folder,
        folder_weights=config.data.folder_weights,
        recorded_weight=config.data.recorded_weight,
        crop_latents=(config.data.crop_latents,),
    )
    return latent_config.Config(model=given.config, train=config.train, data=data, autoencoder=config.init)


def describe(config: Config, of_latents: latent_config.Config, source: Path) -> dict[str, Any]:
    """What travels with the weights: all that the model came with, and what its prior has learnt from."""
    own = RECIPE.describe(config, describe_shards(of_latents)[0], keep=("times", "model"), init=config.init)
    return {**read_config(source)["metadata"], "prior": own}
