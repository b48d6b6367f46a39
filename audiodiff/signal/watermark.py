"""An inaudible mark in the samples that says that they are synthetic, and carries a number of 32 bits.

Spread spectrum in the magnitudes of a short-time Fourier transform, after Kirovski and Malvar (2003), "Spread-spectrum
watermarking of audio signals": tiles of 125 Hz by 32 ms become louder or softer by up to 2.5 dB in a pseudo-random
pattern that repeats every 2.048 s. Since the change is a share of what sounds in a tile, it is masked by it; spectral
peaks, such as the partials of a sustained tone, change less. Half of the tiles, in random order, have signs that never
change, by which `audiodiff.signal.watermark_detector` finds the mark; the others carry the bits.

The pattern is one of frequencies in Hz and of time in seconds, so that it outlives a change of the sample rate. It is
public: the mark tells what is synthetic where nobody wants to hide it, and is no proof against those who do.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audiodiff.signal.mark_limiter import EDGE_SECONDS, limit_marked
from audiodiff.signal.watermark_code import CODED_BITS, encode

VERSION = 1
"""Of the pattern; records tell it."""

LOWEST_HZ = 250.0
BAND_HZ = 125.0
N_BANDS = 58
CHIP_MS = 32
N_CHIPS = 64
"""Tiles of a period of the pattern: `N_CHIPS` in time by `N_BANDS`."""

STRENGTH_DB = 2.5
_PEAK_HZ = 250.0
_CEILING = 10.0 ** (-1.0 / 20.0)
_HOP_MS = 16
_RAMP_MS = 10
_BATCH = 64
_TINY = 1e-12

Block = NDArray[np.float32]
"""`[channels, n_samples]`."""


Peaks = Literal["limit", "clip", "leave"]
"""What becomes of peaks that the mark raises above -1 dBFS; see `mark_blocks`."""


@dataclass(frozen=True)
class Pattern:
    """The signs of a period.

    Attributes:
        signs: `[N_CHIPS, N_BANDS]`, +1 or -1.
        bits: which coded bit the sign of a tile is multiplied by, `[N_CHIPS, N_BANDS]`; -1 where it never changes.
    """

    signs: NDArray[np.float64]
    bits: NDArray[np.int64]


def pattern(name: str = f"audiodiff watermark {VERSION}") -> Pattern:
    """Return the pattern of a name; SHAKE-256 makes it the same on every machine."""
    n_tiles = N_CHIPS * N_BANDS
    data = hashlib.shake_256(name.encode()).digest(9 * n_tiles)
    signs = np.where(np.frombuffer(data, np.uint8, n_tiles) & 1, 1.0, -1.0)
    order = np.argsort(np.frombuffer(data, ">u8", n_tiles, n_tiles), kind="stable")
    bits = np.full(n_tiles, -1, dtype=np.int64)
    carrying = order[: n_tiles // 2]
    bits[carrying] = np.arange(len(carrying)) % CODED_BITS
    return Pattern(signs.reshape(N_CHIPS, N_BANDS), bits.reshape(N_CHIPS, N_BANDS))


_PATTERN = pattern()


def mark_blocks(
    blocks: Iterable[Block],
    sample_rate: int,
    identifier: int,
    stretches: Sequence[tuple[int, int]] | None = None,
    *,
    peaks: Peaks = "limit",
) -> Iterator[Block]:
    """Mark a sound that comes in blocks; the samples do not depend on how it is cut into them.

    Over 10 ms at either end of what is marked the mark fades in and out, so that a loop stays one.

    Args:
        blocks: `[channels, n]` each, any n.
        sample_rate: Hz.
        identifier: the number to carry, 0 to 2^32 - 1.
        stretches: first and last sample (exclusive) of what is marked; all other samples stay bit for bit as they are.
            Everything when `None`.
        peaks: "limit" lowers sound and mark together where the mark raises true peaks above -1 dBTP, or above those of
            the sound where they were higher; in stretches the mark keeps 5 ms off their ends for that. "clip" cuts the
            mark off at -1 dBFS, as in files from before the limiter. "leave" does nothing: a limiter has to follow.

    Yields:
        As many samples as came in, about 32 ms late; with "limit", a block of `audiodiff.signal.mark_limiter` more.
    """
    marker = _Marker(sample_rate, identifier, stretches, peaks)
    pairs = _marked(blocks, marker)
    if peaks == "limit":
        yield from limit_marked(pairs, sample_rate, stretches)
    else:
        yield from (new for _, new in pairs)


def _marked(blocks: Iterable[Block], marker: "_Marker") -> Iterator[tuple[Block, Block]]:
    """Yield the sound and the same with its mark."""
    held: NDArray[np.float64] | None = None
    hop, done = marker.hop, 0
    for block in blocks:
        if held is None:
            held = np.zeros((len(block), hop))
        held = np.concatenate([held, block], axis=1)
        while (n_hops := min(held.shape[1] // hop - 2, _BATCH - done % _BATCH)) > 0:
            window = held[:, : (n_hops + 2) * hop]
            yield window[:, hop:-hop].astype(np.float32), marker.marked(window, done, None)
            held, done = held[:, n_hops * hop :], done + n_hops
    if held is not None and (left := held.shape[1] - hop) > 0:
        n_hops = -(-left // hop)
        padded = np.pad(held, ((0, 0), (0, (n_hops + 2) * hop - held.shape[1])))
        new = marker.marked(padded, done, done * hop + left)
        yield padded[:, hop : hop + left].astype(np.float32), new[:, :left]


@dataclass(frozen=True)
class _Marker:
    """Marks whole hops of a sound at one rate."""

    sample_rate: int
    identifier: int
    stretches: Sequence[tuple[int, int]] | None
    peaks: Peaks

    @property
    def hop(self) -> int:
        """Samples from one frame to the next; frames are twice as long."""
        wanted = max(1, round(_HOP_MS * self.sample_rate / 1000))
        return min(range(-(-wanted // 2), 2 * wanted + 1), key=lambda hop: (not _quick(hop), abs(hop - wanted)))

    def marked(self, samples: NDArray[np.float64], first: int, total: int | None) -> Block:
        """Mark some hops.

        Args:
            samples: `[channels, (n_hops + 2) * hop]`, with a hop of what comes before them and one of what follows.
            first: number of the first one.
            total: samples of the whole sound, once they are known.
        """
        hop = self.hop
        window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
        frames = np.lib.stride_tricks.sliding_window_view(samples, 2 * hop, axis=1)[:, ::hop]
        spectrum = np.fft.rfft(frames * window, axis=-1)
        places, signs = self._signs(np.arange(first, first + frames.shape[1]))
        change = np.zeros_like(spectrum)
        strength = self._strength(spectrum)[..., places]
        # Divided by the root mean square of both, so that the sound does not become louder.
        gain = 10.0 ** (signs * strength / 20.0) / np.sqrt(np.cosh(strength * math.log(10.0) / 10.0))
        change[..., places] = spectrum[..., places] * (gain - 1.0)
        parts = np.fft.irfft(change, 2 * hop, axis=-1) * window
        added = (parts[:, :-1, hop:] + parts[:, 1:, :hop]).reshape(len(samples), -1)
        plain = samples[:, hop:-hop]
        limit = np.maximum(np.abs(plain), _CEILING) if self.peaks == "clip" else np.inf
        share = self._share(np.arange(first * hop, first * hop + plain.shape[1]), total)
        new = np.where(share > 0.0, (plain + share * added).clip(-limit, limit), plain)
        return new.astype(np.float32)

    def _signs(self, frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the bins that the pattern covers, and its signs there, `[n_frames, n_bins]`."""
        # A frame belongs to the chip in which its middle lies; whole numbers, since time is counted for hours.
        chips = frames * self.hop * 1000 // (self.sample_rate * CHIP_MS) % N_CHIPS
        hz = np.arange(self.hop + 1) * self.sample_rate / (2 * self.hop)
        bands = np.floor((hz - LOWEST_HZ) / BAND_HZ).astype(np.int64)
        places = np.flatnonzero((bands >= 0) & (bands < N_BANDS))
        sent = np.append(encode(self.identifier), 1.0)  # the last one is that of the bit -1
        signs = _PATTERN.signs * sent[_PATTERN.bits]
        return places, signs[chips][:, bands[places]]

    def _strength(self, spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        """How far each bin may change (dB): less where it stands out of its surroundings."""
        size = np.abs(spectrum)
        reach = max(1, round(_PEAK_HZ * 2 * self.hop / self.sample_rate))
        padded = np.pad(size, ((0, 0), (0, 0), (reach + 1, reach)), mode="edge")
        sums = np.cumsum(padded, axis=-1)
        nearby = (sums[..., 2 * reach + 1 :] - sums[..., : -2 * reach - 1]) / (2 * reach + 1)
        strength: NDArray[np.float64] = STRENGTH_DB * np.sqrt(np.minimum(1.0, (nearby + _TINY) / (size + _TINY)))
        return strength

    def _share(self, places: NDArray[np.int64], total: int | None) -> NDArray[np.float64]:
        """How much of the mark each sample gets, 0 to 1."""
        ramp = max(1, _RAMP_MS * self.sample_rate // 1000)
        stop = np.iinfo(np.int64).max // 2 if total is None else total
        share = np.zeros(len(places))
        limited = self.stretches is not None and self.peaks == "limit"
        edge = max(1, round(EDGE_SECONDS * self.sample_rate)) if limited else 0
        for first, last in ((0, stop),) if self.stretches is None else self.stretches:
            # At the very ends of the sound the mark fades, too.
            inside = (np.minimum(places - first, min(last, stop) - 1 - places) - edge) / ramp
            share = np.maximum(share, inside.clip(0.0, 1.0))
        return share


def _quick(number: int) -> bool:
    """Whether the FFT is fast at this length."""
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number == 1
