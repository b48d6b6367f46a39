"""The latent model: a condition in, log-mels out, by denoising the latents of a mel autoencoder.

The same sentence as the vocoder, `(codec, network, process, parameterization, condition)`; here the codec is the
autoencoder, and the condition is a text, numbers such as the tempo, and classes.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.diffusion.config import (
    parameterization_from_dict,
    parameterization_to_dict,
    process_from_dict,
    process_to_dict,
)
from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.losses import denoising_loss, length_mask
from audiodiff.diffusion.parameterization import Parameterization
from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import (
    MelAutoencoder,
    MelAutoencoderConfig,
    autoencoder_config_from_dict,
    autoencoder_config_to_dict,
)
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict
from audiodiff.nn.condition import Condition
from audiodiff.nn.transformer import DiT, DiTConfig
from audiodiff.nn.unet import UNet, UNetConfig
from audiodiff.signal import mel
from audiodiff.text.keys import KEYS

__all__ = [
    "KEY",
    "ClassConfig",
    "MelLatent",
    "MelLatentConfig",
    "MelLatentLoss",
    "NumberConfig",
    "mel_latent_config_from_dict",
    "mel_latent_config_to_dict",
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
"""What they can be told to choose from."""

KEY = ClassConfig("key", KEYS)
"""The key as a choice: the states of text encoders hardly tell F# from G."""


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
        text_encoder: name of the frozen text encoder (`audiodiff.text.open_encoder`).
        text_width: width of its token states.
        numbers, classes: what else can be asked for.
        beats: whether it can be told where the beats are.
        known: whether it can be told latents that the rest must fit, as for filling gaps.
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
    process: dict[str, Any] = field(default_factory=_rectified_flow)
    parameterization: dict[str, Any] = field(default_factory=_velocity)

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be read."""
        for number in self.numbers:
            check_bounds(number, f"number {number.name}", centre=(1e-9, 1e9))


class MelLatentLoss(NamedTuple):
    """Loss `[batch]` and the estimate `[batch, channels, n_latents]`."""

    per_item: Tensor
    x0_hat: Tensor


class MelLatent(nn.Module):
    """A latent diffusion model as its config describes it.

    The state of the process is the standardised latents, `[batch, channels, n_latents]`.
    """

    def __init__(self, config: MelLatentConfig) -> None:
        super().__init__()
        self.config = config
        self.process: Process = process_from_dict(config.process)
        self.parameterization: Parameterization = parameterization_from_dict(config.parameterization)
        self.autoencoder = MelAutoencoder(config.autoencoder)
        follows: dict[str, Any] = {
            "channels": self.autoencoder.latent_channels,
            "text_width": config.text_width,
            "numbers": len(config.numbers),
            "classes": tuple(len(kind.values) + 1 for kind in config.classes),
            "beats": config.beats,
            "known": config.known,
        }
        self.network: DiT | UNet
        if config.network == "dit":
            self.network = DiT(dataclasses.replace(config.dit, **follows))
        else:
            self.network = UNet(dataclasses.replace(config.unet, **follows))
        # Fails here rather than in the first step if the row is undefined on the process.
        Denoiser(self.network, self.process, self.parameterization)

    @property
    def mel_spec(self) -> mel.MelSpec:
        """The mel that comes out."""
        return self.config.autoencoder.mel

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return self.autoencoder.latent_channels

    @property
    def latents_per_second(self) -> float:
        """Rate of the latents (Hz)."""
        return self.config.autoencoder.latents_per_second

    def denoiser(self, compute_dtype: torch.dtype | None = None, *, circular: bool = False) -> Denoiser:
        """Return the denoiser of states `[batch, channels, n_latents]` under a `Condition`.

        Args:
            compute_dtype: dtype of the network; None follows an enclosing autocast.
            circular: the clip is a loop, its end followed by its beginning.
        """

        def network(x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
            lowered = compute_dtype not in (None, torch.float32)
            with torch.autocast(x.device.type, dtype=compute_dtype) if lowered else nullcontext():
                output: Tensor = self.network(x, c_noise, cond, circular=circular)
            return output

        return Denoiser(network, self.process, self.parameterization)

    def condition(
        self,
        tokens: Sequence[Tensor],
        numbers: Sequence[Mapping[str, float | None]],
        classes: Sequence[Mapping[str, str]],
    ) -> Condition:
        """Put what is asked for into the form that the network takes.

        Args:
            tokens: for each item, states of the text encoder `[n_tokens, text_width]`; none for no text.
            numbers: for each item, name -> value; unknown where missing or None.
            classes: for each item, name -> one of its values; unknown where missing or empty.

        Raises:
            AudiodiffError: a name or value that the model does not know.
        """
        batch, width = len(tokens), self.config.text_width
        n_tokens = max([1, *(len(item) for item in tokens)])
        states = torch.zeros(batch, n_tokens, width)
        mask = torch.zeros(batch, n_tokens, dtype=torch.bool)
        for row, item in enumerate(tokens):
            if item.ndim != 2 or item.shape[1] != width:
                raise AudiodiffError(
                    f"text states have shape {list(item.shape)}; this model takes [n_tokens, {width}] of the encoder "
                    f"{self.config.text_encoder}."
                )
            states[row, : len(item)] = item
            mask[row, : len(item)] = True
        rows = torch.tensor([self.number_row(item) for item in numbers]).reshape(batch, len(self.config.numbers))
        values = self.number_columns(rows)
        kinds = torch.tensor([self.class_row(item) for item in classes]).reshape(batch, len(self.config.classes))
        device = next(self.parameters()).device
        no_beats = torch.zeros(batch, 0, device=device)
        nothing = torch.zeros(batch, self.channels, 0, device=device)
        given = states.to(device), mask.to(device), values.to(device), kinds.long().to(device)
        return Condition(*given, no_beats, nothing)

    def number_columns(self, values: Tensor) -> Tensor:
        """Numbers in their own units, `[batch, n_numbers]`, as the network sees them; NaN stays NaN."""
        centres = torch.tensor([number.centre for number in self.config.numbers], device=values.device)
        # A unit is 3 %, about what an ear tells apart in a tempo.
        return 24.0 * torch.log2(values / centres)

    def number_row(self, values: Mapping[str, float | None]) -> list[float]:
        """Numbers in the order of the columns, NaN where unknown.

        Raises:
            AudiodiffError: an unknown name, or a value that is not above 0.
        """
        known = {number.name: number for number in self.config.numbers}
        row = dict.fromkeys(known, math.nan)
        for name, value in values.items():
            if name not in known:
                raise AudiodiffError(f"this model knows no {name!r}; it knows {', '.join(known) or 'no numbers'}.")
            if value is None:
                continue
            if not (math.isfinite(value) and value > 0):
                raise AudiodiffError(f"{name} is {value}; expected a number above 0.")
            row[name] = value
        return list(row.values())

    def class_row(self, values: Mapping[str, str]) -> list[int]:
        """Classes as the network sees them, 0 where unknown.

        Raises:
            AudiodiffError: an unknown name or value.
        """
        known = {kind.name: kind.values for kind in self.config.classes}
        row = dict.fromkeys(known, 0)
        for name, value in values.items():
            if name not in known:
                raise AudiodiffError(f"this model knows no {name!r}; it knows {', '.join(known) or 'no classes'}.")
            if not value:
                continue
            if value not in known[name]:
                raise AudiodiffError(f"{name} is {value!r}; this model knows {', '.join(known[name])}.")
            row[name] = known[name].index(value) + 1
        return list(row.values())

    def loss(
        self, latents: Tensor, cond: Condition, t: Tensor, noise: Tensor, lengths: Tensor | None = None
    ) -> MelLatentLoss:
        """Training loss of one batch, over the latents that are not told.

        Args:
            latents: `[batch, channels, n_latents]`, standardised.
            cond: of the same items.
            t: times of the process, `[batch]`.
            noise: standard normal, like `latents`.
            lengths: latents of each item that count, `[batch]`; all when None.
        """
        mask = None if lengths is None else length_mask(lengths, latents.shape[-1])
        if cond.known.shape[2]:
            # What is told needs no guess.
            asked = cond.known.isnan().any(dim=1, keepdim=True)
            mask = asked if mask is None else mask & asked
        result = denoising_loss(self.denoiser(), latents, cond, t, noise, mask=mask)
        return MelLatentLoss(result.per_item, result.x0_hat)


def mel_latent_config_from_dict(values: Mapping[str, Any]) -> MelLatentConfig:
    """Read a config from JSON values.

    Raises:
        AudiodiffError: an unknown key, a value of the wrong type, or parts that do not fit each other.
    """
    plain = dict(values)
    if "autoencoder" not in plain:
        raise AudiodiffError("the latent model's config lacks the key autoencoder.")
    plain["autoencoder"] = autoencoder_config_from_dict(plain["autoencoder"])
    return dataclass_from_dict(MelLatentConfig, plain)


def mel_latent_config_to_dict(config: MelLatentConfig) -> dict[str, Any]:
    """Turn a config into JSON values."""
    values: dict[str, Any] = dataclass_to_dict(config)
    values["autoencoder"] = autoencoder_config_to_dict(config.autoencoder)
    values["process"] = process_to_dict(process_from_dict(config.process))
    values["parameterization"] = parameterization_to_dict(parameterization_from_dict(config.parameterization))
    return values
