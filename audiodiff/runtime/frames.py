"""Frames of a waveform in NumPy: the STFT of `audiodiff.signal.frames` and Griffin-Lim projections on it.

Spectra are complex rows `[n_frames, n_bins]`, waveforms `[n_samples]` with `n_samples = n_frames * hop_length`.
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError

__all__ = ["STFT", "overlapping"]

Rows = NDArray[np.complex64]
Floats = NDArray[np.float32]

_SMALLEST_SQUARE = 1e-14


def overlapping(padded: Floats, size: int, hop_length: int) -> Floats:
    """Stretches `[n, size]` of a signal, `hop_length` apart, without a copy."""
    view: Floats = sliding_window_view(padded, size)[::hop_length]
    return view


class STFT:
    """Complex STFT with a periodic Hann window and its least-squares inverse, zeros beyond both ends.

    Args:
        n_fft: FFT and window size in samples.
        hop_length: samples between frames, which are centred on `(i + 0.5) * hop_length`.
        normalized: divide by the root of the window's energy.
    """

    def __init__(self, n_fft: int, hop_length: int, *, normalized: bool = False) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_bins = n_fft // 2 + 1
        self._window = hann(n_fft)
        self._scale = np.float32((0.375 * n_fft) ** 0.5 if normalized else 1.0)
        self._pad = (n_fft - hop_length) // 2

    def spectrum(self, waveform: Floats) -> Rows:
        """`[n_samples]` to rows."""
        hop = self.hop_length
        count = -(-len(waveform) // hop)
        padded = np.zeros((count - 1) * hop + self.n_fft, np.float32)
        padded[self._pad : self._pad + len(waveform)] = waveform
        rows = np.fft.rfft(overlapping(padded, self.n_fft, hop) * self._window)
        return (rows / self._scale).astype(np.complex64, copy=False)

    def waveform(self, spectrum: Rows) -> Floats:
        """Rows to `[n_samples]`."""
        count, hop = len(spectrum), self.hop_length
        frames = np.fft.irfft(spectrum, n=self.n_fft).astype(np.float32, copy=False)
        frames = frames * self._window
        added = overlap_add(frames, hop)[self._pad : self._pad + count * hop]
        return added * (self._scale * _inverse_envelope(self.n_fft, hop, count))

    def project(
        self, spectrum: Rows, magnitude: Floats, iterations: int, momentum: float, half_iterations: int = 0
    ) -> tuple[Rows, Floats]:
        """Fast Griffin-Lim, as `audiodiff.signal.projection.Projector.project` does it.

        Args:
            spectrum: rows, of which only the phases count.
            magnitude: `[n_frames, n_bins]`.
            iterations: round trips.
            momentum: how far beyond each projection the next one starts.
            half_iterations: round trips of the lower half of the spectrum alone, before the others.

        Returns:
            The rows, with their magnitude, and their waveform.
        """
        if half_iterations:
            half = STFT(self.n_fft // 2, self.hop_length // 2)
            low = half.iterate(spectrum[:, : half.n_bins], magnitude[:, : half.n_bins], half_iterations, momentum)
            spectrum = np.concatenate([low, spectrum[:, half.n_bins :]], axis=1)
        spectrum = with_magnitude(self.iterate(spectrum, magnitude, iterations, momentum), magnitude)
        return spectrum, self.waveform(spectrum)

    def iterate(self, spectrum: Rows, magnitude: Floats, iterations: int, momentum: float) -> Rows:
        """Round trips to the waveform and back, each time with the magnitude put right."""
        older: Floats | None = None
        for _ in range(iterations):
            newest = self.waveform(with_magnitude(spectrum, magnitude))
            mixed = newest
            if older is not None and momentum:
                mixed = older + np.float32(1.0 + momentum) * (newest - older)
            spectrum, older = self.spectrum(mixed), newest
        return spectrum


def with_magnitude(spectrum: Rows, magnitude: Floats) -> Rows:
    """Rows with another magnitude; 0 stays 0."""
    squares = np.square(spectrum.real) + np.square(spectrum.imag)
    factor = magnitude / np.sqrt(squares + np.float32(_SMALLEST_SQUARE))
    return (spectrum * factor).astype(np.complex64, copy=False)


def overlap_add(frames: Floats, hop_length: int) -> Floats:
    """Add frames `[n_frames, size]` at multiples of the hop."""
    count, size = frames.shape
    parts = -(-size // hop_length)
    hops = np.zeros((count + parts - 1, hop_length), frames.dtype)
    for shift in range(parts):
        piece = frames[:, shift * hop_length : (shift + 1) * hop_length]
        hops[shift : shift + count, : piece.shape[1]] += piece
    flat: Floats = hops.reshape(-1)
    return flat


@lru_cache(maxsize=16)
def hann(length: int) -> Floats:
    """The periodic Hann window `[length]`."""
    window: Floats = (np.sin(np.pi * np.arange(length) / length) ** 2).astype(np.float32)
    return window


@lru_cache(maxsize=16)
def _inverse_envelope(n_fft: int, hop_length: int, count: int) -> Floats:
    """One over the sum of squared windows over `count` frames, `[count * hop_length]`.

    Raises:
        AudiodiffError: the windows leave gaps, so that there is no inverse.
    """
    squares = np.square(np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2)
    added = overlap_add(np.broadcast_to(squares, (count, n_fft)), hop_length)
    start = (n_fft - hop_length) // 2
    envelope = added[start : start + count * hop_length]
    if envelope.min() <= 0.0:
        raise AudiodiffError(f"an STFT with n_fft {n_fft} and hop_length {hop_length} has no inverse.")
    inverse: Floats = (1.0 / envelope).astype(np.float32)
    return inverse
