"""Frames of a waveform and the way back: samples, folds and the complex STFT behind one small interface.

Every front end maps `[batch, n_samples]` to `[batch, channels, n_frames]` with
`n_frames = ceil(n_samples / hop_length)` and back to exactly the same samples. All three are linear and
differentiable. Frame i stands for samples `[i * hop_length, (i + 1) * hop_length)`; the STFT's frames are
centred on `(i + 0.5) * hop_length`, as are those of a mel with centring "same".
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError

# An analysis whose squared windows add up to less than this somewhere amplifies rounding errors too much.
_SMALLEST_ENVELOPE = 1e-2


class FrontEnd(Protocol):
    """What a network that works on frames needs to know."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def channels(self) -> int:
        """Values per frame."""

    @property
    def context(self) -> int:
        """Reach of `analysis` (and, once more, of `synthesis`) in frames, each side."""

    def n_frames(self, n_samples: int) -> int:
        """Frames that hold `n_samples` samples."""

    def analysis(self, waveform: Tensor) -> Tensor:
        """`[batch, n_samples]` to `[batch, channels, n_frames]`."""

    def synthesis(self, frames: Tensor, n_samples: int) -> Tensor:
        """`[batch, channels, n_frames]` to `[batch, n_samples]`."""


def _padded(waveform: Tensor, hop_length: int) -> Tensor:
    if waveform.ndim != 2 or waveform.shape[-1] == 0:
        raise AudiodiffError(
            f"A waveform of shape {list(waveform.shape)} cannot be framed; expected [batch, n_samples], 1 or more."
        )
    missing = -waveform.shape[-1] % hop_length
    return functional.pad(waveform, (0, missing)) if missing else waveform


def _check_frames(frames: Tensor, channels: int, expected_frames: int, n_samples: int) -> None:
    if frames.ndim != 3 or frames.shape[1] != channels or frames.shape[2] != expected_frames:
        raise AudiodiffError(
            f"Frames of shape {list(frames.shape)} do not hold {n_samples} samples; "
            f"expected [batch, {channels}, {expected_frames}]."
        )


@dataclass(frozen=True)
class Samples:
    """One frame per sample: `[batch, 1, n_samples]`."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return 1

    @property
    def channels(self) -> int:
        """Values per frame."""
        return 1

    @property
    def context(self) -> int:
        """Reach in frames, each side."""
        return 0

    def n_frames(self, n_samples: int) -> int:
        """Frames that hold `n_samples` samples."""
        return n_samples

    def analysis(self, waveform: Tensor) -> Tensor:
        """`[batch, n_samples]` to `[batch, 1, n_samples]`."""
        return _padded(waveform, 1)[:, None]

    def synthesis(self, frames: Tensor, n_samples: int) -> Tensor:
        """`[batch, 1, n_samples]` to `[batch, n_samples]`."""
        _check_frames(frames, 1, n_samples, n_samples)
        return frames[:, 0]


@dataclass(frozen=True)
class Folds:
    """Consecutive samples as channels, without overlap: `[batch, size, n_samples / size]`.

    Attributes:
        size: samples per frame.
    """

    size: int

    def __post_init__(self) -> None:
        """Refuse a size that folds nothing."""
        if self.size < 1:
            raise AudiodiffError(f"Folds size is {self.size}; expected 1 or more.")

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.size

    @property
    def channels(self) -> int:
        """Values per frame."""
        return self.size

    @property
    def context(self) -> int:
        """Reach in frames, each side."""
        return 0

    def n_frames(self, n_samples: int) -> int:
        """Frames that hold `n_samples` samples."""
        return -(-n_samples // self.size)

    def analysis(self, waveform: Tensor) -> Tensor:
        """`[batch, n_samples]` to `[batch, size, n_frames]`; the end is padded with zeros."""
        padded = _padded(waveform, self.size)
        return padded.reshape(len(padded), -1, self.size).transpose(1, 2).contiguous()

    def synthesis(self, frames: Tensor, n_samples: int) -> Tensor:
        """`[batch, size, n_frames]` to `[batch, n_samples]`."""
        _check_frames(frames, self.size, self.n_frames(n_samples), n_samples)
        return frames.transpose(1, 2).flatten(1)[:, :n_samples]


@lru_cache(maxsize=16)
def _window(n_fft: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.hann_window(n_fft, periodic=True, dtype=torch.float64).to(device=device, dtype=dtype)


def _overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Add `[rows, n_fft, n_frames]` at multiples of the hop: `[rows, (n_frames - 1) * hop + n_fft]`."""
    n_fft, count = frames.shape[1:]
    if n_fft % hop_length == 0:
        # A handful of shifted sums over whole hops: several times faster than `fold` on CPUs.
        pieces = frames.transpose(1, 2).reshape(len(frames), count, -1, hop_length)
        parts = n_fft // hop_length
        hops = functional.pad(pieces[:, :, 0], (0, 0, 0, parts - 1))
        for shift in range(1, parts):
            hops = hops + functional.pad(pieces[:, :, shift], (0, 0, shift, parts - 1 - shift))
        return hops.flatten(1)
    length = (count - 1) * hop_length + n_fft
    return functional.fold(frames, (1, length), (1, n_fft), stride=(1, hop_length))[:, 0, 0]


@lru_cache(maxsize=16)
def _short_envelope(n_fft: int, hop_length: int, count: int) -> Tensor:
    """Sum of the squared windows over `[count, hop_length]` samples of `count` frames, float64."""
    squares = _window(n_fft, torch.device("cpu"), torch.float64).square()
    added = _overlap_add(squares[None, :, None].expand(1, n_fft, count), hop_length)
    start = (n_fft - hop_length) // 2
    return added[0, start : start + count * hop_length].reshape(count, hop_length)


