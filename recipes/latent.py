"""Training a latent model: the run from shards of latents to checkpoint; the settings are in `latent_config`.

A crop is mixed with noise at a random time, and the model says what it was; conditions are withheld at random, which is
what guidance lives on. The codec is finished and stays as it is.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.atomic import atomic_file
from audiodiff.cli.output import note
from audiodiff.data.shards import LatentBatch, LatentDataset
from audiodiff.diffusion.times import QUANTILES, stratified_uniform
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    load_checkpoint,
    read_config,
    save_checkpoint,
    weights_hash,
)
from audiodiff.models.config import dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint, find_vocoder
from audiodiff.models.kinds import KINDS
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.condition import Condition, drop_conditions, drop_parts
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, ModelAndLoss, step_seed
from audiodiff.training.state import saved_step

from .adapting import adapt, adapter_export, tell_time
from .autoencoder import limits_of
from .distilling import of_teacher, open_teacher
from .gaps import with_gaps
from .latent_config import RECIPE, Config, configure
from .latent_embedding import standardise_embedding
from .latent_shards import check_shards, describe_shards, open_shards, unknown_to
from .latent_sounds import check_vocoder, show_sounds
from .recipe import OnStep, check_shape, with_loss
from .session import run_steps
from .validation import exported

__all__ = ["NEXT", "RECIPE", "Config", "MelLatent", "configure", "train"]

_LATER = ("beats", "known", "chords", "embedding")
"""Settings of a model that can come after the rest was learnt: what they bring has layers of its own."""

NEXT = "try it with `audiodiff generate PROMPT -o out.wav --model {folder}`"
"""What to do with the checkpoint, for the command line."""


def train(config: Config, *, resume: bool, on_step: OnStep | None = None) -> Path:
    """Train, and return the run folder, which is then a checkpoint for `load_checkpoint`.

    Args:
        config: the settings; `data.folder`, `autoencoder` and `output` must be set.
        resume: go on with the run in `output`.
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the shards or the run folder is not fit; the loss is not finite.
    """
    run = RECIPE.open_run(
        config,
        lambda: MelLatent(config.model).network,
        max(config.data.crop_latents),
        resume=resume,
        on_step=on_step,
    )
    devices = run.devices
    train_set = open_shards(config, "train")
    valid_set = open_shards(config, "valid") if config.validation.crops else None
    check_shards(train_set, config)
    check_vocoder(config)
    if devices.rank == 0 and (unknown := unknown_to(train_set, config)):
        note(unknown)
    run.tell_memory()
    model = build_model(config)
    standardise_embedding(model, train_set, config)
    model.to(devices.device)
    metadata = describe(config)

    def whole(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, MelLatent)
        if config.vocoder:  # first, so that a model that is there has its vocoder
            copy_vocoder(find_vocoder(config.vocoder), folder / VOCODER_FOLDER)
        save_checkpoint(folder, averaged, {**metadata, **facts})

    base = find_checkpoint(config.init) if config.init else run.folder
    export = adapter_export(config.adapter, base, config.init, metadata, whole)

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, MelLatent)
        assert valid_set is not None
        if config.vocoder and config.validation.sounds and config.validation.clips and not config.adapter.rank:
            with exported(averaged, run.folder, export) as folder:
                show_sounds(folder, valid_set, config, device=str(devices.device), board=board, step=step)
        found = {"loss": validation_loss(averaged, valid_set, config, devices)}
        if averaged.config.known:
            found["completion_loss"] = validation_loss(averaged, valid_set, config, devices, complete=True)
        if averaged.config.embedding:
            found["embedding_loss"] = validation_loss(averaged, valid_set, config, devices, embedded=True)
        return found

    models = [model_with_loss(model, train_set, config, devices)]
    if config.adapter.rank:
        tell_time(models, config.train, saved_step(run.folder))
    return run_steps(
        run,
        models,
        train_set,
        export=export,
        validate=validate if valid_set is not None else None,
        name_batch=lambda step: batch_names(train_set, config, step),
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
        # What comes in by layers of its own can be learnt later than the rest.
        fresh = [name for name in _LATER if ours[name] and not theirs[name]]
        theirs |= dict.fromkeys(fresh, True)
        if theirs["prior"] != ours["prior"]:
            if ours["prior"]["width"]:
                raise AudiodiffError(
                    "a prior is trained after the model, by the preset music-prior; leave it out here."
                )
            note(f"the prior of {config.init} is left out; train it again with the preset music-prior.")
            theirs["prior"] = ours["prior"]
        theirs["classes"] += ours["classes"][len(theirs["classes"]) :]
        theirs["autoencoder"]["stereo"] = theirs["autoencoder"]["stereo"] or ours["autoencoder"]["stereo"]
        check_shape(config.init, theirs, ours)
        if given.config.embedding and given.channels != model.channels:
            raise AudiodiffError(
                f"the checkpoint {config.init} has embeddings of {given.channels} channels, and the latents have "
                f"{model.channels} here; start from a model without."
            )
        if fresh and config.adapter.rank:
            raise AudiodiffError(
                f"{config.init} was trained without {', '.join(fresh)}, which an adapter cannot add; leave it out."
            )
        if fresh:
            note(f"{config.init} was trained without {', '.join(fresh)}; what is new starts without effect.")
        fitting = with_channels(given.state_dict(), model.state_dict())
        _, strange = model.load_state_dict(fitting, strict=False)
        assert not strange
    model.autoencoder.load_state_dict(load_checkpoint(find_checkpoint(config.autoencoder), MelAutoencoder).state_dict())
    # The codec is finished; what is learnt here is what its latents look like.
    model.autoencoder.requires_grad_(False)
    if model.prior is not None:
        model.prior.requires_grad_(False)
    adapt(model, config.adapter)
    return model


def with_channels(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a model of fewer latent channels for one of more: the others begin without any effect."""
    fitting = {}
    for name, value in given.items():
        if name.startswith("prior.") and name not in wanted:
            continue
        # Behind the channels, `known_embedding` is told which latents are known.
        last = 1 if name.startswith("network.known_embedding.") else 0
        channels = value[..., : value.shape[-1] - last] if last else value
        missing = [want - have for have, want in zip(value.shape, wanted[name].shape, strict=True)]
        grown = nn.functional.pad(channels, [side for count in reversed(missing) for side in (0, count)])
        fitting[name] = torch.cat([grown, value[..., -last:]], dim=-1) if last else grown
    return fitting


