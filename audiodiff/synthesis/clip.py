"""What is made of a prompt or a recording, and the progress on the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.synthesis.clip_latents import ClipLatents

OnProgress = Callable[[float, float], None]
"""Called with (work done, work in all): seconds, or sampling steps, first the model's and then the vocoder's."""

OnEstimate = Callable[[Tensor], None]
"""Called after every step of the model with its estimate of the clean latents, `[1, channels, n_latents]`."""

Waveform = NDArray[np.float32] | Tensor
"""`[n_samples]` or `[channels, n_samples]`, full scale 1."""

Sound = tuple[Waveform, int] | tuple[Waveform, int, ClipLatents | None]
"""A recording, its rate (Hz), and the latents that it was decoded from, where they are known."""

FADE_SECONDS = 0.01


@dataclass(frozen=True)
class Clip:
    """A generated clip and what there is to say about it.

    Attributes:
        waveform: `[n_samples]`, float32, within what the level policy allows; `[channels, n_samples]` of a stereo
            model, and of an edited recording whose channels are kept.
        sample_rate: Hz.
        seed: of its noise.
        gain_db: what the level policy applied (dB).
        clipped: samples beyond full scale.
        notes: sentences about what was not done as asked, such as a prompt cut short.
        seam: of a loop, how abrupt its seam is (`audiodiff.synthesis.loop.seam_score`).
        latents: what it was decoded from, and what the recording that is in it stands for; `None` of a clip that was
            not made of latents.
        started_from: for each recording that it is made of, the hash of the latents it came with
            (`ClipLatents.sha256`); empty where its samples were encoded.
        new: first and last sample (exclusive) of the stretches that are no samples of a recording; `None` if all are
            new.
    """

    waveform: NDArray[np.float32]
    sample_rate: int
    seed: int
    gain_db: float
    clipped: int
    notes: tuple[str, ...]
    seam: float | None = None
    latents: ClipLatents | None = None
    started_from: tuple[str, ...] = ()
    new: tuple[tuple[int, int], ...] | None = None


def stages(on_progress: OnProgress | None, first: int, second: int) -> tuple[OnProgress | None, OnProgress | None]:
    """Return the progress of two stages of one job, of so many steps; each may count its own work as it likes."""
    if on_progress is None:
        return None, None
    before, after = float(first), float(second)

    def begin(done: float, total: float) -> None:
        on_progress(before * done / total, before + after)

    def end(done: float, total: float) -> None:
        on_progress(before + after * done / total, before + after)

    return begin, end


def part_of(on_progress: OnProgress | None, index: int, count: int) -> OnProgress | None:
    """Progress of part `index` of `count` equal ones."""
    if on_progress is None:
        return None

    def report(done: float, total: float) -> None:
        on_progress(index * total + done, count * total)

    return report
