"""Training a latent model: the settings, the presets, and the run from shards of latents to checkpoint."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.atomic import atomic_file
from audiodiff.data.shards import LatentBatch, LatentDataset
from audiodiff.data.shards.files import find_shards
from audiodiff.diffusion.times import QUANTILES, stratified_uniform
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    autoencoder_hash,
    load_checkpoint,
    read_config,
    save_checkpoint,
    weights_hash,
)
from audiodiff.models.config import dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint, find_vocoder
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.condition import Condition, drop_conditions, drop_parts
from audiodiff.training.devices import Devices, open_devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, Player, Step, step_seed

from .gaps import with_gaps
from .latent_config import (
    PRESETS,
    Config,
    DataConfig,
    SamplingConfig,
    ValidationConfig,
    config_from_dict,
    config_to_dict,
    configure,
)
from .latent_sounds import check_vocoder, open_listener, show_sounds
from .memory import expect_memory
from .run import check_run_folder, describe_origins, run_command
from .session import run_steps
from .settings import differences

__all__ = [
    "NEXT",
    "PRESETS",
    "Config",
    "DataConfig",
    "MelLatent",
    "SamplingConfig",
    "ValidationConfig",
    "batch_condition",
    "batch_names",
    "build_model",
    "check_shards",
    "config_from_dict",
    "config_to_dict",
    "configure",
    "copy_vocoder",
    "describe",
    "make_player",
    "merged_corpora",
    "open_shards",
    "shard_folders",
    "train",
    "validation_loss",
]

NEXT = "try it with `audiodiff generate PROMPT -o out.wav --model {folder}`"
"""What to do with the checkpoint, for the command line."""


def train(config: Config, *, resume: bool, on_step: Callable[[Step], None] | None = None) -> Path:
    """Train, and return the run folder, which is then a checkpoint for `load_checkpoint`.

    Args:
        config: the settings; `data.folder`, `autoencoder` and `output` must be set.
        resume: go on with the run in `output`.
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the shards or the run folder is not fit; the loss is not finite.
    """
    settings = config_to_dict(config)
    run = check_run_folder(config.output, settings, resume)
    devices = open_devices(config.device)
    memory = expect_memory(
        lambda: MelLatent(config.model).network, config.train, max(config.data.crop_latents), devices
    )
    train_set = open_shards(config, "train")
    valid_set = open_shards(config, "valid") if config.validation.crops else None
    check_shards(train_set, config)
    check_vocoder(config)
    if devices.rank == 0 and (unknown := _unknown(train_set, config)):
        print(f"audiodiff: {unknown}", file=sys.stderr, flush=True)
    listener = open_listener(config, devices.device) if valid_set is not None and devices.rank == 0 else None
    if devices.rank == 0:
        print(f"training takes {memory}.", flush=True)
    model = build_model(config).to(devices.device)
    metadata = describe(config)

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, MelLatent)
        if config.vocoder:  # first, so that a model that is there has its vocoder
            copy_vocoder(find_vocoder(config.vocoder), folder / VOCODER_FOLDER)
        save_checkpoint(folder, averaged, {**metadata, **facts})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, MelLatent)
        assert valid_set is not None
        if listener is not None:
            show_sounds(averaged, listener, valid_set, config, board=board, step=step)
        found = {"loss": validation_loss(averaged, valid_set, config, devices)}
        if averaged.config.known:
            found["completion_loss"] = validation_loss(averaged, valid_set, config, devices, complete=True)
        return found

    run_steps(
        [make_player(model, train_set, config, devices)],
        config.train,
        run,
        devices,
        settings=settings,
        corpus=train_set,
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


def _unknown(data: LatentDataset, config: Config) -> str:
    """What the model could be told but the shards do not know; empty if they know it all."""
    without = sum(not clip.texts for clip in data.clips)
    found = [f"{without} of {len(data)} clips have no caption"] if without else []
    if config.model.beats and not any(clip.beats for clip in data.clips):
        found.append("no clip has a tempo: what was learnt of beats before is kept, and nothing is added to it")
    return "; ".join(found)


def shard_folders(config: Config, split: str) -> list[str]:
    """Where the shards of a split are: a folder or URL for each part of `data.folder`.

    A part that names shards of the training split, as in `shards/train/shard-{000000..000009}.tar`, stands for these;
    the other splits are then those beside it.
    """
    places = []
    for part in (part.strip().rstrip("/") for part in config.data.folder.split(",") if part.strip()):
        folder, _, name = part.rpartition("/")
        if not name.endswith(".tar"):
            places.append(f"{part}/{split}")
        elif split == "train":
            places.append(part)
        else:
            places.append(f"{folder.removesuffix('/train')}/{split}")
    return places


def check_shards(data: LatentDataset, config: Config) -> None:
    """Refuse shards that another autoencoder or text encoder has made.

    Raises:
        AudiodiffError: they do not fit the run.
    """
    if not config.autoencoder:
        raise AudiodiffError("autoencoder is not set; give the checkpoint that made the shards (--autoencoder FOLDER).")
    ours = autoencoder_hash(load_checkpoint(find_checkpoint(config.autoencoder), MelAutoencoder))
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
                f"the shards have {name} {theirs}, the model {ours_too}; set --model.{name}, or make the shards again "
                f"with `audiodiff encode --preset {config.preset or 'PRESET'}`."
            )


def build_model(config: Config) -> MelLatent:
    """Return the model with random weights from the run's seed, or with those of `config.init`.

    Raises:
        AudiodiffError: a checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = MelLatent(config.model)
    if config.init:
        given = load_checkpoint(find_checkpoint(config.init), MelLatent)
        theirs, ours = (
            {**model_config_to_dict(each.config), "process": None, "parameterization": None} for each in (given, model)
        )
        # What comes in by layers of its own can be learnt later than the rest: beats, gaps, further kinds of classes.
        theirs["beats"] = theirs["beats"] or ours["beats"]
        theirs["known"] = theirs["known"] or ours["known"]
        theirs["classes"] += ours["classes"][len(theirs["classes"]) :]
        odd = differences(theirs, ours)
        if odd:
            key, before, now = odd[0]
            raise AudiodiffError(
                f"the checkpoint {config.init} is of another shape: model.{key} is {before} there and {now} here; "
                "give the settings that it was trained with."
            )
        _, strange = model.load_state_dict(given.state_dict(), strict=False)
        assert not strange
    model.autoencoder.load_state_dict(load_checkpoint(find_checkpoint(config.autoencoder), MelAutoencoder).state_dict())
    # The codec is finished; what is learnt here is what its latents look like.
    model.autoencoder.requires_grad_(False)
    return model


