"""Means with 95 % intervals, and paired differences between two systems on the same clips."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import optional_package

Method = Literal["t", "bootstrap"]


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval `low` to `high`, from `n` values."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval: what stands behind the plus-minus sign."""
        return (self.high - self.low) / 2

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside the interval."""
        return value < self.low or value > self.high

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two intervals share a point."""
        return self.low <= other.high and other.low <= self.high


def mean_interval(
    values: Sequence[float], *, confidence: float = 0.95, method: Method = "t", seed: int = 0
) -> Interval:
    """Mean of independent values with its confidence interval.

    Args:
        values: one per clip, finite.
        confidence: between 0 and 1.
        method: "t" (Student, for means of anything roughly bell-shaped) or "bootstrap" (10,000 resamples,
            percentile), which assumes no shape but is too narrow below some 20 values.
        seed: of the bootstrap; the same seed gives the same interval.

    Raises:
        AudiodiffError: no values, a value that is not finite, or a confidence outside 0 to 1. One value alone has
            an interval from -inf to inf.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise AudiodiffError("a mean needs at least one value; there was none.")
    if not np.isfinite(array).all():
        raise AudiodiffError("a value is not finite; leave out the clips that a measure could not score.")
    if not 0.0 < confidence < 1.0:
        raise AudiodiffError(f"the confidence is {confidence}; it must lie between 0 and 1, for example 0.95.")
    mean = float(array.mean())
    if array.size == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    if method == "t":
        half = _t_quantile(0.5 + confidence / 2, array.size - 1) * float(array.std(ddof=1)) / math.sqrt(array.size)
        return Interval(mean, mean - half, mean + half, array.size)
    means = _bootstrap_means(array, seed)
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(mean, float(low), float(high), array.size)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    *,
    confidence: float = 0.95,
    method: Method = "t",
    seed: int = 0,
) -> Interval:
    """Mean of `first - second` clip by clip, with its interval: far narrower than the two means' own intervals.

    Raises:
        AudiodiffError: the two differ in length, or as `mean_interval`.
    """
    if len(first) != len(second):
        raise AudiodiffError(
            f"a paired difference needs the same clips on both sides, but there are {len(first)} and {len(second)}."
        )
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return mean_interval(differences, confidence=confidence, method=method, seed=seed)


def _t_quantile(probability: float, degrees: int) -> float:
    return float(optional_package("scipy.stats", "scipy").t.ppf(probability, degrees))


def _bootstrap_means(array: npt.NDArray[np.float64], seed: int, resamples: int = 10_000) -> npt.NDArray[np.float64]:
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    # In parts, so that thousands of clips do not make one array of resamples * clips.
    for start in range(0, resamples, 500):
        index = random.integers(0, array.size, (min(500, resamples - start), array.size))
        means[start : start + len(index)] = array[index].mean(axis=1)
    return means
