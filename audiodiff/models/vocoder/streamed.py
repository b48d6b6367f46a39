"""A vocoder with an anchored head on a mel that arrives in parts.

Every convolution, transform and projection keeps what it sees again, so that nothing is computed twice; each puts out
what is final and lags by what it looks ahead, which `VocoderStream` counts. Waveforms are in hops of the framed signal
(`FrameStream`): they begin `(n_fft - hop_length) / 2` samples before the first sample and end as many after the last.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from audiodiff.diffusion.noise import positional_noise
from audiodiff.models.vocoder.anchored import LOG_GAIN_RANGE, network_input
from audiodiff.models.vocoder.model import Vocoder, matcher_of
from audiodiff.models.vocoder.prior import phase_turns
from audiodiff.nn.packed import WaveNetStream, packable
from audiodiff.signal.matching import LOOK_AHEAD_FRAMES, MatchStream
from audiodiff.signal.projection import FrameStream, HopStream, ProjectionStream, reach_of, with_magnitude
from audiodiff.signal.tracks import Track

__all__ = ["CallStream", "NoiseStream", "VocoderStream", "streams"]


def streams(model: Vocoder) -> bool:
    """Whether a vocoder has a streaming form."""
    return model.config.head.name == "anchored" and packable(model.config.wavenet)


class VocoderStream:
    """What sampling a mel that arrives in parts needs: its magnitudes and condition, and from them noise and estimates.

    Args:
        model: with an anchored head and a network that `packable` knows.
        seed: of the noise.
        compute_dtype: of the network's layers; None for float32.
    """

    def __init__(self, model: Vocoder, seed: int, compute_dtype: torch.dtype | None = None) -> None:
        assert model.conditioner is not None
        self.stft, self.head, self.prior = model.stft, model.config.head, model.config.prior
        self.packed = model.packed_network(compute_dtype or torch.float32).for_stream(model.wavenet)
        self.matcher = matcher_of(model)
        self.seed = seed
        self.anchor, self.envelope, self.cond = Track(), Track(), Track()
        self.first_draw = Track()
        self._model = model
        self._conditioner = model.conditioner
        self._before: list[Tensor] | None = None
        self.noise_delay = model.config.noise_delay
        # White noise needs no mel. With a limited look-ahead it is drawn so far before it that the network, which sees
        # a window of it, need not wait.
        self.white_lead = 0 if model.config.wavenet.look_ahead is None else self.noise_delay + reach_of(self.stft)

    def noise_lag(self, draw: int) -> int:
        """By how many frames a draw of the noise, in hops, is behind the mel."""
        prior, reach = self.prior, reach_of(self.stft)
        if prior.name == "white":
            return -self.white_lead
        iterations = prior.half_projections + prior.projections + (prior.renewals if draw else 0)
        return reach * (1 + iterations) - self.white_lead

    def call_lag(self, state_lag: int) -> int:
        """By how many frames an estimate is behind the mel, in hops as its state, which is so many behind it.

        The spectrum of the state and the condition meet in the network; each projection is a window's reach behind.
        """
        head, reach, network = self.head, reach_of(self.stft), self._model.config.wavenet
        spectrum = state_lag + reach * (1 + head.input_projections)
        met = max(spectrum, self._conditioner.future) + network.future
        matching = head.output_matching * (reach + LOOK_AHEAD_FRAMES)
        return met + reach * (head.output_half_projections + head.output_projections) + matching

    def look_ahead_samples(self, calls: int, draws: Iterable[int]) -> int:
        """Samples that the last one that is final is behind the mel, after so many calls.

        A mel of n frames is counted as n hops: the window of its last frame sees `(n_fft - hop_length) / 2` samples
        more of a recording, and so many of its hops, as it has begun before them, are not final for want of a frame.

        Args:
            calls: of the network.
            draws: of the noise that are used.
        """
        noise = {draw: self.noise_lag(draw) for draw in draws}
        lag = noise[0]
        for _ in range(calls):
            lag = max(self.call_lag(lag), *noise.values())
        hop = self.stft.hop_length
        return lag * hop + (self.stft.n_fft - hop) // 2

    @property
    def shared(self) -> tuple[object, ...]:
        """What a copy need not have of its own."""
        return self._model, self._conditioner, self.packed, self.stft, self.head, self.prior, self.matcher

    @property
    def extra_hops(self) -> int:
        """How many more hops than frames there are."""
        return reach_of(self.stft)

    @property
    def n_frames(self) -> int:
        """Frames that have arrived."""
        return self.anchor.stop

    @torch.no_grad()
    def push(self, log_mel: Tensor, last: bool) -> None:
        """Take in the next frames `[n_mels, n]`, 1 or more; whether they are the last."""
        for track, magnitude in zip((self.anchor, self.envelope), self._model.magnitudes(log_mel[None]), strict=True):
            track.append(magnitude[0].T.contiguous())
        self.cond.append(self._condition(log_mel, last))

    def _condition(self, log_mel: Tensor, last: bool) -> Tensor:
        """The conditioner's output in rows, as far as it is known."""
        x = (log_mel - self._conditioner.mean) / self._conditioner.std
        convolutions, ahead = (self._conditioner.conv1, self._conditioner.conv2), self._conditioner.ahead
        if self._before is None:
            places = zip(convolutions, ahead, strict=True)
            self._before = [x.new_zeros(conv.in_channels, 2 - after) for conv, after in places]
        for index, conv in enumerate(convolutions):
            seen = torch.cat([self._before[index], x, x.new_zeros(len(x), ahead[index] if last else 0)], dim=1)
            self._before[index] = seen[:, -2:].clone()
            x = (
                F.silu(F.conv1d(seen, conv.weight, conv.bias))
                if seen.shape[1] > 2
                else x.new_zeros(len(conv.weight), 0)
            )
        return x.T.contiguous()

    def noise(self, draw: int) -> "NoiseStream":
        """Return a draw of the noise, which has to be made before the first frames arrive."""
        return NoiseStream(self, draw)

    def call(self) -> "CallStream":
        """Return one call of the network, which has to be made before the first frames arrive."""
        return CallStream(self)

    def drop(self, before: int) -> None:
        """Forget what belongs to frames before a place."""
        for track in (self.anchor, self.envelope, self.cond, self.first_draw):
            track.drop(min(before, track.stop))