def make_player(model: MelLatent, data: LatentDataset, config: Config, devices: Devices) -> Player:
    """Return the one who trains: crops of latents are mixed with noise, and the model says what they were.

    Conditions are withheld at random: everything (for guidance), the text, or single numbers and classes. Some items
    are told their latents but for a gap.
    """
    batch_size, settings = config.train.batch_size, config.data

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        batch = _batch(data, config, step)
        t = QUANTILES[config.times](model.process, stratified_uniform(batch_size, generator))
        noise = torch.randn(batch.latents.shape, generator=generator)
        cond = batch_condition(model, batch)

        def chosen(share: float, *shape: int) -> Tensor:
            return torch.rand(shape or (batch_size,), generator=generator) < share

        cond = drop_parts(
            cond,
            chosen(settings.drop_text),
            chosen(settings.drop_number, *cond.numbers.shape),
            chosen(settings.drop_number, *cond.classes.shape),
            chosen(settings.drop_beats),
            torch.ones(batch_size, dtype=torch.bool),
        )
        cond = drop_conditions(cond, chosen(settings.drop_all))
        if model.config.known:
            known = with_gaps(batch.latents, batch.lengths, generator)
            complete = chosen(settings.complete)
            cond = drop_conditions(cond, complete & chosen(settings.complete_alone))
            cond = cond._replace(known=known.masked_fill(~complete[:, None, None], torch.nan))
        result = model.loss(
            devices.shard(batch.latents),
            Condition(*(devices.shard(part) for part in cond)),
            devices.shard(t.float()),
            devices.shard(noise),
            devices.shard(batch.lengths),
        )
        return LossOutput(result.per_item.mean(), {})

    first, *further = [partial(loss, part) for part in devices.parts(config.train.accumulate)]
    return Player("latent", model, first, further=further)


