"""Stereo as further channels of the latents: parameters of `audiodiff.signal.stereo` as a few numbers a latent."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from audiodiff.models.autoencoder.config import StereoConfig

__all__ = ["StereoCoder"]


class StereoCoder(nn.Module):
    """A linear code of stereo parameters: principal components of two angles in each band.

    The angles are that of the panning law, 0 for equal levels, and the arc cosine of the coherence, 0 for channels that
    are the same: both are even steps for the ear. Mono is zero in all of them, and stays exactly that. The numbers have
    mean 0 and deviation 1 over the music that the code was fitted to.
    """

    basis: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, config: StereoConfig) -> None:
        super().__init__()
        self.register_buffer("basis", torch.eye(config.numbers, 2 * config.bands))
        self.register_buffer("mean", torch.zeros(config.numbers))
        self.register_buffer("std", torch.ones(config.numbers))

    def encode(self, parameters: Tensor) -> Tensor:
        """`[batch, 2, n_bands, n_latents]` (dB, coherence) to `[batch, numbers, n_latents]`."""
        numbers: Tensor = (self.basis @ _angles(parameters) - self.mean[:, None]) / self.std[:, None]
        return numbers

    def decode(self, numbers: Tensor) -> Tensor:
        """`[batch, numbers, n_latents]` to `[batch, 2, n_bands, n_latents]` (dB, coherence)."""
        values = self.basis.T @ (numbers * self.std[:, None] + self.mean[:, None])
        panning, width = values.chunk(2, dim=1)
        amplitude = torch.tan((panning.clamp(-1.56, 1.56) + math.pi / 2) / 2)
        return torch.stack([20.0 * torch.log10(amplitude), torch.cos(width.clamp(0.0, math.pi))], dim=1)

    @torch.no_grad()
    def fit(self, parameters: Iterable[Tensor]) -> float:
        """Fit the code to examples `[2, n_bands, n]` and their mirror images; return the share of the energy it keeps.

        What is left and what is right is chance, so neither side is preferred.
        """
        n_values = self.basis.shape[1]
        total, squares, count = torch.zeros(n_values).double(), torch.zeros(n_values, n_values).double(), 0
        for example in parameters:
            angles = _angles(example[None])[0].double().cpu()
            total += angles.sum(dim=1)
            squares += angles @ angles.T
            count += angles.shape[1]
        total[: n_values // 2] = 0.0
        squares[: n_values // 2, n_values // 2 :] = squares[n_values // 2 :, : n_values // 2] = 0.0
        # About 0 and not about the mean: mono must be a combination of what is kept.
        energy, vectors = torch.linalg.eigh(squares / max(count, 1))
        basis = vectors.T.flip(0)[: len(self.basis)]
        basis = basis * basis.sum(dim=1, keepdim=True).sign()  # an eigenvector has no sign of its own
        mean = basis @ (total / max(count, 1))
        variance = energy.flip(0)[: len(basis)] - mean.square()
        self.basis.copy_(basis)
        self.mean.copy_(mean)
        self.std.copy_(variance.clamp_min(1e-4).sqrt())
        return float(energy.flip(0)[: len(basis)].sum() / energy.sum().clamp_min(1e-12))


def _angles(parameters: Tensor) -> Tensor:
    """`[batch, 2, n_bands, n]` (dB, coherence) to angles `[batch, 2 * n_bands, n]` (radians)."""
    difference, coherence = parameters.unbind(dim=1)
    panning = 2.0 * torch.atan(10.0 ** (difference / 20.0)) - math.pi / 2
    return torch.cat([panning, torch.arccos(coherence.clamp(-1.0, 1.0))], dim=1)
