"""A sequence that is still arriving, of which only what is still needed is kept."""

import torch
from torch import Tensor

__all__ = ["Track"]


class Track:
    """Rows by their place in the whole sequence; those before a place can be dropped."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.start = 0
        self._held: Tensor | None = None

    @property
    def stop(self) -> int:
        """One past the last row that has arrived."""
        return self.start + (0 if self._held is None else len(self._held))

    def append(self, rows: Tensor) -> None:
        """Take in the next rows `[n, ...]`."""
        self._held = rows if self._held is None else torch.cat([self._held, rows])

    def rows(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to `stop`, which must be at hand."""
        assert self._held is not None
        assert self.start <= start <= stop <= self.stop
        return self._held[start - self.start : stop - self.start]

    def take(self, count: int) -> Tensor:
        """Return the first `count` rows that are at hand and drop them."""
        rows = self.rows(self.start, self.start + count)
        self.drop(self.start + count)
        return rows

    def drop(self, before: int) -> None:
        """Forget the rows before a place; those that are kept are copied, or they would keep all in memory."""
        if before > self.start and self._held is not None:
            self._held = self._held[before - self.start :].clone()
            self.start = before
