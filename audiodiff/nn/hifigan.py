"""The generator of HiFi-GAN (Kong et al. 2020, arXiv 2010.05646) and of BigVGAN (Lee et al. 2023, arXiv 2206.04658).

Both upsample a log-mel by transposed convolutions, each followed by the mean of several residual stacks with different
kernels; they differ in the activation. Tensors bear the names of the published checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.periodic import AliasFreeSnake

__all__ = ["HifiGan", "HifiGanConfig"]

_EDGE_KERNEL = 7


@dataclass(frozen=True)
class HifiGanConfig:
    """Shape of the generator; the defaults are HiFi-GAN V1, and the names those of its `config.json`.

    Attributes:
        n_mels: bands of the log-mel.
        upsample_initial_channel: channels before the first upsampling; each halves them.
        upsample_rates: factors, whose product is the hop.
        upsample_kernel_sizes: kernels of the transposed convolutions, larger than the rate by an even number.
        resblock: "1" has two convolutions for each dilation, "2" one.
        resblock_kernel_sizes: one residual stack for each.
        resblock_dilation_sizes: dilations of each stack.
        activation: "leaky_relu" (HiFi-GAN), or "snake" or "snakebeta" without aliasing (BigVGAN).
        snake_logscale: parameters of snake are logarithms.
        slope: of the leaky ReLU; the last one has 0.01.
        final_tanh: the waveform goes through tanh, and is clipped to +-1 otherwise.
        final_bias: the last convolution has a bias.
        standardised: the log-mel is standardised by band first, with mean and scale from the checkpoint.
    """

    n_mels: int = 80
    upsample_initial_channel: int = 512
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 4, 4)
    resblock: Literal["1", "2"] = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    activation: Literal["leaky_relu", "snake", "snakebeta"] = "leaky_relu"
    snake_logscale: bool = True
    slope: float = 0.1
    final_tanh: bool = True
    final_bias: bool = True
    standardised: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no generator."""
        check_bounds(
            self,
            "hifigan",
            n_mels=(1, 2_048),
            upsample_initial_channel=(1, 16_384),
            upsample_rates=(1, 256),
            upsample_kernel_sizes=(1, 512),
            resblock_kernel_sizes=(1, 255),
            slope=(0.0, 1.0),
        )
        stages, stacks = len(self.upsample_rates), len(self.resblock_kernel_sizes)
        if not 1 <= stages <= 12 or len(self.upsample_kernel_sizes) != stages:
            raise AudiodiffError(
                f"hifigan has {stages} upsample_rates and {len(self.upsample_kernel_sizes)} upsample_kernel_sizes; "
                "expected 1 to 12, as many of the one as of the other."
            )
        if not 1 <= stacks <= 12 or len(self.resblock_dilation_sizes) != stacks:
            raise AudiodiffError(
                f"hifigan has {stacks} resblock_kernel_sizes and {len(self.resblock_dilation_sizes)} "
                "resblock_dilation_sizes; expected 1 to 12, as many of the one as of the other."
            )
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True):
            if kernel < rate or (kernel - rate) % 2:
                raise AudiodiffError(
                    f"hifigan upsamples by {rate} with a kernel of {kernel}; it must be larger by an even number, or "
                    "frames and samples drift apart."
                )
        if self.upsample_initial_channel % 2**stages:
            raise AudiodiffError(
                f"hifigan.upsample_initial_channel {self.upsample_initial_channel} cannot be halved {stages} times."
            )
        for kernel, dilations in zip(self.resblock_kernel_sizes, self.resblock_dilation_sizes, strict=True):
            if kernel % 2 == 0 or not 1 <= len(dilations) <= 16 or not all(1 <= each <= 4_096 for each in dilations):
                raise AudiodiffError(
                    "hifigan needs odd resblock_kernel_sizes, and 1 to 16 dilations of 1 to 4096 for each; got "
                    f"{kernel} with {list(dilations)[:16]}."
                )

    @property
    def hop_length(self) -> int:
        """Samples for each frame."""
        return math.prod(self.upsample_rates)

    @property
    def context(self) -> int:
        """Frames on each side that a sample depends on."""
        act = AliasFreeSnake.context if self.activation != "leaky_relu" else 0
        reach = _EDGE_KERNEL // 2 + act  # of samples, then of steps before each upsampling
        stages = zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True)
        for rate, kernel in reversed(list(stages)):
            stacks = zip(self.resblock_kernel_sizes, self.resblock_dilation_sizes, strict=True)
            reach += max(sum(self._layer_reach(size, dilation, act) for dilation in row) for size, row in stacks)
            reach = math.ceil((reach + kernel) / rate)
        return reach + _EDGE_KERNEL // 2

    def _layer_reach(self, kernel: int, dilation: int, act: int) -> int:
        once = act + kernel // 2 * dilation
        return once + act + kernel // 2 if self.resblock == "1" else once


