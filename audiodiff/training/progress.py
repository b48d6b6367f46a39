"""Following a run: a progress bar for people, a JSONL file for programs."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import parse_json
from audiodiff.training.loop import Step
from audiodiff.training.state import saved_step

LINE_SECONDS = 60.0
"""Time between two lines of progress where there is no terminal to draw a bar on."""


def follow(
    steps: Iterator[Step],
    run_dir: Path | str,
    *,
    total: int,
    log_every: int,
    on_line: Callable[[Mapping[str, float]], None] | None = None,
) -> Iterator[Step]:
    """Pass the steps on, showing a progress bar and writing `run_dir/log.jsonl`.

    Args:
        steps: what `train_steps` yields.
        run_dir: the run folder.
        total: steps of the whole run.
        log_every: one line of the log is the mean of this many steps.
        on_line: called with each line of the log.

    When stderr is not a terminal a plain line every minute takes the place of the bar. The log keeps one line per
    interval also across resumes: lines of steps that are done again are dropped.
    """
    _drop_after(Path(run_dir) / "log.jsonl", saved_step(Path(run_dir)))
    window: list[Step] = []
    in_terminal, said_at, losses = sys.stderr.isatty(), time.monotonic(), list[float]()
    bar: tqdm[NoReturn] = tqdm(
        total=total,
        disable=not in_terminal,
        bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} {postfix}",
    )
    previous = 0
    with bar:
        for step in steps:
            bar.update(step.step - previous)
            previous = step.step
            window.append(step)
            if step.step % log_every == 0 or step.step == total:
                line = _mean(window)
                append_log(run_dir, line)
                if on_line is not None:
                    on_line(line)
                window.clear()
            pace = f"{step.items_per_second:.3g} items/s, {clock(step.seconds_left)} left"
            bar.set_postfix_str(f"loss {step.loss:.4g}, {pace}", refresh=False)
            losses.append(step.loss)
            if not in_terminal and time.monotonic() - said_at >= LINE_SECONDS:
                loss = sum(losses) / len(losses)
                print(f"step {step.step}/{total}, loss {loss:.4g}, {pace}", file=sys.stderr, flush=True)
                said_at = time.monotonic()
                losses.clear()
            yield step


def append_log(run_dir: Path | str, line: Mapping[str, float]) -> None:
    """Add one line, which has a `step`, to `run_dir/log.jsonl`."""
    with (Path(run_dir) / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(dict(line)) + "\n")


def read_log(run_dir: Path | str) -> list[dict[str, float]]:
    """Return the lines of `run_dir/log.jsonl` but for damaged ones, such as a last one cut short by a kill."""
    log = Path(run_dir) / "log.jsonl"
    if not log.is_file():
        return []
    lines = []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = parse_json(text, str(log))
        except AudiodiffError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def _mean(window: list[Step]) -> dict[str, float]:
    last, n = window[-1], len(window)
    line: dict[str, float] = {"step": last.step, "loss": sum(step.loss for step in window) / n}
    for name in last.terms:
        line[name] = sum(step.terms[name] for step in window) / n
    line["grad_norm"] = sum(step.grad_norm for step in window) / n
    line["learning_rate"] = last.learning_rate
    line["items_per_second"] = round(last.items_per_second, 3)
    return line


def _drop_after(log: Path, step: int) -> None:
    if not log.is_file():
        return
    kept = [line for line in read_log(log.parent) if line["step"] <= step]
    with atomic_file(log) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def clock(seconds: float) -> str:
    """Write a time as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
