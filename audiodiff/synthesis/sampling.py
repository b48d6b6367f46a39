"""Sampling of long signals: the network sees them in pieces that always stand at the same places.

A piece is the same stretch of frames whatever window of the signal is being computed, and it is shown to the network
with the same surroundings. So every call has one shape and one input, and the samples that come out are the same bits
in any window: arithmetic that rounds differently for another length (bfloat16 above all) cannot tell.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from audiodiff.diffusion.process import Process
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import times_of
from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import Vocoder
from audiodiff.signal.mel import MelSpec
from audiodiff.signal.meters import LevelMeter
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.settings import Precision, Resolved
from audiodiff.synthesis.streams import Window
from audiodiff.torch_state import standard_state

ENDLESS = 1 << 60


class ConditionedDenoiser(Protocol):
    """The part of `audiodiff.diffusion.denoiser.Denoiser` that sampling needs."""

    def __call__(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
        """Return the estimate of the clean waveform, float32 and shaped as `x`, from `x` at times `t` `[batch]`."""
        ...


class VocoderModel(Protocol):
    """The part of `audiodiff.models.vocoder.Vocoder` that synthesis needs."""

    @property
    def mel_spec(self) -> MelSpec:
        """The mel that the model was trained on."""
        ...

    @property
    def process(self) -> Process:
        """The noise process in the waveform."""
        ...

    @property
    def context_frames(self) -> int:
        """Frames on each side that one network call reaches."""
        ...

    @property
    def condition_context_frames(self) -> int:
        """Frames on each side that `prepare` reaches."""
        ...

    @property
    def noise_context_frames(self) -> int:
        """Frames on each side that `noise` depends on."""
        ...

    def prepare(self, log_mel: Tensor, compute_dtype: torch.dtype | None = None) -> Any:
        """Return what of the condition does not depend on the step, from `[batch, n_mels, n_frames]`."""
        ...

    def denoiser(self, compute_dtype: torch.dtype | None = None) -> ConditionedDenoiser:
        """Return the denoiser of states `[batch, 1, n_samples]`."""
        ...

    def noise(self, log_mel: Tensor, seed: int, first_frame: int, cond: Any = None) -> Callable[[int], Tensor]:
        """Return draws of the model's noise at an absolute place, `[1, 1, n_samples]` each.

        `cond` is what `prepare` made of the same `log_mel` `[1, n_mels, n_frames]`, if it was called.
        """
        ...


@dataclass(frozen=True)
class VocodePlan:
    """Settings resolved against a model: everything that sampling needs to know.

    Attributes:
        sampling: steps, sampler, grid, precision, and the seed of the first channel.
        match_level: whether the mel is brought to the level of the training audio.
        times: `[steps + 1]`, decreasing, ends in 0.
        network_calls: how often the network is called on every piece.
        piece_frames: usual length of a piece.
        window_pieces: pieces that are sampled together, from noise to waveform.
        context_frames: frames that one call reaches on each side.
        call_context_frames: the same with what the condition needs on top: surroundings of a piece in a call.
        noise_context_frames: surroundings of a piece when its noise is made.
    """

    sampling: Resolved
    match_level: bool
    times: Tensor
    network_calls: int
    piece_frames: int
    window_pieces: int
    context_frames: int
    call_context_frames: int
    noise_context_frames: int

    @property
    def compute_dtype(self) -> torch.dtype | None:
        """What the network computes in; `None` leaves it in float32."""
        return compute_dtype(self.sampling.precision)


def make_plan(
    model: VocoderModel, sampling: Resolved, *, match_level: bool, piece_frames: int, window: tuple[float, bool]
) -> VocodePlan:
    """Resolve settings against a vocoder.

    Args:
        model: the vocoder.
        sampling: how to sample.
        match_level: whether the mel is brought to the level of the training audio.
        piece_frames: the network sees so many new frames at a time.
        window: seconds that are sampled as one signal, and whether it may be no more.

    Raises:
        AudiodiffError: sampler or grid do not fit the model's process, or it was trained to take one step.
    """
    if sampling.steps > 1 and isinstance(model, Vocoder) and model.config.one_step:
        raise AudiodiffError(
            f"{sampling.steps} steps are asked for, but the vocoder was trained to make its waveform in one (by "
            "regression or as a GAN); leave out the steps, or give 1."
        )
    times = times_of(sampling.grid, model.process, sampling.steps)
    calls = count_network_calls(sampling.sampler, model.process, times)
    frames_per_second = model.mel_spec.sample_rate / model.mel_spec.hop_length
    seconds, fixed = window
    # new audio for at least eight times the context of one side, or the overlap would cost more than a quarter
    least = 0.0 if fixed else 8.0 * calls * model.context_frames
    frames = min(max(seconds * frames_per_second, least), float(ENDLESS))
    return VocodePlan(
        sampling=sampling,
        match_level=match_level,
        times=times,
        network_calls=calls,
        piece_frames=piece_frames,
        window_pieces=max(1, math.ceil(frames / piece_frames)),
        context_frames=model.context_frames,
        call_context_frames=model.context_frames + model.condition_context_frames,
        noise_context_frames=model.noise_context_frames,
    )


def plan_for(model: VocoderModel, plan: VocodePlan) -> VocodePlan:
    """The same plan for the model with other iterations (`audiodiff.synthesis.iterations`)."""
    return replace(
        plan,
        context_frames=model.context_frames,
        call_context_frames=model.context_frames + model.condition_context_frames,
        noise_context_frames=model.noise_context_frames,
    )


def compute_dtype(precision: Precision) -> torch.dtype | None:
    """Return what networks compute in; `None` leaves them in float32."""
    return torch.bfloat16 if precision == "bf16" else None


@dataclass(frozen=True)
class ChunkLayout:
    """Where a signal is cut: at multiples of `piece_frames`, the last piece being half to one and a half as long."""

    n_frames: int
    piece_frames: int

    @property
    def n_pieces(self) -> int:
        """Number of pieces, 1 or more."""
        return max(1, (2 * self.n_frames + self.piece_frames) // (2 * self.piece_frames))

    def bound(self, piece: int) -> int:
        """First frame of a piece; the end of the signal after the last one."""
        return piece * self.piece_frames if piece < self.n_pieces else self.n_frames

    def pieces(self, start: int, stop: int) -> range:
        """Return the pieces that hold frames `start` to `stop`, which may lie beyond the ends."""
        last = self.n_pieces - 1
        first = min(last, max(0, start) // self.piece_frames)
        return range(first, min(last, (min(stop, self.n_frames) - 1) // self.piece_frames) + 1)

    def with_context(self, piece: int, context: int) -> Window:
        """Return a piece with its surroundings."""
        core_start, core_stop = self.bound(piece), self.bound(piece + 1)
        return Window(max(0, core_start - context), min(self.n_frames, core_stop + context), core_start, core_stop)

    def window(self, first: int, pieces: int, context: int, margin: int) -> Window:
        """Return a stretch of pieces, with what has to be at hand to compute them.

        Args:
            first: its first piece.
            pieces: how many, if there are so many.
            context: frames on each side whose pieces are computed as well.
            margin: frames around those pieces.
        """
        core_start, core_stop = self.bound(first), self.bound(min(self.n_pieces, first + pieces))
        span = self.pieces(core_start - context, core_stop + context)
        start, stop = self.bound(span.start) - margin, self.bound(span.stop) + margin
        return Window(max(0, start), min(self.n_frames, stop), core_start, core_stop)


def plan_windows(layout: ChunkLayout, plan: VocodePlan) -> list[Window]:
    """Return the windows of a signal; `start` to `stop` of each are the frames that `sample_window` takes."""
    return [plan_window(layout, plan, first) for first in range(0, layout.n_pieces, plan.window_pieces)]


def plan_window(layout: ChunkLayout, plan: VocodePlan, first: int) -> Window:
    """Return the window that begins with a piece."""
    margin = max(plan.call_context_frames, plan.noise_context_frames)
    return layout.window(first, plan.window_pieces, _reach(plan, 0), margin)


def _reach(plan: VocodePlan, call: int) -> int:
    """Frames beyond a window's core where call number `call` must see the true state."""
    return (plan.network_calls - call) * plan.context_frames


