"""Convolutions over time of sequences `[batch, n, width]`, on a line or round a circle."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TimeConv", "circular_pad"]


class TimeConv(nn.Module):
    """A convolution over time that keeps the length, or divides it by its stride.

    Padding never leaks: positions that are not real count as zero, as everything beyond the ends does.

    Args:
        in_width, out_width: channels.
        kernel_size: odd.
        stride: divides the length.
        groups: `in_width` for a depthwise convolution.
        zero: start as the zero function.
        bias: whether there is one.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        zero: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(out_width, in_width // groups, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_width)) if bias else None
        if not zero:
            nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, real: Tensor | None, circular: bool) -> Tensor:
        """Map `[batch, n, in_width]` to `[batch, n / stride, out_width]`; `real [batch, n]` is False on padding."""
        if real is not None:
            x = x * real[:, :, None]
        reach = self.weight.shape[-1] // 2
        if circular:
            x = circular_pad(x, reach, reach)
        # Seen as an image of height 1 stored channels-last, which needs no copy and has a fast kernel.
        image = x.transpose(1, 2).unsqueeze(2)
        out = F.conv2d(
            image,
            self.weight[:, :, None],
            self.bias,
            stride=(1, self.stride),
            padding=(0, 0 if circular else reach),
            groups=self.groups,
        )
        return out.squeeze(2).transpose(1, 2)


def circular_pad(x: Tensor, left: int, right: int) -> Tensor:
    """`[batch, n, width]` with its other end before and after it; also where it is shorter than the padding."""
    n = x.shape[1]
    return x[:, torch.arange(-left, n + right, device=x.device) % n]
