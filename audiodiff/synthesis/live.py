"""A log-mel that arrives in parts becomes a waveform that leaves in parts, each as soon as it is final.

`SampleStream` runs a sampler on a vocoder that has a streaming form: each call of the network works on the state as far
as the call before has come, and lags by what it looks ahead. The sampler itself is the function that it is for whole
signals: it runs again on every stretch, with the outputs that the network has given there, up to the call whose turn
it is. What it does between the calls costs next to nothing.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.process import Process
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.vocoder.streamed import VocoderStream, streams
from audiodiff.signal.mel_convert import check_mel
from audiodiff.signal.tracks import Track
from audiodiff.synthesis.gain import StreamGain
from audiodiff.synthesis.sampling import (
    ENDLESS,
    ChunkLayout,
    VocodePlan,
    VocoderModel,
    check_samples,
    plan_window,
    sample_window,
)
from audiodiff.torch_state import standard_state

GUESSED_FRAMES = 16
"""By how many frames like the last one a mel is continued where the look-ahead is limited."""


CHECKED_FRAMES = 32
"""Fewer frames alone may look like another mel."""


class _Reached(Exception):
    """The sampler asks for an output of the network that is not there yet."""

    def __init__(self, x: Tensor, c_noise: Tensor) -> None:
        super().__init__()
        self.x, self.c_noise = x, c_noise


class SampleStream:
    """The states of one channel, by a vocoder that has a streaming form; up to rounding those of `sample_window`.

    Args:
        model: the vocoder.
        plan: the resolved settings.
        seed: of the noise.
    """

    def __init__(self, model: Vocoder, plan: VocodePlan, seed: int) -> None:
        mel = VocoderStream(model, seed, plan.compute_dtype)
        self._model, self._mel, self._plan = model, mel, plan
        self._draws = {draw: (mel.noise(draw), Track()) for draw in _draws_of(plan, model.process)}
        self._calls = [(mel.call(), Track()) for _ in range(plan.network_calls)]
        self._fed = [0] * (plan.network_calls + 1)

    @property
    def look_ahead(self) -> int:
        """Frames that have to arrive after a frame before its samples are final."""
        return -(-self.look_ahead_samples // self._mel.stft.hop_length)

    @property
    def look_ahead_samples(self) -> int:
        """Samples that the last one that is final is behind the mel, n frames of which are counted as n hops."""
        return self._mel.look_ahead_samples(len(self._calls), self._draws)

    def fork(self) -> "SampleStream":
        """Return a stream that goes on from here by itself; weights are shared."""
        return copy.deepcopy(self, {id(each): each for each in (self._model, self._plan, *self._mel.shared)})

    @standard_state()
    def push(self, log_mel: Tensor, last: bool) -> Tensor:
        """Take in frames `[n_mels, n]`, 1 or more, and return the samples `[m]` that are final now."""
        mel, hop = self._mel, self._mel.stft.hop_length
        mel.push(log_mel, last)
        for draw, known in self._draws.values():
            known.append(draw.push(last))
        stop, drawn = self._draws[0][1].stop, min(known.stop for _, known in self._draws.values())
        for index, (call, outputs) in enumerate(self._calls):
            state = self._advance(index, stop)
            assert isinstance(state, _Reached)
            outputs.append(call.push(state.x[0], state.c_noise, last))
            stop = min(outputs.stop, drawn)
        first = self._fed[-1] * hop
        samples = self._advance(len(self._calls), stop)
        assert isinstance(samples, Tensor)
        check_samples(samples, self._plan.sampling)
        for _, track in (*self._draws.values(), *self._calls):
            track.drop(stop)
        mel.drop(stop)
        before = (mel.stft.n_fft - hop) // 2  # the waveform begins so late in the hops
        after = before + mel.n_frames * hop
        return samples.flatten()[max(0, before - first) : max(0, after - first)].float().cpu()

    def _advance(self, call: int, stop: int) -> Tensor | _Reached:
        """Sample hops up to `stop` that a call has not seen: what it is called with, or what comes out at the end."""
        start, self._fed[call] = self._fed[call], stop
        calls = count()

        def network(x: Tensor, c_noise: Tensor, cond: Any) -> Tensor:
            index = next(calls)
            if index == call:
                raise _Reached(x, c_noise)
            return self._calls[index][1].rows(start, stop)[None]

        def noise(draw: int) -> Tensor:
            return self._draws[draw][1].rows(start, stop)[None]

        model, plan = self._model, self._plan
        denoiser = Denoiser(network, model.process, model.parameterization)
        step, x = SAMPLERS[plan.sampling.sampler](), model.process.prior(noise(0))
        try:
            return sample(step, denoiser, model.process, x, plan.times, noise=noise)
        except _Reached as reached:
            return reached


class WindowStream:
    """The states of one channel by any vocoder, a usual piece at a time; the samples are those of `sample_window`."""

    def __init__(self, model: VocoderModel, plan: VocodePlan, seed: int) -> None:
        """Sample with resolved settings and noise of a seed."""
        self._model, self._plan, self._seed = model, replace(plan, window_pieces=1), seed
        self._frames = Track()
        self._piece = 0

    @property
    def look_ahead(self) -> int:
        """Frames that have to arrive after a frame before its samples are final, and more."""
        return self._plan.piece_frames

    @standard_state()
    def push(self, log_mel: Tensor, last: bool) -> Tensor:
        """Take in frames `[n_mels, n]`, 1 or more, and return the samples `[m]` that are final now."""
        self._frames.append(log_mel.T)
        layout = ChunkLayout(self._frames.stop if last else ENDLESS, self._plan.piece_frames)
        parts = [log_mel.new_zeros(0)]
        while self._piece < layout.n_pieces:
            window = plan_window(layout, self._plan, self._piece)
            # Half a piece more, or the end might come so soon that this piece is the last and longer.
            if not last and window.stop + layout.piece_frames // 2 >= self._frames.stop:
                break
            frames = self._frames.rows(window.start, window.stop).T[None]
            samples = sample_window(self._model, frames, window, layout, self._plan, self._seed, lambda share: None)
            check_samples(samples, self._plan.sampling)
            parts.append(samples.float().cpu())
            self._piece += 1
            self._frames.drop(plan_window(layout, self._plan, min(self._piece, layout.n_pieces - 1)).start)
        return torch.cat([part.to(parts[-1].device) for part in parts])


class ChannelStream:
    """One channel of a mel that arrives in parts, at its own level.

    Args:
        model: the vocoder.
        plan: the resolved settings.
        seed: of the channel's noise.
        gain: what brings it to the level of the training audio.
        device: where the model is.
        look_ahead: frames after a frame that are waited for before its samples are made; `None` for all that count.

    Raises:
        AudiodiffError: the model has no streaming form, so that its look-ahead cannot be limited.
    """

    def __init__(
        self,
        model: VocoderModel,
        plan: VocodePlan,
        seed: int,
        gain: StreamGain,
        device: torch.device,
        look_ahead: int | None = None,
    ) -> None:
        self._gain = gain
        self._device = device
        self.spec = model.mel_spec
        self._short = WindowStream(model, plan, seed)
        self._long: SampleStream | None = None
        if isinstance(model, Vocoder) and streams(model):
            self._long = SampleStream(model, plan, seed)
        if self._long is None and look_ahead is not None:
            raise AudiodiffError("this vocoder has no streaming form, so its look-ahead cannot be limited; leave it.")
        usual = (self._long or self._short).look_ahead
        self.look_ahead = usual if look_ahead is None else min(usual, look_ahead)
        self._limited = self.look_ahead < usual
        self._frames = self._final = self._made = 0
        self._begun = False

    def push(self, log_mel: Tensor, last: bool) -> Tensor:
        """Take in frames `[n_mels, n]`, 1 or more, and return the samples `[m]` that are final now, at their level."""
        if last and not self._begun:
            self._long = None  # all at once is as early, and no less exact
        self._begun = True
        shifted = self._gain.shift(log_mel).to(self._device)
        made = (self._long or self._short).push(shifted, last)
        if self._long is not None and self._limited:
            made = self._hurried(self._long, made, shifted, last)
        return self._gain.restore(made)

    def _hurried(self, stream: SampleStream, final: Tensor, shifted: Tensor, last: bool) -> Tensor:
        """The samples that are due, made as if the mel went on like its last frame, where they are not final yet."""
        before, self._final = self._final, self._final + len(final)
        self._frames += shifted.shape[-1]
        due = self._frames if last else max(0, self._frames - self.look_ahead)
        start, self._made = self._made, due * self.spec.hop_length
        if last:
            return final[start - before :]
        rest = stream.fork().push(shifted[:, -1:].expand(-1, GUESSED_FRAMES), last=True)
        return torch.cat([final, rest])[start - before : self._made - before]


def stream_blocks(
    frames: Iterator[Tensor], channels: list[ChannelStream], block: int, padding: int
) -> Iterator[Tensor]:
    """Vocode a mel that arrives in parts; where these are cut does not change a bit of what comes out.

    Args:
        frames: `[channels, n_mels, n]` each.
        channels: one for each.
        block: frames that are worked on together, after the first, which is as long as the model looks ahead.
        padding: frames like the last by which the mel is continued at its end; where there are none, a block waits for
            one frame more, in case that it is the last of all.

    Yields:
        States `[channels, n]`.

    Raises:
        AudiodiffError: there is no frame, or they are of another mel.
    """
    held: Tensor | None = None
    beginning: Tensor | None = None
    checked = False
    wanted, least = channels[0].look_ahead + block, 0 if padding else 1
    for part in (part for more in frames for part in torch.split(more, block, dim=-1)):
        held = part if held is None else torch.cat([held, part], dim=-1)
        if not checked:
            beginning = part if beginning is None else torch.cat([beginning, part], dim=-1)
            if beginning.shape[-1] >= CHECKED_FRAMES:
                check_mel(beginning, channels[0].spec)
                checked = True
        final = part[..., -1:]
        while held.shape[-1] >= wanted + least:
            yield _push(channels, held[..., :wanted], last=False)
            held, wanted = held[..., wanted:], block
    if held is None or beginning is None:
        raise AudiodiffError("the stream has ended without a frame of mel; give at least one.")
    if not checked:
        check_mel(beginning, channels[0].spec)
    yield _push(channels, torch.cat([held, *[final] * padding], dim=-1), last=True)


def _push(channels: list[ChannelStream], frames: Tensor, *, last: bool) -> Tensor:
    return torch.stack([channel.push(each, last) for channel, each in zip(channels, frames, strict=True)])


def _draws_of(plan: VocodePlan, process: Process) -> list[int]:
    """The draws of noise that a sampler asks for, by letting it run on one number."""
    found = {0}
    one = torch.ones(1, 1, 1)

    def noise(draw: int) -> Tensor:
        found.add(draw)
        return one

    sample(SAMPLERS[plan.sampling.sampler](), lambda x, t: x, process, process.prior(one), plan.times, noise=noise)
    return sorted(found)
