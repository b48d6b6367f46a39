"""Training a latent model: the settings, the presets, and the run from shards of latents to checkpoint."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from audiodiff.data.shard_files import find_shards
from audiodiff.data.shards import LatentBatch, LatentDataset
from audiodiff.diffusion.samplers import SAMPLERS
from audiodiff.diffusion.times import GRIDS, QUANTILES, stratified_uniform
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoderConfig
from audiodiff.models.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    load_autoencoder,
    load_mel_latent,
    read_config,
    save_mel_latent,
    weights_hash,
)
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict
from audiodiff.models.mel_latent import (
    MelLatent,
    MelLatentConfig,
    mel_latent_config_from_dict,
    mel_latent_config_to_dict,
)
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.nn.condition import Condition, drop_conditions, drop_parts
from audiodiff.nn.transformer import DiTConfig
from audiodiff.presets.run import check_run_folder, layered, run_command, run_steps, write_settings
from audiodiff.presets.settings import differences
from audiodiff.signal import mel
from audiodiff.training.devices import Devices, open_devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, Player, Step, TrainConfig, step_seed

VOCODER_FOLDER = "vocoder"
"""Where a latent model's checkpoint keeps its vocoder."""


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        folder: shards made by `audiodiff encode`: a folder or a URL; several with commas between them.
        crop_latents: latents per training item; several lengths take turns, so that none is strange to the model.
        recorded_weight: how much more often than their length says recordings are drawn than rendered clips.
        drop_all: share of items trained without any condition, for guidance.
        drop_text: share of the others trained without text.
        drop_number: share of numbers, and of classes, that are withheld, so that they can be left out.
    """

    folder: str = ""
    crop_latents: tuple[int, ...] = (128, 64, 96, 215)  # six seconds, with many crops to a clip, ..., the whole ten
    recorded_weight: float = 1.0
    drop_all: float = 0.1
    drop_text: float = 0.05
    drop_number: float = 0.4


@dataclass(frozen=True)
class SamplingConfig:
    """How the model is meant to be sampled; goes into the checkpoint.

    Attributes:
        steps, sampler, grid, precision: as in `audiodiff generate`.
        guidance: scale of classifier-free guidance, 1 for none.
        rescale: how far the guided estimate is brought back to the deviation of the plain one, 0 to 1.
    """

    steps: int = 20
    sampler: str = "dpmpp_2m"
    grid: str = "uniform"
    precision: Literal["fp32", "bf16"] = "fp32"
    guidance: float = 3.0
    rescale: float = 0.5


@dataclass(frozen=True)
class ValidationConfig:
    """How many crops of the validation split the loss is measured on."""

    crops: int = 64


@dataclass(frozen=True)
class Config:
    """A whole run. Any key can be set on the command line, nested ones with dots.

    Attributes:
        times: the quantile function of training times (`audiodiff.diffusion.times.QUANTILES`).
        autoencoder: checkpoint of the autoencoder that made the shards.
        vocoder: checkpoint of a vocoder for its mel, put beside the model; empty to leave that to Griffin-Lim.
        output: the run folder.
        init: checkpoint folder to start the weights from; empty for random weights.
        device: "auto", "cpu", "cuda", "mps".
        description: one line for the checkpoint.
        preset: what the settings started from.
    """

    model: MelLatentConfig
    train: TrainConfig
    data: DataConfig = field(default_factory=DataConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    times: str = "logit_normal"
    autoencoder: str = ""
    vocoder: str = ""
    output: str = ""
    init: str = ""
    device: str = "auto"
    description: str = ""
    preset: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        for name, known in (("times", QUANTILES), ("sampling.sampler", SAMPLERS), ("sampling.grid", GRIDS)):
            value = {"times": self.times, "sampling.sampler": self.sampling.sampler}.get(name, self.sampling.grid)
            if value not in known:
                raise AudiodiffError(f"{name} is {value!r}; known: {', '.join(known)}.")
        for name in ("drop_all", "drop_text", "drop_number"):
            if not 0.0 <= getattr(self.data, name) <= 1.0:
                raise AudiodiffError(f"data.{name} is {getattr(self.data, name)}; expected a share from 0 to 1.")
        if (
            not self.data.crop_latents
            or min(self.data.crop_latents) < 1
            or self.validation.crops < 0
            or not self.data.recorded_weight > 0
        ):
            raise AudiodiffError(
                "data.crop_latents must be 1 or more, validation.crops 0 or more, data.recorded_weight above 0."
            )


_MUSIC = Config(
    model=MelLatentConfig(
        autoencoder=MelAutoencoderConfig(mel=mel.preset("bigvgan-44k")),
        # About as many parameters as some core-hours of training can fill.
        dit=DiTConfig(width=256, depth=6, heads=4, expansion=3.0, conv_kernel=5),
    ),
    train=TrainConfig(
        steps=20_000,
        batch_size=24,
        learning_rate=8e-4,
        warmup_steps=300,
        final_learning_rate_ratio=0.02,
        adam_betas=(0.9, 0.99),
        weight_decay=0.01,
        clip_norm=1.0,
        ema_half_life=20_000.0,
        precision="bf16",
        log_every=50,
        validate_every=1_000,
        save_every_seconds=180.0,
    ),
    description="music from a prompt, 44.1 kHz",
)

NEXT = "try it with `audiodiff generate PROMPT -o out.wav --model {folder}`"
"""What to do with the checkpoint, for the command line."""

PRESETS: dict[str, Config] = {
    # The model in the package: two CPU cores and some hours.
    "music": _MUSIC,
    # The same budget spent on a U-Net.
    "music-unet": dataclasses.replace(
        _MUSIC, model=dataclasses.replace(_MUSIC.model, network="unet"), description="music from a prompt, U-Net"
    ),
    # Shows that everything works, in seconds.
    "tiny-latent": dataclasses.replace(
        _MUSIC,
        model=MelLatentConfig(
            autoencoder=MelAutoencoderConfig(
                mel=mel.preset("hifigan-22k"),
                network=AutoencoderConfig(width=32, latent_channels=8, blocks=(1, 0, 1)),
            ),
            dit=DiTConfig(width=32, depth=2, heads=2),
        ),
        train=dataclasses.replace(
            _MUSIC.train, steps=60, batch_size=4, warmup_steps=10, ema_half_life=100.0, precision="fp32", log_every=10
        ),
        data=DataConfig(crop_latents=(16,)),
        sampling=SamplingConfig(steps=2),
        validation=ValidationConfig(crops=4),
        description="a latent model that has hardly learnt anything",
    ),
}


def configure(source: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a run; see `audiodiff.presets.vocoder.configure`.

    The autoencoder's shape and the text encoder are those of the checkpoint `autoencoder`, where one is given.
    """
    name, values = layered(
        source, changes or {}, {key: config_to_dict(preset) for key, preset in PRESETS.items()}, Config
    )
    if values["autoencoder"]:
        values["model"]["autoencoder"] = read_config(values["autoencoder"], "autoencoder")["model"]
    return config_from_dict({**values, "preset": name})


