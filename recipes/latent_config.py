"""The settings of a latent model's training."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from audiodiff.bounds import check_bounds
from audiodiff.diffusion.times import QUANTILES
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder, MelAutoencoderConfig
from audiodiff.models.checkpoint import model_config_of
from audiodiff.models.find import find_checkpoint
from audiodiff.models.mel_latent import (
    MelLatentConfig,
)
from audiodiff.nn.adapters import AdapterConfig
from audiodiff.signal import mel
from audiodiff.training.loop import TrainConfig

from .adapting import check_adapter
from .recipe import GuidedSampling, Recipe, RunSettings


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Attributes:
        folder: shards made by `audiodiff encode`: a folder or a URL; several with commas between them.
        folder_weights: how much more often than their length says the clips of each part of `folder` are drawn: one
            factor a part, or empty for 1 each. Times `recorded_weight`.
        crop_latents: latents per training item; several lengths take turns, so that none is strange to the model.
        recorded_weight: how much more often than their length says recordings are drawn than rendered clips.
        drop_all: share of items trained without any condition, for guidance.
        drop_text: share of the others trained without text.
        drop_number: share of numbers, and of classes, that are withheld, so that they can be left out.
        drop_beats: share of items without their beats.
        drop_chords: share of items without their chords.
        drop_embedding: share of items without their embedding, if the model takes it (`model.embedding`).
        complete: share of items conditioned on their latents but for a gap, if the model takes it (`model.known`).
        complete_alone: share of these without any other condition.
    """

    folder: str = ""
    folder_weights: tuple[float, ...] = ()
    crop_latents: tuple[int, ...] = (128, 64, 96, 215)  # six seconds, with many crops to a clip, ..., the whole ten
    recorded_weight: float = 1.0
    drop_all: float = 0.1
    drop_text: float = 0.05
    drop_number: float = 0.4
    drop_beats: float = 0.3
    drop_chords: float = 0.4
    drop_embedding: float = 0.5
    complete: float = 0.5
    complete_alone: float = 0.4


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


@dataclass(frozen=True, kw_only=True)
class Config(RunSettings):
    """A whole run.

    Attributes:
        adapter: what is trained in the place of all weights, if its rank is not 0; `init` is then the model to adapt.
        times: the quantile function of training times (`audiodiff.diffusion.times.QUANTILES`).
        autoencoder: checkpoint of the autoencoder that made the shards, or of a latent model that has it.
        vocoder: checkpoint of a vocoder for its mel, or of a latent model that has one, put next to the model; empty to
            leave that to Griffin-Lim.
        teacher: checkpoint of a model whose estimates are learnt in the place of the latents; empty for none.
    """

    model: MelLatentConfig
    data: DataConfig = field(default_factory=DataConfig)
    sampling: GuidedSampling = field(  # in bfloat16 for half the time on CPUs
        default_factory=partial(GuidedSampling, 20, "dpmpp_2m", "uniform", "bf16", 3.0, 0.5)
    )
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    times: str = "logit_normal"
    autoencoder: str = ""
    vocoder: str = ""
    teacher: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        check_adapter(self.adapter, self.init)
        if self.times not in QUANTILES:
            raise AudiodiffError(f"times is {self.times!r}; known: {', '.join(QUANTILES)}.")
        drops = (item.name for item in fields(DataConfig) if item.name.startswith("drop_"))
        for name in (*drops, "complete", "complete_alone"):
            if not 0.0 <= getattr(self.data, name) <= 1.0:
                raise AudiodiffError(f"data.{name} is {getattr(self.data, name)}; expected a share from 0 to 1.")
        check_bounds(
            self.data, "data", crop_latents=(1, 100_000), recorded_weight=(1e-9, 1e9), folder_weights=(1e-9, 1e9)
        )
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


def _with_codec(values: dict[str, Any], before: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """The autoencoder's shape is that of the checkpoint `autoencoder`, where one is given."""
    if values["autoencoder"]:
        found = model_config_of(find_checkpoint(values["autoencoder"]), MelAutoencoder)
        values["model"]["autoencoder"] = found
    return values


RECIPE = Recipe(
    "latent",
    Config(
        model=MelLatentConfig(autoencoder=MelAutoencoderConfig(mel=mel.preset("bigvgan-44k"))),
        train=TrainConfig(steps=1, batch_size=1),
    ),
    follow=_with_codec,
    found="model.autoencoder",
)

configure = RECIPE.configure
