"""The latent model: a condition in, log-mels out, by denoising the latents of a mel autoencoder.

The same sentence as the vocoder, `(codec, network, process, parameterization, condition)`; here the codec is the
autoencoder, and the condition is a text, numbers such as the tempo, and classes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from audiodiff.diffusion.config import parameterization_from_dict, process_from_dict
from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.losses import denoising_loss, length_mask
from audiodiff.diffusion.parameterization import Parameterization
from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder.model import MelAutoencoder
from audiodiff.models.mel_latent.config import MelLatentConfig
from audiodiff.models.mel_latent.prior import prior_network
from audiodiff.nn.condition import CHORD_FEATURES, Condition
from audiodiff.nn.transformer import DiT
from audiodiff.nn.unet import UNet
from audiodiff.signal import mel

__all__ = ["MelLatent", "MelLatentLoss", "pooled"]

_SMALLEST_STD = 1e-3
"""Of what an embedding is divided by: a channel that never changes says nothing."""


def pooled(latents: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Mean and standard deviation over time of each channel, `[batch, 2 * channels]`, the means first.

    Args:
        latents: `[batch, channels, n_latents]`.
        lengths: latents of each item that count, `[batch]`; all when None.
    """
    mask = None if lengths is None else length_mask(lengths, latents.shape[-1]).to(latents.dtype)
    weight = torch.ones_like(latents[:, :1]) if mask is None else mask
    count = weight.sum(dim=2).clamp(min=1.0)
    mean = (latents * weight).sum(dim=2) / count
    variance = ((latents - mean[:, :, None]).square() * weight).sum(dim=2) / count
    return torch.cat([mean, variance.sqrt()], dim=1)


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
            "chords": config.chords,
            "clip_width": 2 * self.autoencoder.latent_channels if config.embedding else 0,
        }
        self.network: DiT | UNet
        if config.network == "dit":
            self.network = DiT(dataclasses.replace(config.dit, **follows))
        else:
            self.network = UNet(dataclasses.replace(config.unet, **follows))
        if config.embedding:
            self.register_buffer("embedding_mean", torch.zeros(2 * self.channels))
            self.register_buffer("embedding_std", torch.ones(2 * self.channels))
        self.prior = prior_network(config, self.channels) if config.prior.width else None
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

    def denoiser(
        self,
        compute_dtype: torch.dtype | None = None,
        *,
        circular: bool = False,
        network: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
    ) -> Denoiser:
        """Return the denoiser of states `[batch, channels, n_latents]` under a `Condition`.

        Args:
            compute_dtype: dtype of the network; None follows an enclosing autocast.
            circular: the clip is a loop, its end followed by its beginning.
            network: what computes the network, given its state, noise level and condition; torch when `None`.
        """

        def own(x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
            lowered = compute_dtype not in (None, torch.float32)
            with torch.autocast(x.device.type, dtype=compute_dtype) if lowered else nullcontext():
                output: Tensor = self.network(x, c_noise, cond, circular=circular)
            return output

        return Denoiser(network or own, self.process, self.parameterization)

    def prior_denoiser(self) -> Denoiser:
        """Return the denoiser of embeddings as states `[batch, channels, 2]` under a `prior_condition`.

        Raises:
            AudiodiffError: the model has no prior.
        """
        if self.prior is None:
            raise AudiodiffError("the model has no prior; train one with `audiodiff train music-prior --init MODEL`.")
        return Denoiser(self.prior, self.process, self.parameterization)

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
        no_chords = torch.zeros(batch, CHORD_FEATURES, 0, device=device)
        given = states.to(device), mask.to(device), values.to(device), kinds.long().to(device)
        return Condition(*given, no_beats, nothing, no_chords, no_beats)

    def embedding(self, latents: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What `Condition.clip` says of clips: mean and spread of each channel over time, `[batch, 2 * channels]`.

        Standardised by what the training clips had, on the device of the latents.

        Args:
            latents: `[batch, channels, n_latents]`, standardised.
            lengths: latents of each item that count, `[batch]`; all when None.
        """
        mean, std = (self.get_buffer(f"embedding_{name}").to(latents.device) for name in ("mean", "std"))
        return (pooled(latents, lengths) - mean) / std

    @torch.no_grad()
    def fit_embedding(self, found: Tensor) -> None:
        """Standardise embeddings by those of training clips, `[n_clips, 2 * channels]` as `pooled` makes them."""
        self.get_buffer("embedding_mean").copy_(found.mean(dim=0))
        self.get_buffer("embedding_std").copy_(found.std(dim=0).clamp(min=_SMALLEST_STD))

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
        self,
        latents: Tensor,
        cond: Condition,
        t: Tensor,
        noise: Tensor,
        lengths: Tensor | None = None,
        *,
        wanted: Tensor | None = None,
    ) -> MelLatentLoss:
        """Training loss of one batch, over the latents that are not told.

        Args:
            latents: `[batch, channels, n_latents]`, standardised.
            cond: of the same items.
            t: times of the process, `[batch]`.
            noise: standard normal, like `latents`.
            lengths: latents of each item that count, `[batch]`; all when None.
            wanted: estimates to learn in the place of the latents, like them: those of a teacher.
        """
        mask = None if lengths is None else length_mask(lengths, latents.shape[-1])
        if cond.known.shape[2]:
            # What is given needs no estimate.
            asked = cond.known.isnan().any(dim=1, keepdim=True)
            mask = asked if mask is None else mask & asked
        result = denoising_loss(self.denoiser(), latents, cond, t, noise, mask=mask, wanted=wanted)
        return MelLatentLoss(result.per_item, result.x0_hat)
