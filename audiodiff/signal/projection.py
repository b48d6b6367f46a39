"""Griffin-Lim projections as fast as a processor does them: no gradients, nothing computed twice.

The arithmetic is that of `STFT.waveform` and `STFT.spectrum` in turn. What makes it faster: spectra are rows
(`[batch, n_frames, n_bins]`, frame after frame, as the FFT leaves them) that are overwritten in place; overlap-add is
one shifted sum per hop of the window with the window and the inverse envelope inside; and momentum acts on waveforms,
which are a fourth of the values, because the transform is linear.
"""

from functools import lru_cache

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.frames import STFT
from audiodiff.signal.tracks import Track

__all__ = ["FrameStream", "HopStream", "ProjectionStream", "Projector", "half_rate"]

# Added to squared magnitudes before dividing by their root; far below what 16 bits can hold.
_SMALLEST_SQUARE = 1e-14


class Projector:
    """Projections between waveforms of one length and their spectra, `batch` of them at a time.

    Nothing is differentiable. The buffers are shared by all calls: one projector per thread.

    Args:
        stft: the transform, not `normalized`.
        n_frames: frames of the waveforms, which have `n_frames * hop_length` samples.
        batch: waveforms at a time.
        device: where the spectra are.

    Raises:
        AudiodiffError: the transform is normalized.
    """

    def __init__(self, stft: STFT, n_frames: int, batch: int = 1, device: torch.device | str | None = None) -> None:
        if stft.normalized:
            raise AudiodiffError("A projector works on plain sums; give an STFT that is not normalized.")
        self.stft = stft
        self.n_frames = n_frames
        self._pad = (stft.n_fft - stft.hop_length) // 2
        # The state is kept as hops of the framed signal: n_frames of them and those that the last window sticks out.
        self._reach = reach_of(stft)
        self._newest = torch.zeros(batch, n_frames + self._reach, stft.hop_length, device=device)
        self._older = torch.zeros_like(self._newest)
        self._mixed = torch.zeros_like(self._newest)
        self._frames = self._newest.new_empty(batch, n_frames, stft.n_fft)
        self._factor = self._newest.new_empty(batch, n_frames, stft.n_fft // 2 + 1)
        self._complex_factor = torch.empty_like(self._factor, dtype=torch.complex64)
        self._squares = self._newest.new_empty(*self._factor.shape, 2)
        windows = _windows(stft.n_fft, stft.hop_length, min(n_frames, 2 * self._reach + 2))
        self._analysis, self._synthesis, self._edge = (part.to(self._newest.device) for part in windows)

    def spectrum(self, waveform: Tensor) -> Tensor:
        """`[batch, n_samples]` to complex rows `[batch, n_frames, n_bins]`, as `STFT.spectrum` up to the layout."""
        self._mixed.flatten(1)[:, self._pad : self._pad + waveform.shape[-1]] = waveform
        return self._spectrum(self._mixed)

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Complex rows to a new waveform `[batch, n_samples]`, as `STFT.waveform` up to the layout."""
        self._to_hops(spectrum, self._newest)
        n_samples = self.n_frames * self.stft.hop_length
        return self._newest.flatten(1)[:, self._pad : self._pad + n_samples].clone()

    def with_magnitude(self, spectrum: Tensor, magnitude: Tensor) -> Tensor:
        """Complex rows with another magnitude `[batch, n_frames, n_bins]`; 0 stays 0."""
        return torch.mul(spectrum, self._phase_factor(spectrum, magnitude))

    def _with_magnitude_(self, spectrum: Tensor, magnitude: Tensor) -> Tensor:
        return spectrum.mul_(self._phase_factor(spectrum, magnitude))

    def _phase_factor(self, spectrum: Tensor, magnitude: Tensor) -> Tensor:
        sides = torch.view_as_real(spectrum)
        torch.mul(sides, sides, out=self._squares)
        # The one pass over every other value; all the rest is contiguous and vectorised.
        factor = torch.add(self._squares[..., 0], self._squares[..., 1], out=self._factor)
        factor.add_(_SMALLEST_SQUARE).rsqrt_().mul_(magnitude)
        # A product of two complex tensors is vectorised, that of complex and real numbers is not.
        return self._complex_factor.copy_(factor)

    def project(
        self, spectrum: Tensor, magnitude: Tensor, iterations: int, momentum: float = 0.0, *, half_iterations: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Fast Griffin-Lim: `iterations` times to the waveform and back, each time with the magnitude put right.

        D. Griffin and J. Lim, 1984; momentum after N. Perraudin, P. Balazs and P. Sondergaard, "A fast Griffin-Lim
        algorithm", 2013, alg. 2.

        Args:
            spectrum: complex rows, of which only the phases count; overwritten.
            magnitude: `[batch, n_frames, n_bins]`.
            iterations: round trips.
            momentum: how far beyond each projection the next one starts; 0 for plain Griffin-Lim.
            half_iterations: round trips of the lower half of the spectrum alone, at half the rate, before the others.

        Returns:
            The rows, with their magnitude, and their waveform `[batch, n_samples]`.
        """
        if half_iterations:
            self._iterate_half(spectrum, magnitude, half_iterations, momentum)
        spectrum = self._with_magnitude_(self._iterate(spectrum, magnitude, iterations, momentum), magnitude)
        return spectrum, self.waveform(spectrum)

    def _iterate_half(self, spectrum: Tensor, magnitude: Tensor, iterations: int, momentum: float) -> None:
        """Iterate the lower half of `spectrum` in place, with buffers that are free again after it."""
        stft = half_rate(self.stft)
        half, n_low = Projector(stft, self.n_frames, len(spectrum), spectrum.device), stft.n_fft // 2 + 1
        low = magnitude[..., :n_low].contiguous()
        spectrum[..., :n_low] = half._iterate(spectrum[..., :n_low].contiguous(), low, iterations, momentum)

    def _iterate(self, spectrum: Tensor, magnitude: Tensor, iterations: int, momentum: float) -> Tensor:
        for iteration in range(iterations):
            self._to_hops(self._with_magnitude_(spectrum, magnitude), self._newest)
            start = self._newest
            if iteration and momentum:
                start = torch.lerp(self._older, self._newest, 1.0 + momentum, out=self._mixed)
            spectrum = self._spectrum(start)
            self._newest, self._older = self._older, self._newest
        return spectrum

    def _to_hops(self, spectrum: Tensor, hops: Tensor) -> None:
        """Overlap-add into `hops`; what lies outside the waveform becomes 0."""
        frames = torch.fft.irfft(spectrum, n=self.stft.n_fft)
        count, reach, hop = self.n_frames, self._reach, self.stft.hop_length
        hops[:, count:] = 0.0
        torch.mul(frames[..., :hop], self._synthesis[:hop], out=hops[:, :count])
        for shift in range(1, reach + 1):
            piece, window = frames[..., shift * hop : (shift + 1) * hop], self._synthesis[shift * hop :][:hop]
            hops[:, shift : shift + count, : len(window)].addcmul_(piece, window)
        if count < reach:
            hops *= self._edge
        else:
            hops[:, :reach] *= self._edge[:reach]
            hops[:, -reach:] *= self._edge[-reach:]

    def _spectrum(self, hops: Tensor) -> Tensor:
        overlapping = hops.as_strided(self._frames.shape, (hops.stride(0), self.stft.hop_length, 1))
        spectrum: Tensor = torch.fft.rfft(torch.mul(overlapping, self._analysis, out=self._frames))
        return spectrum


class FrameStream:
    """The spectrum of a signal whose hops arrive in parts.

    Hops are those of the framed signal: the first begins `(n_fft - hop_length) / 2` samples before the waveform.
    """

    def __init__(self, stft: STFT, device: torch.device) -> None:
        """Analyse by `stft`, which is not normalized."""
        self._stft = stft
        self._window = _windows(stft.n_fft, stft.hop_length, 1)[0].to(device)
        self._reach = reach_of(stft)
        self._held = torch.zeros(0, stft.hop_length, device=device)

    def push(self, hops: Tensor) -> Tensor:
        """Take in hops `[n, hop_length]` and return the rows `[m, n_bins]` that are complete now."""
        held = torch.cat([self._held, hops])
        count = max(0, len(held) - self._reach)
        self._held = held[count:].clone()
        if not count:
            return torch.zeros(0, self._stft.n_fft // 2 + 1, dtype=torch.complex64, device=hops.device)
        frames = held.as_strided((count, self._stft.n_fft), (self._stft.hop_length, 1))
        spectrum: Tensor = torch.fft.rfft(frames * self._window)
        return spectrum


class HopStream:
    """The signal of a spectrum whose frames arrive in parts, in hops as `FrameStream` takes them.

    There must be as many frames in all as one window reaches over, `reach_of(stft)`.
    """

    def __init__(self, stft: STFT, device: torch.device) -> None:
        """Invert `stft`, which is not normalized."""
        self._stft = stft
        self._reach = reach_of(stft)
        _, synthesis, edge = (part.to(device) for part in _windows(stft.n_fft, stft.hop_length, 2 * self._reach + 2))
        padded = torch.nn.functional.pad(synthesis, (0, (self._reach + 1) * stft.hop_length - stft.n_fft))
        self._window = padded.view(self._reach + 1, stft.hop_length)
        self._first, self._last = edge[: self._reach], edge[-self._reach :]
        self._tail = torch.zeros(self._reach, stft.hop_length, device=device)
        self._done = 0

    def push(self, spectrum: Tensor, last: bool) -> Tensor:
        """Take in rows `[n, n_bins]` and return as many hops; the last time, with those that the last window adds."""
        count, reach = len(spectrum), self._reach
        hops = torch.nn.functional.pad(self._tail, (0, 0, 0, count))
        if count:
            frames = torch.fft.irfft(spectrum, n=self._stft.n_fft)
            frames = torch.nn.functional.pad(frames, (0, self._window.numel() - frames.shape[1]))
            for shift, piece in enumerate(frames.view(count, *self._window.shape).unbind(1)):
                hops[shift : shift + count].addcmul_(piece, self._window[shift])
        self._tail = hops[count:].clone()
        if self._done < reach:
            n_edge = min(count, reach - self._done)
            hops[:n_edge] *= self._first[self._done : self._done + n_edge]
        self._done += count
        if last:
            hops[count:] *= self._last
            return hops
        return hops[:count]


class ProjectionStream:
    """`Projector.project` on frames that arrive in parts: each iteration lags the one before by a window's reach.

    Args:
        stft: the transform, not `normalized`.
        iterations, momentum, half_iterations: as for `Projector.project`.
        device: where the spectra are.
    """

    def __init__(
        self, stft: STFT, iterations: int, momentum: float, half_iterations: int, device: torch.device
    ) -> None:
        half = half_rate(stft) if half_iterations else stft
        self._n_low = half.n_fft // 2 + 1 if half_iterations else 0
        self._low = _Iterations(half, half_iterations, momentum, device)
        self._all = _Iterations(stft, iterations, momentum, device)
        self._high, self._magnitude = Track(), Track()
        self._hops = HopStream(stft, device)

    def push(self, spectrum: Tensor, magnitude: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """Take in rows and their magnitude `[n, n_bins]`; return rows and hops of the signal that are final now."""
        if self._n_low:
            self._high.append(spectrum[:, self._n_low :])
            self._magnitude.append(magnitude)
            low, _ = self._low.push(spectrum[:, : self._n_low], magnitude[:, : self._n_low], last)
            spectrum = torch.cat([low, self._high.take(len(low))], dim=1)
            magnitude = self._magnitude.take(len(low))
        spectrum, magnitude = self._all.push(spectrum, magnitude, last)
        spectrum = with_magnitude(spectrum, magnitude)
        return spectrum, self._hops.push(spectrum, last)


class _Iterations:
    """Round trips to the waveform and back, one behind the other."""

    def __init__(self, stft: STFT, iterations: int, momentum: float, device: torch.device) -> None:
        self._momentum = momentum
        # of each: the way there and back, the magnitudes that wait for their rows, the last iteration's hops
        self._stages = [
            (HopStream(stft, device), FrameStream(stft, device), Track(), Track()) for _ in range(iterations)
        ]

    def push(self, spectrum: Tensor, magnitude: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """Take in rows and magnitudes, and return those that have made all trips."""
        older: Tensor | None = None
        for to_hops, to_frames, magnitudes, waiting in self._stages:
            hops = to_hops.push(with_magnitude(spectrum, magnitude), last)
            mixed = hops
            if older is not None and self._momentum:
                waiting.append(older)
                mixed = torch.lerp(waiting.take(len(hops)), hops, 1.0 + self._momentum)
            older = hops
            magnitudes.append(magnitude)
            spectrum = to_frames.push(mixed)
            magnitude = magnitudes.take(len(spectrum))
        return spectrum, magnitude


def reach_of(stft: STFT) -> int:
    """Hops that a window covers besides its own: by so many frames a round trip lags."""
    return -(-stft.n_fft // stft.hop_length) - 1


def with_magnitude(spectrum: Tensor, magnitude: Tensor) -> Tensor:
    """Complex rows with another magnitude; 0 stays 0."""
    sides = torch.view_as_real(spectrum)
    squares = sides * sides
    factor = (squares[..., 0] + squares[..., 1]).add_(_SMALLEST_SQUARE).rsqrt_().mul_(magnitude)
    return torch.view_as_complex(sides * factor[..., None])


def half_rate(stft: STFT) -> STFT:
    """The transform of the same frames after halving the sample rate: their lower half, up to a factor of 2.

    Raises:
        AudiodiffError: the sizes cannot be halved.
    """
    if stft.n_fft % 4 or stft.hop_length % 2 or (stft.n_fft - stft.hop_length) % 4:
        raise AudiodiffError(
            f"Frames of n_fft {stft.n_fft} and hop_length {stft.hop_length} cannot be halved: the first must be a "
            f"multiple of 4, the second even, and their difference {stft.n_fft - stft.hop_length} a multiple of 4."
        )
    return STFT(stft.n_fft // 2, stft.hop_length // 2)


@lru_cache(maxsize=32)
def _windows(n_fft: int, hop_length: int, n_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Analysis window `[n_fft]`, synthesis window `[n_fft]`, and factors `[n_frames + reach, hop]` for the edges.

    The synthesis window is divided by the sum of squared windows far from both ends. The factors correct that near the
    ends of so many frames, and are 0 outside the waveform.
    """
    window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64, device="cpu")
    parts = -(-n_fft // hop_length)
    squares = torch.nn.functional.pad(window.square(), (0, parts * hop_length - n_fft)).view(parts, hop_length)
    middle = squares.sum(dim=0)
    envelope = torch.zeros(n_frames + parts - 1, hop_length, dtype=torch.float64, device="cpu")
    for shift in range(parts):
        envelope[shift : shift + n_frames] += squares[shift]
    pad = (n_fft - hop_length) // 2
    inside = slice(pad, pad + n_frames * hop_length)
    edge = torch.zeros_like(envelope)
    edge.flatten()[inside] = (middle / envelope.clamp_min(1e-12)).flatten()[inside]
    return window.float(), (window / middle.repeat(parts)[:n_fft]).float(), edge.float()
