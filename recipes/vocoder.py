"""Training a vocoder: the settings, and the run from corpus to checkpoint.

A crop is mixed with noise at a random time, and the model, which sees its mel, says what it was; in adversarial
fine-tuning a discriminator judges the estimates, too. With the objectives "regression" and "gan" the same network
learns to make the waveform from pure noise in one step, to compare.
"""

import dataclasses
import math
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
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.config import dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint, find_vocoder
from audiodiff.models.vocoder import (
    PriorConfig,
    Vocoder,
    VocoderConfig,
)
from audiodiff.nn.adapters import AdapterConfig
from audiodiff.nn.discriminator import Discriminator, DiscriminatorConfig
from audiodiff.signal import mel
from audiodiff.synthesis.vocode import VocoderSynthesizer, load
from audiodiff.training.devices import Devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, step_seed
from audiodiff.training.state import saved_step

from .adapting import adapt, adapter_export, check_adapter, tell_time
from .adversarial import Adversary, check_adversarial
from .corpus import DataConfig, RandomCrops, describe_corpus, fit_length, open_corpus
from .distilling import of_teacher, open_teacher
from .from_mel import follow_mel
from .objective import Objective, check_objective, follow_objective
from .recipe import OnStep, PlainSampling, Recipe, RunSettings, check_shape, with_loss
from .session import run_steps
from .validation import beginnings, even_times, exported


@dataclass(frozen=True)
class AdversarialConfig:
    """A discriminator that judges the estimates: for the last stretch, from trained weights (`--init`).

    Attributes:
        weight: of the adversarial loss; 0 trains without a discriminator.
        feature_weight: of the feature matching loss.
        discriminator_rate: learning rate of the discriminator.
        discriminator_channels: its width.
        judged_items: how many items of a batch are judged; they are the costly ones.
        judged_full_noise: share of these at t_max: estimates made in one step have most to gain.
        fade_in_steps: steps over which both weights grow from 0, while the discriminator learns the basics.
    """

    weight: float = 0.0
    feature_weight: float = 0.6
    discriminator_rate: float = 1e-3
    discriminator_channels: int = 16
    judged_items: int = 6
    judged_full_noise: float = 0.6
    fade_in_steps: int = 100


@dataclass(frozen=True)
class OutputConfig:
    """Iterations on the estimate; the attributes are those of `HeadConfig` that begin with `output_`."""

    projections: int = 1
    half_projections: int = 0
    momentum: float = 0.0
    matching: int = 0


@dataclass(frozen=True)
class VocoderSampling(PlainSampling):
    """How the vocoder is meant to be sampled; validation sounds use it.

    Attributes:
        prior: the prior to sample from, where it is not the one of training; weights do not depend on it.
        output: the projections of the estimate, where they are not those of training; nor do weights depend on them.
        whole: the same where the whole mel is at hand; streams, which would wait longer, keep `output`.
    """

    prior: PriorConfig | None = None
    output: OutputConfig | None = None
    whole: OutputConfig | None = None


@dataclass(frozen=True)
class ValidationConfig:
    """Fixed clips that are listened to while training goes on.

    Attributes:
        clips: how many, spread over the validation split (without one, every 50th clip is held out).
        seconds: of each clip.
        sounds: whether pictures and sounds are made, not only the loss.
    """

    clips: int = 4
    seconds: float = 3.0
    sounds: bool = True


@dataclass(frozen=True, kw_only=True)
class Config(RunSettings):
    """A whole run.

    Attributes:
        objective: "diffusion"; or, as a baseline, the same network making its waveform from pure noise in one step:
            by "regression", with the loss of the estimate only, or as a "gan", with a discriminator from the start.
        adapter: what is trained in the place of all weights, if its rank is not 0; `init` is then the model to adapt.
        autoencoder: checkpoint of an autoencoder, or of a latent model, whose decoded mels the vocoder learns to read
            as well; empty for none.
        autoencoder_share: share of items whose mel goes through it.
        teacher: checkpoint of a model whose estimates are learnt in the place of the recordings; empty for none.
    """

    model: VocoderConfig
    objective: Objective = "diffusion"
    data: DataConfig = field(default_factory=DataConfig)
    sampling: VocoderSampling = field(default_factory=partial(VocoderSampling, 8, "ddim", "uniform"))
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    autoencoder: str = ""
    autoencoder_share: float = 0.5
    teacher: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        check_adapter(self.adapter, self.init)
        check_bounds(self.validation, "validation", clips=(0, 10_000), seconds=(1e-3, 3600.0))
        check_adversarial(self.adversarial, self.train)
        check_bounds(self.adversarial, "adversarial", judged_full_noise=(0.0, 1.0))
        check_objective(self.objective, self.model, self.adversarial, self.sampling.steps)
        bounds = {
            "projections": (0, 1_000),
            "half_projections": (0, 1_000),
            "matching": (0, 1_000),
            "momentum": (0.0, 10.0),
        }
        for name, output in (("output", self.sampling.output), ("whole", self.sampling.whole)):
            if output is not None:
                check_bounds(output, f"sampling.{name}", **bounds)
        mel.check_filters(self.model.mel)
        if not 0.0 <= self.autoencoder_share <= 1.0:
            raise AudiodiffError(f"autoencoder_share is {self.autoencoder_share}; expected a share from 0 to 1.")


