"""The speech model: phonemes to durations, F0 and a log-mel, each with a flow of its own on the diffusion core.

An encoder reads the symbols. Two small flows draw how long each lasts, and the pitch of each frame; a decoder gives the
mean log-mel under these, and a third flow the residual that the mean leaves, in its standard deviations. Mean and
residual learn together: the flow sees the mean as a given, without a gradient to it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from audiodiff.diffusion.config import parameterization_from_dict, process_from_dict
from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.losses import denoising_loss
from audiodiff.models.voice.config import VoiceConfig
from audiodiff.models.voice.frames import N_PITCH, N_PLACE, Frames, frames_of, harmonic_table, pitch_features
from audiodiff.models.voice.layers import Block, FlowNetwork, SelfAttention

__all__ = ["Draws", "Voice", "VoiceLoss"]

_RESIDUAL_MEMORY = 0.01
"""Share of the residual's variance that a training step renews."""

_CONTOUR_FRAMES, _CONTOUR_REACH = 12.0, 48
"""How slowly the noise of pitch moves (frames), and where its filter is cut off."""

_WEIGHTS = {"mean": 1.0, "durations": 0.2, "f0": 0.2, "residual": 1.0}
"""What the parts of the loss count for. Gradients of the residual never meet the others."""


class Draws(NamedTuple):
    """The random numbers of a training step, standard normal where nothing else is said.

    `t` `[batch, 3]`: times of the flows of durations, F0 and mel; `within` `[batch, n_symbols]`: uniform in -0.5 to
    0.5; `durations` `[batch, n_symbols, 1]`, `f0` `[batch, n_frames, 2]`, `mel` `[batch, n_frames, n_mels]`.
    """

    t: Tensor
    within: Tensor
    durations: Tensor
    f0: Tensor
    mel: Tensor


class VoiceLoss(NamedTuple):
    """Loss `[batch]`, and its parts averaged over the batch."""

    per_item: Tensor
    terms: dict[str, Tensor]


