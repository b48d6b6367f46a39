"""Which style and which key a clip gets, so that every key and every style has its share.

The 24 keys and one piece of percussion are a block of 25 clips, shuffled. Styles are dealt from decks, one for major
keys, one for minor ones and one for percussion.
"""

from functools import cache
from random import Random

from audiodiff.composer.styles import STYLES
from audiodiff.composer.styles.base import Style
from audiodiff.composer.theory import TONICS, Key

PERCUSSION = "percussion"
BLOCK = (*((tonic, third) for third in ("major", "minor") for tonic in range(len(TONICS))), (0, PERCUSSION))
"""Tonic and third of each clip of a block, before it is shuffled."""


@cache
def _block(seed: int, number: int) -> tuple[tuple[int, str], ...]:
    cards = list(BLOCK)
    Random(f"audiodiff rendered {seed} keys {number}").shuffle(cards)
    return tuple(cards)


def _modes(style: Style, kind: str) -> tuple[str, ...]:
    """Return the style's modes with this third."""
    return tuple(mode for mode in style.modes if Key(0, mode).third == kind)


@cache
def cards(kind: str) -> tuple[Style, ...]:
    """Return the deck of "major", "minor" or `PERCUSSION`: each style by its weight and its share of such modes."""
    dealt: list[Style] = []
    for style in STYLES:
        if style.keyless or kind == PERCUSSION:
            share = float(style.keyless and kind == PERCUSSION)
        else:
            share = 2 * len(_modes(style, kind)) / len(style.modes)
        dealt += [style] * round(style.weight * share)
    return tuple(dealt)


@cache
def _deck(seed: int, kind: str, number: int) -> tuple[Style, ...]:
    deck = list(cards(kind))
    Random(f"audiodiff rendered {seed} {kind} deck {number}").shuffle(deck)
    return tuple(deck)


def style_and_key(seed: int, index: int) -> tuple[Style, Key]:
    """Return the style and the key of a clip; the key of percussion means nothing."""
    number, place = divmod(index, len(BLOCK))
    block = _block(seed, number)
    tonic, kind = block[place]
    per_block = sum(other == kind for _, other in block)
    before = number * per_block + sum(other == kind for _, other in block[:place])
    size = len(cards(kind))
    style = _deck(seed, kind, before // size)[before % size]
    if kind == PERCUSSION:
        return style, Key(tonic, style.modes[0])
    return style, Key(tonic, Random(f"audiodiff rendered {seed} mode {index}").choice(_modes(style, kind)))
