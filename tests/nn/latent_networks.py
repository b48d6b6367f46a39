"""The latent denoisers in small sizes, and what they are given."""

import math

import torch
from torch import Tensor

from audiodiff.nn.condition import CHORD_FEATURES, Condition
from audiodiff.nn.transformer import DiT, DiTConfig
from audiodiff.nn.unet import UNet, UNetConfig

DIT = DiTConfig(channels=3, width=16, depth=2, heads=2, text_width=6, numbers=2, classes=(4,), conv_kernel=3)
UNET = UNetConfig(channels=3, width=8, levels=(1, 2, 3), blocks=1, heads=2, text_width=6, numbers=2, classes=(4,))


def build(config: DiTConfig | UNetConfig) -> DiT | UNet:
    torch.manual_seed(0)
    return DiT(config) if isinstance(config, DiTConfig) else UNet(config)


def randomised(config: DiTConfig | UNetConfig) -> DiT | UNet:
    net = build(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3 if isinstance(net, DiT) else 0.25)
    return net


def condition() -> Condition:
    return Condition(
        torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1)),
        torch.tensor([[True, True, False, False], [True, True, True, True]]),
        torch.tensor([[120.0, math.nan], [90.0, 10.0]]),
        torch.tensor([[1], [3]]),
        torch.zeros(2, 0),
        torch.zeros(2, 3, 0),
        torch.zeros(2, CHORD_FEATURES, 0),
        torch.zeros(2, 0),
    )


def noisy(n_latents: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n_latents)
    return torch.randn(2, 3, n_latents, generator=generator), torch.tensor([-1.0, 1.0])


def item(cond: Condition, i: int) -> Condition:
    return Condition(*(part[i : i + 1] for part in cond))