class Voice(nn.Module):
    """A speech model as its config describes it.

    Besides its weights it keeps how mels, durations, F0 and the residual are distributed. A state of the flows is
    `[batch, time, channels]`: log durations of the symbols, log F0 and voicing of the frames, residual bands.
    """

    mel_mean: Tensor
    mel_deviation: Tensor
    duration_mean: Tensor
    duration_deviation: Tensor
    f0_mean: Tensor
    f0_deviation: Tensor
    residual_variance: Tensor
    harmonics: Tensor
    contour: Tensor

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        self.config = config
        width, n_mels, dropout = config.width, config.mel.n_mels, config.dropout
        self.embedding = nn.Embedding(config.symbols, width)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.speakers = nn.Embedding(len(config.speakers), width) if config.speakers else None
        self.encoder = nn.ModuleList(Block(width, 5, 2, dropout) for _ in range(config.encoder_blocks))
        self.attention = nn.ModuleList(
            SelfAttention(width, config.heads, dropout) for _ in range(config.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.place = nn.Linear(N_PLACE, width)
        self.pitch = nn.Linear(n_mels + N_PITCH, width)
        self.decoder = nn.ModuleList(Block(width, 7, 3, dropout) for _ in range(config.decoder_blocks))
        self.decoder_norm = nn.LayerNorm(width)
        self.mean = nn.Linear(width, n_mels)
        prosody, time = config.prosody_width, config.time_width
        self.duration_flow = FlowNetwork(1, width, prosody, config.duration_blocks, time, dropout, (1, 2, 4))
        self.f0_flow = FlowNetwork(2, width, prosody, config.f0_blocks, time, dropout, (1, 2, 4, 8))
        self.mel_flow = FlowNetwork(
            n_mels, width + n_mels, config.denoiser_width, config.denoiser_blocks, time, 0.5 * dropout
        )
        self.process = process_from_dict(config.process)
        self.parameterization = parameterization_from_dict(config.parameterization)
        n_speakers = max(len(config.speakers), 1)
        for name, sizes, value in (
            ("mel_mean", (n_mels,), -5.0),
            ("mel_deviation", (n_mels,), 2.0),
            ("duration_mean", (config.symbols,), 2.0),
            ("duration_deviation", (config.symbols,), 0.5),
            ("f0_mean", (n_speakers,), 7.5),
            ("f0_deviation", (n_speakers,), 0.3),
            ("residual_variance", (n_mels,), 0.25),
        ):
            self.register_buffer(name, torch.full(sizes, value))
        self.register_buffer("harmonics", harmonic_table(config.mel, config.f0_min, config.f0_max), persistent=False)
        away = torch.arange(-_CONTOUR_REACH, _CONTOUR_REACH + 1).abs() / _CONTOUR_FRAMES
        kernel = torch.exp(-away) + 0.5 * (away == 0)
        self.register_buffer("contour", kernel / kernel.square().sum().sqrt(), persistent=False)

    def encode(self, ids: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """States of symbols.

        Args:
            ids: numbers in `SYMBOLS`, 0 after the end, `[batch, n_symbols]`.
            speaker: numbers in `config.speakers` `[batch]`; 0 for a single voice.

        Returns:
            `[batch, n_symbols, width]` and a mask `[batch, n_symbols, 1]`.
        """
        mask = (ids > 0).float()[..., None]
        x = self.embedding(ids)
        for block in self.encoder:
            x = block(x, mask.to(x.dtype))
        x = x + _positions(x)
        for layer in self.attention:
            x = layer(x, mask)
        x = self.encoder_norm(x)
        if self.speakers is not None:
            x = x + self.speakers(speaker)[:, None].to(x.dtype)
        states: Tensor = x
        return states, mask

    def expand(self, states: Tensor, frames: Frames) -> Tensor:
        """States of frames `[batch, n_frames, width]` from those of the symbols that they belong to."""
        place = self.place(frames.place)
        index = frames.symbol[..., None].expand(-1, -1, states.shape[-1])
        expanded: Tensor = states.gather(1, index).to(place.dtype) + place
        return expanded

    def decode(self, states: Tensor, frames: Frames, log_hertz: Tensor, voiced: Tensor) -> tuple[Tensor, Tensor]:
        """The mean log-mel.

        Args:
            states: of frames, `expand`.
            frames: the same frames.
            log_hertz, voiced: base-2 logarithm of F0 and 1 or 0 `[batch, n_frames]`.

        Returns:
            Standardised log-mel `[batch, n_frames, n_mels]`, and the condition of the flow of the residual.
        """
        config = self.config
        features = pitch_features(log_hertz, voiced, self.harmonics, config.f0_min, config.f0_max)
        x = states + self.pitch(features)
        for block in self.decoder:
            x = block(x, frames.mask.to(x.dtype))
        x = self.decoder_norm(x)
        mean = self.mean(x).float()
        return mean, torch.cat([x.detach().float(), mean.detach()], dim=-1)

    def duration_denoiser(self) -> Denoiser:
        """Denoiser of `[batch, n_symbols, 1]` under `(states, mask)` of symbols."""
        return Denoiser(self.duration_flow, self.process, self.parameterization)

    def f0_denoiser(self) -> Denoiser:
        """Denoiser of `[batch, n_frames, 2]` under `(states, mask)` of frames."""
        return Denoiser(self.f0_flow, self.process, self.parameterization)

    def mel_denoiser(self) -> Denoiser:
        """Denoiser of `[batch, n_frames, n_mels]` under the condition that `decode` gives and the mask of frames."""
        return Denoiser(self.mel_flow, self.process, self.parameterization)

    def durations_to_state(self, durations: Tensor, ids: Tensor, within: Tensor) -> Tensor:
        """State of durations `[batch, n_symbols]`, spread `within` half a frame, so that it is continuous."""
        logs = (1.0 + durations + within).log()
        return ((logs - self.duration_mean[ids]) / self.duration_deviation[ids])[..., None]

    def durations_of_state(self, state: Tensor, ids: Tensor) -> Tensor:
        """Durations in frames, not rounded `[batch, n_symbols]`, of a state `[batch, n_symbols, 1]`."""
        return (state[..., 0] * self.duration_deviation[ids] + self.duration_mean[ids]).exp() - 1.0

    def f0_to_state(self, log_hertz: Tensor, voiced: Tensor, speaker: Tensor) -> Tensor:
        """State of F0 `[batch, n_frames, 2]`: standardised log F0, and voicing as 1 or -1."""
        height = (log_hertz - self.f0_mean[speaker, None]) / self.f0_deviation[speaker, None]
        return torch.stack([height, 2.0 * voiced - 1.0], dim=-1)

    def f0_of_state(self, state: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """Base-2 logarithm of F0 within the model's range, and voicing as 1 or 0, `[batch, n_frames]` each."""
        log_hertz = state[..., 0] * self.f0_deviation[speaker, None] + self.f0_mean[speaker, None]
        low, high = math.log2(self.config.f0_min), math.log2(self.config.f0_max)
        return log_hertz.clamp(low, high), (state[..., 1] > 0).float()

    def f0_noise(self, white: Tensor) -> Tensor:
        """Noise of the flow of F0 `[batch, n_frames, 2]` from white noise: its height moves as slowly as pitch does.

        In white noise there is next to nothing of a contour, so that the first step of any sampler would settle on the
        mean one.
        """
        height = nn.functional.pad(white[..., 0], (_CONTOUR_REACH, _CONTOUR_REACH))
        inside = nn.functional.pad(torch.ones_like(white[:1, :, 0]), (_CONTOUR_REACH, _CONTOUR_REACH))
        slow = nn.functional.conv1d(height[:, None], self.contour[None, None])[:, 0]
        power = nn.functional.conv1d(inside[:, None], self.contour.square()[None, None])[:, 0]
        return torch.stack([slow * power.rsqrt(), white[..., 1]], dim=-1)

    def mel_of_states(self, mean: Tensor, residual: Tensor | None = None) -> Tensor:
        """Log-mel `[batch, n_mels, n_frames]` of a mean and a state of the residual `[batch, n_frames, n_mels]`."""
        if residual is not None:
            mean = mean + residual * self.residual_variance.sqrt()
        return (mean * self.mel_deviation + self.mel_mean).transpose(1, 2)

    def residual_of_mel(self, log_mel: Tensor, mean: Tensor) -> Tensor:
        """State of the residual, of which `mel_of_states` makes the log-mel `[batch, n_mels, n_frames]`."""
        target = (log_mel.transpose(1, 2) - self.mel_mean) / self.mel_deviation
        return (target - mean) / self.residual_variance.sqrt()

    def loss(
        self,
        ids: Tensor,
        durations: Tensor,
        log_hertz: Tensor,
        voiced: Tensor,
        log_mel: Tensor,
        speaker: Tensor,
        draws: Draws,
    ) -> VoiceLoss:
        """Training loss of a batch of whole utterances.

        Args:
            ids: numbers of symbols `[batch, n_symbols]`, 0 after the end.
            durations: frames of each `[batch, n_symbols]`.
            log_hertz: base-2 logarithm of F0 `[batch, n_frames]`, a line through what is unvoiced.
            voiced: 1 or 0 `[batch, n_frames]`.
            log_mel: `[batch, n_frames, n_mels]`.
            speaker: `[batch]`.
            draws: the random numbers.
        """
        states, mask = self.encode(ids, speaker)
        frames = frames_of(durations)
        x_0 = self.durations_to_state(durations, ids, draws.within)
        of_durations = denoising_loss(
            self.duration_denoiser(), x_0, (states.detach(), mask), draws.t[:, 0], draws.durations, mask=mask
        ).per_item
        expanded = self.expand(states, frames)
        x_0 = self.f0_to_state(log_hertz, voiced, speaker)
        # where nothing is voiced its pitch is a line that nobody hears
        counts = frames.mask * torch.stack([0.05 + 0.95 * voiced, torch.ones_like(voiced)], dim=-1)
        noise = self.f0_noise(draws.f0)
        of_f0 = denoising_loss(
            self.f0_denoiser(), x_0, (expanded, frames.mask), draws.t[:, 1], noise, mask=counts
        ).per_item
        target = (log_mel - self.mel_mean) / self.mel_deviation
        mean, condition = self.decode(expanded, frames, log_hertz, voiced)
        error = (target - mean) * frames.mask
        n_values = frames.mask.sum(dim=(1, 2)) * target.shape[-1]
        of_mean = error.square().sum(dim=(1, 2)) / n_values
        error = error.detach()
        if self.training and self.embedding.weight.requires_grad:  # not so where an adapter is all that learns
            with torch.no_grad():
                variance = error.square().sum(dim=(0, 1)) / frames.mask.sum()
                self.residual_variance.lerp_(variance, _RESIDUAL_MEMORY)
        x_0 = error / self.residual_variance.sqrt()
        of_residual = denoising_loss(
            self.mel_denoiser(), x_0, (condition, frames.mask), draws.t[:, 2], draws.mel, mask=frames.mask
        ).per_item
        parts = {"mean": of_mean, "durations": of_durations, "f0": of_f0, "residual": of_residual}
        total = torch.stack([_WEIGHTS[name] * part for name, part in parts.items()]).sum(dim=0)
        terms = {name: part.detach().mean() for name, part in parts.items()}
        return VoiceLoss(total, {**terms, "mean_l1": (error.abs().sum(dim=(1, 2)) / n_values).mean()})

    @torch.no_grad()
    def fit_statistics(self, log_mel: Tensor, ids: Tensor, durations: Tensor) -> None:
        """Set the standardisation of mels `[n_frames, n_mels]`, and of durations `[n]` of the symbols `ids` `[n]`."""
        self.mel_mean.copy_(log_mel.mean(dim=0))
        self.mel_deviation.copy_(log_mel.std(dim=0).clamp(min=0.3))
        logs = (1.0 + durations.float()).log()
        speech = logs[durations > 0]
        for symbol in range(self.config.symbols):
            own = logs[ids == symbol]
            # shrunk towards all symbols, where there are few
            count, prior = len(own), 5.0
            mean = (own.sum() + prior * speech.mean()) / (count + prior)
            variance = ((own - mean).square().sum() + prior * speech.var()) / (count + prior)
            self.duration_mean[symbol], self.duration_deviation[symbol] = mean, variance.sqrt().clamp(min=0.2)

    @torch.no_grad()
    def fit_pitch(self, log_hertz: Tensor, speaker: int) -> None:
        """Set the standardisation of a speaker's F0 from that of voiced frames `[n]`, base-2 logarithm."""
        self.f0_mean[speaker] = log_hertz.mean()
        self.f0_deviation[speaker] = log_hertz.std().clamp(min=0.05)


def _positions(x: Tensor) -> Tensor:
    """Sines and cosines of the places `[n, width]` of `[batch, n, width]`."""
    n, width = x.shape[1:]
    rates = torch.exp(torch.arange(0, width, 2, device=x.device) * (-math.log(1000.0) / width))
    angles = torch.arange(n, device=x.device)[:, None] * rates
    return 0.3 * torch.cat([angles.sin(), angles.cos()], dim=1).to(x.dtype)
