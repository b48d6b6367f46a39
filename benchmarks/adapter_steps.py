"""What the benchmarks of adapters share: how long steps take, and how large weights are."""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from audiodiff.errors import AudiodiffError


@dataclass
class StepTimes:
    """Processor time of training steps; called after each of them."""

    marks: list[float] = field(default_factory=list)

    def __call__(self, step: object) -> None:
        """Note the time."""
        self.marks.append(time.process_time())

    @property
    def per_step(self) -> float:
        """Median over the steps (s); what lies between some of them, such as validation, does not count."""
        if len(self.marks) < 2:
            raise AudiodiffError("the time of a step needs two steps or more.")
        return statistics.median(after - before for before, after in zip(self.marks, self.marks[1:], strict=False))


def equal_time(steps: int, seconds: float, other_seconds: float) -> int:
    """How many steps of `other_seconds` take as long as `steps` of `seconds`; one at least."""
    return max(1, round(steps * seconds / other_seconds))


def megabytes(folder: Path) -> float:
    """Size of a checkpoint's weights."""
    return (folder / "model.safetensors").stat().st_size / 1e6
