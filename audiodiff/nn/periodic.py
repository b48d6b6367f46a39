"""Periodic activations without aliasing (BigVGAN, Lee et al. 2023, arXiv 2206.04658, Section 2.2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AliasFreeSnake", "Snake", "kaiser_low_pass"]

_TAPS = 12
_TINY = 1e-9


class Snake(nn.Module):
    """``x + sin^2(alpha * x) / beta`` for each channel (Ziyin et al. 2020); ``beta = alpha`` unless it is its own.

    Args:
        channels: of the input.
        own_beta: learn the magnitude apart from the frequency ("snakebeta").
        log_scale: the parameters are logarithms.
    """

    def __init__(self, channels: int, *, own_beta: bool, log_scale: bool) -> None:
        super().__init__()
        self.log_scale = log_scale
        start = torch.zeros if log_scale else torch.ones
        self.alpha = nn.Parameter(start(channels))
        self.beta = nn.Parameter(start(channels)) if own_beta else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply to ``[batch, channels, n]``."""
        alpha = self.alpha[:, None]
        beta = alpha if self.beta is None else self.beta[:, None]
        if self.log_scale:
            alpha, beta = alpha.exp(), beta.exp()
        return x + torch.sin(alpha * x).square() / (beta + _TINY)


class AliasFreeSnake(nn.Module):
    """`Snake` at twice the rate, so that the harmonics it makes do not fold back; arguments are those of `Snake`."""

    context = 6
    """Samples on each side that the output depends on."""

    def __init__(self, channels: int, *, own_beta: bool, log_scale: bool) -> None:
        super().__init__()
        self.act = Snake(channels, own_beta=own_beta, log_scale=log_scale)
        self.register_buffer("low_pass", kaiser_low_pass(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to ``[batch, channels, n]``."""
        channels = x.shape[1]
        taps = self.get_buffer("low_pass").to(x.dtype).expand(channels, 1, _TAPS)
        # both filters have their ends repeated, as the published model has them
        edge = _TAPS // 2 - 1
        padded = F.pad(x, (edge, edge), mode="replicate")
        doubled = 2.0 * F.conv_transpose1d(padded, taps, stride=2, groups=channels)
        cut = 2 * edge + _TAPS // 2 - 1
        doubled = self.act(doubled[..., cut:-cut])
        doubled = F.pad(doubled, (_TAPS // 2 - 1, _TAPS // 2), mode="replicate")
        return F.conv1d(doubled, taps, stride=2, groups=channels)


def kaiser_low_pass() -> Tensor:
    """The low-pass at half the band, a sinc in a Kaiser window (Oppenheim & Schafer): ``[1, 1, 12]``, its sum 1."""
    transition = 4.0 * 0.3  # of the band, in units of the sampling rate times pi
    attenuation = 2.285 * (_TAPS // 2 - 1) * math.pi * transition + 7.95
    beta = 0.5842 * (attenuation - 21.0) ** 0.4 + 0.07886 * (attenuation - 21.0)  # for 21 to 50 dB
    if attenuation > 50.0:
        beta = 0.1102 * (attenuation - 8.7)
    window = torch.kaiser_window(_TAPS, periodic=False, beta=beta, dtype=torch.float64, device="cpu")
    place = torch.arange(_TAPS, dtype=torch.float64, device="cpu") - (_TAPS - 1) / 2.0
    taps = window * torch.sinc(0.5 * place)
    return (taps / taps.sum()).float().reshape(1, 1, _TAPS)