class NoiseStream:
    """One draw of the noise of a mel that arrives in parts."""

    def __init__(self, mel: VocoderStream, draw: int) -> None:
        """Begin with the first frame of `mel`."""
        device = mel.packed.device
        self._mel = mel
        self._draw = draw
        self._renewed = bool(draw) and mel.prior.renewals > 0
        self._white, self._rows = 0, 0
        self._frames, self._hops = FrameStream(mel.stft, device), HopStream(mel.stft, device)
        iterations, half = (
            (mel.prior.renewals, 0) if self._renewed else (mel.prior.projections, mel.prior.half_projections)
        )
        self._projections = ProjectionStream(mel.stft, iterations, mel.prior.momentum, half, device)

    @torch.no_grad()
    def push(self, last: bool) -> Tensor:
        """Return the hops `[n, hop_length]` that are known now; draw 0 comes before the others."""
        mel = self._mel
        if self._renewed:
            rows = mel.first_draw.rows(self._rows, mel.first_draw.stop)
            rows = phase_turns(mel.seed, self._draw, self._rows, rows)
        else:
            white = self._white_hops(last)
            if mel.prior.name == "white":
                return white
            rows = self._frames.push(white)
        start, self._rows = self._rows, self._rows + len(rows)
        if not mel.prior.projections:
            scale = self._late(mel.envelope, start) / math.sqrt(0.375 * mel.stft.n_fft)
            return self._hops.push(rows * scale, last)
        rows, hops = self._projections.push(rows, self._late(mel.anchor, start), last)
        if self._draw == 0 and mel.prior.renewals:
            mel.first_draw.append(rows)
        return hops

    def _late(self, track: Track, start: int) -> Tensor:
        """A track of the mel for the rows from `start` on, which are shaped by one that is late."""
        delay = self._mel.noise_delay
        rows = track.rows(max(0, start - delay), max(0, self._rows - delay))
        missing = self._rows - start - len(rows)
        return torch.cat([track.rows(0, 1).expand(missing, -1), rows]) if missing else rows

    def _white_hops(self, last: bool) -> Tensor:
        mel, hop = self._mel, self._mel.stft.hop_length
        pad = (mel.stft.n_fft - hop) // 2
        first, self._white = self._white, mel.n_frames + (mel.extra_hops if last else mel.white_lead)
        white = positional_noise(mel.seed, self._draw, first * hop - pad, self._white * hop - pad)[0]
        white[: max(0, pad - first * hop)] = 0.0
        if last:
            white[max(0, mel.n_frames * hop + pad - first * hop) :] = 0.0
        return white.view(-1, hop).to(mel.packed.device)


