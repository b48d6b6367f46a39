import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from audiodiff.errors import AudiodiffError
from demo.jobs import Job, Jobs, Outcome, Stopped, User, stream


def steps(job: Job, n_steps: int, log: list[str], name: str) -> str:
    for index in range(n_steps):
        job.check()
        log.append(f"{name}{index}")
        time.sleep(0.002)
    return name


def test_turns_never_overlap_and_users_take_them_in_turn() -> None:
    jobs = Jobs(per_user=1, waiting=5)
    log: list[str] = []
    started = threading.Barrier(2)

    def work(name: str) -> list[str]:
        with jobs.admit(name) as job:
            started.wait()
            return [job.turn(lambda turn=turn: steps(job, 3, log, f"{name}{turn}.")) for turn in range(3)]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, ["a", "b"])) == [["a0.", "a1.", "a2."], ["b0.", "b1.", "b2."]]
    turns = [entry[:-1] for entry in log[::3]]
    assert log == [f"{turn}{index}" for turn in turns for index in range(3)]
    assert turns.index("b0.") < turns.index("a2.")  # three turns of one do not come before the first of another
    assert turns.index("a0.") < turns.index("b2.")
    jobs.close()


def test_a_job_stops_at_its_next_step_and_its_place_is_free_again() -> None:
    jobs = Jobs(per_user=1, waiting=5)
    log: list[str] = []

    def stopping(job: Job) -> None:
        for index in range(1000):
            if index == 3:
                assert jobs.stop("me") == 1
                assert jobs.stop("you") == 0
            steps(job, 1, log, str(index))

    with pytest.raises(Stopped), jobs.admit("me") as job:
        job.turn(lambda: stopping(job))
    assert log == ["00", "10", "20"]
    with jobs.admit("me") as job:
        assert job.turn(lambda: "done") == "done"
    jobs.close()


def test_who_waits_is_told_how_many_come_first_and_can_give_up() -> None:
    jobs = Jobs(per_user=1, waiting=5)
    free = threading.Event()
    ahead: list[int] = []
    ran: list[str] = []

    def hold() -> None:
        with jobs.admit("first") as job:
            job.turn(free.wait)

    def on_wait(number: int) -> None:
        ahead.append(number)
        raise Stopped

    holder = threading.Thread(target=hold)
    holder.start()
    while jobs.stop("nobody") or not jobs._turns:
        time.sleep(0.001)
    with pytest.raises(Stopped), jobs.admit("second") as job:
        job.turn(lambda: ran.append("second"), on_wait)
    free.set()
    holder.join()
    assert ahead == [1]
    assert ran == []
    jobs.close()
    assert ran == []


def test_too_many_jobs_are_refused() -> None:
    jobs = Jobs(per_user=2, waiting=3)
    with jobs.admit("a"), jobs.admit("a"):
        with pytest.raises(AudiodiffError, match="you have 2 jobs under way"), jobs.admit("a"):
            pass
        with jobs.admit("b"), pytest.raises(AudiodiffError, match="3 jobs are waiting already"), jobs.admit("c"):
            pass
    with jobs.admit("a"):
        pass
    jobs.close()


def test_one_person_is_not_many_for_having_many_pages() -> None:
    jobs = Jobs(per_user=2, waiting=10)
    with jobs.admit(User("page 1", "ann")), jobs.admit(User("page 2", "ann")):
        with pytest.raises(AudiodiffError, match="you have 2 jobs under way"), jobs.admit(User("page 3", "ann")):
            pass
        with jobs.admit(User("page 3", "ben")):
            assert jobs.stop("ann") == 0  # pages are stopped, not people
            assert jobs.stop("page 2") == 1
    jobs.close()


def test_a_job_that_nobody_listens_to_stops_in_the_queue_and_at_work() -> None:
    jobs = Jobs(per_user=2, waiting=10)
    there = threading.Event()
    there.set()
    with jobs.admit(User("page", "ann", there.is_set)) as job:

        def forever() -> None:
            there.clear()
            while True:
                job.check()
                time.sleep(0.001)

        with pytest.raises(Stopped):
            job.turn(forever)
    free = threading.Event()
    held = jobs.submit(free.wait)
    with jobs.admit(User("page", "ann", lambda: False)) as job, pytest.raises(Stopped):
        job.turn(lambda: pytest.fail("nobody listens"))
    free.set()
    assert held.result()
    jobs.close()


def test_the_error_of_a_turn_is_the_callers() -> None:
    jobs = Jobs(per_user=1, waiting=1)
    with pytest.raises(ZeroDivisionError), jobs.admit("a") as job:
        job.turn(lambda: 1 / 0)
    jobs.close()


def test_a_stream_yields_what_is_reported_and_then_the_outcome() -> None:
    def work(report: Callable[[int], None]) -> str:
        for number in range(3):
            report(number)
        return "end"

    *reports, outcome = stream(work)
    assert reports == [0, 1, 2]
    assert isinstance(outcome, Outcome)
    assert outcome.result == "end"


def test_a_stream_raises_what_the_work_does() -> None:
    def work(report: Callable[[int], None]) -> str:
        report(1)
        raise KeyError("lost")

    items = stream(work)
    assert next(items) == 1
    with pytest.raises(KeyError, match="lost"):
        next(items)


def test_work_whose_reader_has_gone_is_stopped() -> None:
    ended = threading.Event()

    def work(report: Callable[[int], None]) -> None:
        try:
            for number in range(10_000):
                report(number)
                time.sleep(0.001)
        except Stopped:
            ended.set()
            raise

    items = stream(work)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert ended.wait(5.0)


def test_closing_stops_what_runs() -> None:
    jobs = Jobs(per_user=1, waiting=1)
    started = threading.Event()
    ended: list[bool] = []

    def run() -> None:
        try:
            with jobs.admit("a") as job:

                def forever() -> None:
                    started.set()
                    while True:
                        job.check()
                        time.sleep(0.001)

                job.turn(forever)
        except Stopped:
            ended.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(5.0)
    jobs.close()
    thread.join(5.0)
    assert ended == [True]


def test_a_turn_that_nobody_waits_for_is_followed_by_a_rest() -> None:
    rests: list[str] = []
    rested = threading.Event()

    def rest() -> None:
        rests.append(threading.current_thread().name)
        rested.set()

    jobs = Jobs(per_user=2, waiting=5, on_idle=rest)
    started = threading.Event()
    first = jobs.submit(started.wait)
    last = jobs.submit(lambda: "last")
    given_up = jobs.submit(lambda: "never")
    assert given_up.cancel()
    assert rests == []
    started.set()
    assert (first.result(), last.result()) == (True, "last")
    assert rested.wait(2.0)
    jobs.close()
    assert len(rests) == 1
    assert rests[0].startswith("audiodiff-demo-compute")


def test_what_needs_no_model_waits_for_no_turn_and_has_a_thread_of_its_own() -> None:
    jobs = Jobs(per_user=1, waiting=5)
    free = threading.Event()
    held = jobs.submit(free.wait)
    with ThreadPoolExecutor(4) as pool:
        names = set(pool.map(lambda _: jobs.off_queue(lambda: threading.current_thread().name), range(8)))
    assert len(names) == 1
    assert threading.current_thread().name not in names
    assert not held.done()
    with pytest.raises(AudiodiffError, match="broken"):
        jobs.off_queue(broken)
    free.set()
    jobs.close()


def broken() -> None:
    raise AudiodiffError("it is broken.")
