"""Who still listens: a job that nobody waits for is stopped."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 30.0
"""Seconds that a job goes on without a listener: a connection may break, and a client may ask for its result later."""

_MOST_REMEMBERED = 10_000


class Listeners:
    """Connections on which pages and clients wait for answers, by the names of their sessions and requests."""

    def __init__(self, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any.

        Args:
            patience: seconds that nobody needs to listen.
            clock: tells the seconds.
        """
        self._patience = patience
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._left: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def connected(self, name: str) -> Iterator[None]:
        """Count somebody as listening inside the block."""
        with self._lock:
            self._open[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[name] -= 1
                if not self._open[name]:
                    del self._open[name]
                self._left[name] = self._clock()
                self._left.move_to_end(name)
                if len(self._left) > _MOST_REMEMBERED:
                    self._left.popitem(last=False)

    def is_connected(self, name: str) -> bool:
        """Tell whether somebody listens right now."""
        return name in self._open

    def of(self, *names: str) -> Callable[[], bool]:
        """Return a function that tells whether any of the names listens, or did not long ago, counted from now."""
        began = self._clock()

        def listens() -> bool:
            with self._lock:
                if any(name in self._open for name in names):
                    return True
                last = max(began, *(self._left.get(name, began) for name in names))
            return self._clock() - last < self._patience

        return listens
