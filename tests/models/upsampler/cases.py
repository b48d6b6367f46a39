"""A small upsampler and sounds for it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.upsampler import Upsampler, UpsamplerConfig
from audiodiff.nn.wavenet import WaveNetConfig

SMALL = UpsamplerConfig(
    n_fft=128,
    hop_length=32,
    bands=6,
    wavenet=WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=4, embedding_width=8),
)


def make(config: UpsamplerConfig = SMALL) -> Upsampler:
    """A model with random weights that are not 0, so that its output depends on all that goes in."""
    torch.manual_seed(0)
    model = Upsampler(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model.eval()


def voice(n_samples: int, rate: int = 16_000, seed: int = 0) -> Tensor:
    """Harmonics of a gliding tone with hiss, `[1, n_samples]`, at the level that models expect."""
    time = torch.arange(n_samples, dtype=torch.float64) / rate
    phase = 2 * torch.pi * (140 * time + 4 * torch.sin(7 * time))
    tone = torch.stack([torch.sin(k * phase) / k for k in range(1, 50) if 160 * k < rate / 2]).sum(dim=0)
    hiss = torch.randn(n_samples, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sound = (tone + 0.1 * hiss).float()[None]
    return 0.08 * sound / sound.square().mean().sqrt()


def write(folder: Path, sampling: dict[str, Any]) -> Path:
    """Save the model with the statistics of `voice`, recommending `sampling`."""
    model = make()
    model.fit_statistics(voice(16_000))
    save_checkpoint(folder, model, {"sampling": sampling})
    return folder
