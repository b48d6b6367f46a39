"""Layers of the speech model, all for `[batch, time, channels]`: on a CPU their work is then plain matrix products."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.nn.embeddings import FourierEmbedding

__all__ = ["Block", "FlowNetwork", "SelfAttention"]


class ChannelDropout(nn.Module):
    """Silences channels of an item over all its time; a draw for every value would cost more than a matrix product."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels of `[batch, time, channels]`."""
        if not self.training or not self.share:
            return x
        return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.share)


class Block(nn.Module):
    """ConvNeXt block (arXiv 2201.03545): depthwise convolution, normalization, two linear layers, all added to `x`.

    Args:
        width: channels.
        kernel: of the convolution, odd.
        expansion: width between the two linear layers, as a multiple.
        dropout: share of these that is dropped.
        time_width: channels of a vector for each item that modulates the block; 0 for none.
        dilation: of the convolution.
    """

    shard_methods = ("forward",)

    def __init__(
        self, width: int, kernel: int, expansion: int, dropout: float, time_width: int = 0, dilation: int = 1
    ) -> None:
        super().__init__()
        # As a convolution of pictures one row high: that has a fast kernel for channels that come last.
        self.convolution = nn.Conv2d(
            width, width, (1, kernel), padding=(0, kernel // 2 * dilation), dilation=(1, dilation), groups=width
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=not time_width)
        self.up = nn.Linear(width, expansion * width)
        self.dropout = ChannelDropout(dropout)
        self.down = nn.Linear(expansion * width, width)
        self.modulation = nn.Linear(time_width, 3 * width) if time_width else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, mask: Tensor, time: Tensor | None = None) -> Tensor:
        """Map `[batch, time, width]`, with mask `[batch, time, 1]` and modulation `[batch, time_width]`, to itself."""
        y = (x * mask).transpose(1, 2)[:, :, None]
        y = self.norm(self.convolution(y)[:, :, 0].transpose(1, 2))
        if self.modulation is None:
            result: Tensor = x + self.down(self.dropout(F.silu(self.up(y))))
            return result
        shift, scale, gate = self.modulation(time)[:, None].chunk(3, dim=-1)
        result = x + self.down(self.dropout(F.silu(self.up(y * (1.0 + scale) + shift)))) * (1.0 + gate)
        return result


class SelfAttention(nn.Module):
    """A layer of a transformer: attention over all places of an item, then two linear layers."""

    shard_methods = ("forward",)

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map `[batch, places, width]`, with mask `[batch, places, 1]`, to itself."""
        batch, places, width = x.shape
        query, key, value = self.qkv(self.norm1(x)).view(batch, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :, 0] > 0)
        x = x + self.dropout(self.out(y.transpose(1, 2).reshape(batch, places, width)))
        result: Tensor = x + self.down(self.dropout(F.silu(self.up(self.norm2(x)))))
        return result


class FlowNetwork(nn.Module):
    """The network of a flow over time: `network(x, c_noise, (features, mask))`, as `audiodiff.diffusion` calls it.

    Args:
        channels: of the state.
        features: of the condition.
        width, depth: of the blocks.
        time_width: channels that tell the blocks the time of the process.
        dropout: of the blocks.
        dilations: of their convolutions, in turn.
    """

    def __init__(
        self,
        channels: int,
        features: int,
        width: int,
        depth: int,
        time_width: int,
        dropout: float,
        dilations: tuple[int, ...] = (1,),
    ) -> None:
        super().__init__()
        self.time = FourierEmbedding(time_width, time_width, 0.5, 60.0)
        self.state, self.condition = nn.Linear(channels, width), nn.Linear(features, width)
        self.blocks = nn.ModuleList(
            Block(width, 7, 2, dropout, time_width, dilations[index % len(dilations)]) for index in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
        """Map `[batch, time, channels]` to the network's output of that shape, in float32."""
        features, mask = cond
        time = self.time(c_noise)
        y = self.state(x) + self.condition(features)
        for block in self.blocks:
            y = block(y, mask.to(y.dtype), time)
        return self.out(self.norm(y)).float()  # type: ignore[no-any-return]