def model_with_loss(model: MelLatent, data: LatentDataset, config: Config, devices: Devices) -> ModelAndLoss:
    """Return the one who trains: crops of latents are mixed with noise, and the model says what they were.

    Conditions are withheld at random: everything (for guidance), the text, or single numbers and classes. Some items
    are conditioned on their latents but for a gap.
    """
    batch_size, settings, teacher = config.train.batch_size, config.data, teacher_of(config, devices)

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
            chosen(settings.drop_chords),
            chosen(settings.drop_embedding) if model.config.embedding else torch.zeros(batch_size, dtype=torch.bool),
        )
        cond = drop_conditions(cond, chosen(settings.drop_all))
        if model.config.known:
            known = with_gaps(batch.latents, batch.lengths, generator)
            complete = chosen(settings.complete)
            cond = drop_conditions(cond, complete & chosen(settings.complete_alone))
            cond = cond._replace(known=known.masked_fill(~complete[:, None, None], torch.nan))
        given = (
            devices.shard(batch.latents),
            Condition(*(devices.shard(part) for part in cond)),
            devices.shard(t.float()),
            devices.shard(noise),
            devices.shard(batch.lengths),
        )
        wanted: Tensor | None = None
        if teacher is not None:
            with torch.no_grad():
                wanted = teacher.loss(*given).x0_hat
        result = model.loss(*given, wanted=wanted)
        return LossOutput(result.per_item.mean(), {})

    return with_loss("latent", model, loss, devices, config.train.accumulate)


def teacher_of(config: Config, devices: Devices) -> MelLatent | None:
    """Return the model whose estimates are learnt, if there is one.

    Raises:
        AudiodiffError: it is for other latents or conditions.
    """
    if not config.teacher:
        return None
    own = ("network", "dit.", "unet.", "parameterization.", "prior.")
    folder = find_checkpoint(config.teacher)
    teacher = open_teacher(config.teacher, folder, MelLatent, config.model, lambda key: not key.startswith(own))
    return teacher.to(devices.device)


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
    chords = batch.chords if model.config.chords else batch.chords[..., :0]
    known = batch.latents[..., :0]
    clip = model.embedding(batch.latents, batch.lengths) if model.config.embedding else batch.beats[:, :0]
    numbers = model.number_columns(batch.numbers)
    return Condition(batch.tokens, batch.mask, numbers, batch.classes, beats, known, chords, clip)


@torch.no_grad()
def validation_loss(
    model: MelLatent,
    data: LatentDataset,
    config: Config,
    devices: Devices,
    *,
    complete: bool = False,
    embedded: bool = False,
) -> float:
    """The training loss on validation crops, at the same times and with the same noise whenever it is asked for.

    Told everything but the latents and what is `embedded` of them; or, where it is to `complete` them, nothing but
    these, with gaps.
    """
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    batch_size, total, count = min(config.train.batch_size, config.validation.crops), 0.0, 0
    for step in range(max(config.validation.crops // batch_size, 1)):
        batch = data.batch(0, step, batch_size, max(config.data.crop_latents))
        t = QUANTILES[config.times](model.process, stratified_uniform(batch_size, generator))
        noise = torch.randn(batch.latents.shape, generator=generator)
        cond = batch_condition(model, batch)
        if not embedded:
            cond = cond._replace(clip=cond.clip[:, :0])
        if complete:
            cond = drop_conditions(cond, torch.ones(batch_size, dtype=torch.bool))
            cond = cond._replace(known=with_gaps(batch.latents, batch.lengths, generator))
        parts: tuple[Tensor, ...] = (batch.latents, t.float(), noise, batch.lengths)
        latents, times, drawn, lengths = (part.to(devices.device) for part in parts)
        result = model.loss(latents, Condition(*(part.to(devices.device) for part in cond)), times, drawn, lengths)
        total, count = total + result.per_item.mean().item(), count + 1
    return total / count


def copy_vocoder(source: Path, target: Path) -> None:
    """Put a vocoder's checkpoint next to the model, once.

    Raises:
        AudiodiffError: it is not a vocoder, or cannot be copied.
    """
    read_config(source, *KINDS.in_place_of("vocoder"))
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
    corpus, vocabulary = describe_shards(config)
    metadata = RECIPE.describe(
        config,
        corpus,
        keep=("times", "init", "adapter", "teacher"),
        init=config.init,
        autoencoder=config.autoencoder,
        teacher=config.teacher,
    )
    window = max(config.data.crop_latents) / config.model.autoencoder.latents_per_second
    of_theirs = {}
    if config.teacher:
        start = find_checkpoint(config.init) if config.init else None
        of_theirs = of_teacher(find_checkpoint(config.teacher), start)
    return {
        **metadata,
        "vocabulary": vocabulary,
        "sampling": {
            **dataclass_to_dict(config.sampling),
            "window_seconds": round(window, 3),
            **limits_of(find_checkpoint(config.autoencoder)),
        },
        **of_theirs,
    }
