"""Errors, latency and memory of the demo's server under mixed requests from several clients at once.

    python -m benchmarks.demo_soak [--requests 200] [--clients 2] [--strangers 500] [--steps 4] [--threads 2]

Starts `audiodiff demo` with the shipped models in a process of its own on 127.0.0.1 and calls every name of its API
through gradio_client, each client one request after the other: short clips, few steps, everything uploaded and
downloaded. One request in ten is wrong and must be refused with its sentence. What comes back is checked: length,
silence, the record, and that a replay is the same sample for sample. Resident memory is read while nothing runs: after
the warm-up, in which every client has called everything, and after each third of the rest. Ends after so many minutes
(`--minutes 10`) whatever is left. Then come strangers: clients without a session, or with one that nobody hears of
again, who open the page, ask for what is refused and leave; memory is read after the first of them and after the last.
Writes `demo_soak.md` and `demo_soak.json` below OUTPUT. Needs the extra `demo`, and Linux.
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.long_file import EXAMPLE, RESULTS, ROOT, replace_text
from benchmarks.soak_requests import APIS, BAD, GOOD, Wish, be_strange, plan

STRANGERS_FIRST = 64
"""Strangers after whom memory is read first: more than the sessions that are remembered."""

FLAT = 0.05
"""How much memory may grow after the warm-up and still be called flat."""

START_SECONDS, ANSWER_SECONDS = 120.0, 120.0


@dataclass(frozen=True)
class Config:
    """What is asked of the server.

    Attributes:
        requests: of all clients together.
        clients: that ask at the same time, each one request after the other.
        steps: of the music model.
        threads: of the server.
        minutes: after which no request is sent any more.
        strangers: clients that come once and ask for nothing that is given.
        keep_minutes: how long the server keeps files.
        model, vocoder, upsampler: what is served; the shipped ones when None.
        output: folder of the results.
    """

    requests: int = 200
    clients: int = 2
    steps: int = 4
    threads: int = 2
    minutes: float = 10.0
    strangers: int = 500
    keep_minutes: float = 1.0
    model: str | None = None
    vocoder: str | None = None
    upsampler: str | None = None
    output: Path = RESULTS


@dataclass(frozen=True)
class Answer:
    """One request.

    Attributes:
        wish: what was asked for.
        seconds: from the call to the checked answer's arrival.
        error: what was wrong with it; "" if nothing was.
    """

    wish: Wish
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Mark:
    """Memory while nothing runs.

    Attributes:
        requests: answered so far.
        mib: resident memory of the server (MiB).
        files: below its folder for temporary files.
    """

    requests: int
    mib: float
    files: int


@dataclass
class Soak:
    """All that was seen.

    Attributes:
        answers: in the order in which they came.
        marks: the first after the warm-up.
        strange: the same of strangers, counted from the first; empty without any.
        unanswered: strangers that got no answer.
        tracebacks: in the server's log.
        files_kept: temporary files after they were old enough to be removed.
        files_left: those that the server left behind when it ended.
        seconds: from the first request to the last answer.
    """

    answers: list[Answer] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    strange: list[Mark] = field(default_factory=list)
    unanswered: int = 0
    tracebacks: int = 0
    files_kept: int = 0
    files_left: int = 0
    seconds: float = 0.0

    @property
    def errors(self) -> list[Answer]:
        """Answers that were not what they had to be."""
        return [answer for answer in self.answers if answer.error]

    @property
    def growth(self) -> float:
        """Growth of memory since the warm-up, as a share of it."""
        return self.marks[-1].mib / self.marks[0].mib - 1.0

    @property
    def strange_growth(self) -> float:
        """Growth of memory by strangers, as a share of what it was after the first of them."""
        return self.strange[-1].mib / self.strange[0].mib - 1.0 if self.strange else 0.0

    @property
    def holds(self) -> bool:
        """Whether there was no error and memory was flat."""
        quiet = not self.errors and not self.tracebacks and not self.unanswered
        return bool(self.answers) and quiet and max(self.growth, self.strange_growth) <= FLAT


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def table(answers: Sequence[Answer]) -> str:
    """Requests, errors and latency of each name of the API, in Markdown."""
    groups = [(f"`/{api}`", [a for a in answers if a.wish.api == api and not a.wish.bad]) for api in APIS]
    groups.append(("wrong requests, refused", [a for a in answers if a.wish.bad]))
    groups.append(("all", list(answers)))
    lines = [
        "| request | count | errors | p50 (s) | p95 (s) | p99 (s) | max (s) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in groups:
        if not group:
            continue
        seconds = [answer.seconds for answer in group]
        figures = [percentile(seconds, share) for share in (0.5, 0.95, 0.99, 1.0)]
        shown = " | ".join(f"{figure:.2f}" for figure in figures)
        lines.append(f"| {name} | {len(group)} | {sum(bool(a.error) for a in group)} | {shown} |")
    return "\n".join(lines)


def report(config: Config, soak: Soak, conditions: str) -> str:
    """Return the result as Markdown."""
    first, last = soak.marks[0], soak.marks[-1]
    unsent = config.requests - len(soak.answers)
    word = "missed" if not soak.holds else "holds" if unsent <= 0 else f"holds so far, {unsent} requests were not sent"
    way = ", ".join(f"{mark.mib:.0f} after {mark.requests}" for mark in soak.marks)
    lines = [
        f"{len(soak.answers)} requests from {config.clients} clients at once in {soak.seconds:.0f} s, clips of 1 to "
        f"4 s, {config.steps} steps, {conditions}. Latency is what a client waits, its turn after the other included.",
        "",
        table(soak.answers),
        "",
        "| memory of the server, at rest | MiB |",
        "| --- | --- |",
        f"| after the warm-up ({first.requests} requests, everything called) | {first.mib:.0f} |",
        f"| after {last.requests} requests | {last.mib:.0f} ({100.0 * soak.growth:+.1f} %) |",
        "",
        f"No error, memory flat within {100 * FLAT:.0f} %: **{word}**. Temporary files: {last.files} while they are "
        f"kept, {soak.files_kept} once they are {config.keep_minutes:g} min old, {soak.files_left} after the server "
        "has ended.",
        "",
        f"- Memory on the way (MiB): {way}.",
        f"- Tracebacks in the server's log: {soak.tracebacks}.",
    ]
    if soak.strange:
        came = ", ".join(f"{mark.mib:.0f} after {mark.requests}" for mark in soak.strange)
        lines.append(
            f"- Clients that come once, without a session, and are refused: {came} MiB "
            f"({100.0 * soak.strange_growth:+.1f} %), {soak.unanswered} without an answer."
        )
    told = Counter(f"/{answer.wish.api}: {answer.error}" for answer in soak.errors)
    lines += [f"- {count} times {text}" for text, count in told.most_common()]
    if unsent > 0:
        lines.append(f"- {unsent} requests were not sent: the time was up.")
    return "\n".join(lines)


@contextmanager
def server(config: Config, folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Run the demo, and yield its address, the number of its process, and its log.

    Raises:
        SystemExit: it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "audiodiff", "demo", "--port", str(port), "--device", "cpu"]
    command += ["--prompts", str(folder / "prompts.json"), "--keep-minutes", str(config.keep_minutes)]
    command += ["--max-jobs", str(max(2, config.clients))]  # all clients have one address
    command += [] if config.model is None else ["--model", config.model]
    command += [] if config.vocoder is None else ["--vocoder", config.vocoder]
    command += [] if config.upsampler is None else ["--upsampler", config.upsampler]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(config.threads),
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": str(folder / "tmp"),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    (folder / "tmp").mkdir()
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}/"
            _await_answer(address, process, log)
            yield address, process.pid, log
        finally:
            process.terminate()
            try:
                process.wait(timeout=30.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"demo_soak: the server ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(address + "config", timeout=5.0) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"demo_soak: no answer from the server within {START_SECONDS:.0f} s:\n{log.read_text()}")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process (MiB)."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"demo_soak: process {pid} tells no memory.")
    return int(found.group(1)) / 1024


def count_files(folder: Path) -> int:
    """Return how many files are below a folder."""
    return sum(path.is_file() for path in folder.rglob("*"))


class Visitor:
    """One client, with the clips that it has got."""

    def __init__(self, address: str, folder: Path, steps: int, number: int) -> None:
        """Connect.

        Args:
            address: of the server.
            folder: for downloads.
            steps: to ask for.
            number: of this client, for its seeds.
        """
        from gradio_client import Client, handle_file

        folder.mkdir()
        self.client = Client(address, download_files=folder / "got", verbose=False, analytics_enabled=False)
        self.handle = handle_file
        self.steps = steps
        self.number = number
        self.voice, self.junk = folder / "voice.wav", folder / "junk.wav"
        waveform, rate = soundfile.read(EXAMPLE, dtype="float32")
        soundfile.write(self.voice, waveform[: 2 * rate], rate)
        self.junk.write_bytes(b"this is no sound at all\n" * 40)
        self.clip = self.voice  # its own from the first request on
        self.made = self.voice  # the last that was made from nothing but a prompt

    def request(self, wish: Wish) -> Answer:
        """Send one request and check the answer."""
        from gradio_client.exceptions import AppError
        from httpx import HTTPStatusError

        given = (BAD if wish.bad else GOOD)[wish.api](self, wish)
        wanted = given.pop("wanted", None)
        began = time.perf_counter()
        try:
            result = self.client.submit(api_name=f"/{wish.api}", **given).result(timeout=ANSWER_SECONDS)
        except AppError as error:
            seconds, said = time.perf_counter() - began, str(error)
            fine = wish.bad and wanted in said
            return Answer(wish, seconds, "" if fine else f"refused with {said!r}")
        except HTTPStatusError as error:  # what is no sound is not taken in
            seconds, said = time.perf_counter() - began, error.response.text
            fine = wish.bad and error.response.status_code == 415 and wanted in said
            return Answer(wish, seconds, "" if fine else f"refused with {said!r}")
        except Exception as error:
            return Answer(wish, time.perf_counter() - began, f"{type(error).__name__}: {error}")
        seconds = time.perf_counter() - began
        if wish.bad:
            return Answer(wish, seconds, "was not refused")
        return Answer(wish, seconds, self._fault(wish, result, wanted))

    def _fault(self, wish: Wish, result: Any, wanted: Any) -> str:
        """What is wrong with an answer; "" if nothing is."""
        if wish.api == "inspect":
            told = json.loads(result)
            return "" if told.get("provenance") else "the clip has lost its record"
        files, told = result[0] if isinstance(result[0], list) else [result[0]], json.loads(result[1])
        if wish.api == "replay" and not told["identical"]:
            return f"the replay is not identical: {told['reasons']}"
        count = 2 if wish.api == "interpolate" else 1
        if len(files) != count:
            return f"{len(files)} files instead of {count}"
        for name in files:
            waveform, rate = soundfile.read(name, dtype="float32")
            if wanted is not None and abs(len(waveform) / rate - wanted) > 0.01:
                return f"{len(waveform) / rate:.3f} s instead of {wanted:.3f} s"
            if not np.isfinite(waveform).all() or np.abs(waveform).max() < 1e-3:
                return "the sound is silent or not finite"
        if wish.api not in ("vocode", "upsample", "replay"):
            self.clip = Path(files[-1])
        if wish.api == "generate":
            self.made = self.clip
        return ""


def run(config: Config, folder: Path) -> Soak:
    """Start the server, soak it, and end it."""
    wishes = plan(config.requests, config.clients)
    soak, lock = Soak(), threading.Lock()
    until = time.monotonic() + 60.0 * config.minutes

    def work(visitor: Visitor, mine: Sequence[Wish]) -> None:
        for wish in mine:
            if time.monotonic() > until:
                return
            answer = visitor.request(wish)
            with lock:
                soak.answers.append(answer)

    with server(config, folder) as (address, pid, log):
        visitors = [Visitor(address, folder / f"client{k}", config.steps, k) for k in range(config.clients)]
        began = time.perf_counter()
        for part in wishes:
            threads = [
                threading.Thread(target=work, args=(visitor, part[k :: config.clients]), daemon=True)
                for k, visitor in enumerate(visitors)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if soak.marks and soak.marks[-1].requests == len(soak.answers):
                break  # the time was up
            soak.seconds = time.perf_counter() - began
            time.sleep(1.0)
            soak.marks.append(Mark(len(soak.answers), resident_mib(pid), count_files(folder / "tmp")))
            print(f"{soak.marks[-1]}, {len(soak.errors)} errors, {soak.seconds:.0f} s", file=sys.stderr)
        for visitor in visitors:
            visitor.client.close()
        for number in range(config.strangers):
            try:
                be_strange(address, number)
            except OSError as error:
                soak.unanswered += 1
                print(f"stranger {number}: {error}", file=sys.stderr)
            if number + 1 in (min(STRANGERS_FIRST, config.strangers), config.strangers):
                time.sleep(1.0)
                soak.strange.append(Mark(number + 1, resident_mib(pid), count_files(folder / "tmp")))
                print(f"{soak.strange[-1]} strangers", file=sys.stderr)
        time.sleep(60.0 * config.keep_minutes + min(60.0, 60.0 * config.keep_minutes) + 5.0)  # old, and swept
        soak.files_kept = count_files(folder / "tmp")
    soak.tracebacks = log.read_text(encoding="utf-8").count("Traceback")
    soak.files_left = count_files(folder / "tmp")
    return soak


def main(config: Config) -> Soak:
    """Measure, print and keep the result."""
    from benchmarks.vocoder_speed import processor

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        soak = run(config, Path(name))
    busy = f"load average before the run {load:.2f}"
    text = report(config, soak, f"{config.threads} threads, {processor()}, {busy}")
    print(text)
    made = (
        f"python -m benchmarks.demo_soak --requests {config.requests} --clients {config.clients} --steps {config.steps}"
    )
    replace_text(config.output / "demo_soak.md", f"# The demo under load\n\n{text}\n\nMade by `{made}`.\n")
    seconds = [answer.seconds for answer in soak.answers]
    record = {
        "requests": config.requests,
        "clients": config.clients,
        "steps": config.steps,
        "threads": config.threads,
        "load_average": load,
        "answered": len(soak.answers),
        "errors": [{"api": answer.wish.api, "bad": answer.wish.bad, "error": answer.error} for answer in soak.errors],
        "median_seconds": statistics.median(seconds) if seconds else None,
        "memory": [asdict(mark) for mark in soak.marks],
        "growth": soak.growth,
        "strangers": [asdict(mark) for mark in soak.strange],
        "strangers_growth": soak.strange_growth,
        "strangers_unanswered": soak.unanswered,
        "holds": soak.holds,
        "tracebacks": soak.tracebacks,
        "files_kept": soak.files_kept,
        "files_left": soak.files_left,
        "latency": [
            {"api": answer.wish.api, "bad": answer.wish.bad, "seconds": round(answer.seconds, 4)}
            for answer in soak.answers
        ],
    }
    replace_text(config.output / "demo_soak.json", json.dumps(record, indent=2) + "\n")
    return soak


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=Config.requests, help="of all clients (default: 200)")
    parser.add_argument("--clients", type=int, default=Config.clients, help="at the same time (default: 2)")
    parser.add_argument("--steps", type=int, default=Config.steps, help="of the music model (default: 4)")
    parser.add_argument("--threads", type=int, default=Config.threads, help="of the server (default: 2)")
    parser.add_argument("--minutes", type=float, default=Config.minutes, help="at most (default: 10)")
    parser.add_argument("--strangers", type=int, default=Config.strangers, help="that come once (default: 500)")
    parser.add_argument("--keep-minutes", type=float, default=Config.keep_minutes, help="of files (default: 1)")
    parser.add_argument("--model", help="model that generates (default: music)")
    parser.add_argument("--vocoder", help="vocoder for recordings (default: speech)")
    parser.add_argument("--upsampler", help="upsampler for recordings (default: upsample-speech)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    return Config(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    config = parse()
    found = main(config)
    sys.exit(0 if found.holds and len(found.answers) >= config.requests else 1)
