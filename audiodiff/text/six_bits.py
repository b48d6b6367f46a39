"""Matrices of six bits a number: whole numbers from -32 to 31, with one float16 scale for each 64 of a row."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["GROUP", "HIGHEST", "SixBit"]

GROUP = 64
"""Numbers of a row that share a scale."""

HIGHEST = 31
"""The largest code; the smallest is one further from zero."""


@dataclass(frozen=True)
class SixBit:
    """A matrix `[n_rows, n_columns]`, packed.

    Attributes:
        packed: uint8 `[n_rows, n_columns * 3 / 4]`; a byte of each third holds a code of each quarter of the row.
        scale: float16 `[n_rows, n_columns / GROUP]`.
    """

    packed: Tensor
    scale: Tensor

    @classmethod
    def pack(cls, codes: Tensor, scale: Tensor) -> Self:
        """Pack whole numbers `codes [n_rows, n_columns]`, each to be multiplied with the scale of its group."""
        a, b, c, d = (codes + HIGHEST + 1).int().chunk(4, dim=1)
        thirds = torch.cat((a | b << 6, b >> 2 | c << 4, c >> 4 | d << 2), dim=1) & 255
        return cls(thirds.to(torch.uint8), scale.half())

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return some rows, float32 `[n, n_columns]`."""
        one, two, three = self.packed[rows].chunk(3, dim=1)
        quarters = (one & 63, one >> 6 | (two & 15) << 2, two >> 4 | (three & 3) << 4, three >> 2)
        codes = torch.cat(quarters, dim=1).float() - (HIGHEST + 1)
        return (codes.view(len(codes), -1, GROUP) * self.scale[rows].float()[..., None]).flatten(1)
