"""Frozen text encoders: a text in, one state per token out. Imports no torch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TextEncoder", "TextStates", "cut_tokens"]


class TextStates(NamedTuple):
    """What an encoder says about one text.

    Attributes:
        tokens: float32 `[n_tokens, width]` on the CPU, the encoder's own start and end tokens among them.
        n_dropped: how many tokens were cut off because the text is too long.
        dropped_text: the end of the text that they came from; empty if all of it was read.
        offsets: per token the characters (start, stop) of the text that it stands for; (0, 0) for start and end.
    """

    tokens: "Tensor"
    n_dropped: int
    dropped_text: str
    offsets: tuple[tuple[int, int], ...] = ()


class TextEncoder(Protocol):
    """A frozen encoder; the states of a text do not depend on the texts next to it.

    Attributes:
        name: as `open_encoder` takes it; models are trained for one encoder, and checkpoints hold its name.
        width: numbers per token.
        max_tokens: longest text in tokens, start and end included; what is over is cut off.
    """

    @property
    def name(self) -> str:
        """Name that opens it again."""

    @property
    def width(self) -> int:
        """Numbers per token."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of one text."""

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        """Return the states of each text, in order."""


class Cut(NamedTuple):
    """Tokens of one text after `cut_tokens`."""

    ids: list[int]
    offsets: tuple[tuple[int, int], ...]
    n_dropped: int
    dropped_text: str


def cut_tokens(
    text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]], special: Sequence[int], max_tokens: int
) -> Cut:
    """Cut a tokenised text to `max_tokens`, keeping the special tokens that end it.

    Args:
        text: the text.
        ids: its tokens.
        offsets: (start, stop) characters of each token.
        special: 1 for tokens that stand for no text, 0 for the others.
        max_tokens: most tokens, special ones included.
    """
    spans = [(0, 0) if flag else (int(start), int(stop)) for (start, stop), flag in zip(offsets, special, strict=True)]
    n_dropped = max(len(ids) - max_tokens, 0)
    if not n_dropped:
        return Cut(list(ids), tuple(spans), 0, "")
    n_tail = 0
    while n_tail < len(special) and special[-1 - n_tail]:
        n_tail += 1
    first, last = max_tokens - n_tail, len(ids) - n_tail
    kept = [*range(first), *range(last, len(ids))]
    dropped = text[spans[first][0] :].strip()
    return Cut([ids[index] for index in kept], tuple(spans[index] for index in kept), n_dropped, dropped)
