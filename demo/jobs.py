"""Who computes when: one at a time, turn by turn, and nobody more than a few jobs at once.

All that touches a model runs in one thread, so that two users never share a network's buffers, and a job of four clips
lets others in between. A job that is stopped ends at its next step.

What needs no model and is done in a moment has a thread outside the queue. The threads of the page, of which
there are dozens, compute nothing: each would keep the memory of the longest sound that it ever worked on.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from audiodiff.errors import AudiodiffError

from .said import ENGLISH

Result = TypeVar("Result")

_LOOK_SECONDS = 0.2
"""How often who waits looks whether to stop."""


class Stopped(Exception):
    """Raised inside a job that was stopped."""


def _always() -> bool:
    return True


@dataclass(frozen=True)
class User:
    """Who asks.

    Attributes:
        page: the open page, or the client; it may stop what it began.
        person: whose jobs count together: who has logged in, else who has the address.
        listens: tells whether the page still waits for what it asked for.
        language: of the page, one of `said.LANGUAGES` or English.
    """

    page: str
    person: str
    listens: Callable[[], bool] = field(default=_always, compare=False)
    language: str = field(default=ENGLISH, compare=False)


class Job:
    """One thing that a user asked for; it computes in turns."""

    def __init__(self, jobs: "Jobs", user: User) -> None:
        """Belong to `user`."""
        self.user = user
        self._jobs = jobs
        self._stop = threading.Event()

    def stop(self) -> None:
        """Tell the job to stop."""
        self._stop.set()

    def check(self) -> None:
        """Go on, unless stopped, or nobody listens any more.

        Raises:
            Stopped: the job was stopped, or nobody listens.
        """
        if self._stop.is_set() or not self.user.listens():
            raise Stopped

    def turn(self, work: Callable[[], Result], on_wait: Callable[[int], None] | None = None) -> Result:
        """Call `work` when it is this job's turn.

        Args:
            work: the computation; calls `check` at every step.
            on_wait: called a few times a second with the number of turns before this one, while there are any; what
                it raises gives the turn up.

        Raises:
            Stopped: the job was stopped, before or during its turn.
        """
        self.check()
        future = self._jobs.submit(work)
        try:
            while not wait([future], timeout=_LOOK_SECONDS).done:
                self.check()
                ahead = self._jobs.ahead(future)
                if ahead and on_wait is not None:
                    on_wait(ahead)
        except BaseException:
            self.stop()
            if not future.cancel():  # it has begun, and ends at its next step
                wait([future])
            raise
        return future.result()


class Jobs:
    """All jobs of a server."""

    def __init__(self, *, per_user: int, waiting: int, on_idle: Callable[[], object] | None = None) -> None:
        """Allow `per_user` jobs to each user, and `waiting` to all of them together.

        Args:
            per_user: jobs of one user at a time.
            waiting: jobs of all users at a time.
            on_idle: called after a turn that no other waits for, when its result has been handed over.
        """
        self._per_user = per_user
        self._waiting = waiting
        self._on_idle = on_idle
        self._lock = threading.Lock()
        self._running: list[Job] = []
        self._turns: list[Future[Any]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audiodiff-demo-compute")
        self._off_queue = ThreadPoolExecutor(1, thread_name_prefix="audiodiff-demo-off-queue")

    @contextmanager
    def admit(self, user: User | str) -> Iterator[Job]:
        """Let a user do one more thing inside the block.

        Args:
            user: who asks; a name is both the page and the person.

        Raises:
            AudiodiffError: the person, or all users together, have too many jobs already.
        """
        user = User(user, user) if isinstance(user, str) else user
        job = Job(self, user)
        with self._lock:
            mine = sum(other.user.person == user.person for other in self._running)
            if mine >= self._per_user:
                raise AudiodiffError(
                    f"you have {mine} job{'' if mine == 1 else 's'} under way already; wait for one to end, or stop it."
                )
            if len(self._running) >= self._waiting:
                raise AudiodiffError(f"{len(self._running)} jobs are waiting already; try again in a few minutes.")
            self._running.append(job)
        try:
            yield job
        finally:
            with self._lock:
                self._running.remove(job)

    def stop(self, page: str) -> int:
        """Tell all jobs of a page to stop, and return how many there were."""
        with self._lock:
            mine = [job for job in self._running if job.user.page == page]
        for job in mine:
            job.stop()
        return len(mine)

    def close(self) -> None:
        """Stop everything, at the next step, and end the computing thread."""
        with self._lock:
            running = list(self._running)
        for job in running:
            job.stop()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._off_queue.shutdown(wait=True, cancel_futures=True)

    def off_queue(self, work: Callable[[], Result]) -> Result:
        """Call `work`, which needs no model and takes a moment, without waiting for any turn."""
        return self._off_queue.submit(work).result()

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Queue a turn."""
        with self._lock:
            future = self._thread.submit(work)
            self._turns = [turn for turn in self._turns if not turn.done()]
            self._turns.append(future)
        if self._on_idle is not None:
            future.add_done_callback(self._after)
        return future

    def _after(self, future: "Future[Any]") -> None:
        """Call `on_idle` if no turn waits; runs in the computing thread, after the result was handed over."""
        with self._lock:
            idle = all(turn.done() for turn in self._turns)
        if idle and self._on_idle is not None and not future.cancelled():
            self._on_idle()

    def ahead(self, future: "Future[Result]") -> int:
        """Return how many turns come before one that has not begun; 0 when it has."""
        if future.running() or future.done():
            return 0
        with self._lock:
            waiting = [turn for turn in self._turns if not turn.done()]
            return waiting.index(future) if future in waiting else 0


class Outcome(Generic[Result]):
    """What a streamed job came to, as the last thing that it yields."""

    def __init__(self, result: Result) -> None:
        """Hold `result`."""
        self.result = result


def stream(work: Callable[[Callable[[Any], None]], Result]) -> Iterator[Any]:
    """Run `work` in a thread and yield what it reports, as it does, then its outcome.

    When nobody listens any more (the generator is closed), the next report raises `Stopped` inside `work`.

    Args:
        work: called with the function that it reports to.

    Raises:
        Exception: what `work` raises.
    """
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
    closed = threading.Event()

    def report(update: Any) -> None:
        if closed.is_set():
            raise Stopped
        reports.put(update)

    def run() -> None:
        try:
            reports.put(Outcome(work(report)))
        except BaseException as error:
            reports.put(error)

    thread = threading.Thread(target=run, name="audiodiff-demo-job", daemon=True)
    thread.start()
    try:
        while True:
            item = reports.get()
            if isinstance(item, BaseException):
                raise item
            yield item
            if isinstance(item, Outcome):
                return
    finally:
        closed.set()
