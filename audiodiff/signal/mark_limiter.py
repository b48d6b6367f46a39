"""A limiter for a sound that a watermark has made louder in places, which keeps its peaks where they were.

What a mark raises above the ceiling is lowered together with the mark in it, by one gain for all channels. A clipped
sample would be heard as a click, and a mark that is cut off is harder to find.
"""

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.signal.limiter import (
    AROUND,
    ATTACK_SECONDS,
    BLOCK,
    CEILING_DB,
    RELEASE_SECONDS,
    block_peaks,
)

EDGE_SECONDS = ATTACK_SECONDS
"""Over so much of a stretch the limiter takes effect and lets go; no mark may be there."""

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A sound and the same with its mark, `[channels, n_samples]` each."""

_CHUNK = 128 * BLOCK
"""Samples that are looked at in one go, the same ones however the sound is cut into blocks."""


def limit_marked(
    pairs: Iterable[Pair], sample_rate: int, stretches: Sequence[tuple[int, int]] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Lower a marked sound where the mark raises its true peaks above -1 dBTP.

    Where the sound had higher peaks before it was marked, they are the ceiling instead. The gain is that of
    `audiodiff.signal.limiter.limiting_gain`: it falls for 5 ms before a peak and comes back in 60 ms.

    Args:
        pairs: the sound in blocks of any lengths, that follow one another.
        sample_rate: Hz.
        stretches: first and last sample (exclusive) of what was marked; all other samples stay bit for bit as they
            are. Everything when `None`.

    Yields:
        Blocks `[channels, n]`, about `_CHUNK` samples late, as many samples as came in.
    """
    smoother = _Smoother(max(1, round(ATTACK_SECONDS * sample_rate / BLOCK)), _recovery(sample_rate))
    edge = max(1, round(EDGE_SECONDS * sample_rate))
    gains: list[float] = []  # that of the block before the first of `waiting`, then one of each
    waiting: NDArray[np.float32] | None = None
    place = 0
    for marked, needed, last in _looked_at(pairs, sample_rate):
        waiting = marked if waiting is None else np.concatenate([waiting, marked], axis=1)
        found = [*smoother.add(needed), *(smoother.end() if last else ())]
        gains += found if gains else [*found[:1], *found]
        if last:
            gains += gains[-1:]
        n_blocks = max(0, len(gains) - 2)
        ready, waiting = waiting[:, : n_blocks * BLOCK], waiting[:, n_blocks * BLOCK :]
        if ready.shape[1]:
            lowered = 1.0 - _line(gains[: n_blocks + 2])[: ready.shape[1]]
            lowered *= _inside(place + np.arange(ready.shape[1]), stretches, edge)
            yield (ready * (1.0 - lowered)).astype(np.float32)
        place, gains = place + ready.shape[1], gains[n_blocks:]


def _recovery(sample_rate: int) -> float:
    """What is left of a reduction one block later."""
    return math.exp(-BLOCK / (RELEASE_SECONDS * sample_rate))


def _looked_at(pairs: Iterable[Pair], sample_rate: int) -> Iterator[tuple[NDArray[np.float32], list[float], bool]]:
    """Yield the marked sound in chunks, the gains that their blocks need, and whether it is the last chunk."""
    held: list[NDArray[np.float32]] | None = None
    lead = 0  # samples in front of the next chunk, which its true peaks depend on
    for pair in pairs:
        held = list(pair) if held is None else [np.concatenate(two, axis=1) for two in zip(held, pair, strict=True)]
        while held[0].shape[1] > lead + _CHUNK + AROUND:
            window = [each[:, : lead + _CHUNK + AROUND] for each in held]
            yield held[1][:, lead : lead + _CHUNK], _needed(window[0], window[1], lead, _CHUNK, sample_rate), False
            held, lead = [each[:, lead + _CHUNK - AROUND :] for each in held], AROUND
    if held is not None:
        left = held[0].shape[1] - lead
        yield held[1][:, lead:], _needed(held[0], held[1], lead, left, sample_rate), True


def _needed(
    plain: NDArray[np.float32], marked: NDArray[np.float32], lead: int, n_samples: int, sample_rate: int
) -> list[float]:
    """The gain that each block of `n_samples` needs, the first of which is at `lead`; at most 1."""
    ceiling = 10.0 ** (CEILING_DB / 20.0)
    n_blocks = -(-n_samples // BLOCK)
    if marked.shape[1] == 0 or np.abs(marked).max() < 0.5 * ceiling:  # not between samples either
        return [1.0] * n_blocks
    blocks = slice(lead // BLOCK, lead // BLOCK + n_blocks)  # AROUND is a whole number of blocks
    after = _peaks(marked, sample_rate)[:, blocks]
    if after.max() <= ceiling:
        return [1.0] * n_blocks
    most = np.maximum(_peaks(plain, sample_rate)[:, blocks], np.float32(ceiling))
    wanted = (most / np.maximum(after, np.float32(1e-9))).min(axis=0)
    return [float(gain) for gain in wanted.clip(max=1.0)]


def _peaks(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """True peaks and the largest samples of blocks, `[2, n_blocks]`: true peaks above full scale may well have none."""
    sound = np.ascontiguousarray(waveform)
    laid = np.pad(np.abs(sound).max(axis=0), (0, -sound.shape[1] % BLOCK))
    fine: NDArray[np.float32] = block_peaks(torch.from_numpy(sound), sample_rate).numpy()
    return np.stack([fine, laid.reshape(-1, BLOCK).max(axis=1)])


@dataclass
class _Smoother:
    """Turns the gains that blocks need into ones that change slowly, some blocks late.

    Each is no higher than what its own block and the two beside it need, since the line between gains reaches there.
    """

    attack: int
    recovery: float
    held: float = 1.0
    coming: deque[float] = field(init=False)
    recent: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self.coming = deque([1.0], maxlen=self.attack + 3)
        self.recent = deque(maxlen=self.attack + 1)

    def add(self, needed: Iterable[float]) -> Iterator[float]:
        """Yield the gains that are known once these blocks are."""
        for gain in needed:
            self.coming.append(gain)
            if len(self.coming) < self.attack + 3:
                continue
            self.held = min(*self.coming, 1.0 - (1.0 - self.held) * self.recovery)
            # The mean over the attack: every gain in it is low enough for the peak that it leads to.
            self.recent.extend([self.held] * (1 if self.recent else self.attack + 1))
            yield sum(self.recent) / len(self.recent)

    def end(self) -> Iterator[float]:
        """Yield those of the last blocks."""
        yield from self.add(itertools.repeat(1.0, self.attack + 1))


def _line(gains: Sequence[float]) -> NDArray[np.float64]:
    """Gains of all samples of the blocks but the first and the last, which only the lines lead from and to."""
    middles = BLOCK * (np.arange(len(gains)) - 0.5)
    line: NDArray[np.float64] = np.interp(np.arange(BLOCK * (len(gains) - 2)) + 0.5, middles, gains)
    return line


def _inside(places: NDArray[np.int64], stretches: Sequence[tuple[int, int]] | None, edge: int) -> NDArray[np.float64]:
    """How much of the gain each sample gets, 0 to 1."""
    if stretches is None:
        return np.ones(len(places))
    share = np.zeros(len(places))
    for first, last in stretches:
        share = np.maximum(share, (np.minimum(places - first, last - 1 - places) / edge).clip(0.0, 1.0))
    return share