class HifiGan(nn.Module):
    """A log-mel `[batch, n_mels, n_frames]` in, a waveform `[batch, 1, n_frames * hop_length]` out."""

    def __init__(self, config: HifiGanConfig) -> None:
        super().__init__()
        self.config = config
        width = config.upsample_initial_channel
        self.conv_pre = nn.Conv1d(config.n_mels, width, _EDGE_KERNEL, padding=_EDGE_KERNEL // 2)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(nn.ConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2))
            width //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(_ResBlock(config, width, size, dilations))
        self.activation_post = _activation(config, width)
        self.conv_post = nn.Conv1d(width, 1, _EDGE_KERNEL, padding=_EDGE_KERNEL // 2, bias=config.final_bias)
        if config.standardised:
            self.register_buffer("mean", torch.empty(config.n_mels).zero_())
            self.register_buffer("scale", torch.empty(config.n_mels).fill_(1.0))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Make the waveform."""
        config = self.config
        if config.standardised:
            log_mel = (log_mel - self.get_buffer("mean")[:, None]) / self.get_buffer("scale")[:, None]
        x: Tensor = self.conv_pre(log_mel)
        count = len(config.resblock_kernel_sizes)
        for index, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, config.slope) if config.activation == "leaky_relu" else x)
            stacks = self.resblocks[index * count : (index + 1) * count]
            x = torch.stack([stack(x) for stack in stacks]).sum(dim=0) / count
        # the last leaky ReLU has torch's own slope, in every published version
        x = F.leaky_relu(x) if self.activation_post is None else self.activation_post(x)
        x = self.conv_post(x).float()
        return torch.tanh(x) if config.final_tanh else x.clamp(-1.0, 1.0)


class _ResBlock(nn.Module):
    """Residual dilated convolutions of one kernel size."""

    def __init__(self, config: HifiGanConfig, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.slope = config.slope
        twice = config.resblock == "1"
        first = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=each, padding=kernel // 2 * each) for each in dilations
        )
        if twice:
            self.convs1 = first
            self.convs2 = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in dilations)
        else:
            self.convs = first
        self.activations: nn.ModuleList | None = None
        if config.activation != "leaky_relu":
            made = (_activation(config, channels) for _ in range(len(dilations) * (2 if twice else 1)))
            self.activations = nn.ModuleList(each for each in made if each is not None)
        self._order: list[nn.Module] = [
            conv for pair in zip(first, *([self.convs2] if twice else []), strict=True) for conv in pair
        ]
        self._per_layer = 2 if twice else 1

    def forward(self, x: Tensor) -> Tensor:
        """Apply to ``[batch, channels, n]``."""
        for start in range(0, len(self._order), self._per_layer):
            inner = x
            for index in range(start, start + self._per_layer):
                act = None if self.activations is None else self.activations[index]
                inner = self._order[index](F.leaky_relu(inner, self.slope) if act is None else act(inner))
            x = x + inner
        return x


def _activation(config: HifiGanConfig, channels: int) -> AliasFreeSnake | None:
    if config.activation == "leaky_relu":
        return None
    return AliasFreeSnake(channels, own_beta=config.activation == "snakebeta", log_scale=config.snake_logscale)
