"""Training a voice from recordings and their texts: the settings, and the run from corpus to checkpoint.

Whole utterances of like length make a batch. One step teaches everything: how long phonemes last, the pitch, the mean
mel, and what the mean misses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from audiodiff.bounds import check_bounds
from audiodiff.data.dataset import AudioDataset
from audiodiff.data.items import AudioItem
from audiodiff.data.phone_model import load_phone_model
from audiodiff.data.voice_clips import VoiceBatch, VoiceClips, voice_clips
from audiodiff.diffusion.times import logit_normal_quantile, stratified_uniform
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.config import dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import PHONE_MODEL_FILE, find_checkpoint
from audiodiff.models.voice import Draws, Voice, VoiceConfig
from audiodiff.nn.adapters import AdapterConfig
from audiodiff.synthesis.voice_settings import Manner
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, step_seed
from audiodiff.training.state import saved_step

from .adapting import adapt, adapter_export, check_adapter, tell_time
from .corpus import DataConfig, describe_corpus, open_dataset, read_corpus, split_items
from .recipe import OnStep, PlainSampling, Recipe, RunSettings, check_shape, with_loss
from .session import run_steps
from .validation import N_TIMES, even_times


@dataclass(frozen=True)
class VoiceSampling(PlainSampling):
    """How the voice is meant to be sampled; goes into the checkpoint.

    Attributes:
        variation: share of the noise that pitch starts from.
        rhythm, texture: shares of the noise that durations and mel start from where that is 1.
        intonation: how far pitch moves, 1 as the model draws it; more makes up for what flows draw too little.
        ending: least silence after the last word (s).
        vocoder_steps: sampling steps of the vocoder.
    """

    variation: float = 0.8
    rhythm: float = 0.15
    texture: float = 0.3
    intonation: float = 1.0
    ending: float = 0.08
    vocoder_steps: int = 3  # with 2 a line in the room tone of a recording stands out by 4 dB more


@dataclass(frozen=True)
class ValidationConfig:
    """Fixed clips that the model is measured on.

    Attributes:
        clips: how many; 0 for no validation.
    """

    clips: int = 24


@dataclass(frozen=True, kw_only=True)
class Config(RunSettings):
    """A whole run.

    Attributes:
        adapter: what is trained in the place of all weights, if its rank is not 0; `init` is then the model to adapt.
        speaker: whose clips are learnt; empty for all clips as one voice, "all" for each speaker as a voice of its own.
    """

    model: VoiceConfig
    data: DataConfig = field(default_factory=lambda: DataConfig(crop_frames=1200, gain_db=(0.0, 0.0)))
    sampling: VoiceSampling = field(default_factory=partial(VoiceSampling, 4, "euler", "uniform", "bf16"))
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    speaker: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        check_adapter(self.adapter, self.init)
        check_bounds(self.validation, "validation", clips=(0, 10_000))
        check_bounds(self.sampling, "sampling", vocoder_steps=(1, 10_000))
        Manner(
            **{item.name: getattr(self.sampling, item.name) for item in fields(Manner)}
        )  # refuses what is out of range
        if self.data.normalize != "rms" or self.data.gain_db != (0.0, 0.0):
            raise AudiodiffError(
                f"data.normalize is {self.data.normalize!r} and data.gain_db {self.data.gain_db}; a voice is learnt at "
                '"rms" level without random gains (0, 0).'
            )


RECIPE = Recipe("voice", Config(model=VoiceConfig(), train=TrainConfig(steps=1, batch_size=1)))

configure = RECIPE.configure

NEXT = 'let it speak: `audiodiff speak "Hello, world." -o hello.wav --voice {folder}`'
"""What to do with the checkpoint, for the command line."""


@dataclass(frozen=True)
class Corpus:
    """Clips to learn from, with the number of each one's speaker.

    Attributes:
        data: the recordings.
        clips: those of them that can be used, aligned.
        speakers: number of the speaker of each of `clips`.
    """

    data: AudioDataset
    clips: VoiceClips
    speakers: tuple[int, ...]

    def __len__(self) -> int:
        """Number of clips that can be used."""
        return len(self.clips)

    @property
    def seconds(self) -> float:
        """Duration of all recordings."""
        return self.data.seconds


def train(config: Config, *, resume: bool, on_step: OnStep | None = None) -> Path:
    """Train, and return the run folder, which is then a checkpoint for `load_checkpoint`.

    Args:
        config: the settings; `data.folder` and `output` must be set.
        resume: go on with the run in `output`.
        on_step: called after every step.

    Raises:
        AudiodiffError: something in the settings, the corpus or the run folder is not fit; the loss is not finite.
    """
    run = RECIPE.open_run(config, lambda: Voice(config.model), config.data.crop_frames, resume=resume, on_step=on_step)
    devices = run.devices
    config, train_set, valid_set = open_voices(config, tell=devices.rank == 0)
    run.tell_memory()
    model = build_model(config, train_set).to(devices.device)
    metadata = describe(config, train_set)

    def whole(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, Voice)
        save_checkpoint(folder, averaged, {**metadata, **facts}, dtype=torch.float16)
        train_set.clips.aligner.save(folder / PHONE_MODEL_FILE)  # for `align` and `respeak`

    base = find_checkpoint(config.init) if config.init else run.folder
    export = adapter_export(config.adapter, base, config.init, metadata, whole)

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, Voice)
        return validation_losses(averaged, valid_set, devices)

    models = [model_with_loss(model, train_set, config, devices)]
    if config.adapter.rank:
        tell_time(models, config.train, saved_step(run.folder))
    return run_steps(
        run,
        models,
        train_set,
        export=export,
        validate=validate if config.validation.clips else None,
        name_batch=lambda step: ", ".join(
            str(train_set.data.items[int(train_set.clips.arrays["index"][clip])].path)
            for clip in clips_of_step(train_set, config.train.batch_size, config.train.seed, step)
        ),
    )


def open_voices(config: Config, *, tell: bool) -> tuple[Config, Corpus, Corpus]:
    """Open what is learnt from and what it is validated on, aligned; settings come back with the speakers' names.

    Raises:
        AudiodiffError: the corpus cannot be read, or nothing of it can be used.
    """
    spec = config.model.mel
    items = [item for item in read_corpus(config.data).items if _fits(item, config)]
    if not items:
        raise AudiodiffError(
            f"{config.data.folder} has no clip of speaker {config.speaker!r} with a text and of at most "
            f"data.crop_frames = {config.data.crop_frames} frames; give another folder, or another --speaker."
        )
    known = {item.speaker for item in items if item.split in ("train", "")}
    items = [item for item in items if item.split != "valid" or item.speaker in known]
    sets = [open_dataset(part, config.data, spec.sample_rate) for part in split_items(items, config.validation.clips)]
    pitch = (config.model.f0_min, config.model.f0_max)
    # A few clips cannot say how phonemes sound: an adapter's are aligned by the phonemes of its base.
    known_phones = load_phone_model(find_checkpoint(config.init) / PHONE_MODEL_FILE) if config.adapter.rank else None
    first = voice_clips(sets[0], spec, config.data.level, pitch, known_phones)
    second = voice_clips(sets[1], spec, config.data.level, pitch, first.aligner)
    names: tuple[str, ...] = ()
    if config.speaker == "all":
        names = tuple(sorted({item.speaker or "unknown" for item in sets[0].items}))
        config = replace(config, model=replace(config.model, speakers=names))
    train_set, valid_set = (
        Corpus(data, clips, tuple(_number(data.items[index], names) for index in clips.arrays["index"].tolist()))
        for data, clips in zip(sets, (first, second), strict=True)
    )
    if tell:
        print(f"audiodiff: {len(train_set)} clips to learn from, {len(valid_set)} to validate on", flush=True)
        for _, reason in (*first.skipped, *second.skipped)[:5]:
            print(f"audiodiff: left out: {reason}", flush=True)
    return config, train_set, valid_set


def _fits(item: AudioItem, config: Config) -> bool:
    longest = config.data.crop_frames * config.model.mel.hop_length / config.model.mel.sample_rate
    return bool(item.text.strip()) and item.seconds <= longest and config.speaker in ("", "all", item.speaker)


def _number(item: AudioItem, names: Sequence[str]) -> int:
    name = item.speaker or "unknown"
    return names.index(name) if name in names else 0


def build_model(config: Config, corpus: Corpus) -> Voice:
    """Return the model with random weights from the run's seed, or with those of `config.init`.

    Raises:
        AudiodiffError: the checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = Voice(config.model)
    if config.init:
        given = load_checkpoint(find_checkpoint(config.init), Voice)
        theirs, ours = model_config_to_dict(given.config), model_config_to_dict(config.model)
        check_shape(config.init, theirs, ours, lambda key: not key.startswith("dropout"))
        model.load_state_dict(given.state_dict())
    arrays = corpus.clips.arrays
    if not config.init:
        model.fit_statistics(arrays["log_mel"].float(), arrays["ids"].long(), arrays["durations"].long())
    speaker = np.repeat(np.array(corpus.speakers), corpus.clips.lengths)
    voiced = arrays["voiced"].numpy() > 0
    for number in sorted(set(corpus.speakers)) if not config.adapter.rank else ():
        model.fit_pitch(arrays["log_hertz"][torch.from_numpy(voiced & (speaker == number))], number)
    adapt(model, config.adapter)  # which has weights alone: all statistics stay those of its base
    return model