def config_to_dict(config: Config) -> dict[str, Any]:
    """Turn a config into JSON values."""
    return {**dataclass_to_dict(config), "model": mel_latent_config_to_dict(config.model)}


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """Read a config from plain values.

    Raises:
        AudiodiffError: an unknown key, a value of the wrong type, or parts that do not fit each other.
    """
    return dataclass_from_dict(Config, {**values, "model": mel_latent_config_from_dict(values["model"])})


def train(config: Config, *, resume: bool, on_step: Callable[[Step], None] | None = None) -> Path:
    """Train, and return the run folder, which is then a checkpoint for `load_mel_latent`.

    Args:
        config: the settings; `data.folder`, `autoencoder` and `output` must be set.
        resume: go on from what is in `output` (from the start if there is nothing).
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the shards or the run folder is not fit; the loss is not finite.
    """
    settings = config_to_dict(config)
    run = check_run_folder(config.output, settings, resume)
    devices = open_devices(config.device)
    train_set = open_shards(config, "train")
    valid_set = open_shards(config, "valid") if config.validation.crops else None
    check_shards(train_set, config)
    model = build_model(config).to(devices.device)
    if devices.rank == 0:
        write_settings(run, settings)
    metadata = describe(config)

    def export(averaged: nn.Module, step: int) -> None:
        assert isinstance(averaged, MelLatent)
        save_mel_latent(run, averaged, {**metadata, "step": step})
        if config.vocoder:
            copy_vocoder(Path(config.vocoder), run / VOCODER_FOLDER)

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, MelLatent)
        assert valid_set is not None
        return {"loss": validation_loss(averaged, valid_set, config, devices)}

    run_steps(
        [make_player(model, train_set, config, devices)],
        config.train,
        run,
        devices,
        resume=resume,
        export=export,
        validate=validate if valid_set is not None else None,
        name_batch=lambda step: batch_names(train_set, config, step),
        on_step=on_step,
    )
    return run


