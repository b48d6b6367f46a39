"""Vocos (Siuzdak 2024, arXiv 2306.00814): ConvNeXt blocks on mel frames, and an inverse STFT.

Tensors bear the names of the published checkpoints.
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

__all__ = ["Vocos", "VocosConfig"]

_KERNEL = 7
_LARGEST = 100.0


@dataclass(frozen=True)
class VocosConfig:
    """Shape of the network; the defaults are the published model at 24 kHz.

    Attributes:
        n_mels: bands of the log-mel.
        dim: channels of a frame.
        intermediate_dim: channels inside a block.
        num_layers: blocks.
        n_fft: FFT size of the inverse STFT in samples.
        hop_length: samples between frames.
        padding: "center": frame i is centred on sample i * hop_length; "same": on (i + 0.5) * hop_length.
    """

    n_mels: int = 100
    dim: int = 512
    intermediate_dim: int = 1536
    num_layers: int = 8
    n_fft: int = 1024
    hop_length: int = 256
    padding: Literal["center", "same"] = "center"

    def __post_init__(self) -> None:
        """Refuse what makes no network."""
        check_bounds(
            self,
            "vocos",
            n_mels=(1, 2_048),
            dim=(1, 16_384),
            intermediate_dim=(1, 65_536),
            num_layers=(1, 256),
            n_fft=(2, 65_536),
            hop_length=(1, 32_768),
        )
        if self.n_fft % 2 or self.n_fft < 2 * self.hop_length or (self.n_fft - self.hop_length) % 2:
            raise AudiodiffError(
                f"vocos.n_fft is {self.n_fft} and its hop {self.hop_length}; expected even sizes, n_fft at least twice "
                "the hop."
            )

    @property
    def context(self) -> int:
        """Frames on each side that a sample depends on."""
        return _KERNEL // 2 * (1 + self.num_layers) + math.ceil(self.n_fft / self.hop_length)


class Vocos(nn.Module):
    """A log-mel `[batch, n_mels, n_frames]` in, a waveform `[batch, 1, n_frames * hop_length]` out.

    With "center" padding the original ends one hop earlier, on the centre of the last frame.
    """

    def __init__(self, config: VocosConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = _Backbone(config)
        self.head = nn.ModuleDict({"out": nn.Linear(config.dim, config.n_fft + 2)})
        self.register_buffer("window", torch.hann_window(config.n_fft, device="cpu"), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Make the waveform."""
        out = self.head["out"](self.backbone(log_mel)).float().transpose(1, 2)
        log_magnitude, phase = out.chunk(2, dim=1)
        magnitude = log_magnitude.exp().clamp(max=_LARGEST)
        return self._overlapped(torch.polar(magnitude, phase))[:, None]

    def _overlapped(self, spectrum: Tensor) -> Tensor:
        """The inverse STFT of ``[batch, n_bins, n_frames]`` -> ``[batch, n_frames * hop_length]``."""
        config, n_frames = self.config, spectrum.shape[-1]
        window = self.get_buffer("window")
        frames = torch.fft.irfft(spectrum, config.n_fft, dim=1) * window[:, None]
        length = (n_frames - 1) * config.hop_length + config.n_fft
        squares = window.square()[None, :, None].expand(1, -1, n_frames)
        first = config.n_fft // 2 if config.padding == "center" else (config.n_fft - config.hop_length) // 2
        wanted = slice(first, first + n_frames * config.hop_length)
        total, weight = (
            F.fold(part, (1, length), (1, config.n_fft), stride=(1, config.hop_length))[:, 0, 0, wanted]
            for part in (frames, squares)
        )
        # no less than where a lone window of the ends has fallen to a hundredth
        return total / weight.clamp(min=1e-4)


class _Backbone(nn.Module):
    """From log-mel frames to frames of `dim` channels, ``[batch, n_frames, dim]``."""

    def __init__(self, config: VocosConfig) -> None:
        super().__init__()
        self.embed = nn.Conv1d(config.n_mels, config.dim, _KERNEL, padding=_KERNEL // 2)
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.convnext = nn.ModuleList(_Block(config) for _ in range(config.num_layers))
        self.final_layer_norm = nn.LayerNorm(config.dim, eps=1e-6)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Apply to ``[batch, n_mels, n_frames]``."""
        x = self.norm(self.embed(log_mel).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        frames: Tensor = self.final_layer_norm(x.transpose(1, 2))
        return frames


class _Block(nn.Module):
    """A ConvNeXt block in one dimension (Liu et al. 2022)."""

    def __init__(self, config: VocosConfig) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(config.dim, config.dim, _KERNEL, padding=_KERNEL // 2, groups=config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.pwconv1 = nn.Linear(config.dim, config.intermediate_dim)
        self.pwconv2 = nn.Linear(config.intermediate_dim, config.dim)
        self.gamma = nn.Parameter(torch.ones(config.dim) / config.num_layers)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to ``[batch, dim, n_frames]``."""
        inner = self.norm(self.dwconv(x).transpose(1, 2))
        inner = self.gamma * self.pwconv2(F.gelu(self.pwconv1(inner)))
        out: Tensor = x + inner.transpose(1, 2)
        return out
