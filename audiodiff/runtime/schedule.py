"""A sampling run as a table of numbers, for any sampler, grid and number of steps.

Every sampler of `audiodiff.diffusion` makes each state a weighted sum of what it has seen: draws of noise and the
network's estimates so far. The weights depend on the times alone, so that a run is a table, which
`audiodiff.exporting.schedules` records from the samplers themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import take

__all__ = ["ESTIMATE", "Call", "Schedule", "find_schedule", "run", "run_denoise", "wanted_schedule"]

ESTIMATE = -1
"""Marks a column that is an estimate of the network; other columns are draws of noise, by their number."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Call:
    """One call of the network: `x0_hat = c_skip * x + c_out * network(c_in * x, c_noise)`.

    Attributes:
        coefficients: `c_skip`, `c_out`, `c_in`, `c_noise`.
        weights: of the columns that there are so far, whose sum is the state `x`.
        time: of the process.
    """

    coefficients: tuple[float, float, float, float]
    weights: tuple[float, ...]
    time: float


@dataclass(frozen=True)
class Schedule:
    """A run of a sampler.

    Attributes:
        recorded: name of the sampler, name of the grid and number of steps that it was recorded from.
        columns: what the weights are of, in the order in which it comes to be: `ESTIMATE` or the number of a draw.
        calls: of the network, in turn.
        output: weights of the columns whose sum is the result.
    """

    recorded: tuple[str, str, int]
    columns: tuple[int, ...]
    calls: tuple[Call, ...]
    output: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            **dict(zip(("sampler", "grid", "steps"), self.recorded, strict=True)),
            "columns": list(self.columns),
            "calls": [
                {"coefficients": list(call.coefficients), "weights": list(call.weights), "time": call.time}
                for call in self.calls
            ],
            "output": list(self.output),
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str) -> "Schedule":
        """Read what `to_dict` wrote.

        Raises:
            AudiodiffError: something is missing or of another type.
        """
        calls = tuple(
            Call(
                _coefficients(take(call, "coefficients", list, where), where),
                _numbers(take(call, "weights", list, where), where),
                take(call, "time", float, where),
            )
            for call in take(table, "calls", list, where)
        )
        columns = tuple(int(number) for number in _numbers(take(table, "columns", list, where), where))
        output = _numbers(take(table, "output", list, where), where)
        if len(output) > len(columns) or any(len(call.weights) > len(columns) for call in calls):
            raise AudiodiffError(f"{where}: a schedule has more weights than columns; export the model again.")
        names = take(table, "sampler", str, where), take(table, "grid", str, where), take(table, "steps", int, where)
        return cls(names, columns, calls, output)


def run(
    schedule: Schedule, noise: Callable[[int], Floats], network: Callable[[Floats, float, float], Floats]
) -> Floats:
    """Sample.

    Args:
        schedule: the run.
        noise: `noise(draw)` gives a draw; 0 is the one that sampling starts from.
        network: `network(x, c_noise, time)` gives its output, of the shape of `x`.
    """

    def denoise(x: Floats, call: Call) -> Floats:
        c_skip, c_out, c_in, c_noise = call.coefficients
        output = network(np.float32(c_in) * x if c_in != 1.0 else x, c_noise, call.time)
        return np.float32(c_skip) * x + np.float32(c_out) * output

    return run_denoise(schedule, noise, denoise)


def run_denoise(
    schedule: Schedule, noise: Callable[[int], Floats], denoise: Callable[[Floats, Call], Floats]
) -> Floats:
    """Sample with estimates of one's own.

    Args:
        schedule: the run.
        noise: as for `run`.
        denoise: `denoise(x, call)` gives the estimate of clean data, of the shape of `x`.
    """
    known: list[Floats] = []

    def mixed(weights: Sequence[float]) -> Floats:
        while len(known) < len(weights):
            known.append(noise(schedule.columns[len(known)]))
        total = np.zeros_like(known[0])
        for weight, value in zip(weights, known, strict=False):
            if weight:
                total += np.float32(weight) * value
        return total

    for call in schedule.calls:
        x = mixed(call.weights)
        known.append(denoise(x, call))
    return mixed(schedule.output)


def find_schedule(known: Sequence[Mapping[str, Any]], where: str, *, sampler: str, grid: str, steps: int) -> Schedule:
    """Find a run among those that were exported.

    Raises:
        AudiodiffError: it is not there; the message says what is.
    """
    matching = [table for table in known if (table.get("sampler"), table.get("grid")) == (sampler, grid)]
    for table in matching:
        if table.get("steps") == steps:
            return Schedule.from_dict(table, where)
    if matching:
        counts = ", ".join(str(table.get("steps")) for table in matching)
        raise AudiodiffError(
            f"the export has {sampler} on the {grid} grid with {counts} steps, not with {steps}; choose one of these, "
            f"or export the model again with --steps {steps}."
        )
    pairs = sorted({f"{table.get('sampler')}/{table.get('grid')}" for table in known})
    raise AudiodiffError(
        f"the export has no {sampler} on the {grid} grid; it has {', '.join(pairs)} (export --sampler and --grid add "
        "others)."
    )


def wanted_schedule(
    known: Sequence[Mapping[str, Any]],
    defaults: Mapping[str, Any],
    where: str,
    *,
    sampler: str | None,
    grid: str | None,
    steps: int | None,
) -> Schedule:
    """Find the run that is asked for.

    What is not given is what the model recommends: where no grid is given, the times that were searched for so many
    steps, if there are some.

    Args:
        known: the runs that were exported.
        defaults: what the model recommends.
        where: for messages.
        sampler: name of the sampler.
        grid: name of the grid, or its times.
        steps: number of steps.

    Raises:
        AudiodiffError: as `find_schedule`.
    """
    steps = take(defaults, "steps", int, where) if steps is None else steps
    if grid is None:
        for table in take(defaults, "searched", list, where) if "searched" in defaults else []:
            own = take(table, "sampler", str, where)
            if take(table, "steps", int, where) == steps and sampler in (None, own):
                return find_schedule(known, where, sampler=own, grid=take(table, "grid", str, where), steps=steps)
    return find_schedule(
        known,
        where,
        sampler=sampler or take(defaults, "sampler", str, where),
        grid=grid or take(defaults, "grid", str, where),
        steps=steps,
    )


def _numbers(values: Sequence[Any], where: str) -> tuple[float, ...]:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise AudiodiffError(f"{where}: a schedule has weights that are not numbers; export the model again.")
    return tuple(float(value) for value in values)


def _coefficients(values: Sequence[Any], where: str) -> tuple[float, float, float, float]:
    numbers = _numbers(values, where)
    if len(numbers) != 4:
        raise AudiodiffError(f"{where}: a call of a schedule needs four coefficients; export the model again.")
    return numbers[0], numbers[1], numbers[2], numbers[3]