@standard_state()
def sample_window(
    model: VocoderModel,
    log_mel: Tensor,
    window: Window,
    layout: ChunkLayout,
    plan: VocodePlan,
    seed: int,
    report: Callable[[float], None],
) -> Tensor:
    """Sample one window of one channel.

    Args:
        model: the vocoder.
        log_mel: frames `window.start` to `window.stop`, `[1, n_mels, n_frames]`, on the model's device.
        window: one of `plan_windows`.
        layout: the cut of the whole signal.
        plan: the resolved settings.
        seed: of the channel's noise.
        report: called with the share that is done.

    Returns:
        `[n_samples]` of the window's core.
    """
    hop = model.mel_spec.hop_length
    span = layout.pieces(window.core_start - _reach(plan, 0), window.core_stop + _reach(plan, 0))
    first, last = layout.bound(span.start), layout.bound(span.stop)
    calls = {piece: layout.with_context(piece, plan.call_context_frames) for piece in span}
    conds = {piece: model.prepare(_cut(log_mel, window.start, calls[piece]), plan.compute_dtype) for piece in span}
    draws = {}
    for piece in span:
        at = layout.with_context(piece, plan.noise_context_frames)
        cond = conds[piece] if at == calls[piece] else None
        draws[piece] = at, model.noise(_cut(log_mel, window.start, at), seed, at.start, cond)
    denoiser = model.denoiser(plan.compute_dtype)
    # For every call the pieces whose state it must see; those whose estimate is needed are one call's reach fewer.
    needed = [
        layout.pieces(window.core_start - _reach(plan, call), window.core_stop + _reach(plan, call))
        for call in range(plan.network_calls + 1)
    ]
    n_calls = sum(len(pieces) for pieces in needed[1:])
    # Surroundings that were not computed are zeros: they reach no sample that is kept, but keep calls in shape.
    before = max(0, first - min(at.start for at in calls.values()))
    behind = max(0, max(at.stop for at in calls.values()) - last)
    call, done = 0, 0

    def blank(piece: int) -> Tensor:
        return log_mel.new_zeros(1, 1, (calls[piece].core_stop - calls[piece].core_start) * hop)

    def noise(draw: int) -> Tensor:
        parts = []
        for piece in span:
            at, make = draws[piece]
            # Noise enters the state that the next call sees.
            parts.append(_core(make(draw), at, hop) if piece in needed[call] else blank(piece))
        return torch.cat(parts, dim=-1)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        nonlocal call, done
        padded = F.pad(x, (before * hop, behind * hop))
        parts = []
        for piece in span:
            if piece not in needed[call + 1]:
                parts.append(blank(piece))
                continue
            at = calls[piece]
            seen = padded[..., (at.start - first + before) * hop : (at.stop - first + before) * hop].clone()
            parts.append(_core(denoiser(seen, t, conds[piece]), at, hop))
            done += 1
            report(done / n_calls)
        call += 1
        return torch.cat(parts, dim=-1)

    x = model.process.prior(noise(0))
    step = SAMPLERS[plan.sampling.sampler]()
    x = sample(step, denoise, model.process, x, plan.times, noise=noise)  # its own draws count from 1
    return x[0, 0, (window.core_start - first) * hop : (window.core_stop - first) * hop]