def open_shards(config: Config, split: str) -> LatentDataset:
    """Open one split of the shards.

    Raises:
        AudiodiffError: no folder was given, or it holds no shards of that split.
    """
    if not config.data.folder:
        raise AudiodiffError("data.folder is not set; give the folder of the shards (--data FOLDER).")
    places = shard_folders(config, split)
    clips = LatentDataset(places)
    if config.data.recorded_weight == 1.0:
        return clips
    recorded = config.data.recorded_weight
    return LatentDataset(
        places, weights=[recorded if clip.classes.get("source") == "recorded" else 1.0 for clip in clips.clips]
    )


def shard_folders(config: Config, split: str) -> list[str]:
    """Where the shards of a split are: a folder or URL for each part of `data.folder`."""
    return [part.strip().rstrip("/") + f"/{split}" for part in config.data.folder.split(",") if part.strip()]


def check_shards(data: LatentDataset, config: Config) -> None:
    """Refuse shards that another autoencoder or text encoder has made.

    Raises:
        AudiodiffError: they do not fit the run.
    """
    if not config.autoencoder:
        raise AudiodiffError("autoencoder is not set; give the checkpoint that made the shards (--autoencoder FOLDER).")
    ours = weights_hash(Path(config.autoencoder) / WEIGHTS_FILE)
    index = data.index
    if index.autoencoder != ours:
        raise AudiodiffError(
            f"the shards were made by another autoencoder (weights {index.autoencoder[:12]}) than "
            f"{config.autoencoder} ({ours[:12]}); make them again with `audiodiff encode`."
        )
    model = config.model
    stored: tuple[object, ...] = (index.encoder, index.text_width, index.numbers, dict(index.classes))
    wanted: tuple[object, ...] = (
        model.text_encoder,
        model.text_width,
        tuple(number.name for number in model.numbers),
        {kind.name: kind.values for kind in model.classes},
    )
    for name, theirs, ours_too in zip(
        ("text_encoder", "text_width", "numbers", "classes"), stored, wanted, strict=True
    ):
        if theirs != ours_too:
            raise AudiodiffError(
                f"the shards have {name} {theirs}, the model {ours_too}; set --model.{name}, or make the shards again."
            )


def build_model(config: Config) -> MelLatent:
    """Return the model with random weights from the run's seed, or with those of `config.init`.

    Raises:
        AudiodiffError: a checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = MelLatent(config.model)
    if config.init:
        given = load_mel_latent(config.init)
        theirs, ours = (
            {**mel_latent_config_to_dict(each.config), "process": None, "parameterization": None}
            for each in (given, model)
        )
        odd = differences(theirs, ours)
        if odd:
            key, before, now = odd[0]
            raise AudiodiffError(
                f"the checkpoint {config.init} is of another shape: model.{key} is {before} there and {now} here; "
                "give the settings that it was trained with."
            )
        model.load_state_dict(given.state_dict())
    model.autoencoder.load_state_dict(load_autoencoder(config.autoencoder).state_dict())
    # The codec is finished; what is learnt here is what its latents look like.
    model.autoencoder.requires_grad_(False)
    return model


def make_player(model: MelLatent, data: LatentDataset, config: Config, devices: Devices) -> Player:
    """Return the one who trains: crops of latents are mixed with noise, and the model says what they were.

    Conditions are withheld at random: everything (for guidance), the text, or single numbers and classes.
    """
    batch_size, settings = config.train.batch_size, config.data

    def loss(step: int, generator: torch.Generator) -> LossOutput:
        batch = _batch(data, config, step)
        t = QUANTILES[config.times](model.process, stratified_uniform(batch_size, generator))
        noise = torch.randn(batch.latents.shape, generator=generator)
        cond = batch_condition(model, batch)
        cond = drop_parts(
            cond,
            torch.rand(batch_size, generator=generator) < settings.drop_text,
            torch.rand(cond.numbers.shape, generator=generator) < settings.drop_number,
            torch.rand(cond.classes.shape, generator=generator) < settings.drop_number,
        )
        cond = drop_conditions(cond, torch.rand(batch_size, generator=generator) < settings.drop_all)
        result = model.loss(
            devices.shard(batch.latents),
            Condition(*(devices.shard(part) for part in cond)),
            devices.shard(t.float()),
            devices.shard(noise),
            devices.shard(batch.lengths),
        )
        return LossOutput(result.per_item.mean(), {})

    return Player("latent", model, loss)


def _batch(data: LatentDataset, config: Config, step: int) -> LatentBatch:
    lengths = config.data.crop_latents
    return data.batch(config.train.seed, step, config.train.batch_size, lengths[step % len(lengths)])


def batch_names(data: LatentDataset, config: Config, step: int) -> str:
    """Name the clips of a step's batch."""
    chosen = [data.clips[number] for number in _batch(data, config, step).index.tolist()]
    return ", ".join(dict.fromkeys(f"{clip.source} {clip.key}" for clip in chosen))