def _follow(values: dict[str, Any], before: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """Front end, resolutions of the loss and standardisation follow another mel; noise and sampling the objective."""
    kept = {key.removeprefix("model.") for key in given}
    return follow_objective({**values, "model": follow_mel(values["model"], before["model"], kept)}, given)


RECIPE = Recipe(
    "vocoder",
    Config(model=VocoderConfig(mel=mel.preset("hifigan-22k")), train=TrainConfig(steps=1, batch_size=1)),
    follow=_follow,
)

configure = RECIPE.configure

NEXT = "try it with `audiodiff vocode in.wav -o out.wav --model {folder}`"
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
    run = RECIPE.open_run(config, lambda: Vocoder(config.model), _places(config), resume=resume, on_step=on_step)
    devices = run.devices
    train_set, valid_set = open_corpus(
        config.data, config.validation.clips, config.model.mel.sample_rate, tell=devices.rank == 0
    )
    run.tell_memory()
    crops = RandomCrops(train_set, config.data, config.train.seed, _n_samples(config), config.train.batch_size)
    model = build_model(config).to(devices.device)
    metadata = describe(config, train_set)

    def whole(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, Vocoder)
        save_checkpoint(folder, for_sampling(averaged, config), {**metadata, **facts})

    base = find_vocoder(config.init) if config.init else run.folder
    export = adapter_export(config.adapter, base, config.init, metadata, whole)

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, Vocoder)
        if config.validation.sounds and not config.adapter.rank:
            with exported(averaged, run.folder, export) as folder:
                show_clips(load(folder, device=str(devices.device)), valid_set, config, board=board, step=step)
        return {"loss": validation_loss(averaged, valid_set, config, devices)}

    models = models_with_losses(model, crops, config, devices)
    if config.adapter.rank:
        tell_time(models[:1], config.train, saved_step(run.folder))
    return run_steps(
        run,
        models,
        train_set,
        export=export,
        validate=validate if config.validation.clips else None,
        name_batch=crops.names,
    )