class CallStream:
    """One call of the network on a state that arrives in parts: from it to the estimate of the clean waveform."""

    def __init__(self, mel: VocoderStream) -> None:
        """Begin with the first frame of `mel`."""
        device, head = mel.packed.device, mel.head
        self._mel = mel
        self._frames, self._network = FrameStream(mel.stft, device), WaveNetStream(mel.packed)
        self._trips = [
            (HopStream(mel.stft, device), FrameStream(mel.stft, device)) for _ in range(head.input_projections)
        ]
        self._passed = [0] * (head.input_projections + 2)  # rows that have left each stage before the output
        self._noisy, self._features, self._start = Track(), Track(), Track()
        self._output = ProjectionStream(
            mel.stft, head.output_projections, head.output_momentum, head.output_half_projections, device
        )
        self._matches = [MatchStream(mel.matcher, mel.stft, device) for _ in range(head.output_matching)]

    @torch.no_grad()
    def push(self, hops: Tensor, c_noise: Tensor, last: bool) -> Tensor:
        """Take in hops `[n, hop_length]` of the state and return those of the estimate that are final now.

        Args:
            hops: as many in all as the mel has frames, and `extra_hops`.
            c_noise: noise level, `[1]`, the same every time.
            last: whether they are the last.
        """
        mel = self._mel
        rows = self._frames.push(hops)
        self._noisy.append(rows)
        for index, (to_hops, to_frames) in enumerate(self._trips):
            rows = with_magnitude(rows, self._at(mel.anchor, index, len(rows)))
            rows = to_frames.push(to_hops.push(rows, last))
        scale = self._at(mel.envelope, -2, len(rows)).reciprocal()
        place = self._passed[-2]
        start = with_magnitude(rows, mel.anchor.rows(place - len(rows), place) * scale)
        self._start.append(start)
        self._features.append(network_input(self._noisy.take(len(rows)) * scale, start, mel.packed.dtype))
        ready = self._features.take(min(self._features.stop, mel.cond.stop) - self._features.start)
        output = self._network.push(ready, c_noise, mel.cond.rows, last)
        sides = torch.view_as_real(self._start.take(len(output)))
        width = 2 * sides.shape[1]
        spectrum = torch.view_as_complex(sides + output[:, :width].view(sides.shape))
        magnitude = output[:, width:].float().clamp_(*LOG_GAIN_RANGE).exp_()
        hops = self._output.push(spectrum, magnitude * self._at(mel.anchor, -1, len(output)), last)[1]
        for match in self._matches:
            hops = match.push(hops, mel.envelope, last)
        return hops

    def _at(self, track: Track, stage: int, count: int) -> Tensor:
        """The next `count` rows of a track for a stage."""
        place = self._passed[stage]
        self._passed[stage] += count
        return track.rows(place, place + count)
