"""The mel autoencoder's networks: 1-D convolutions over time, strided down to latents and up again.

Blocks are ConvNeXt's (arXiv 2201.03545): a depth-wise convolution, a norm over channels, two linear layers. Nothing
in them looks at the whole clip, so a clip of any length can be worked through in windows.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError

__all__ = ["AutoencoderConfig", "MelDecoder", "MelEncoder"]

_KERNEL = 7


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of encoder and decoder.

    Attributes:
        width: channels inside.
        latent_channels: channels of the latents.
        strides: downsampling factor of each level, first level first; their product is the frames per latent.
        blocks: blocks before the first stride, between strides, and after the last: one more than `strides`.
        expansion: inner width of a block's linear layers, in units of `width`.
    """

    width: int = 256
    latent_channels: int = 32
    strides: tuple[int, ...] = (2, 2)
    blocks: tuple[int, ...] = (1, 1, 2)
    expansion: int = 2

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            AudiodiffError: a field is out of range, or the lists do not fit each other.
        """
        check_bounds(
            self,
            "autoencoder",
            width=(1, 4096),
            latent_channels=(1, 4096),
            strides=(1, 64),
            blocks=(0, 64),
            expansion=(1, 64),
        )
        if len(self.strides) > 8:
            raise AudiodiffError(f"autoencoder.strides has {len(self.strides)} entries; expected 8 at most.")
        if len(self.blocks) != len(self.strides) + 1:
            raise AudiodiffError(
                f"autoencoder.blocks has {len(self.blocks)} entries for {len(self.strides)} strides; expected a count "
                f"before, between and after the strides: {len(self.strides)} + 1 = {len(self.strides) + 1}."
            )

    @property
    def frames_per_latent(self) -> int:
        """Mel frames for each latent."""
        return math.prod(self.strides)

    @property
    def context(self) -> int:
        """Mel frames on each side that a latent, or a decoded frame, may depend on."""
        reach, rate = 1, 1
        for stride, count in zip((*self.strides, 1), self.blocks, strict=True):
            reach += count * (_KERNEL // 2) * rate
            rate *= stride
            reach += rate
        return reach + rate


class MelEncoder(nn.Module):
    """Standardised log-mels to mean and log-variance of the latents.

    Args:
        n_mels: mel bands.
        config: the shape.
    """

    def __init__(self, n_mels: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input_projection = nn.Conv1d(n_mels, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(width, config.expansion) for _ in range(sum(config.blocks)))
        self.strides = nn.ModuleList(nn.Linear(stride * width, width) for stride in config.strides)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.output_projection = nn.Linear(width, 2 * config.latent_channels)

    def forward(self, x: Tensor, *, circular: bool = False) -> tuple[Tensor, Tensor]:
        """Map `[batch, n_mels, n_frames]` to two `[batch, latent_channels, n_latents]`.

        Args:
            x: `n_frames` must be a multiple of `frames_per_latent`.
            circular: treat the clip as a loop.
        """
        hidden = _conv(x.transpose(1, 2).contiguous(), self.input_projection, circular)
        blocks = iter(self.blocks)
        for count, join, stride in zip(self.config.blocks, self.strides, self.config.strides, strict=False):
            for _ in range(count):
                hidden = next(blocks)(hidden, circular)
            batch, n_frames, width = hidden.shape
            hidden = join(hidden.reshape(batch, n_frames // stride, stride * width))
        for block in blocks:
            hidden = block(hidden, circular)
        mean, log_variance = self.output_projection(self.norm(hidden)).transpose(1, 2).chunk(2, dim=1)
        # A variance of e^-12 is no noise at all, one of e^4 no signal: beyond lies only overflow.
        return mean, log_variance.clamp(-12.0, 4.0)


class MelDecoder(nn.Module):
    """Latents to standardised log-mels.

    Args:
        n_mels: mel bands.
        config: the shape.
    """

    def __init__(self, n_mels: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input_projection = nn.Conv1d(config.latent_channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(width, config.expansion) for _ in range(sum(config.blocks)))
        self.strides = nn.ModuleList(nn.Linear(width, stride * width) for stride in reversed(config.strides))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.output_projection = nn.Conv1d(width, n_mels, 3, padding=1)

    def forward(self, z: Tensor, *, circular: bool = False) -> Tensor:
        """Map `[batch, latent_channels, n_latents]` to `[batch, n_mels, n_latents * frames_per_latent]`."""
        hidden = _conv(z.transpose(1, 2).contiguous(), self.input_projection, circular)
        blocks = iter(self.blocks)
        strides = zip(self.strides, reversed(self.config.strides), strict=True)
        for index, count in enumerate(reversed(self.config.blocks)):
            if index:
                split, stride = next(strides)
                batch, n_frames, width = hidden.shape
                hidden = split(hidden).reshape(batch, n_frames * stride, width)
            for _ in range(count):
                hidden = next(blocks)(hidden, circular)
        return _conv(self.norm(hidden), self.output_projection, circular).transpose(1, 2)


class _Block(nn.Module):
    """A ConvNeXt block on `[batch, time, width]`: time-major, so that no linear layer has to copy its input."""

    shard_methods = ("forward",)

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor, circular: bool) -> Tensor:
        hidden = self.norm(_conv(x, self.depthwise, circular))
        change: Tensor = self.contract(F.gelu(self.expand(hidden))) * self.scale
        return x + change


def _conv(x: Tensor, conv: nn.Conv1d, circular: bool) -> Tensor:
    """A length-keeping convolution of `[batch, time, channels]`, padded with zeros or around the loop.

    Runs as a channels-last 2-D convolution, which takes and gives this layout as it is.
    """
    reach = conv.kernel_size[0] // 2
    padding = (0, reach)
    if circular:
        # Around and around, if the clip is shorter than the reach.
        x = x[:, torch.arange(-reach, x.shape[1] + reach, device=x.device) % x.shape[1]]
        padding = (0, 0)
    image = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(image, conv.weight[:, :, None], conv.bias, padding=padding, groups=conv.groups)[:, :, 0].transpose(
        1, 2
    )
