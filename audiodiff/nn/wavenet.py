"""The WaveNet denoiser: gated dilated convolutions with residual and skip paths (DiffWave, arXiv 2009.09761).

One class serves samples (DiffWave: one channel in, one out, thousands of positions a second times two hundred) and
frames of a waveform (spectra or folds: hundreds of channels, one position a hop). What differs is configuration.

Parameters have the shapes usual in the field (`[out, in, kernel]`, gate and filter stacked). The computation uses the
layout that is fast on CPUs: `[batch, channels, 1, time]` channels-last 2-D convolutions with gate, filter, residual and
skip apart, because slicing the channel axis of a channels-last tensor makes strided views and loses the gain.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.embeddings import FourierEmbedding, TableEmbedding
from audiodiff.nn.low_rank import LowRank, LowRankConfig, factorise

__all__ = ["FrameConditioner", "MelUpsampler", "WaveNet", "WaveNetConfig", "upsample_factors"]


_ANY = 1_000_000
"""A look-ahead that limits nothing."""


@dataclass(frozen=True)
class WaveNetConfig:
    """Shape of a `WaveNet`.

    Attributes:
        channels: residual channels.
        layers: residual layers.
        dilation_cycle: dilation of layer i is `2 ** (i % dilation_cycle)`.
        kernel_size: odd kernel of the dilated convolutions.
        cond_channels: channels of the conditioning sequence; 0 for none.
        embedding: "fourier" for continuous noise levels, "table" for DiffWave's discrete steps.
        embedding_width: size of the noise-level embedding.
        embedding_steps: rows of the table ("table" only).
        low_rank: layers with weights of low rank.
        look_ahead: positions after an output position that the stack sees at most, 0 for none (causal); None for as
            many as before it. Shapes of weights do not depend on it.
    """

    channels: int = 64
    layers: int = 30
    dilation_cycle: int = 10
    kernel_size: int = 3
    cond_channels: int = 80
    embedding: str = "fourier"
    embedding_width: int = 512
    embedding_steps: int = 50
    low_rank: LowRankConfig = field(default=LowRankConfig(), metadata={"omit_default": True})
    look_ahead: int | None = field(default=None, metadata={"omit_default": True})

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            AudiodiffError: a field is out of range.
        """
        check_bounds(
            self,
            "wavenet",
            channels=(1, 4096),
            layers=(1, 256),
            dilation_cycle=(1, 20),
            kernel_size=(1, 255),
            cond_channels=(0, 4096),
            embedding_width=(1, 8192),
            embedding_steps=(1, 100_000),
            look_ahead=(0, _ANY),
        )
        if self.kernel_size % 2 == 0:
            raise AudiodiffError(f"wavenet.kernel_size is {self.kernel_size}; it must be odd to keep the length.")
        if self.embedding not in ("fourier", "table"):
            raise AudiodiffError(f'wavenet.embedding is "{self.embedding}"; known: fourier, table.')

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of each layer."""
        return tuple(1 << (i % self.dilation_cycle) for i in range(self.layers))

    @property
    def layers_ahead(self) -> tuple[int, ...]:
        """Positions that each layer looks ahead.

        A limited look-ahead is spent on the smallest dilations, and there on the first layers: what comes next is worth
        most close by, and all layers after one that has seen it know of it.
        """
        ahead = [dilation * (self.kernel_size // 2) for dilation in self.dilations]
        if self.look_ahead is not None:
            left = self.look_ahead
            for index in sorted(range(self.layers), key=self.dilations.__getitem__):
                ahead[index] = min(ahead[index], left)
                left -= ahead[index]
        return tuple(ahead)

    @property
    def future(self) -> int:
        """Positions after an output position that the stack sees."""
        return sum(self.layers_ahead)

    @property
    def left_ahead(self) -> int:
        """What the stack leaves of a limited look-ahead, for what makes its condition; else any number."""
        return _ANY if self.look_ahead is None else self.look_ahead - self.future

    @property
    def context(self) -> int:
        """Positions that the stack sees on that side of an output position where it sees more: before it."""
        return sum(self.dilations) * (self.kernel_size - 1) - self.future


class _Residual(nn.Module):
    """Parameters of one layer, under the names and shapes of DiffWave checkpoints."""

    shard_methods = ("forward", "project_cond")

    def __init__(self, config: WaveNetConfig, dilation: int, ahead: int) -> None:
        super().__init__()
        channels = config.channels
        self.dilation = dilation
        self.ahead = ahead
        self.dilated_conv = nn.Conv1d(channels, 2 * channels, config.kernel_size)
        self.diffusion_projection = nn.Linear(config.embedding_width, channels)
        if config.cond_channels:
            self.conditioner_projection = nn.Conv1d(config.cond_channels, 2 * channels, 1)
        self.output_projection = nn.Conv1d(channels, 2 * channels, 1)
        for conv in (self.dilated_conv, self.output_projection):
            nn.init.kaiming_normal_(conv.weight)
        if config.cond_channels:
            nn.init.kaiming_normal_(self.conditioner_projection.weight)

    def project_cond(self, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Map `[batch, cond_channels, 1, time]` to the gate's and the filter's term, `[batch, channels, 1, time]`."""
        return _both_halves(cond, self.conditioner_projection)

    def forward(self, x: Tensor, embedding: Tensor, cond: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return `(next x, skip)`, both `[batch, channels, 1, time]`."""
        y = x + self.diffusion_projection(embedding)[:, :, None, None]
        gate, candidate = _both_halves(y, self.dilated_conv, self.dilation, self.ahead)
        if cond is not None:
            gate = gate + cond[0]
            candidate = candidate + cond[1]
        # tanh(x) = 2 sigmoid(2 x) - 1: the vectorised sigmoid is several times faster than tanh on CPUs.
        hidden = torch.sigmoid(gate) * (2.0 * torch.sigmoid(2.0 * candidate) - 1.0)
        residual, skip = _both_halves(hidden, self.output_projection)
        return (x + residual) * (1.0 / math.sqrt(2.0)), skip


class WaveNet(nn.Module):
    """Noise-conditional WaveNet over a sequence.

    Args:
        config: shape of the stack.
        in_channels: channels of the input sequence.
        out_channels: channels of the output sequence.
    """

    def __init__(self, config: WaveNetConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.input_projection = nn.Conv1d(in_channels, channels, 1)
        self.diffusion_embedding: nn.Module = (
            TableEmbedding(config.embedding_steps, config.embedding_width)
            if config.embedding == "table"
            else FourierEmbedding(64, config.embedding_width, 0.5, 60.0)
        )
        self.residual_layers = nn.ModuleList(
            _Residual(config, *place) for place in zip(config.dilations, config.layers_ahead, strict=True)
        )
        self.skip_projection = nn.Conv1d(channels, channels, 1)
        self.output_projection = nn.Conv1d(channels, out_channels, 1)
        nn.init.kaiming_normal_(self.input_projection.weight)
        nn.init.kaiming_normal_(self.skip_projection.weight)
        nn.init.zeros_(self.output_projection.weight)
        nn.init.zeros_(_bias(self.output_projection))
        factorise(self, config.low_rank)

    def project_cond(self, cond: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Everything that the layers need of the condition, computed once for all denoising steps.

        Args:
            cond: `[batch, cond_channels, time]`.

        Returns:
            For each layer the gate's and the filter's term, `[batch, channels, 1, time]`.
        """
        image = _channels_last(cond)
        return tuple(layer.project_cond(image) for layer in self._layers())

    def forward(
        self, x: Tensor, c_noise: Tensor, cond: Tensor | tuple[tuple[Tensor, Tensor], ...] | None = None
    ) -> Tensor:
        """Denoise.

        Args:
            x: `[batch, in_channels, time]`.
            c_noise: noise level, `[batch]`.
            cond: `[batch, cond_channels, time]`, or what `project_cond` made of it, or None without conditioning.

        Returns:
            `[batch, out_channels, time]`.
        """
        hidden = F.relu(_convolved(_channels_last(x), self.input_projection))
        embedding = self.diffusion_embedding(c_noise)
        image = _channels_last(cond) if isinstance(cond, Tensor) else None
        skip: Tensor | None = None
        for i, layer in enumerate(self._layers()):
            if image is not None:
                # Projected layer by layer: at one position a sample all layers' terms together would not fit.
                layer_cond: tuple[Tensor, Tensor] | None = layer.project_cond(image)
            else:
                layer_cond = cond[i] if isinstance(cond, tuple) else None
            hidden, layer_skip = layer(hidden, embedding, layer_cond)
            skip = layer_skip if skip is None else skip + layer_skip
        assert skip is not None  # layers >= 1
        skip = skip * (1.0 / math.sqrt(self.config.layers))
        skip = F.relu(_convolved(skip, self.skip_projection))
        return _convolved(skip, self.output_projection)[:, :, 0]

    def _layers(self) -> list[_Residual]:
        return [layer for layer in self.residual_layers if isinstance(layer, _Residual)]


class MelUpsampler(nn.Module):
    """DiffWave's conditioner: transposed convolutions that stretch a mel from frames to samples.

    Two layers `conv1`, `conv2`, each over time by its own factor, leaky ReLU 0.4 after each.

    Args:
        factors: the two upsampling factors; their product is the hop length.
    """

    def __init__(self, factors: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = _time_upsampler(factors[0])
        self.conv2 = _time_upsampler(factors[1])

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map `[batch, n_mels, n_frames]` to `[batch, n_mels, n_frames * hop_length]`."""
        x = log_mel[:, None]
        x = F.leaky_relu(self.conv1(x), 0.4)
        x = F.leaky_relu(self.conv2(x), 0.4)
        return x[:, 0]


class FrameConditioner(nn.Module):
    """Two convolutions over mel frames.

    Args:
        n_mels: input bands.
        channels: output channels.
        mean, std: of the log-mel values; the input is standardised by them.
        look_ahead: frames after one of its own that it sees at most.

    Attributes:
        ahead: frames that each of the convolutions looks ahead, 0 or 1.
    """

    def __init__(self, n_mels: int, channels: int, mean: float, std: float, look_ahead: int = _ANY) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.ahead = min(look_ahead, 1), min(max(look_ahead - 1, 0), 1)
        self.conv1 = nn.Conv1d(n_mels, channels, 3, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)

    @property
    def future(self) -> int:
        """Frames after one of its own that it sees."""
        return sum(self.ahead)

    @property
    def context(self) -> int:
        """Frames that it sees on that side where it sees more: before its own."""
        return 4 - self.future

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map `[batch, n_mels, n_frames]` to `[batch, channels, n_frames]`."""
        x = (log_mel - self.mean) / self.std
        for conv, ahead in zip((self.conv1, self.conv2), self.ahead, strict=True):
            x = F.silu(conv(x) if ahead else conv(F.pad(x, (1, 0)))[..., :-1])
        return x


def upsample_factors(hop_length: int) -> tuple[int, int]:
    """Split a hop into the two most equal factors for `MelUpsampler`.

    Raises:
        AudiodiffError: the hop has no split into two even-friendly factors of at least 2.
    """
    for first in range(math.isqrt(hop_length), 1, -1):
        second = hop_length // first
        if first * second == hop_length and first % 2 == 0 and second % 2 == 0:
            return second, first
    raise AudiodiffError(
        f"A hop of {hop_length} samples is not a product of two even factors, which the mel upsampler needs "
        "(256 = 16 x 16); choose such a hop or a framed front end."
    )


def _time_upsampler(factor: int) -> nn.ConvTranspose2d:
    conv = nn.ConvTranspose2d(1, 1, (3, 2 * factor), stride=(1, factor), padding=(1, factor // 2))
    nn.init.kaiming_normal_(conv.weight)
    return conv


def _channels_last(x: Tensor) -> Tensor:
    """`[batch, channels, time]` to `[batch, channels, 1, time]` stored channels-last."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _bias(conv: nn.Conv1d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def _convolved(x: Tensor, layer: nn.Module) -> Tensor:
    """The outputs of a convolution of one tap, as `_conv`."""
    x, last, *_ = _last_factor(x, layer, 1, 0)
    return _conv(x, last.weight, last.bias)


def _both_halves(x: Tensor, layer: nn.Module, dilation: int = 1, ahead: int = 0) -> tuple[Tensor, Tensor]:
    """The first and the second half of the outputs of a convolution, as `_conv`."""
    x, last, dilation, ahead = _last_factor(x, layer, dilation, ahead)
    (weight, other_weight), (bias, other_bias) = _halves(last.weight), _halves(last.bias)
    return _conv(x, weight, bias, dilation, ahead), _conv(x, other_weight, other_bias, dilation, ahead)


def _last_factor(x: Tensor, layer: nn.Module, dilation: int, ahead: int) -> tuple[Tensor, nn.Conv1d, int, int]:
    """What is left to be done of a convolution: of low rank, its first factor is applied here."""
    if isinstance(layer, LowRank):
        x, layer, dilation, ahead = _conv(x, layer.down.weight, None, dilation, ahead), layer.up, 1, 0
    assert isinstance(layer, nn.Conv1d)
    return x, layer, dilation, ahead


def _halves(parameter: Tensor | None) -> tuple[Tensor, Tensor]:
    assert parameter is not None
    half = parameter.shape[0] // 2
    return parameter[:half], parameter[half:]


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int = 1, ahead: int = 0) -> Tensor:
    """A 1-D convolution over time of `[batch, channels, 1, time]` with a `[out, in, kernel]` weight, length kept.

    The last tap is `ahead` positions after the output's own.
    """
    reach = dilation * (weight.shape[-1] - 1)
    if 2 * ahead == reach:
        return F.conv2d(x, weight[:, :, None], bias, padding=(0, ahead), dilation=(1, dilation))
    return F.conv2d(F.pad(x, (reach - ahead, ahead)), weight[:, :, None], bias, dilation=(1, dilation))
