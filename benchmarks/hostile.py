"""What damaged, impossible and malicious input does to everything that reads: commands and Python readers.

    python -m benchmarks.hostile [--inputs N] [--seed S] [--only TEXT] [--output docs/hostile.md]

Every input is damaged afresh from the seed and read in a process of its own, forked when everything is imported. It may
be accepted or refused with one sentence. Anything else is a fault: a traceback, an exception that is no
`AudiodiffError`, a death, more than 20 s of processor time, or more than 1.5 GiB at any moment. The exit status is 1 if
there is one.
"""

import argparse
import contextlib
import gc
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from audiodiff.cli import main as command_line
from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from benchmarks.hostile_inputs import Action, Kind, kinds
from benchmarks.hostile_originals import Originals

SECONDS = 20.0
"""Of processor time, so that other programs on the machine do not count."""

PATIENCE = 5.0
"""So many times as long by the clock is too long, too: it may wait for something that never comes."""

MOST_BYTES = 3 << 29
ADDRESS_BYTES = 12 << 30
"""Address space of one process: far above what it may keep resident, so that what goes wrong is measured."""

ACCEPTED, REFUSED, TRACEBACK, SLOW, LARGE = "accepted", "refused", "traceback", "slow", "large"
OUTCOMES = (ACCEPTED, REFUSED, TRACEBACK, SLOW, LARGE)


@dataclass(frozen=True)
class Config:
    """What is tried.

    Attributes:
        inputs: how many.
        seed: another seed gives other inputs.
        only: kinds whose name has this text.
        output: Markdown file to write; none for standard output alone.
        keep: folder for the inputs that were answered wrongly; none to forget them.
    """

    inputs: int = 1_200
    seed: int = 0
    only: str = ""
    output: Path | None = None
    keep: Path | None = None


@dataclass(frozen=True)
class Answer:
    """What became of one input.

    Attributes:
        kind: of input.
        number: of the input.
        outcome: one of `OUTCOMES`.
        told: the end of what was printed.
        seconds: of processor time until the answer.
        peak_bytes: of resident memory.
    """

    kind: str
    number: int
    outcome: str
    told: str
    seconds: float
    peak_bytes: int

    @property
    def is_fault(self) -> bool:
        """Whether that must not be."""
        return self.outcome not in (ACCEPTED, REFUSED)


def request(kind: str, number: int, action: Action, place: Path) -> Answer:
    """Do `action` in a process of its own, and judge how it ends."""
    log = place / "log"
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(action, log)
    slow = False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - began > PATIENCE * SECONDS:
            slow = True
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            break
        time.sleep(0.003)
    told = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    peak, seconds = usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime
    slow = slow or seconds >= SECONDS
    return Answer(kind, number, judge(status, told, slow, peak), told[-400:], seconds, peak)


def judge(status: int, told: str, slow: bool, peak_bytes: int) -> str:
    """Return which of `OUTCOMES` a process that ended so belongs to.

    Args:
        status: as `os.wait` gives it.
        told: what was printed.
        slow: it was ended, for it took too long.
        peak_bytes: of resident memory.
    """
    if slow:
        return SLOW
    if peak_bytes > MOST_BYTES:
        return LARGE
    code = os.waitstatus_to_exitcode(status)
    if code < 0 or "Traceback (most recent call last)" in told or command_line.UNFORESEEN in told:
        return TRACEBACK
    if code == 0:
        return ACCEPTED
    # Remarks may come before the answer, nothing after it.
    last = told.strip().rpartition("\n")[2]
    return REFUSED if code == 1 or (code == 2 and last.startswith("audiodiff")) else TRACEBACK