def _batch(data: LatentDataset, config: Config, step: int) -> LatentBatch:
    lengths = config.data.crop_latents
    return data.batch(config.train.seed, step, config.train.batch_size, lengths[step % len(lengths)])


def batch_names(data: LatentDataset, config: Config, step: int) -> str:
    """Name the clips of a step's batch."""
    chosen = [data.clips[number] for number in _batch(data, config, step).index.tolist()]
    return ", ".join(dict.fromkeys(f"{clip.source} {clip.key}" for clip in chosen))


def batch_condition(model: MelLatent, batch: LatentBatch) -> Condition:
    """The condition of a batch, on the CPU."""
    beats = batch.beats if model.config.beats else batch.beats[:, :0]
    known = batch.latents[..., :0]
    return Condition(batch.tokens, batch.mask, model.number_columns(batch.numbers), batch.classes, beats, known)


@torch.no_grad()
def validation_loss(
    model: MelLatent, data: LatentDataset, config: Config, devices: Devices, *, complete: bool = False
) -> float:
    """The training loss on validation crops, at the same times and with the same noise whenever it is asked for.

    Told everything but the latents; or, where it is to `complete` them, nothing but these, with gaps.
    """
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    batch_size, total, count = min(config.train.batch_size, config.validation.crops), 0.0, 0
    for step in range(max(config.validation.crops // batch_size, 1)):
        batch = data.batch(0, step, batch_size, max(config.data.crop_latents))
        t = QUANTILES[config.times](model.process, stratified_uniform(batch_size, generator))
        noise = torch.randn(batch.latents.shape, generator=generator)
        cond = batch_condition(model, batch)
        if complete:
            cond = drop_conditions(cond, torch.ones(batch_size, dtype=torch.bool))
            cond = cond._replace(known=with_gaps(batch.latents, batch.lengths, generator))
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
    there = target / WEIGHTS_FILE
    if (
        (target / CONFIG_FILE).is_file()
        and there.is_file()
        and weights_hash(there) == weights_hash(source / WEIGHTS_FILE)
    ):
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            with atomic_file(target / name) as temporary:
                shutil.copyfile(source / name, temporary)
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
    if preset is not None:
        # The autoencoder's shape comes from its checkpoint, not from the command line.
        preset["model"]["autoencoder"] = settings["model"]["autoencoder"]
    # Opened one by one: together they keep only the description of the first.
    stories = [find_shards(place)[0].metadata for place in shard_folders(config, "train")]
    window = max(config.data.crop_latents) / config.model.autoencoder.latents_per_second
    corpus = merged_corpora([each.get("corpus", {}) for each in stories])
    return {
        "description": config.description,
        "corpus": corpus,
        "origins": describe_origins(corpus, init=config.init, autoencoder=config.autoencoder),
        "vocabulary": _merged([each.get("vocabulary", {}) for each in stories]),
        "training": training,
        "sampling": {
            **dataclass_to_dict(config.sampling),
            "window_seconds": round(window, 3),
            **_limits_of(config.autoencoder),
        },
        "command": run_command(config.preset, preset, settings),
    }


def _limits_of(autoencoder: str) -> dict[str, Any]:
    """The limits that go with an autoencoder out of a latent model, whoever uses it (`synthesis.top_bands`)."""
    sampling = read_config(find_checkpoint(autoencoder))["metadata"].get("sampling", {})
    return {"band_limits": sampling["band_limits"]} if "band_limits" in sampling else {}


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
