"""Noise-level embeddings: scalar `c_noise` in, feature vector out."""

import math

import torch
from torch import Tensor, nn

__all__ = ["FourierEmbedding", "TableEmbedding"]


class FourierEmbedding(nn.Module):
    """Sines and cosines of `c_noise` at log-spaced angular frequencies, followed by two linear layers with SiLU.

    Args:
        features: number of sine and cosine features, even.
        width: output size.
        min_frequency, max_frequency: angular frequencies in radians per unit of `c_noise`.
    """

    def __init__(self, features: int, width: int, min_frequency: float, max_frequency: float) -> None:
        super().__init__()
        frequencies = torch.exp(torch.linspace(math.log(min_frequency), math.log(max_frequency), features // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.projection1 = nn.Linear(features, width)
        self.projection2 = nn.Linear(width, width)

    def forward(self, c_noise: Tensor) -> Tensor:
        """Map `[batch]` to `[batch, width]`."""
        frequencies: Tensor = self.get_buffer("frequencies")
        angles = c_noise[:, None] * frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=1)
        hidden = nn.functional.silu(self.projection1(features))
        return nn.functional.silu(self.projection2(hidden))


class TableEmbedding(nn.Module):
    """DiffWave's step embedding: a sine and cosine table over integer steps, read between rows by interpolation.

    Row t holds sin and then cos of `t * 10^(4 k / 63)`, k = 0..63 (DiffWave, arXiv 2009.09761, section 3.1).

    Args:
        steps: rows of the table; `c_noise` is a step index in `[0, steps - 1]`, fractions allowed.
        width: output size.
    """

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()
        half = 64
        # In float32 as in the published code: the largest angles are rounded by several hundredths of a radian there,
        # and published weights were trained on what that gives.
        exponents = 10.0 ** (torch.arange(half) * 4.0 / (half - 1))
        angles = torch.arange(steps)[:, None] * exponents
        table = torch.cat([angles.sin(), angles.cos()], dim=1)
        self.register_buffer("table", table, persistent=False)
        self.projection1 = nn.Linear(2 * half, width)
        self.projection2 = nn.Linear(width, width)

    def forward(self, c_noise: Tensor) -> Tensor:
        """Map `[batch]` step indices to `[batch, width]`."""
        table: Tensor = self.get_buffer("table")
        position = c_noise.clamp(0, table.shape[0] - 1)
        low = position.floor().long()
        high = position.ceil().long()
        fraction = (position - low)[:, None]
        features = torch.lerp(table[low], table[high], fraction.to(table.dtype))
        hidden = nn.functional.silu(self.projection1(features))
        return nn.functional.silu(self.projection2(hidden))