def _child(action: Action, log: Path) -> None:
    """Run in the new process, which ends here."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (round(SECONDS) + 1, round(SECONDS) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = 2
    try:
        result = action()
        status = result if isinstance(result, int) else 0
    except AudiodiffError as error:
        print(f"audiodiff: {error}", file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def run(config: Config, chosen: Sequence[Kind], on_answer: Callable[[Answer, Path], None]) -> list[Answer]:
    """Try every kind as often as its share says."""
    answers = []
    total = sum(kind.share for kind in chosen)
    for kind in chosen:
        for number in range(round(config.inputs * kind.share / total)):
            chance = random.Random(f"{config.seed} {kind.name} {number}")
            with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
                place = Path(folder) / "in"
                place.mkdir()
                answer = request(kind.name, number, kind.make(chance, place), Path(folder))
                on_answer(answer, place)
            answers.append(answer)
    return answers


def table(answers: Sequence[Answer]) -> str:
    """Return the counts by kind of input, in Markdown."""
    lines = [
        f"| input | tried | accepted | refused with one sentence | tracebacks | over {SECONDS:.0f} s | over 1.5 GiB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in [*dict.fromkeys(answer.kind for answer in answers), "all"]:
        group = [answer for answer in answers if name in (answer.kind, "all")]
        counts = Counter(answer.outcome for answer in group)
        lines.append(f"| {name} | {len(group)} | " + " | ".join(str(counts[outcome]) for outcome in OUTCOMES) + " |")
    return "\n".join(lines)


def report(config: Config, answers: Sequence[Answer], seconds: float) -> str:
    """Return the page of the documentation."""
    slowest, largest = max(a.seconds for a in answers), max(a.peak_bytes for a in answers)
    return f"""# Damaged input

`python -m benchmarks.hostile --inputs {config.inputs} --seed {config.seed}` made {len(answers):,} damaged, impossible
and malicious inputs of every kind that audiodiff reads and gave each to a command or a Python reader, in a process of
its own. Each must be accepted or refused with one sentence; the exit status is 1 if one was not.

{table(answers)}

The slowest took {slowest:.1f} s of processor time, the largest {largest / 2**20:.0f} MiB, torch and all models' code
included; all of them {seconds / 60:.0f} min. Another `--seed` makes other inputs.
"""


def main(config: Config) -> int:
    """Try all, print faults as they come, and write the table; 1 if there was a fault."""
    torch.set_num_threads(1)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-originals-") as folder:
        originals = Originals(Path(folder) / "originals")
        chosen = [kind for kind in kinds(originals) if config.only in kind.name]
        _import_everything()
        with progress_bar("trying", "inputs") as on_progress:
            done = Counter[str]()

            def on_answer(answer: Answer, place: Path) -> None:
                done["all"] += 1
                on_progress(done["all"], config.inputs)
                if answer.is_fault:
                    last = [line for line in answer.told.strip().splitlines() if line.strip()][-1:]
                    print(f"{answer.outcome}: {answer.kind} {answer.number}: {''.join(last)[:200]}", file=sys.stderr)
                    if config.keep is not None:
                        name = f"{answer.outcome}-{''.join(c for c in answer.kind if c.isalnum())}-{answer.number}"
                        shutil.copytree(place.parent, config.keep / name, symlinks=True, dirs_exist_ok=True)

            answers = run(config, chosen, on_answer)
    text = report(config, answers, time.monotonic() - began)
    print(text)
    if config.output is not None:
        config.output.write_text(text, encoding="utf-8")
    return 1 if any(answer.is_fault for answer in answers) else 0


def _import_everything() -> None:
    """So that a new process pays for none of it."""
    import pkgutil
    from importlib import import_module

    import audiodiff

    for module in pkgutil.walk_packages(audiodiff.__path__, "audiodiff."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError, AudiodiffError):
                import_module(module.name)
    gc.collect()
    gc.freeze()


def _arguments(argv: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=Config.inputs, help=f"how many (default: {Config.inputs})")
    parser.add_argument("--seed", type=int, default=Config.seed, help="another seed makes other inputs")
    parser.add_argument("--only", default="", metavar="TEXT", help="only kinds whose name has this text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Markdown file to write")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep inputs that were answered wrongly here")
    args = parser.parse_args(argv)
    return Config(args.inputs, args.seed, args.only, args.output, args.keep)


if __name__ == "__main__":
    sys.exit(main(_arguments(sys.argv[1:])))