def _cut(log_mel: Tensor, start: int, at: Window) -> Tensor:
    """Frames `at.start` to `at.stop` of a stretch that begins at frame `start`, in memory of their own.

    Strides and alignment must be the same in any window as well: matrix products choose their kernels by them.
    """
    return log_mel[..., at.start - start : at.stop - start].contiguous().clone()


def _core(samples: Tensor, at: Window, hop: int) -> Tensor:
    """Cut the surroundings off the samples of a piece."""
    return samples[..., (at.core_start - at.start) * hop : (at.core_stop - at.start) * hop]


def count_network_calls(sampler: str, process: Process, times: Tensor) -> int:
    """Return how often `sampler` calls the network on the grid `times`, by letting it run on three numbers."""
    calls = 0

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(x)

    x = torch.ones(1, 1, 3)
    sample(SAMPLERS[sampler](), denoise, process, process.prior(x), times, noise=lambda draw: torch.ones_like(x))
    return calls


def check_samples(output: Tensor, sampling: Resolved) -> None:
    """Refuse what a model gave if there are values in it that are not finite.

    Raises:
        AudiodiffError: there are.
    """
    if not bool(torch.isfinite(output).all()):
        raise AudiodiffError(
            f"the model gave values that are not numbers ({sampling.steps} steps of {sampling.sampler} on the "
            f"{sampling.grid} grid); try the recommended sampler and steps."
        )


def sample_channels(
    at: Window,
    gains: Sequence[float | None],
    seconds_per_frame: float,
    n_frames: float,
    on_progress: OnProgress | None,
    make: Callable[[int, float | None, Callable[[float], None]], Tensor],
) -> Tensor:
    """Make one window of every channel, one after the other.

    Args:
        at: the window.
        gains: of each channel; `None` for a silent one.
        seconds_per_frame: of all frames here.
        n_frames: of the whole signal.
        on_progress: called with the seconds done and the seconds in all.
        make: makes `[n_samples]` of the channel of an index and a gain, and reports the share that is done.

    Returns:
        `[channels, n_samples]`.
    """
    outputs = []
    for channel, gain in enumerate(gains):

        def report(fraction: float, done: float = channel) -> None:
            if on_progress is not None:
                part = (done + fraction) / len(gains) * (at.core_stop - at.core_start)
                on_progress((at.core_start + part) * seconds_per_frame, n_frames * seconds_per_frame)

        outputs.append(make(channel, gain, report))
        report(1.0)
    return torch.stack(outputs)


@standard_state()
def measure_levels(blocks: Iterable[Tensor], spec: MelSpec) -> list[LevelMeter]:
    """Return the level of every channel of a stream of log-mel blocks `[channels, n_mels, n_frames]`."""
    meters: list[LevelMeter] = []
    for block in blocks:
        meters = meters or [LevelMeter(spec) for _ in range(block.shape[0])]
        for meter, frames in zip(meters, block, strict=True):
            meter.add(frames)
    return meters
