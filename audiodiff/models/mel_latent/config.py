"""Everything that makes a latent model but its weights, and how it is written down."""

from dataclasses import dataclass, field
from typing import Any, Literal

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder.config import MelAutoencoderConfig
from audiodiff.nn.transformer import DiTConfig
from audiodiff.nn.unet import UNetConfig
from audiodiff.text.keys import KEYS

__all__ = [
    "CLASSES",
    "KEY",
    "NUMBERS",
    "ClassConfig",
    "MelLatentConfig",
    "NumberConfig",
    "PriorConfig",
]


@dataclass(frozen=True)
class NumberConfig:
    """A number that the model can be asked for; it sees its distance from a usual value, 24 units an octave.

    Attributes:
        name: what it is called in metadata and settings.
        centre: a usual value, in the number's own unit.
    """

    name: str
    centre: float


@dataclass(frozen=True)
class ClassConfig:
    """A choice among names; the model also knows "unknown", class 0."""

    name: str
    values: tuple[str, ...]


NUMBERS = (NumberConfig("tempo", 110.0), NumberConfig("seconds", 10.0))
"""What latent models can be asked for unless their config says otherwise."""


CLASSES = (ClassConfig("source", ("rendered", "recorded")),)
"""What they can be conditioned on."""


KEY = ClassConfig("key", KEYS)
"""The key as a choice: the states of text encoders hardly tell F# from G."""


@dataclass(frozen=True)
class PriorConfig:
    """Shape of the network that draws embeddings (`audiodiff.models.mel_latent.prior`).

    Attributes:
        width: of its tokens; 0 for no prior.
        depth, heads, expansion: as of `DiTConfig`.
    """

    width: int = 0
    depth: int = 4
    heads: int = 4
    expansion: float = 3.0


def _rectified_flow() -> dict[str, Any]:
    return {"name": "rectified_flow"}


def _velocity() -> dict[str, Any]:
    return {"name": "velocity"}


@dataclass(frozen=True)
class MelLatentConfig:
    """Everything that makes a `MelLatent`; stored in its checkpoint.

    Attributes:
        autoencoder: the codec.
        network: which of the two networks below is used.
        dit, unet: their shapes; `channels`, `text_width`, `numbers` and `classes` follow from the rest.
        text_encoder: name of the frozen text encoder (`audiodiff.text.encoders`).
        text_width: width of its token states.
        numbers, classes: what else can be asked for.
        beats: whether it can be conditioned on beats.
        known: whether it can be conditioned on latents that the rest must fit, for inpainting.
        chords: whether it can be conditioned on chords.
        embedding: whether it can be conditioned on an embedding of the whole clip (`MelLatent.embedding`).
        prior: what draws that embedding where there is no clip.
        process, parameterization: as `audiodiff.diffusion.config` writes them.
    """

    autoencoder: MelAutoencoderConfig
    network: Literal["dit", "unet"] = "dit"
    dit: DiTConfig = field(default_factory=DiTConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    text_encoder: str = "minilm"
    text_width: int = 384
    numbers: tuple[NumberConfig, ...] = NUMBERS
    classes: tuple[ClassConfig, ...] = CLASSES
    beats: bool = False
    known: bool = False
    chords: bool = False
    process: dict[str, Any] = field(default_factory=_rectified_flow)
    parameterization: dict[str, Any] = field(default_factory=_velocity)
    embedding: bool = field(default=False, metadata={"omit_default": True})
    prior: PriorConfig = field(default=PriorConfig(), metadata={"omit_default": True})

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be read, and a prior of nothing."""
        if self.prior.width and not self.embedding:
            raise AudiodiffError("a prior draws embeddings, and the model takes none; set model.embedding.")
        for number in self.numbers:
            check_bounds(number, f"number {number.name}", centre=(1e-9, 1e9))