@dataclass(frozen=True)
class STFT:
    """Complex STFT with a periodic Hann window, real parts first, then imaginary parts.

    `analysis` is linear (zeros beyond both ends); `synthesis` is the least-squares inverse of
    D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", 1984, eq. 6.

    Attributes:
        n_fft: FFT and window size in samples.
        hop_length: samples per frame; `n_fft - hop_length` must be even.
        normalized: divide by the root of the window's energy, so that white noise of variance 1 gives complex
            values of variance 1; otherwise the plain sums that `signal.mel` works on.
    """

    n_fft: int
    hop_length: int
    normalized: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be inverted, with the arithmetic."""
        check_bounds(self, "STFT", n_fft=(2, 65_536), hop_length=(1, 65_536))
        if self.n_fft % 2:
            raise AudiodiffError(
                f"STFT n_fft {self.n_fft} and hop_length {self.hop_length}: need an even n_fft and a hop of 1 or more."
            )
        if (self.n_fft - self.hop_length) % 2:
            raise AudiodiffError(
                f"STFT frames centred on (i + 0.5) * hop_length need an even n_fft - hop_length; "
                f"got {self.n_fft} - {self.hop_length} = {self.n_fft - self.hop_length}."
            )
        if self.n_fft <= self.hop_length:
            raise AudiodiffError(f"STFT n_fft {self.n_fft} must be larger than hop_length {self.hop_length}.")
        smallest = float(_short_envelope(self.n_fft, self.hop_length, 1).min())
        if smallest < _SMALLEST_ENVELOPE:
            raise AudiodiffError(
                f"STFT with n_fft {self.n_fft} and hop_length {self.hop_length} cannot be inverted exactly: "
                f"at the edge of a hop the squared window is {smallest:.2g}, need {_SMALLEST_ENVELOPE:g}; "
                "use n_fft >= 2 * hop_length."
            )

    @property
    def channels(self) -> int:
        """Values per frame: real and imaginary parts of n_fft // 2 + 1 bins."""
        return 2 * (self.n_fft // 2 + 1)

    @property
    def context(self) -> int:
        """Frames each side that share samples with a frame's own hop: ceil((n_fft - hop) / (2 hop))."""
        return math.ceil((self.n_fft - self.hop_length) / (2 * self.hop_length))

    @property
    def _scale(self) -> float:
        return math.sqrt(0.375 * self.n_fft) if self.normalized else 1.0

    def n_frames(self, n_samples: int) -> int:
        """Frames that hold `n_samples` samples."""
        return -(-n_samples // self.hop_length)

    def spectrum(self, waveform: Tensor) -> Tensor:
        """`[batch, n_samples]` to complex `[batch, n_fft // 2 + 1, n_frames]`."""
        pad = (self.n_fft - self.hop_length) // 2
        padded = functional.pad(_padded(waveform, self.hop_length), (pad, pad))
        window = _window(self.n_fft, waveform.device, waveform.dtype)
        spectrum = torch.stft(
            padded, self.n_fft, self.hop_length, self.n_fft, window, center=False, return_complex=True
        )
        return spectrum / self._scale if self.normalized else spectrum

    def waveform(self, spectrum: Tensor, n_samples: int) -> Tensor:
        """Complex `[batch, n_fft // 2 + 1, n_frames]` to `[batch, n_samples]`."""
        count = self.n_frames(n_samples)
        if spectrum.ndim != 3 or spectrum.shape[1:] != (self.n_fft // 2 + 1, count):
            raise AudiodiffError(
                f"A spectrum of shape {list(spectrum.shape)} does not hold {n_samples} samples; "
                f"expected [batch, {self.n_fft // 2 + 1}, {count}]."
            )
        frames = torch.fft.irfft(spectrum, n=self.n_fft, dim=1)
        frames = frames * _window(self.n_fft, frames.device, frames.dtype)[:, None]
        pad = (self.n_fft - self.hop_length) // 2
        added = _overlap_add(frames, self.hop_length)[:, pad : pad + count * self.hop_length]
        hops = added.reshape(-1, count, self.hop_length)
        return (hops * self._inverse_envelope(count, frames)).flatten(1)[:, :n_samples]

    def _inverse_envelope(self, count: int, like: Tensor) -> Tensor:
        reach = self.context
        envelope = _short_envelope(self.n_fft, self.hop_length, min(count, 2 * reach + 1))
        if count > 2 * reach + 1:
            # Frames further than `reach` from both ends all see the same sum.
            middle = envelope[reach].expand(count - 2 * reach, self.hop_length)
            envelope = torch.cat([envelope[:reach], middle, envelope[reach + 1 :]])
        return (self._scale / envelope).to(device=like.device, dtype=like.dtype)

    def analysis(self, waveform: Tensor) -> Tensor:
        """`[batch, n_samples]` to `[batch, 2 * (n_fft // 2 + 1), n_frames]`."""
        spectrum = self.spectrum(waveform)
        return torch.cat([spectrum.real, spectrum.imag], dim=1)

    def synthesis(self, frames: Tensor, n_samples: int) -> Tensor:
        """`[batch, 2 * (n_fft // 2 + 1), n_frames]` to `[batch, n_samples]`."""
        _check_frames(frames, self.channels, self.n_frames(n_samples), n_samples)
        real, imaginary = frames.chunk(2, dim=1)
        return self.waveform(torch.complex(real, imaginary), n_samples)
