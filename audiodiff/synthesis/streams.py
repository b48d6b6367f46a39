"""Audio of any length in bounded memory: mel analysis block by block, equal to doing it in one go."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.signal.mel import MelSpec, log_mel
from audiodiff.synthesis.subtitles import Caption

MEL_BLOCK_FRAMES = 2048


def mel_blocks(blocks: Iterable[Tensor], spec: MelSpec, block_frames: int = MEL_BLOCK_FRAMES) -> Iterator[Tensor]:
    """Analyse a stream; the blocks joined are the log-mel of the joined input.

    The input is continued with zeros to a whole number of hops and to one analysis window at least, so that any
    length, one sample included, has its frames.

    Args:
        blocks: `[channels, n_samples]` each, at the rate of `spec`.
        spec: the mel to compute.
        block_frames: frames that are computed at a time.

    Yields:
        `[channels, n_mels, n_frames]`; hop times the number of frames covers the input.
    """
    hop = spec.hop_length
    margin = -(-spec.n_fft // hop) + 1
    pending: list[Tensor] = []
    held = 0
    first = 0  # frame at which the samples held begin
    done = 0  # frames given out

    for block in blocks:
        pending.append(block)
        held += block.shape[-1]
        if held < (done - first + block_frames + margin) * hop:
            continue
        samples = torch.cat(pending, dim=-1)
        while samples.shape[-1] >= (done - first + block_frames + margin) * hop:
            window = samples[:, : (done - first + block_frames + margin) * hop]
            yield log_mel(window, spec)[..., done - first : done - first + block_frames]
            done += block_frames
            keep = max(0, done - margin)
            samples = samples[:, (keep - first) * hop :]
            first = keep
        pending, held = [samples], samples.shape[-1]
    if held > (done - first) * hop:
        samples = torch.cat(pending, dim=-1)
        wanted = max(-(-held // hop) * hop, -(-spec.n_fft // hop) * hop if first == 0 else 0)
        frames = -(-held // hop) - (done - first)
        samples = torch.nn.functional.pad(samples, (0, wanted - held))
        yield log_mel(samples, spec)[..., done - first : done - first + frames]


class FrameReader:
    """Random access, forwards only, to a stream of `[channels, n_mels, n_frames]` blocks."""

    def __init__(self, blocks: Iterable[Tensor]) -> None:
        """Read from `blocks` as frames are asked for."""
        self._blocks = iter(blocks)
        self._held: Tensor | None = None
        self._first = 0

    def __call__(self, start: int, stop: int) -> Tensor:
        """Return frames `start` to `stop`, `[channels, n_mels, stop - start]`; `start` never goes back."""
        parts = [] if self._held is None else [self._held]
        have = self._first + sum(part.shape[-1] for part in parts)
        while have < stop:
            parts.append(next(self._blocks))
            have += parts[-1].shape[-1]
            if have <= start:
                parts, self._first = [], have
        # a slice alone would keep everything behind it in memory
        self._held = torch.cat(parts, dim=-1)[..., start - self._first :].clone()
        self._first = start
        return self._held[..., : stop - start]


READ_SAMPLES = 1 << 18
"""Samples per channel that are read at a time."""


@dataclass(frozen=True)
class Window:
    """A stretch of frames to vocode in one go: `[start, stop)` is computed, `[core_start, core_stop)` is kept."""

    start: int
    stop: int
    core_start: int
    core_stop: int


def windows(n_frames: int, core: int, context: int) -> Iterator[Window]:
    """Cut `n_frames` into windows of `core` new frames with `context` frames of surroundings on each side."""
    for core_start in range(0, n_frames, core):
        core_stop = min(n_frames, core_start + core)
        yield Window(max(0, core_start - context), min(n_frames, core_stop + context), core_start, core_stop)


@dataclass(frozen=True)
class Stream:
    """What a verb makes of an input of any length.

    Attributes:
        blocks: `[channels, n]` each, one after the other, not clipped.
        sample_rate: Hz.
        channels: number of channels.
        notes: sentences about what the input lost or lacks.
        n_samples: samples per channel in all; `None` if that is known at the end only.
        silent_channels: channels that were silence, and come out as they are.
        captions: of speech, what is said when; grows with the blocks.
        new: first and last sample (exclusive) of the stretches that are no samples of a recording; `None` if all are
            new.
    """

    blocks: Iterator[Tensor]
    sample_rate: int
    channels: int
    notes: tuple[str, ...]
    n_samples: int | None = None
    silent_channels: int = 0
    captions: Sequence[Caption] = ()
    new: tuple[tuple[int, int], ...] | None = None


def cut_stream(blocks: Iterator[Tensor], n_samples: int, *, start: int = 0) -> Iterator[Tensor]:
    """Cut samples `start` to `start + n_samples` out of a stream of `[channels, n_samples]` blocks."""
    seen = 0
    for block in blocks:
        kept = block[..., max(start - seen, 0) : max(start + n_samples - seen, 0)]
        seen += block.shape[-1]
        if kept.shape[-1]:
            yield kept


def prolonged(fetch: Callable[[int, int], Tensor], n_frames: int, more: int) -> Callable[[int, int], Tensor]:
    """As `fetch`, with so many frames more at the end, like the last."""

    def prolonged(start: int, stop: int) -> Tensor:
        frames = fetch(min(start, n_frames - 1), min(stop, n_frames))
        assert stop <= n_frames + more
        frames = torch.cat([frames, *[frames[..., -1:]] * (stop - n_frames)], dim=-1)
        return frames[..., max(start - (n_frames - 1), 0) :]

    return prolonged
