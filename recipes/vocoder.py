"""Training a vocoder on speech: the settings, the presets, and the run from corpus to checkpoint.

config = configure("speech", {"data.folder": "corpus", "output": "runs/speech"})
train(config, resume=False)
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.data.dataset import AudioDataset
from audiodiff.diffusion.samplers import SAMPLERS, STOCHASTIC_SAMPLERS, sample
from audiodiff.diffusion.times import GRIDS
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint, find_vocoder
from audiodiff.models.vocoder import (
    FrontEndConfig,
    HeadConfig,
    LossConfig,
    PriorConfig,
    Vocoder,
    VocoderConfig,
)
from audiodiff.models.vocoder.lmnt import diffwave_config
from audiodiff.nn.discriminator import Discriminator, DiscriminatorConfig, discriminator_loss, generator_loss
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal import mel
from audiodiff.training.devices import Devices, open_devices
from audiodiff.training.logging import Board
from audiodiff.training.loop import LossOutput, Player, Step, TrainConfig, step_seed

from .corpus import (
    DataConfig,
    describe_corpus,
    fit_length,
    open_corpus,
)
from .from_mel import follow_mel
from .memory import expect_memory
from .run import check_run_folder, describe_origins, layered, run_command
from .session import run_steps
from .settings import differences


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
    """Griffin-Lim projections of the estimate; the attributes are those of `HeadConfig` that begin with `output_`."""

    projections: int = 1
    half_projections: int = 0
    momentum: float = 0.0


@dataclass(frozen=True)
class SamplingConfig:
    """How the model is meant to be sampled; goes into the checkpoint, and validation sounds use it.

    Attributes:
        steps, sampler, grid, precision: as in `audiodiff vocode`.
        prior: the prior to sample from, where it is not the one of training; weights do not depend on it.
        output: the projections of the estimate, where they are not those of training; nor do weights depend on them.
    """

    steps: int = 8
    sampler: str = "ddim"
    grid: str = "uniform"
    precision: Literal["fp32", "bf16"] = "fp32"
    prior: PriorConfig | None = None
    output: OutputConfig | None = None


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


@dataclass(frozen=True)
class Config:
    """A whole run. Any key can be set on the command line, nested ones with dots.

    Attributes:
        autoencoder: checkpoint of an autoencoder, or of a latent model, whose decoded mels the vocoder learns to read
            as well; empty for none.
        autoencoder_share: share of items whose mel goes through it.
        output: the run folder.
        init: checkpoint folder to start the weights from; empty for random weights.
        device: "auto", "cpu", "cuda", "mps".
        description: one line for the checkpoint.
        preset: what the settings started from.
    """

    model: VocoderConfig
    train: TrainConfig
    data: DataConfig = field(default_factory=DataConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    autoencoder: str = ""
    autoencoder_share: float = 0.5
    output: str = ""
    init: str = ""
    device: str = "auto"
    description: str = ""
    preset: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        check_bounds(self.validation, "validation", clips=(0, 10_000), seconds=(1e-3, 3600.0))
        check_bounds(self.sampling, "sampling", steps=(1, 10_000))
        check_bounds(
            self.adversarial,
            "adversarial",
            weight=(0.0, 1e6),
            feature_weight=(0.0, 1e6),
            discriminator_rate=(0.0, 1e3),
            discriminator_channels=(1, 1_024),
            judged_full_noise=(0.0, 1.0),
            fade_in_steps=(0, 10**9),
        )
        if self.sampling.output is not None:
            bounds = {"projections": (0, 1_000), "half_projections": (0, 1_000), "momentum": (0.0, 10.0)}
            check_bounds(self.sampling.output, "sampling.output", **bounds)
        mel.check_filters(self.model.mel)
        if self.sampling.sampler not in SAMPLERS:
            raise AudiodiffError(f"sampling.sampler is {self.sampling.sampler!r}; known: {', '.join(SAMPLERS)}.")
        if self.sampling.grid not in GRIDS:
            raise AudiodiffError(f"sampling.grid is {self.sampling.grid!r}; known: {', '.join(GRIDS)}.")
        if not 0.0 <= self.autoencoder_share <= 1.0:
            raise AudiodiffError(f"autoencoder_share is {self.autoencoder_share}; expected a share from 0 to 1.")
        judged, batch_size = self.adversarial.judged_items, self.train.batch_size
        if self.adversarial.weight and not 1 <= judged <= batch_size:
            raise AudiodiffError(
                f"adversarial.judged_items is {judged}; expected 1 to train.batch_size = {batch_size}."
            )
        if self.adversarial.weight and self.train.accumulate > 1:
            raise AudiodiffError(
                f"train.accumulate is {self.train.accumulate}, but a discriminator compares the items of a batch with "
                "each other; it must be 1 where adversarial.weight is not 0."
            )


# The framed network of the shipped model: the mel gives the magnitudes, the network finds phases that fit them.
_FRAMED = VocoderConfig(
    mel=mel.preset("hifigan-22k"),  # the mel of most acoustic models
    wavenet=WaveNetConfig(channels=320, layers=8, dilation_cycle=4, cond_channels=128, embedding_width=128),
    head=HeadConfig(output_projections=2),
    prior=PriorConfig("shaped", projections=8),  # sampling starts where Griffin-Lim leaves off
    loss=LossConfig(full_noise=0.3),  # the first step of any sampler is at t_max: train it well
)

_TRAIN = TrainConfig(
    steps=200_000,
    batch_size=16,
    learning_rate=8e-4,
    warmup_steps=200,
    final_learning_rate_ratio=0.02,
    adam_betas=(0.8, 0.99),  # as HiFi-GAN and Vocos: gradients of spectral losses change quickly
    weight_decay=0.01,
    clip_norm=1.0,
    ema_half_life=80_000.0,
    precision="bf16",
    log_every=50,
    validate_every=2_000,
)

# Fresh noise in every step is what the network was trained on. Where nothing is back-propagated, iterations are cheap,
# those of the estimate worth more than those of the prior (docs/vocoder-experiments.md).
_SAMPLING = SamplingConfig(
    steps=8,
    sampler="consistency",
    grid="late",
    precision="bf16",
    prior=PriorConfig("shaped", projections=1, momentum=0.99, half_projections=4, renewals=1),
    output=OutputConfig(projections=1, half_projections=6, momentum=0.99),
)

_SPEECH = Config(
    model=_FRAMED,
    sampling=_SAMPLING,
    train=dataclasses.replace(_TRAIN, steps=14_500, batch_size=12, ema_half_life=8_000.0, validate_every=1_000),
    description="speech vocoder, 22.05 kHz, HiFi-GAN mel",
)

NEXT = "try it with `audiodiff vocode in.wav -o out.wav --model {folder}`"
"""What to do with the checkpoint, for the command line."""

PRESETS: dict[str, Config] = {
    # The model in the package: made for two CPU cores and an hour and a half.
    "speech": _SPEECH,
    # The same made crisper by a discriminator: give it the weights to start from with --init.
    "speech-adversarial": dataclasses.replace(
        _SPEECH,
        train=dataclasses.replace(
            _SPEECH.train,
            steps=3_000,
            learning_rate=3e-4,
            warmup_steps=50,
            final_learning_rate_ratio=0.05,
            ema_half_life=2_000.0,
            seed=1,  # other crops and noise than the run it starts from
            validate_every=500,
        ),
        adversarial=AdversarialConfig(weight=0.3),
    ),
    # The vocoder behind the model `music`: the full band at the frame rate of the speech model, so nearly its price.
    "music-vocoder": dataclasses.replace(
        _SPEECH,
        model=dataclasses.replace(
            _FRAMED,
            mel=mel.preset("bigvgan-44k"),
            front_end=FrontEndConfig("stft", 2048, 512),
            wavenet=dataclasses.replace(_FRAMED.wavenet, channels=256),  # half of the 40 MiB is the latent model's
            loss=dataclasses.replace(_FRAMED.loss, resolutions=((512, 128), (1024, 256), (2048, 512))),
        ),
        sampling=dataclasses.replace(_SAMPLING, steps=4),  # what it reads is smoother than what more steps would add
        train=dataclasses.replace(
            _TRAIN, steps=8_000, batch_size=8, ema_half_life=8_000.0, validate_every=1_000, save_every_seconds=120.0
        ),
        data=DataConfig(crop_frames=88, gain_db=(-12.0, 3.0)),
        description="music vocoder, 44.1 kHz, BigVGAN-v2 mel",
    ),
    # Any folder of sound files, with or without a metadata.csv.
    "folder": dataclasses.replace(_SPEECH, train=_TRAIN, description="vocoder, 22.05 kHz, HiFi-GAN mel"),
    # One reader, 24 hours.
    "ljspeech": dataclasses.replace(
        _SPEECH, train=_TRAIN, data=DataConfig(corpus="ljspeech"), description="LJSpeech vocoder, 22.05 kHz"
    ),
    # 2,456 readers at 24 kHz: the mel of the same rate.
    "libritts": dataclasses.replace(
        _SPEECH,
        model=dataclasses.replace(_FRAMED, mel=mel.preset("bigvgan-24k")),
        train=dataclasses.replace(_TRAIN, steps=400_000),
        data=DataConfig(corpus="libritts", crop_frames=96),
        description="LibriTTS vocoder, 24 kHz",
    ),
    # 110 speakers at 48 kHz, resampled.
    "vctk": dataclasses.replace(
        _SPEECH, train=_TRAIN, data=DataConfig(corpus="vctk"), description="VCTK vocoder, 22.05 kHz"
    ),
    # DiffWave (arXiv 2009.09761) as published: a network call per sample, noise prediction, L1.
    "diffwave-ljspeech": Config(
        model=diffwave_config(),
        train=TrainConfig(
            steps=1_000_000,
            batch_size=16,
            learning_rate=2e-4,
            warmup_steps=0,
            final_learning_rate_ratio=1.0,  # a constant rate
            adam_betas=(0.9, 0.999),
            ema_half_life=80_000.0,
            precision="bf16",
            validate_every=10_000,
        ),
        data=DataConfig(corpus="ljspeech", crop_frames=62, normalize="none", gain_db=(0.0, 0.0)),
        sampling=SamplingConfig(steps=12),
        validation=ValidationConfig(clips=1, seconds=1.0),  # a second of audio costs a second per step here
        description="DiffWave, LJSpeech, 22.05 kHz",
    ),
    # Shows that everything works, in seconds; what it makes is no pleasure to hear.
    "tiny": Config(
        model=dataclasses.replace(
            _FRAMED,
            wavenet=WaveNetConfig(channels=32, layers=4, dilation_cycle=2, cond_channels=16, embedding_width=32),
            head=HeadConfig(output_projections=1),
            prior=PriorConfig("shaped"),
        ),
        train=dataclasses.replace(
            _TRAIN,
            steps=60,
            batch_size=4,
            warmup_steps=10,
            ema_half_life=100.0,
            precision="fp32",
            log_every=10,
            validate_every=60,
        ),
        data=DataConfig(crop_frames=32),
        sampling=SamplingConfig(steps=2),
        validation=ValidationConfig(clips=2, seconds=1.0),
        description="a vocoder that has hardly learnt anything",
    ),
}


def configure(source: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a run.

    Args:
        source: name of a preset, or a YAML or JSON file. A file may name the preset it starts from
            (`preset: speech`); otherwise that is `folder`.
        changes: full or short dotted keys -> values (text is read as the setting's type). With another mel the front
            end, the resolutions of the loss and the standardisation of the mel follow it unless they are given.

    Raises:
        AudiodiffError: an unknown preset, key or value.
    """
    presets = {key: config_to_dict(preset) for key, preset in ({"folder": PRESETS["folder"]} | PRESETS).items()}
    name, values, given = layered(source, changes or {}, presets, Config)
    kept = {key.removeprefix("model.") for key in given}
    return config_from_dict(
        {**values, "model": follow_mel(values["model"], presets[name]["model"], kept), "preset": name}
    )


