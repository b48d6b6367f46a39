"""The settings of a latent model's training, with their reasons, and the presets."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from audiodiff.bounds import check_bounds
from audiodiff.data.corpora import SC09_WORDS
from audiodiff.diffusion.samplers import SAMPLERS
from audiodiff.diffusion.times import GRIDS, QUANTILES
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoderConfig
from audiodiff.models.checkpoint import read_config
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint
from audiodiff.models.mel_latent import (
    CLASSES,
    KEY,
    ClassConfig,
    MelLatentConfig,
    NumberConfig,
)
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.nn.transformer import DiTConfig
from audiodiff.signal import mel
from audiodiff.training.loop import TrainConfig

from .autoencoder import PRESETS as CODECS
from .corpus import CorpusName
from .run import layered


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
        drop_beats: share of items that are not told where their beats are.
        complete: share of items that are told their latents but for a gap, if the model can be (`model.known`).
        complete_alone: share of these that are told nothing else.
    """

    folder: str = ""
    crop_latents: tuple[int, ...] = (128, 64, 96, 215)  # six seconds, with many crops to a clip, ..., the whole ten
    recorded_weight: float = 1.0
    drop_all: float = 0.1
    drop_text: float = 0.05
    drop_number: float = 0.4
    drop_beats: float = 0.3
    complete: float = 0.5
    complete_alone: float = 0.4


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
    precision: Literal["fp32", "bf16"] = "bf16"  # half the time of float32 on CPUs
    guidance: float = 3.0
    rescale: float = 0.5


@dataclass(frozen=True)
class ValidationConfig:
    """What is measured, and listened to, while training goes on.

    Attributes:
        crops: how many of the validation split the loss is measured on; 0 for no validation.
        sounds: whether clips are generated from captions of the validation split; needs `vocoder`.
        clips: how many.
        seconds: of each clip, at most.
        steps: most sampling steps, of the model and of the vocoder: to hear where it is going, not how good it gets.
    """

    crops: int = 64
    sounds: bool = True
    clips: int = 2
    seconds: float = 5.0
    steps: int = 8


