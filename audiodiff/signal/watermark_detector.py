"""Finding the watermark of `audiodiff.signal.watermark` in a sound, whatever happened to it since.

The amplitudes of all tiles, without what their neighbours foretell of them, are correlated with the signs that never
change, at every place of the period. Tiles near the level of the softest ones count less, since noise that came after
the mark has covered it there first. Signs are independent of any sound that was not marked by them, so the sum of
values with random signs over its root mean square is at most normally distributed (Hoeffding 1963, "Probability
inequalities for sums of bounded random variables"): the threshold follows from the false alarms that are allowed, and
from the number of places that were tried.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.signal.resample import resample_stream
from audiodiff.signal.watermark import BAND_HZ, CHIP_MS, LOWEST_HZ, N_BANDS, N_CHIPS, Block, Pattern, pattern
from audiodiff.signal.watermark_code import CODED_BITS, decode

FALSE_ALARMS = 1e-4
"""Share of unmarked sounds in which a mark is found."""

RATE = 16000
_HOP = 256
_FRAME = 512
_HOPS_OF_CHIP = CHIP_MS * RATE // (1000 * _HOP)
_PERIOD = N_CHIPS * _HOPS_OF_CHIP
"""Frames of a period of the pattern, and places where it may begin."""

_WINDOW = 3 * _PERIOD
_NEIGHBOURS = ((1, 1 / 3), (2, 1 / 6))
_BESIDE = 0.35
_LARGEST = 2.5
_FAINT = 1e-3
_SILENT = 1e-6
_FLOOR_QUANTILE = 0.02
_FLOOR_WEIGHT = 10.0

Values = NDArray[np.float64]


@dataclass(frozen=True)
class WatermarkFinding:
    """What was found of a watermark.

    Attributes:
        false_alarms: the share of unmarked sounds of this length that look as much like marked ones as this one does.
        identifiers: the numbers that could be read; several if the sound is put together of several.
        stretches: seconds, first and last, where the mark was found by itself; to about 6 s.
    """

    false_alarms: float
    identifiers: tuple[int, ...]
    stretches: tuple[tuple[float, float], ...]

    @property
    def found(self) -> bool:
        """Whether there is a watermark."""
        return self.false_alarms < FALSE_ALARMS


@dataclass(frozen=True)
class Folded:
    """Tiles of one or several periods, added up by their place in the period.

    Attributes:
        values: `[_PERIOD, N_BANDS]`, sums.
        squares: sums of the squares.
    """

    values: Values
    squares: Values

    def __add__(self, other: "Folded") -> "Folded":
        """Add up more periods."""
        return Folded(self.values + other.values, self.squares + other.squares)


def find_watermark(blocks: Iterable[Block], sample_rate: int, marks: Pattern | None = None) -> WatermarkFinding:
    """Look for the watermark in a sound that comes in blocks, in memory that does not grow with it.

    Args:
        blocks: `[channels, n]` each.
        sample_rate: Hz.
        marks: the pattern to look for; the usual one when `None`.
    """
    marks = pattern() if marks is None else marks
    whole, windows = None, []
    for folded in fold_windows(blocks, sample_rate):
        whole = folded if whole is None else whole + folded
        score, place = best_place(folded, marks)
        windows.append((false_alarms(score), read_identifier(folded, marks, place) if score > 0 else None))
    if whole is None:
        return WatermarkFinding(1.0, (), ())
    score, place = best_place(whole, marks)
    together, least = false_alarms(score), min(chance for chance, _ in windows)
    alone = len(windows) * least if len(windows) > 1 else 1.0
    chance = min(1.0, together if len(windows) == 1 else 2.0 * min(together, alone))
    if chance >= FALSE_ALARMS:
        return WatermarkFinding(chance, (), ())
    hits = [index for index, (found, _) in enumerate(windows) if found * len(windows) < FALSE_ALARMS]
    read = [read_identifier(whole, marks, place), *(windows[index][1] for index in hits)]
    identifiers = tuple(dict.fromkeys(number for number in read if number is not None))
    return WatermarkFinding(chance, identifiers, _joined(hits))


def false_alarms(score: float) -> float:
    """Share of unmarked sounds whose best score among all places is this large."""
    return min(1.0, _PERIOD * 0.5 * math.erfc(score / math.sqrt(2.0)))


def best_place(folded: Folded, marks: Pattern) -> tuple[float, int]:
    """Return the highest correlation with the signs that never change, over its spread, and where the period begins."""
    steady = marks.bits < 0
    scores = _correlation(folded.values, marks.signs * steady) / np.sqrt(
        np.maximum(_correlation(folded.squares, steady.astype(np.float64)), _FAINT)
    )
    place = int(scores.argmax())
    return float(scores[place]), place


def read_identifier(folded: Folded, marks: Pattern, place: int) -> int | None:
    """Return the number that a mark carries whose period begins at a place; `None` if it cannot be read."""
    chips = folded.values[(place + _HOPS_OF_CHIP * np.arange(N_CHIPS)) % _PERIOD]
    carrying = marks.bits >= 0
    values = np.bincount(marks.bits[carrying], (chips * marks.signs)[carrying], minlength=CODED_BITS)
    return decode(values.astype(np.float64))


def _correlation(values: Values, signs: Values) -> Values:
    """Sum of `values` times the signs of a period that begins at each of the places, `[_PERIOD]`."""
    spread = np.zeros_like(values)
    spread[::_HOPS_OF_CHIP] = signs
    product = np.fft.rfft(values, axis=0) * np.fft.rfft(spread, axis=0).conj()
    return np.fft.irfft(product.sum(axis=1), len(values))


def fold_windows(blocks: Iterable[Block], sample_rate: int) -> Iterator[Folded]:
    """Fold a sound, three periods at a time; the rest at the end belongs to the last ones if it is short."""
    held = np.zeros((0, N_BANDS))
    for part in _amplitudes(blocks, sample_rate):
        held = np.concatenate([held, part])
        while len(held) >= 2 * _WINDOW:  # a block may be longer than a window
            yield _folded(held[:_WINDOW])
            held = held[_WINDOW:]
    if len(held) >= 1.5 * _WINDOW:
        yield _folded(held[:_WINDOW])
        yield _folded(held[_WINDOW:])
    elif len(held) > _HOPS_OF_CHIP:
        yield _folded(held)


def _amplitudes(blocks: Iterable[Block], sample_rate: int) -> Iterator[Values]:
    """Mean amplitudes of the bands, `[n, N_BANDS]`, for every hop."""
    window = np.hanning(_FRAME + 1)[:_FRAME]
    first, width = round(LOWEST_HZ * _FRAME / RATE), round(BAND_HZ * _FRAME / RATE)
    held: NDArray[np.float32] | None = None
    tensors = (torch.from_numpy(np.ascontiguousarray(block, dtype=np.float32)) for block in blocks)
    for block in resample_stream(tensors, sample_rate, RATE):
        samples = block.numpy()
        held = samples if held is None else np.concatenate([held, samples], axis=1)
        n_frames = (held.shape[1] - _FRAME) // _HOP + 1
        if n_frames < 1:
            continue
        frames = np.lib.stride_tricks.sliding_window_view(held, _FRAME, axis=1)[:, ::_HOP][:, :n_frames]
        spectrum = np.fft.rfft(frames * window, axis=-1)[..., first : first + width * N_BANDS]
        # Channels are added as powers: those of opposite phase do not cancel each other.
        sizes = np.sqrt((spectrum.real**2 + spectrum.imag**2).sum(axis=0))
        yield sizes.reshape(n_frames, N_BANDS, width).mean(axis=-1)
        held = held[:, n_frames * _HOP :]


def _folded(amplitudes: Values) -> Folded:
    """Fold what neither the times nor the bands beside a tile foretell of it."""
    # What is 60 dB below the mean is noise of a codec or of rounding.
    levels = amplitudes + _FAINT * amplitudes.mean() + 1e-9
    n_tiles = len(levels) - _HOPS_OF_CHIP + 1
    means = sum(levels[start : start + n_tiles] for start in range(_HOPS_OF_CHIP)) / _HOPS_OF_CHIP
    tiles = np.log(means)
    times, bands = np.arange(n_tiles), np.arange(N_BANDS)
    rest = tiles.copy()
    for chips, weight in _NEIGHBOURS:
        for reach in (-chips * _HOPS_OF_CHIP, chips * _HOPS_OF_CHIP):
            rest -= weight * tiles[(times + reach).clip(0, n_tiles - 1)]
    rest = rest - _BESIDE * (rest[:, (bands - 1).clip(0)] + rest[:, (bands + 1).clip(max=N_BANDS - 1)])
    sounding = np.abs(rest[np.abs(rest) > _SILENT])
    spread = _LARGEST * 1.4826 * float(np.median(sounding)) if len(sounding) else 1.0
    powers = means**2
    # As a Wiener filter weighs, with the softest tiles for noise; in a sound of one level all weigh the same.
    weights = powers / (powers + _FLOOR_WEIGHT * np.quantile(powers, _FLOOR_QUANTILE))
    rest = rest.clip(-spread, spread) / spread
    # Louder tiles weigh more: without this their sum would grow with the number of periods in unmarked sounds, too.
    rest = weights * (rest - np.sum(weights * rest, axis=0) / np.sum(weights, axis=0))
    places = times % _PERIOD
    values, squares = np.zeros((_PERIOD, N_BANDS)), np.zeros((_PERIOD, N_BANDS))
    np.add.at(values, places, rest)
    np.add.at(squares, places, rest**2)
    return Folded(values, squares)


def _joined(hits: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Windows as stretches in seconds, neighbours as one."""
    seconds = _WINDOW * _HOP / RATE
    found: list[tuple[float, float]] = []
    for index in hits:
        if found and index * seconds <= found[-1][1]:
            found[-1] = (found[-1][0], (index + 1) * seconds)
        else:
            found.append((index * seconds, (index + 1) * seconds))
    return tuple(found)
