"""Wrong passwords, counted by address: every further guess has to wait longer."""

import time
from collections import OrderedDict
from collections.abc import Callable

FREE = 3
"""Wrong passwords that anybody may give without having to wait."""

LONGEST = 300.0
"""Longest wait for the next guess (s)."""

_MOST_REMEMBERED = 10_000


class Attempts:
    """How many wrong passwords came from where."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any; `clock` tells the seconds."""
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, who: str) -> float:
        """Return how long `who` has to wait for the next guess (s); 0 if it may come now."""
        count, last = self._wrong.get(who, (0, 0.0))
        pause = min(LONGEST, 2.0 ** min(count - FREE, 20)) if count > FREE else 0.0
        return max(0.0, last + pause - self._clock())

    def count(self, who: str) -> None:
        """Count a guess as wrong; one that is being checked, too, since others may be made meanwhile."""
        self._wrong[who] = self._wrong.get(who, (0, 0.0))[0] + 1, self._clock()
        self._wrong.move_to_end(who)
        if len(self._wrong) > _MOST_REMEMBERED:
            self._wrong.popitem(last=False)

    def forget(self, who: str) -> None:
        """Start again after the right password."""
        self._wrong.pop(who, None)