@dataclass(frozen=True)
class Config:
    """A whole run. Any key can be set on the command line, nested ones with dots.

    Attributes:
        times: the quantile function of training times (`audiodiff.diffusion.times.QUANTILES`).
        autoencoder: checkpoint of the autoencoder that made the shards, or of a latent model that has it.
        vocoder: checkpoint of a vocoder for its mel, or of a latent model that has one, put beside the model; empty to
            leave that to Griffin-Lim.
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
        for name in ("drop_all", "drop_text", "drop_number", "drop_beats", "complete", "complete_alone"):
            if not 0.0 <= getattr(self.data, name) <= 1.0:
                raise AudiodiffError(f"data.{name} is {getattr(self.data, name)}; expected a share from 0 to 1.")
        check_bounds(self.data, "data", crop_latents=(1, 100_000), recorded_weight=(1e-9, 1e9))
        if not self.data.crop_latents:
            raise AudiodiffError("data.crop_latents is empty; give one length or several.")
        check_bounds(
            self.validation,
            "validation",
            crops=(0, 1_000_000),
            clips=(0, 10_000),
            seconds=(1e-3, 3600.0),
            steps=(1, 10_000),
        )
        check_bounds(self.sampling, "sampling", steps=(1, 10_000), guidance=(-1e3, 1e3), rescale=(0.0, 1.0))


_MUSIC = Config(
    model=MelLatentConfig(
        autoencoder=MelAutoencoderConfig(mel=mel.preset("bigvgan-44k")),
        # A model that is told a tempo only as a number takes many more hours to learn what a beat is.
        beats=True,
        # What is told nothing but the noisy state fills gaps with another piece.
        known=True,
        classes=(*CLASSES, KEY),
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
    # At 3 families are found a little more seldom (54 of 63 clips against 57).
    sampling=SamplingConfig(guidance=4.0),
    description="music from a prompt, 44.1 kHz",
)

# Runs for a GPU, which the authors have not made: sizes and steps are what such corpora usually get.
_LONG = dataclasses.replace(
    _MUSIC.train,
    steps=200_000,
    batch_size=64,
    learning_rate=3e-4,
    warmup_steps=2_000,
    ema_half_life=400_000.0,
    validate_every=5_000,
    save_every_seconds=600.0,
)

# Corpora of ten hours: more steps would only teach them by heart.
_SHORT = dataclasses.replace(_LONG, steps=60_000, ema_half_life=200_000.0)

_LARGE_DIT = DiTConfig(width=512, depth=12, heads=8, conv_kernel=5)
_SMALL_DIT = DiTConfig(width=384, depth=8, heads=6, conv_kernel=5)

# Long recordings: ten seconds, five, fifteen. They know no tempo, and how long the whole is says nothing of a part.
_PIECES = DataConfig(crop_latents=(215, 108, 323))
_UNNUMBERED = MelLatentConfig(autoencoder=CODECS["music-autoencoder"].model, dit=_LARGE_DIT, numbers=(), classes=())

PRESETS: dict[str, Config] = {
    # The model in the package: two CPU cores and some hours.
    "music": _MUSIC,
    # The same budget spent on a U-Net.
    "music-unet": dataclasses.replace(
        _MUSIC, model=dataclasses.replace(_MUSIC.model, network="unet"), description="music from a prompt, U-Net"
    ),
    # The model in the package, taught a few clips more: ten minutes on two CPU cores.
    "music-finetune": dataclasses.replace(
        _MUSIC,
        train=dataclasses.replace(
            _MUSIC.train,
            steps=500,
            # The rate at which the model was trained would wipe out what it knows.
            learning_rate=1e-4,
            warmup_steps=50,
            ema_half_life=2_000.0,
            log_every=10,
            validate_every=100,
        ),
        autoencoder="music",
        vocoder="music",
        init="music",
        description="music from a prompt, 44.1 kHz, the model `music` taught further",
    ),
    # Any folder of music with captions, tempos where they are known, as `audiodiff prepare rendered` makes them.
    "folder-latent": dataclasses.replace(
        _MUSIC,
        model=dataclasses.replace(_MUSIC.model, dit=_LARGE_DIT),
        train=_LONG,
        description="music of a folder from a prompt, 44.1 kHz",
    ),
    # Piano alone, 200 hours; prompts name composers and pieces.
    "maestro-latent": dataclasses.replace(
        _MUSIC, model=_UNNUMBERED, train=_LONG, data=_PIECES, description="solo piano (MAESTRO) from a prompt, 44.1 kHz"
    ),
    # 100 songs with voices; nothing but names to prompt with, so take it for its sound.
    "musdb18-latent": dataclasses.replace(
        _MUSIC,
        model=dataclasses.replace(_UNNUMBERED, dit=_SMALL_DIT),
        train=_SHORT,
        data=_PIECES,
        description="songs (MUSDB18-HQ), 44.1 kHz",
    ),
    # Ten genres, ten prompts.
    "gtzan-latent": dataclasses.replace(
        _MUSIC,
        model=dataclasses.replace(_UNNUMBERED, dit=_SMALL_DIT),
        train=_SHORT,
        data=_PIECES,
        description="music of ten genres (GTZAN), 44.1 kHz",
    ),
    # Everything that people upload, under its genre and title.
    "fma-latent": dataclasses.replace(
        _MUSIC,
        model=_UNNUMBERED,
        train=dataclasses.replace(_LONG, steps=400_000),
        data=_PIECES,
        description="music (Free Music Archive) from a prompt, 44.1 kHz",
    ),
    # Ten words of a second. Text and class say the same; each is withheld at times, so that the other does alone.
    "sc09-latent": dataclasses.replace(
        _MUSIC,
        model=MelLatentConfig(
            autoencoder=CODECS["sc09-autoencoder"].model,
            dit=_SMALL_DIT,
            numbers=(),
            classes=(ClassConfig("word", SC09_WORDS),),
        ),
        train=_SHORT,
        data=DataConfig(crop_latents=(44,), drop_text=0.3, drop_number=0.3),
        validation=ValidationConfig(clips=4),
        description="spoken digits (SC09), 22.05 kHz",
    ),
    # One reader. MiniLM's states tell what a sentence means rather than how it sounds: expect voice and pace, no words.
    "ljspeech-latent": dataclasses.replace(
        _MUSIC,
        model=MelLatentConfig(
            autoencoder=CODECS["ljspeech-autoencoder"].model,
            dit=_LARGE_DIT,
            numbers=(NumberConfig("seconds", 6.0),),
            classes=(),
        ),
        train=_LONG,
        data=DataConfig(crop_latents=(431, 215, 323)),
        description="speech in the voice of LJSpeech, 22.05 kHz",
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

LAYOUTS: dict[str, CorpusName] = {
    "maestro-latent": "maestro",
    "musdb18-latent": "musdb18",
    "gtzan-latent": "gtzan",
    "fma-latent": "fma",
    "sc09-latent": "sc09",
    "ljspeech-latent": "ljspeech",
}
"""Layout of the corpus that a preset's shards are made from, where that is not a folder with captions."""


def configure(source: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a run; see `audiodiff_recipes.vocoder.configure`.

    The autoencoder's shape and the text encoder are those of the checkpoint `autoencoder`, where one is given.
    """
    name, values, _ = layered(
        source, changes or {}, {key: config_to_dict(preset) for key, preset in PRESETS.items()}, Config
    )
    if values["autoencoder"]:
        found = read_config(find_checkpoint(values["autoencoder"]), "autoencoder", "mel_latent")
        values["model"]["autoencoder"] = (
            found["model"]["autoencoder"] if found["kind"] == "mel_latent" else found["model"]
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
    return dataclass_from_dict(Config, {**values, "model": dataclass_from_dict(MelLatentConfig, values["model"])})