def batch_condition(model: MelLatent, batch: LatentBatch) -> Condition:
    """The condition of a batch, on the CPU."""
    return Condition(batch.tokens, batch.mask, model.number_columns(batch.numbers), batch.classes)


@torch.no_grad()
def validation_loss(model: MelLatent, data: LatentDataset, config: Config, devices: Devices) -> float:
    """The training loss on validation crops, at the same times and with the same noise whenever it is asked for."""
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    batch_size, total, count = min(config.train.batch_size, config.validation.crops), 0.0, 0
    for step in range(max(config.validation.crops // batch_size, 1)):
        batch = data.batch(0, step, batch_size, max(config.data.crop_latents))
        t = QUANTILES[config.times](model.process, stratified_uniform(batch_size, generator))
        noise = torch.randn(batch.latents.shape, generator=generator)
        cond = batch_condition(model, batch)
        parts: tuple[Tensor, ...] = (batch.latents, t.float(), noise, batch.lengths)
        latents, times, drawn, lengths = (part.to(devices.device) for part in parts)
        result = model.loss(latents, Condition(*(part.to(devices.device) for part in cond)), times, drawn, lengths)
        total, count = total + result.per_item.mean().item(), count + 1
    return total / count


def copy_vocoder(source: Path, target: Path) -> None:
    """Put a vocoder's checkpoint beside the model, once.

    Raises:
        AudiodiffError: it is not a vocoder, or cannot be copied.
    """
    read_config(source, "vocoder")
    if target.is_dir() and weights_hash(target / WEIGHTS_FILE) == weights_hash(source / WEIGHTS_FILE):
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            shutil.copyfile(source / name, target / name)
    except OSError as error:
        raise AudiodiffError(f"{target} cannot be written ({error.strerror or error}).") from error


def describe(config: Config) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, its vocabulary, the settings, how to sample."""
    training = {
        key: value for key, value in config_to_dict(config).items() if key in ("train", "data", "times", "init")
    }
    training["data"] = {key: value for key, value in training["data"].items() if key != "folder"}
    preset = config_to_dict(PRESETS[config.preset]) if config.preset else None
    settings = config_to_dict(config)
    # Opened one by one: together they keep only the description of the first.
    stories = [find_shards(place)[0].metadata for place in shard_folders(config, "train")]
    window = max(config.data.crop_latents) / config.model.autoencoder.latents_per_second
    return {
        "description": config.description,
        "corpus": merged_corpora([each.get("corpus", {}) for each in stories]),
        "vocabulary": _merged([each.get("vocabulary", {}) for each in stories]),
        "training": training,
        "sampling": {**dataclass_to_dict(config.sampling), "window_seconds": round(window, 3)},
        "command": run_command(config.preset, preset, {**settings, "model": {**settings["model"], "autoencoder": {}}}),
    }


def merged_corpora(corpora: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One description of several corpora."""
    return {
        "name": ", ".join(str(each.get("name", "")) for each in corpora),
        "clips": sum(each.get("clips", 0) for each in corpora),
        "hours": round(sum(each.get("hours", 0.0) for each in corpora), 3),
        "licences": sorted({licence for each in corpora for licence in each.get("licences", [])}),
        "sources": sorted({source for each in corpora for source in each.get("sources", [])}),
    }


def _merged(vocabularies: list[dict[str, list[str]]]) -> dict[str, list[str]]:
    kinds = list(dict.fromkeys(kind for vocabulary in vocabularies for kind in vocabulary))
    return {kind: sorted({word for words in vocabularies for word in words.get(kind, [])}) for kind in kinds}
