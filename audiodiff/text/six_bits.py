"""Matrices of six bits a number: whole numbers from -32 to 31, with one float16 scale for each 64 of a row."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["GROUP", "HIGHEST", "Codes", "SixBit"]

GROUP = 64
"""Numbers of a row that share a scale."""

HIGHEST = 31
"""The largest code; the smallest is one further from zero."""


@dataclass(frozen=True)
class Codes:
    """A matrix as whole numbers, a byte each: quickly made to numbers, in a quarter of their memory.

    Attributes:
        codes: int8 `[n_rows, n_columns]`.
        scale: float16 `[n_rows, n_columns / GROUP]`.
    """

    codes: Tensor
    scale: Tensor

    def values(self) -> Tensor:
        """Return the matrix, float32 `[n_rows, n_columns]`."""
        groups = self.codes.float().view(len(self.codes), -1, GROUP)
        return groups.mul_(self.scale.float()[..., None]).flatten(1)


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
        return self.codes(rows).values()

    def codes(self, rows: Tensor | slice = slice(None)) -> Codes:
        """Return some rows as whole numbers."""
        one, two, three = self.packed[rows].chunk(3, dim=1)
        quarters = (one & 63, one >> 6 | (two & 15) << 2, two >> 4 | (three & 3) << 4, three >> 2)
        return Codes(torch.cat(quarters, dim=1).to(torch.int8) - (HIGHEST + 1), self.scale[rows])
