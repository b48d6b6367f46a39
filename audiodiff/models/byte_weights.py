"""Weights of a byte each: whole numbers from -127 to 127, with one scale for each 32 of a row."""

import torch
from torch import Tensor

__all__ = ["GROUP", "SCALE_ENDING", "SMALLEST", "from_bytes", "n_groups", "to_bytes"]

GROUP = 32
"""Numbers of a row that share a scale."""

SMALLEST = 4096
"""Tensors with fewer numbers, and vectors, are not worth a loss."""

SCALE_ENDING = ".int8_scale"
"""What the name of a tensor's scales ends in, after that of the tensor."""

_HIGHEST = 127
_MOST_LOST = 0.02


def to_bytes(value: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return a tensor as whole numbers and scales, or None if it should stay as it is.

    The scales have four significant bits, and the numbers seven: their products are exact in float16, so that whatever
    stores them in that loses nothing more.

    Args:
        value: float32 of any shape; its rows are along the first axis.

    Returns:
        int8 of the same shape, and float16 `[n_rows, n_groups]`; None of a small tensor, and of one that would lose
        more than a fiftieth of its size, since float16 cannot hold its numbers.
    """
    if value.ndim < 2 or value.numel() < SMALLEST:
        return None
    groups = _groups(value)
    mantissa, exponent = torch.frexp(groups.abs().amax(dim=-1, keepdim=True) / _HIGHEST)
    scale = torch.ldexp(torch.ceil(mantissa * 16.0) / 16.0, exponent)
    # Below 2^-20 the products would fall between the numbers of float16.
    scale = scale.clamp(2.0**-20, torch.finfo(torch.float16).max / _HIGHEST)
    codes = (groups / scale).round().clamp(-_HIGHEST, _HIGHEST).to(torch.int8).flatten(1)
    codes, scale = codes[:, : value[0].numel()].reshape(value.shape).contiguous(), scale.squeeze(-1).half()
    loss = (from_bytes(codes, scale) - value).norm()
    return (codes, scale) if bool(loss <= _MOST_LOST * value.norm()) else None  # NaN is more, too


def from_bytes(codes: Tensor, scale: Tensor) -> Tensor:
    """Return the float32 tensor of `to_bytes`, of the shape of `codes`."""
    numbers = _groups(codes.float()) * scale.float()[..., None]
    return numbers.flatten(1)[:, : codes[0].numel()].reshape(codes.shape).contiguous()


def n_groups(shape: list[int]) -> list[int]:
    """Shape of the scales of a tensor."""
    return [shape[0], -(-torch.Size(shape[1:]).numel() // GROUP)]


def _groups(value: Tensor) -> Tensor:
    """Rows in groups `[n_rows, n_groups, GROUP]`, filled up with zeros."""
    rows = value.flatten(1)
    return torch.nn.functional.pad(rows, (0, -rows.shape[1] % GROUP)).view(len(rows), -1, GROUP)