def build_model(config: Config) -> Vocoder:
    """Return the vocoder with random weights from the run's seed, or with those of `config.init`.

    Raises:
        AudiodiffError: the checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = Vocoder(config.model)
    if config.init:
        given = load_checkpoint(find_vocoder(config.init), Vocoder)
        theirs, ours = model_config_to_dict(given.config), model_config_to_dict(config.model)
        decisive = ("mel.", "wavenet.", "front_end.", "head.name")
        free = ("wavenet.look_ahead",)  # weights of any have the same shapes
        check_shape(config.init, theirs, ours, lambda key: key.startswith(decisive) and key not in free)
        model.load_state_dict(given.state_dict())
    adapt(model, config.adapter)
    return model


def models_with_losses(model: Vocoder, crops: RandomCrops, config: Config, devices: Devices) -> list[ModelAndLoss]:
    """Return who trains: the vocoder, and the discriminator of adversarial training.

    A step of the vocoder takes crops at random gains and mixes them with noise at random times (some at full noise);
    the loss is the model's own, plus what the discriminator makes of the estimates.
    """
    batch_size, n_samples = crops.count, crops.n_samples
    t_min, t_max = config.model.loss.t_min, model.process.t_max
    full_noise = torch.full((batch_size,), config.model.loss.full_noise)
    settings = config.adversarial
    adversary: Adversary | None = None
    if settings.weight:
        shape = DiscriminatorConfig(channels=settings.discriminator_channels)
        discriminator = Discriminator(shape, config.model.mel.sample_rate).to(devices.device)
        adversary = Adversary(discriminator, settings, max(settings.judged_items // devices.n_processes, 1))
        full_noise[: settings.judged_items] = settings.judged_full_noise
    decoded, teacher = decoded_mels(config, devices), teacher_of(config, devices)

    def vocoder_loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        waveform, bandwidth = crops.draw(step, generator)
        t = t_min + (t_max - t_min) * torch.rand(batch_size, generator=generator)
        at_full_noise = torch.rand(batch_size, generator=generator) < full_noise
        t = torch.where(at_full_noise, torch.full((), t_max), t)
        noise = torch.randn(batch_size, 1, n_samples, generator=generator)
        share = torch.rand(batch_size, generator=generator) < config.autoencoder_share
        waveform, bandwidth, t, noise = (devices.shard(part) for part in (waveform, bandwidth, t, noise))
        log_mel = None if decoded is None else decoded(waveform, devices.shard(share))
        wanted: Tensor | None = None
        if teacher is not None:
            with torch.no_grad():
                wanted = teacher.loss(waveform, bandwidth, t, noise, log_mel).x0_hat
        loss = model.loss(waveform, bandwidth, t, noise, log_mel, wanted=wanted)
        total, terms = loss.per_item.mean(), dict(loss.terms)
        if adversary is not None:
            paid, parts = adversary.loss(step, waveform, loss.x0_hat[:, 0], bandwidth)
            total, terms = total + paid, terms | parts
        return LossOutput(total, terms)

    trained = with_loss("vocoder", model, vocoder_loss, devices, config.train.accumulate)
    return [trained] if adversary is None else [trained, adversary.trained()]


def teacher_of(config: Config, devices: Devices) -> Vocoder | None:
    """Return the vocoder whose estimates are learnt, if there is one.

    Raises:
        AudiodiffError: it is for another mel, or starts from other noise.
    """
    if not config.teacher:
        return None
    same = ("mel.", "front_end.", "prior.", "process.")
    folder = find_vocoder(config.teacher)
    teacher = open_teacher(config.teacher, folder, Vocoder, config.model, lambda key: key.startswith(same))
    return teacher.to(devices.device)


def decoded_mels(config: Config, devices: Devices) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return what makes mels of waveforms `[batch, n_samples]`, those marked True through the autoencoder.

    A decoded mel is smoother than a recording's; a vocoder that has seen both gives either its grain.

    Raises:
        AudiodiffError: the autoencoder is for another mel.
    """
    if not config.autoencoder:
        return None
    codec = (
        load_checkpoint(find_checkpoint(config.autoencoder), MelAutoencoder).to(devices.device).requires_grad_(False)
    )
    spec = config.model.mel
    if codec.mel_spec != spec:
        raise AudiodiffError(
            f"the autoencoder {config.autoencoder} is for another mel ({mel.describe(codec.mel_spec)}) than the "
            f"vocoder ({mel.describe(spec)})."
        )

    @torch.no_grad()
    def mels(waveform: Tensor, through: Tensor) -> Tensor:
        with torch.autocast(waveform.device.type, enabled=False):
            own = mel.log_mel(waveform, config.model.state_mel)[..., : waveform.shape[-1] // spec.hop_length]
            decoded = codec.decode(codec.encode(own))[..., : own.shape[-1]]
        return torch.where(through[:, None, None], decoded, own)

    return mels


def validation_loss(model: Vocoder, data: AudioDataset, config: Config, devices: Devices) -> float:
    """The training loss on the validation clips, at the same times and with the same noise whenever it is asked for."""
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    t, n_samples, total = even_times(config.model.loss.t_min, model.process.t_max), _n_samples(config), 0.0
    for waveform, bandwidth in beginnings(data, n_samples):
        noise = torch.randn(len(t), 1, n_samples, generator=generator)
        loss = model.loss(*(part.to(devices.device) for part in (waveform, bandwidth, t, noise)))
        total += loss.per_item.mean().item()
    return total / len(data)


def show_clips(model: VocoderSynthesizer, data: AudioDataset, config: Config, *, board: Board, step: int) -> None:
    """Vocode the validation clips; put the mels (recording above, ours below) and the sounds on the board."""
    spec, rate = config.model.mel, config.model.mel.sample_rate
    for index in range(len(data)):
        waveform = data.waveform(index, stop=int(config.validation.seconds * rate))
        waveform = fit_length(waveform, math.ceil(len(waveform) / spec.hop_length) * spec.hop_length)
        estimate = model.vocode(waveform, rate, seed=index)
        mels = torch.cat([mel.log_mel(sound[None], spec) for sound in (waveform, estimate)])
        board.picture(step, f"clip {index + 1}", mels)
        board.audio(step, f"clip {index + 1}/vocoded", estimate, rate)
        board.audio(step, f"clip {index + 1}/recording", waveform, rate)


def for_sampling(model: Vocoder, config: Config) -> Vocoder:
    """Return the model as it is meant to be sampled: with the projections that `config.sampling` states, if any."""
    prior, output = config.sampling.prior, config.sampling.output
    if prior is not None:
        model = model.with_prior(prior)
    return model if output is None else model.with_output(**dataclasses.asdict(output))


def describe(config: Config, data: AudioDataset) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, the settings, how to sample."""
    # Decoded mels teach the vocoder, but no weights of the autoencoder are in it.
    corpus = describe_corpus(config.data, data)
    metadata = RECIPE.describe(
        config,
        corpus,
        keep=("objective", "init", "adapter", "teacher"),
        find=find_vocoder,
        init=config.init,
        teacher=config.teacher,
    )
    # The projections stand in the model's config.
    sampling = dataclass_to_dict(config.sampling)
    whole = sampling["whole"] or {}
    metadata["sampling"] = {
        **{key: value for key, value in sampling.items() if key not in ("prior", "output", "whole")},
        **{f"output_{key}": value for key, value in whole.items()},
    }
    if config.data.normalize == "rms":
        low, high = config.data.gain_db
        metadata["reference_level_db"] = round(20.0 * math.log10(config.data.level) + 0.5 * (low + high), 2)
    if config.teacher:
        metadata |= of_teacher(find_vocoder(config.teacher), find_vocoder(config.init) if config.init else None)
    return metadata


def _n_samples(config: Config) -> int:
    return config.data.crop_frames * config.model.mel.hop_length


def _places(config: Config) -> int:
    """At how many places of a crop the network works."""
    front_end = config.model.front_end
    return _n_samples(config) // (1 if front_end.name == "samples" else front_end.hop_length)