def config_to_dict(config: Config) -> dict[str, Any]:
    """Turn a config into JSON values."""
    values: dict[str, Any] = dataclass_to_dict(config)
    values["model"] = model_config_to_dict(config.model)
    return values


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """Read a config from plain values.

    Raises:
        AudiodiffError: an unknown key, a value of the wrong type, or parts that do not fit each other.
    """
    return dataclass_from_dict(Config, {**values, "model": dataclass_from_dict(VocoderConfig, values["model"])})


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
    shape = config.model
    samples_per_place = 1 if shape.front_end.name == "samples" else shape.front_end.hop_length
    places = config.data.crop_frames * shape.mel.hop_length // samples_per_place
    memory = expect_memory(lambda: Vocoder(shape), config.train, places, devices)
    train_set, valid_set = open_corpus(
        config.data, config.validation.clips, config.model.mel.sample_rate, tell=devices.rank == 0
    )
    if devices.rank == 0:
        print(f"training takes {memory}.", flush=True)
    model = build_model(config).to(devices.device)
    metadata = describe(config, train_set)

    def export(averaged: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
        assert isinstance(averaged, Vocoder)
        save_checkpoint(folder, for_sampling(averaged, config), {**metadata, **facts})

    def validate(averaged: nn.Module, step: int, board: Board) -> dict[str, float]:
        assert isinstance(averaged, Vocoder)
        if config.validation.sounds:
            show_clips(for_sampling(averaged, config), valid_set, config, devices, board=board, step=step)
        return {"loss": validation_loss(averaged, valid_set, config, devices)}

    run_steps(
        make_players(model, train_set, config, devices),
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


def build_model(config: Config) -> Vocoder:
    """Return the vocoder with random weights from the run's seed, or with those of `config.init`.

    Raises:
        AudiodiffError: the checkpoint is of another shape.
    """
    torch.manual_seed(config.train.seed)
    model = Vocoder(config.model)
    if config.init:
        given = load_checkpoint(find_vocoder(config.init), Vocoder)
        odd = [
            change
            for change in differences(model_config_to_dict(given.config), model_config_to_dict(config.model))
            if change[0].startswith(("mel.", "wavenet.", "front_end.", "head.name"))
        ]
        if odd:
            key, theirs, ours = odd[0]
            raise AudiodiffError(
                f"the checkpoint {config.init} is of another shape: model.{key} is {theirs} there and {ours} here; "
                "give the settings that it was trained with."
            )
        model.load_state_dict(given.state_dict())
    return model


def make_players(model: Vocoder, data: AudioDataset, config: Config, devices: Devices) -> list[Player]:
    """Return who trains: the vocoder, and the discriminator of adversarial training.

    A step of the vocoder takes crops at random gains and mixes them with noise at random times (some at full noise);
    the loss is the model's own, plus what the discriminator makes of the estimates.
    """
    batch_size, n_samples = config.train.batch_size, config.data.crop_frames * config.model.mel.hop_length
    t_min, t_max = config.model.loss.t_min, model.process.t_max
    low, high = config.data.gain_db
    full_noise = torch.full((batch_size,), config.model.loss.full_noise)
    settings = config.adversarial
    discriminator: Discriminator | None = None
    if settings.weight:
        shape = DiscriminatorConfig(channels=settings.discriminator_channels)
        discriminator = Discriminator(shape, config.model.mel.sample_rate).to(devices.device)
        full_noise[: settings.judged_items] = settings.judged_full_noise
    decoded = decoded_mels(config, devices)
    n_judged = max(settings.judged_items // devices.n_processes, 1)
    judged: list[Tensor] = []  # recording, estimate and bandwidth of this step, from the vocoder's turn to the next

    def vocoder_loss(devices: Devices, step: int, generator: torch.Generator) -> LossOutput:
        batch = data.crops(config.train.seed, step, batch_size, n_samples)
        gain = 10.0 ** ((torch.rand(batch_size, generator=generator) * (high - low) + low) / 20.0)
        waveform = (batch.waveform * gain[:, None]).clamp(-1.0, 1.0)
        t = t_min + (t_max - t_min) * torch.rand(batch_size, generator=generator)
        at_full_noise = torch.rand(batch_size, generator=generator) < full_noise
        t = torch.where(at_full_noise, torch.full((), t_max), t)
        noise = torch.randn(batch_size, 1, n_samples, generator=generator)
        share = torch.rand(batch_size, generator=generator) < config.autoencoder_share
        waveform, bandwidth, t, noise = (devices.shard(part) for part in (waveform, batch.bandwidth_hz, t, noise))
        log_mel = None if decoded is None else decoded(waveform, devices.shard(share))
        loss = model.loss(waveform, bandwidth, t, noise, log_mel)
        total, terms = loss.per_item.mean(), dict(loss.terms)
        if discriminator is not None:
            recording, estimate, band = waveform[:n_judged], loss.x0_hat[:n_judged, 0], bandwidth[:n_judged]
            judged[:] = [recording, estimate.detach(), band]
            adversarial, features = generator_loss(discriminator(recording, band), discriminator(estimate, band))
            fade = min(step / max(settings.fade_in_steps, 1), 1.0)
            total = total + fade * (settings.weight * adversarial + settings.feature_weight * features)
            terms |= {"adversarial": adversarial, "features": features}
        return LossOutput(total, terms)

    first, *further = [partial(vocoder_loss, part) for part in devices.parts(config.train.accumulate)]
    players = [Player("vocoder", model, first, further=further)]
    if discriminator is not None:
        judge = discriminator

        def judge_loss(step: int, generator: torch.Generator) -> LossOutput:
            recording, estimate, band = judged
            return LossOutput(discriminator_loss(judge(recording, band), judge(estimate, band)), {})

        players.append(Player("discriminator", judge, judge_loss, settings.discriminator_rate))
    return players


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


def batch_names(data: AudioDataset, config: Config, step: int) -> str:
    """Name the clips of a step's batch."""
    n_samples = config.data.crop_frames * config.model.mel.hop_length
    index = data.crops(config.train.seed, step, config.train.batch_size, n_samples).index
    return ", ".join(dict.fromkeys(str(data.items[i].path) for i in index.tolist()))


def validation_loss(model: Vocoder, data: AudioDataset, config: Config, devices: Devices) -> float:
    """The training loss on the validation clips, at the same times and with the same noise whenever it is asked for."""
    n_samples = config.data.crop_frames * config.model.mel.hop_length
    generator = torch.Generator().manual_seed(step_seed(0, 0))
    total, n_times = 0.0, 4
    for index in range(len(data)):
        waveform = fit_length(data.waveform(index, stop=n_samples), n_samples).expand(n_times, -1)
        share = (torch.arange(n_times) + 0.5) / n_times
        t = config.model.loss.t_min + (model.process.t_max - config.model.loss.t_min) * share
        noise = torch.randn(n_times, 1, n_samples, generator=generator)
        bandwidth = torch.full((n_times,), data.bandwidth_hz(index))
        loss = model.loss(*(part.to(devices.device) for part in (waveform, bandwidth, t, noise)))
        total += loss.per_item.mean().item()
    return total / len(data)


def show_clips(
    model: Vocoder, data: AudioDataset, config: Config, devices: Devices, *, board: Board, step: int
) -> None:
    """Vocode the validation clips; put the mels (recording above, ours below) and the sounds on the board."""
    spec, rate = config.model.mel, config.model.mel.sample_rate
    for index in range(len(data)):
        waveform = data.waveform(index, stop=int(config.validation.seconds * rate))
        waveform = fit_length(waveform, math.ceil(len(waveform) / spec.hop_length) * spec.hop_length)
        estimate = vocode(model, waveform.to(devices.device), config.sampling, seed=index)
        mels = torch.cat([mel.log_mel(sound[None], spec) for sound in (waveform, estimate.cpu())])
        board.picture(step, f"clip {index + 1}", mels)
        board.audio(step, f"clip {index + 1}/vocoded", estimate, rate)
        board.audio(step, f"clip {index + 1}/recording", waveform, rate)


def vocode(model: Vocoder, waveform: Tensor, settings: SamplingConfig, seed: int) -> Tensor:
    """Reduce a short waveform `[n_samples]` (a multiple of the hop) to its mel and sample it back: `[n_samples]`."""
    n_frames = len(waveform) // model.mel_spec.hop_length
    return vocode_mel(model, mel.log_mel(waveform[None], model.config.state_mel)[..., :n_frames], settings, seed)


@torch.no_grad()
def vocode_mel(model: Vocoder, log_mel: Tensor, settings: SamplingConfig, seed: int) -> Tensor:
    """Sample the waveform `[n_frames * hop_length]` of a short log-mel `[1, n_mels, n_frames]`."""
    compute_dtype = torch.bfloat16 if settings.precision == "bf16" else None
    cond = model.prepare(log_mel, compute_dtype)
    noise = model.noise(log_mel, seed, 0, cond)
    denoiser = model.denoiser(compute_dtype)
    estimate = sample(
        SAMPLERS[settings.sampler](),
        lambda x, t: denoiser(x, t, cond),
        model.process,
        model.process.prior(noise(0)),
        GRIDS[settings.grid](model.process, settings.steps),
        noise if settings.sampler in STOCHASTIC_SAMPLERS else None,
    )
    return estimate[0, 0]


def for_sampling(model: Vocoder, config: Config) -> Vocoder:
    """Return the model as it is meant to be sampled: with the projections that `config.sampling` states, if any."""
    prior, output = config.sampling.prior, config.sampling.output
    if prior is not None:
        model = model.with_prior(prior)
    return model if output is None else model.with_output(**dataclasses.asdict(output))


def describe(config: Config, data: AudioDataset) -> dict[str, Any]:
    """What travels with the weights: the corpus and its licences, the settings, how to sample."""
    low, high = config.data.gain_db
    corpus = describe_corpus(config.data, data)
    metadata: dict[str, Any] = {
        "description": config.description,
        "corpus": corpus,
        # Decoded mels teach the vocoder, but no weights of the autoencoder are in it.
        "origins": describe_origins(corpus, find=find_vocoder, init=config.init),
        "training": {key: value for key, value in config_to_dict(config).items() if key in ("train", "data", "init")},
        # The projections stand in the model's config.
        "sampling": {
            key: value for key, value in dataclass_to_dict(config.sampling).items() if key not in ("prior", "output")
        },
        "command": command(config),
    }
    # Paths say nothing on another machine.
    for key in ("folder", "cache"):
        metadata["training"]["data"].pop(key)
    if config.data.normalize == "rms":
        metadata["reference_level_db"] = round(20.0 * math.log10(config.data.level) + 0.5 * (low + high), 2)
    return metadata


def command(config: Config) -> str:
    """Return the command line that repeats the run."""
    preset = config_to_dict(PRESETS[config.preset]) if config.preset else None
    return run_command(config.preset, preset, config_to_dict(config))