def clips_of_step(corpus: Corpus, batch_size: int, seed: int, step: int) -> list[int]:
    """Which clips a step learns from: groups of like length, all of them once before one comes again."""
    lengths = tuple(corpus.clips.lengths.tolist())
    epoch, index = divmod(step, max(len(lengths) // batch_size, 1))
    return list(_groups(lengths, batch_size, seed, epoch)[index])


@lru_cache(maxsize=2)
def _groups(lengths: tuple[int, ...], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Groups of clips of like length in random order; clips that fill no group wait for another epoch."""
    random = np.random.default_rng([seed, epoch])
    count = max(len(lengths) // batch_size, 1)
    chosen = np.resize(random.permutation(len(lengths)), count * batch_size)
    order = np.argsort(np.array(lengths)[chosen] * random.uniform(0.85, 1.15, len(chosen)), kind="stable")
    groups: list[list[int]] = random.permutation(chosen[order].reshape(count, batch_size)).tolist()
    return groups


def model_with_loss(model: Voice, corpus: Corpus, config: Config, devices: Devices) -> ModelAndLoss:
    """Return the one who trains: whole utterances, each at three random times."""
    count = config.train.batch_size

    def loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        clips = clips_of_step(corpus, count, config.train.seed, step)
        batch = corpus.clips.batch(clips, [corpus.speakers[clip] for clip in clips])
        uniform = torch.stack([stratified_uniform(count, generator) for _ in range(3)], dim=1)
        draws = draw(logit_normal_quantile(model.process, uniform), batch, generator)
        batch = VoiceBatch(*(devices.shard(part) for part in batch))
        result = model.loss(*batch, Draws(*(devices.shard(part) for part in draws)))
        return LossOutput(result.per_item.mean(), result.terms)

    return with_loss("voice", model, loss, devices, config.train.accumulate)


def draw(t: torch.Tensor, batch: VoiceBatch, generator: torch.Generator) -> Draws:
    """Draw the random numbers of a batch at times `t` `[batch, 3]`."""
    count, n_symbols = batch.ids.shape
    _, n_frames, n_mels = batch.log_mel.shape
    return Draws(
        t,
        torch.rand(count, n_symbols, generator=generator) - 0.5,
        torch.randn(count, n_symbols, 1, generator=generator),
        torch.randn(count, n_frames, 2, generator=generator),
        torch.randn(count, n_frames, n_mels, generator=generator),
    )


@torch.no_grad()
def validation_losses(model: Voice, corpus: Corpus, devices: Devices) -> dict[str, float]:
    """Training losses on the validation clips, at the same times and with the same noise every time."""
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    times = even_times(0.0, model.process.t_max)[:, None].expand(-1, 3)
    totals: dict[str, float] = {}
    for clip, speaker in enumerate(corpus.speakers):
        batch = corpus.clips.batch([clip] * N_TIMES, [speaker] * N_TIMES)
        draws = Draws(*(part.to(devices.device) for part in draw(times, batch, generator)))
        batch = VoiceBatch(*(part.to(devices.device) for part in batch))
        result = model.loss(*batch, draws)
        # The mean mel comes first, by which the best is told: the loss of the residual is in units that change.
        values = {**result.terms, "loss": result.per_item.mean()}
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + value.item() / len(corpus)
    return totals


def describe(config: Config, corpus: Corpus) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, the settings, how to sample, the command."""
    about = describe_corpus(config.data, corpus.data)
    about["clips"] = len(corpus)
    metadata = RECIPE.describe(config, about, keep=("speaker", "init", "adapter"), init=config.init)
    return {
        **metadata,
        "sampling": dataclass_to_dict(config.sampling),
        "vocoder": "speech",
        "pronunciations": dict(corpus.clips.usual),
    }
