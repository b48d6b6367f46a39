"""One session of a training run: what is said as it starts and stops, its log, its board, its best checkpoint."""

import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import WEIGHTS_FILE, weights_hash
from audiodiff.models.find import read_model_config
from audiodiff.training.devices import peak_memory
from audiodiff.training.logging import Board
from audiodiff.training.loop import ModelAndLoss, Step, train_steps
from audiodiff.training.progress import append_log, clock, follow
from audiodiff.training.state import has_state, locked, saved_step

from .recipe import Run
from .run_folder import changes_of, write_settings

BEST_FOLDER = "best"
"""Where the run folder keeps the checkpoint of the lowest validation figure."""

_MEASURED_STEPS = 3
"""Steps after which time and memory are reported: the first ones allocate and compile."""

Export = Callable[[nn.Module, Path, Mapping[str, Any]], None]
"""Writes the averaged model as a checkpoint: model, folder, what to add to the metadata."""

Validate = Callable[[nn.Module, int, Board], Mapping[str, float]]
"""Measures the averaged model: model, step, where pictures and sounds go -> figures."""


class Corpus(Protocol):
    """What a run learns from, as far as it is counted."""

    @property
    def seconds(self) -> float:
        """Duration of all clips."""

    def __len__(self) -> int:
        """Number of clips."""


def run_steps(
    run: Run,
    models: Sequence[ModelAndLoss],
    corpus: Corpus,
    *,
    export: Export,
    validate: Validate | None,
    name_batch: Callable[[int], str],
) -> Path:
    """Train to the end, with progress bar, log file and TensorBoard, and return the run folder.

    Args:
        run: what `Recipe.open_run` has opened.
        models: as for `train_steps`.
        corpus: what is learnt from.
        export: writes the averaged model.
        validate: measures the averaged model; what it returns goes into log and board, and the model with the lowest
            first figure is kept in `run.folder/best`. None to leave that out.
        name_batch: describes the batch of a step.

    Raises:
        AudiodiffError: another process trains into the folder, it cannot be written, or its state is damaged.
    """
    folder, config = run.folder, run.train
    if run.devices.rank:
        steps = train_steps(
            models,
            config,
            folder,
            resume=run.resume,
            export=_ignore,
            on_validate=None if validate is None else _ignore,
            name_batch=name_batch,
            sharding=run.devices.sharding,
        )
        for step in steps:
            if run.on_step is not None:
                run.on_step(step)
        return folder
    with locked(folder):
        for key, before, now in changes_of(folder, run.settings):
            if key.startswith("train."):
                _say(f"going on with {key} = {now} (it was {before}).")
        write_settings(folder, run.settings)
        board = Board(folder, first_step=saved_step(folder) + 1)
        _announce(models, run, corpus, board)
        best = Best(folder / BEST_FOLDER, export)

        def on_validate(averaged: nn.Module, step: int) -> None:
            assert validate is not None
            values = validate(averaged, step, board)
            board.scalars(step, {f"validation/{name}": value for name, value in values.items()})
            append_log(folder, {"step": step, **{f"validation_{name}": value for name, value in values.items()}})
            best.offer(averaged, step, values)

        steps = train_steps(
            models,
            config,
            folder,
            resume=run.resume,
            export=lambda averaged, step: export(averaged, folder, {"step": step}),
            on_validate=None if validate is None else on_validate,
            name_batch=name_batch,
            sharding=run.devices.sharding,
        )
        try:
            _follow(steps, run, board)
        except (KeyboardInterrupt, SystemExit):
            # Where the signal came outside of a step, nothing has been saved yet.
            steps.close()
            _say_how_to_go_on(folder)
            raise
        finally:
            board.close()
        if saved_step(folder) < config.steps:
            _say_how_to_go_on(folder)
        if best.told:
            _say(f"the best by validation is in {best.folder}: {best.told}.")
    return folder


class Best:
    """The checkpoint with the lowest validation figure so far, whichever session made it.

    Args:
        folder: where it is, or will be.
        export: writes it.
    """

    def __init__(self, folder: Path, export: Export) -> None:
        """Take up what an earlier session has left."""
        self.folder = folder
        self.told = ""
        self._export = export
        self._figure = math.inf
        try:
            config = read_model_config(folder)  # of a model, or of an adapter
            if (
                weights_hash(folder / WEIGHTS_FILE) == config["weights_sha256"]
            ):  # not so where a kill came between the two
                self._remember(int(config["metadata"]["step"]), config["metadata"]["validation"])
        except (AudiodiffError, OSError, KeyError, TypeError, ValueError, AttributeError, StopIteration):
            pass  # there is none, or not one of ours

    def offer(self, averaged: nn.Module, step: int, values: Mapping[str, float]) -> None:
        """Keep the model if the first of its figures is the lowest so far; what is not a number never is."""
        if next(iter(values.values()), math.inf) < self._figure:
            self._export(averaged, self.folder, {"step": step, "validation": dict(values)})
            self._remember(step, values)

    def _remember(self, step: int, values: Mapping[str, float]) -> None:
        name, figure = next(iter(values.items()))
        self._figure, self.told = float(figure), f"{name} {figure:.4g} at step {step}"


def _follow(steps: Iterator[Step], run: Run, board: Board) -> None:
    def on_line(line: Mapping[str, float]) -> None:
        shown = {"items_per_second": "items/s"}
        board.scalars(int(line["step"]), {shown.get(name, name): line[name] for name in line if name != "step"})

    followed = follow(steps, run.folder, total=run.train.steps, log_every=run.train.log_every, on_line=on_line)
    for count, step in enumerate(followed, 1):
        if count == _MEASURED_STEPS:
            used = f"; memory {_size(peak)} at most so far" if (peak := peak_memory(run.devices.device)) else ""
            _say(f"steps to come: {run.train.steps - step.step}, about {clock(step.seconds_left)}{used}.")
        if run.on_step is not None:
            run.on_step(step)


def _announce(models: Sequence[ModelAndLoss], run: Run, corpus: Corpus, board: Board) -> None:
    parameters = [parameter for model in models for parameter in model.module.parameters()]
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    averaged = sum(parameter.numel() for parameter in models[0].module.parameters() if parameter.requires_grad)
    held = sum(parameter.numel() for parameter in parameters)
    # Weights, and for what is trained a gradient and the two moments of AdamW; averages of the first model.
    state = 4 * (held + 3 * trained + averaged)
    n_processes = run.devices.n_processes
    where = str(run.devices.device) + (f", {n_processes} processes" if n_processes > 1 else "")
    if run.devices.sharding is not None:
        where += " with weights divided among them (FSDP)"
    frozen = f" of {held / 1e6:.3g} M" if held != trained else ""
    _say(
        f"{trained / 1e6:.3g} M{frozen} parameters learn from {len(corpus)} clips, {corpus.seconds / 3600:.3g} h, on "
        f"{where}: {run.train.steps} steps of {run.train.batch_size} items; {_size(state)} for weights, gradients, "
        "moments and averages, and more for the layers' outputs."
    )
    if board.is_open:
        _say(f"curves and sounds: tensorboard --logdir {shlex.quote(str(board.folder))}")


def _say_how_to_go_on(run: Path) -> None:
    if has_state(run):
        _say(
            f"saved at step {saved_step(run)}; go on with `audiodiff train --resume {shlex.quote(str(run))}`",
        )


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def _ignore(averaged: nn.Module, step: int) -> None:
    """Only the main process exports and validates; the others hand it their parts of the weights."""
