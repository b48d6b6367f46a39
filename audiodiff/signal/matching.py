"""Bring the bands of a waveform to the levels of a mel.

Griffin-Lim projections end in a waveform whose spectrum is not quite the one asked for: where frames disagree, most of
all in noise and at high frequencies, they cancel each other and energy is lost. Measuring the bands of the waveform and
applying the ratio as a gain that is smooth in time and frequency gives it back, for the cost of one more projection.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.signal.frames import STFT
from audiodiff.signal.projection import FrameStream, HopStream
from audiodiff.signal.tracks import Track

__all__ = ["LOG_GAIN_LIMIT", "LOOK_AHEAD_FRAMES", "LevelMatcher", "MatchStream"]

LOG_GAIN_LIMIT = 1.5
"""Largest change of a band (natural log): a mel may ask for what no waveform has."""

LOOK_AHEAD_FRAMES = 1
"""Gains are means over a frame and its neighbours: those of single frames are noise, and heard as roughness."""


@dataclass(frozen=True)
class LevelMatcher:
    """Gains from the levels that a spectrum has to those that it should have.

    Attributes:
        bank: the mel's filters, `[n_bins, n_mels]`.
        matrix: from mel values to the envelope of a spectrum, `[n_mels, n_bins]`.
        floor: smallest envelope.
    """

    bank: Tensor
    matrix: Tensor
    floor: float

    def envelope(self, magnitude: Tensor) -> Tensor:
        """The envelope of magnitudes `[..., n_frames, n_bins]`, of the same shape."""
        return torch.matmul(torch.matmul(magnitude, self.bank), self.matrix).clamp_min(self.floor)

    def log_gain(self, spectrum: Tensor, envelope: Tensor) -> Tensor:
        """Natural logarithms of the gains of single frames.

        Args:
            spectrum: complex rows `[..., n_frames, n_bins]`.
            envelope: the wanted one with its floor, of the same shape.
        """
        return (envelope / self.envelope(spectrum.abs())).log().clamp(-LOG_GAIN_LIMIT, LOG_GAIN_LIMIT)

    def gain(self, spectrum: Tensor, envelope: Tensor) -> Tensor:
        """Gains, averaged over neighbouring frames; arguments as for `log_gain`, with 3 dimensions."""
        log_gain = self.log_gain(spectrum, envelope)
        return averaged(torch.cat([log_gain[:, :1], log_gain, log_gain[:, -1:]], dim=1)).exp()


def averaged(log_gain: Tensor) -> Tensor:
    """Mean of each row of `[..., n_frames + 2, n_bins]` and its neighbours, `[..., n_frames, n_bins]`."""
    return (log_gain[..., :-2, :] + log_gain[..., 1:-1, :] + log_gain[..., 2:, :]) / 3.0


class MatchStream:
    """`LevelMatcher` on a waveform that arrives in hops: `reach_of(stft) + LOOK_AHEAD_FRAMES` frames behind it."""

    def __init__(self, matcher: LevelMatcher, stft: STFT, device: torch.device) -> None:
        """Analyse and invert by `stft`, which is not normalized."""
        self._matcher = matcher
        self._frames, self._hops = FrameStream(stft, device), HopStream(stft, device)
        self._waiting, self._log_gain = Track(), Track()
        self._seen = 0

    def push(self, hops: Tensor, envelope: Track, last: bool) -> Tensor:
        """Take in hops `[n, hop_length]` and return those that are final.

        Args:
            hops: as for `FrameStream.push`.
            envelope: the wanted one, a row for every frame.
            last: whether these are the last hops.
        """
        rows = self._frames.push(hops)
        log_gain = self._matcher.log_gain(rows, envelope.rows(self._seen, self._seen + len(rows)))
        if len(rows) and not self._seen:
            log_gain = torch.cat([log_gain[:1], log_gain])  # before the first frame it goes on like it
        self._seen += len(rows)
        self._waiting.append(rows)
        self._log_gain.append(log_gain)
        if last and self._seen:
            self._log_gain.append(self._log_gain.rows(self._log_gain.stop - 1, self._log_gain.stop))
        known = self._log_gain.rows(self._log_gain.start, self._log_gain.stop)
        if len(known) < 3:
            return self._hops.push(rows[:0], last)
        gains = averaged(known).exp()
        self._log_gain.drop(self._log_gain.stop - 2)
        ready = self._waiting.take(len(gains))
        return self._hops.push(ready * gains.to(ready.dtype), last)
