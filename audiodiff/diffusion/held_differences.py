"""The change that guidance makes, used again for a while. Imports no torch."""

import math
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

from audiodiff.errors import AudiodiffError

__all__ = ["HeldDifferences"]


class _Array(Protocol):
    @property
    def shape(self) -> Any: ...

    def __sub__(self, other: Any, /) -> Self: ...


A = TypeVar("A", bound=_Array)


class HeldDifferences(Generic[A]):
    """Differences between two estimates of a run, used again for a while: they change slowly from step to step.

    Guidance then costs a second network call at some steps only (as in Castillo et al. 2023, and with the cache of
    FasterCache, Lv et al. 2024). A run whose state is denoised in windows may ask for each of them at one time, in the
    same order every time.

    Args:
        hold: process time for which a difference is used again. The first two times always find a new one.

    Raises:
        AudiodiffError: it is negative or not finite.
    """

    def __init__(self, hold: float) -> None:
        if not 0.0 <= hold < math.inf:
            raise AudiodiffError(f"a difference can be held for a time of 0 or more, got {hold}.")
        self.hold = hold
        self._time = math.inf
        self._n_times = -1
        self._place = 0
        self._kept: dict[int, tuple[float, A]] = {}

    def estimates(self, time: float, x: A, both: Callable[[], tuple[A, A]], towards: Callable[[], A]) -> tuple[A, A]:
        """Return what to go towards, and what to go away from: found now, or so far from the first as it was before.

        Args:
            time: of the process; one later than the last begins a new run.
            x: the state.
            both: finds both estimates.
            towards: finds the first of them.
        """
        place = self._next(time)
        found, difference = self._kept.get(place, (math.inf, x))
        # A thousandth more, because times are rounded to float32.
        if self._n_times < 2 or found - time > 1.001 * self.hold or difference.shape != x.shape:
            wanted, unwanted = both()
            self._kept[place] = (time, wanted - unwanted)
            return wanted, unwanted
        wanted = towards()
        return wanted, wanted - difference

    def _next(self, time: float) -> int:
        """Which call at this time it is."""
        if time > self._time:
            self._n_times = -1
            self._kept.clear()
        if time == self._time:
            self._place += 1
        else:
            self._n_times += 1
            self._place = 0
        self._time = time
        return self._place
