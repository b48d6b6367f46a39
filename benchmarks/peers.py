"""Networks of other vocoders, to compare speed with: the published layer tables with random weights, written anew.

Each takes a log-mel `[batch, n_mels, n_frames]` and gives a waveform `[batch, n_frames * 256]`. Weight norm is left
out, as everyone removes it before synthesis. The parameter counts published are in `PUBLISHED_PARAMETERS`; a test
keeps ours within 1 % of them.
"""

import math
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

HOP_LENGTH = 256
PUBLISHED_PARAMETERS = {
    "DiffWave": 2_619_971,  # lmnt's checkpoint
    "HiFi-GAN V1": 13_920_000,
    "HiFi-GAN V3": 1_460_000,
    "Vocos": 13_500_000,
    "FastDiff": 15_300_000,
}


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def same_conv(n_in: int, n_out: int, kernel_size: int, dilation: int = 1, groups: int = 1) -> nn.Conv1d:
    """Return a convolution that keeps the length."""
    reach = (kernel_size - 1) // 2 * dilation
    return nn.Conv1d(n_in, n_out, kernel_size, padding=reach, dilation=dilation, groups=groups)


def upsampling_conv(n_in: int, n_out: int, kernel_size: int, rate: int) -> nn.ConvTranspose1d:
    """Return a transposed convolution that makes the length `rate` times longer."""
    return nn.ConvTranspose1d(n_in, n_out, kernel_size, stride=rate, padding=(kernel_size - rate) // 2)


# --- HiFi-GAN (Kong, Kim, Bae 2020, arXiv 2010.05646, table 5) ------------------------------------------------------


@dataclass(frozen=True)
class HiFiGANConfig:
    """A generator of the paper's table 5.

    Attributes:
        channels: before the first upsampling; halved by each.
        rates: upsampling factors.
        upsampling_kernels: their kernel sizes.
        kernels: kernel size of each residual block of a stage; the outputs of the blocks are averaged.
        dilations: dilations inside each of these blocks.
        paired: whether every dilated convolution is followed by an undilated one (`ResBlock1`).
    """

    channels: int
    rates: tuple[int, ...]
    upsampling_kernels: tuple[int, ...]
    kernels: tuple[int, ...]
    dilations: tuple[tuple[int, ...], ...]
    paired: bool
    n_mels: int = 80


HIFIGAN_V1 = HiFiGANConfig(512, (8, 8, 2, 2), (16, 16, 4, 4), (3, 7, 11), ((1, 3, 5),) * 3, paired=True)
HIFIGAN_V3 = HiFiGANConfig(256, (8, 8, 4), (16, 16, 8), (3, 5, 7), ((1, 2), (2, 6), (3, 12)), paired=False)


class _ResidualBlock(nn.Module):
    """Dilated convolutions, each around a shortcut."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...], paired: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList()
        for dilation in dilations:
            layers: list[nn.Module] = [nn.LeakyReLU(0.1), same_conv(channels, channels, kernel_size, dilation)]
            if paired:
                layers += [nn.LeakyReLU(0.1), same_conv(channels, channels, kernel_size)]
            self.branches.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        for branch in self.branches:
            x = x + branch(x)
        return x


class HiFiGAN(nn.Module):
    """The generator: upsampling stages, each followed by parallel residual blocks."""

    def __init__(self, config: HiFiGANConfig) -> None:
        super().__init__()
        self.first = same_conv(config.n_mels, config.channels, 7)
        self.ups, self.stages = nn.ModuleList(), nn.ModuleList()
        width = config.channels
        for rate, kernel_size in zip(config.rates, config.upsampling_kernels, strict=True):
            self.ups.append(upsampling_conv(width, width // 2, kernel_size, rate))
            width //= 2
            blocks = zip(config.kernels, config.dilations, strict=True)
            self.stages.append(nn.ModuleList(_ResidualBlock(width, k, d, config.paired) for k, d in blocks))
        self.last = same_conv(width, 1, 7)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Synthesise `[batch, n_mels, n_frames]` -> `[batch, n_samples]`."""
        x: Tensor = self.first(log_mel)
        for up, stage in zip(self.ups, self.stages, strict=True):
            x = up(functional.leaky_relu(x, 0.1))
            blocks = cast(nn.ModuleList, stage)
            total: Tensor = blocks[0](x)
            for block in blocks[1:]:
                total = total + block(x)
            x = total / len(blocks)
        samples: Tensor = torch.tanh(self.last(functional.leaky_relu(x)))
        return samples[:, 0]


# --- Vocos (Siuzdak 2023, arXiv 2306.00814), the `mel-24khz` shape --------------------------------------------------


class _ConvNeXtBlock(nn.Module):
    """Depth-wise convolution, layer norm, and a two-layer network for each frame, around a shortcut."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = same_conv(width, width, 7, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), 1.0 / 8.0))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.scale * self.contract(functional.gelu(self.expand(y)))
        total: Tensor = x + y.transpose(1, 2)
        return total


class Vocos(nn.Module):
    """Eight ConvNeXt blocks at frame rate, then magnitude and phase of an STFT and its inverse."""

    def __init__(self, n_mels: int = 100, width: int = 512, hidden: int = 1536, blocks: int = 8) -> None:
        super().__init__()
        self.n_mels, self.n_fft = n_mels, 4 * HOP_LENGTH
        self.first = same_conv(n_mels, width, 7)
        self.norm_in = nn.LayerNorm(width, eps=1e-6)
        self.blocks = nn.ModuleList(_ConvNeXtBlock(width, hidden) for _ in range(blocks))
        self.norm_out = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, self.n_fft + 2)
        self.register_buffer("window", torch.hann_window(self.n_fft))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Synthesise `[batch, n_mels, n_frames]` -> `[batch, n_samples]`."""
        x = self.norm_in(self.first(log_mel).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        log_magnitude, phase = self.head(self.norm_out(x.transpose(1, 2))).transpose(1, 2).chunk(2, dim=1)
        spectrum = torch.polar(log_magnitude.exp().clamp(max=100.0), phase)
        # The repeated last frame closes the final hop, which a centred inverse would leave out.
        spectrum = torch.cat([spectrum, spectrum[..., -1:]], dim=-1)
        samples: Tensor = torch.istft(spectrum, self.n_fft, HOP_LENGTH, window=cast(Tensor, self.window), center=True)
        return samples


# --- FastDiff (Huang et al. 2022, arXiv 2204.09934) -----------------------------------------------------------------

FASTDIFF_BETAS = (3.2176e-4, 2.5743e-3, 2.5376e-2, 0.70414)
"""The published list for four steps."""


class _Shrink(nn.Module):
    """Shorten the waveform's features by a factor: three dilated convolutions around a shortcut."""

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.shortcut = nn.Conv1d(width, width, 1)
        self.convs = nn.ModuleList(same_conv(width, width, 3, dilation) for dilation in (1, 2, 4))

    def forward(self, x: Tensor) -> Tensor:
        # Nearest neighbour by a whole factor is every factor-th sample.
        shortcut: Tensor = self.shortcut(x)[..., :: self.factor]
        x = x[..., :: self.factor]
        for conv in self.convs:
            x = conv(functional.leaky_relu(x, 0.2))
        return x + shortcut


class _KernelPredictor(nn.Module):
    """From the mel of a frame, the kernels that `layers` convolutions use within that frame."""

    def __init__(self, n_mels: int, width: int, layers: int, hidden: int = 64) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.first = nn.Sequential(same_conv(n_mels, hidden, 5), nn.LeakyReLU(0.1))
        trunk: list[nn.Module] = []
        for _ in range(6):
            trunk += [same_conv(hidden, hidden, 3), nn.LeakyReLU(0.1)]
        self.trunk = nn.Sequential(*trunk)
        self.kernels = same_conv(hidden, layers * width * 3 * 2 * width, 3)
        self.biases = same_conv(hidden, layers * 2 * width, 3)

    def forward(self, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Return kernels `[batch, layers, n_frames, width * 3, 2 * width]` and biases (1 in place of width * 3)."""
        x = self.first(cond)
        x = x + self.trunk(x)
        batch, _, n_frames = x.shape
        kernels = self.kernels(x).view(batch, self.layers, 3 * self.width, 2 * self.width, n_frames)
        biases = self.biases(x).view(batch, self.layers, 1, 2 * self.width, n_frames)
        return kernels.permute(0, 1, 4, 2, 3), biases.permute(0, 1, 4, 2, 3)


def location_variable_conv(x: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
    """Convolve each frame's stretch of `x` with that frame's own kernel of three taps.

    Args:
        x: `[batch, width, n_samples]`, where n_samples is a multiple of n_frames.
        kernels: `[batch, n_frames, width * 3, n_out]`, the taps of one channel beside each other.
        biases: `[batch, n_frames, 1, n_out]`.

    Returns:
        `[batch, n_out, n_samples]`.
    """
    batch, width, n_samples = x.shape
    n_frames, n_out = kernels.shape[1], kernels.shape[-1]
    taps = functional.pad(x, (1, 1)).unfold(2, 3, 1).reshape(batch, width, n_frames, -1, 3)
    taps = taps.permute(0, 2, 3, 1, 4).reshape(batch, n_frames, -1, width * 3)
    y = taps @ kernels + biases
    return y.permute(0, 3, 1, 2).reshape(batch, n_out, n_samples)


class _LocationVariableBlock(nn.Module):
    """Lengthen by a factor, then four dilated convolutions, each gated through a location-variable one."""

    def __init__(self, width: int, n_mels: int, factor: int, embedding: int, layers: int = 4) -> None:
        super().__init__()
        self.step = nn.Linear(embedding, n_mels)
        self.predict = _KernelPredictor(n_mels, width, layers)
        self.up = upsampling_conv(width, width, 2 * factor, factor)
        self.convs = nn.ModuleList(same_conv(width, width, 3, 3**layer) for layer in range(layers))

    def forward(self, x: Tensor, skip: Tensor, log_mel: Tensor, embedding: Tensor) -> Tensor:
        kernels, biases = self.predict(log_mel + self.step(embedding)[..., None])
        x = self.up(functional.leaky_relu(x, 0.2))
        for layer, conv in enumerate(self.convs):
            x = x + skip
            y = functional.leaky_relu(conv(functional.leaky_relu(x, 0.2)), 0.2)
            gate, content = location_variable_conv(y, kernels[:, layer], biases[:, layer]).chunk(2, dim=1)
            x = x + torch.sigmoid(gate) * torch.tanh(content)
        return x


class FastDiff(nn.Module):
    """A waveform U-net whose way up uses kernels predicted from mel and step."""

    def __init__(self, n_mels: int = 80, width: int = 32, factors: tuple[int, ...] = (8, 8, 4)) -> None:
        super().__init__()
        self.first = same_conv(1, width, 7)
        self.embed = nn.Sequential(nn.Linear(128, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU())
        self.down = nn.ModuleList(_Shrink(width, factor) for factor in reversed(factors))
        self.blocks = nn.ModuleList(_LocationVariableBlock(width, n_mels, factor, 512) for factor in factors)
        self.last = same_conv(width, 1, 7)

    def forward(self, x: Tensor, log_mel: Tensor, step: Tensor) -> Tensor:
        """Estimate the noise in `x` `[batch, n_samples]` at training steps `step` `[batch]`."""
        rates = torch.exp(torch.arange(64) * (-math.log(10_000.0) / 63.0))
        angles = step[:, None] * rates
        embedding = self.embed(torch.cat([angles.sin(), angles.cos()], dim=1))
        y: Tensor = self.first(x[:, None])
        skips = []
        for down in self.down:
            skips.append(y)
            y = down(y)
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            y = block(y, skip, log_mel, embedding)
        noise: Tensor = self.last(y)
        return noise[:, 0]

    def sample(self, log_mel: Tensor, betas: tuple[float, ...] = FASTDIFF_BETAS) -> Tensor:
        """Synthesise `[batch, n_mels, n_frames]` -> `[batch, n_samples]` by ancestral sampling on `betas`."""
        kept = torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), 0)
        trained = torch.cumprod(1.0 - torch.linspace(1e-6, 0.01, 1000, dtype=torch.float64), 0)
        steps = torch.searchsorted(-trained, -kept).float()
        x = torch.randn(len(log_mel), log_mel.shape[-1] * HOP_LENGTH)
        for n in reversed(range(len(betas))):
            noise = self(x, log_mel, steps[n].expand(len(x)))
            x = (x - betas[n] / math.sqrt(1.0 - float(kept[n])) * noise) / math.sqrt(1.0 - betas[n])
            if n > 0:
                variance = betas[n] * (1.0 - float(kept[n - 1])) / (1.0 - float(kept[n]))
                x = x + math.sqrt(variance) * torch.randn_like(x)
        return x


# --- lmnt's DiffWave --------------------------------------------------------------------------------------------------


def lmnt_diffwave() -> nn.Module | None:
    """Return lmnt's own DiffWave with random weights: `(waveform, log_mel, step) -> noise`; None if not installed.

    Only `model` and `params` of PyPI's `diffwave` are imported; the rest of it wants a GPU and an old torchaudio.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it uses torch.jit.script
            params = import_module("diffwave.params").params
            network = import_module("diffwave.model").DiffWave(params)
    except ImportError:
        return None
    return cast(nn.Module, network)
