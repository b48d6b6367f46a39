"""How loud a recording is, of its samples or of its log-mel, and what it holds above a frequency.

`LevelMeter` reads the mel rather than the waveform, so that a waveform and its mel are vocoded to the same samples.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec, mel_to_magnitude, value_range

__all__ = ["BandMeter", "LevelMeter", "RmsMeter", "frame_power", "loudness"]

SILENCE_PEAK = 1e-4
"""A channel without a sample above this (-80 dBFS) is silence."""

SILENCE_DB = -80.0
"""A channel without a frame above this level (dBFS) is silence."""

RELATIVE_GATE_DB = 20.0
"""Frames so far below the mean of the audible ones do not count, like the gate of ITU-R BS.1770."""

_FRAME = 1024
# What a resampler's filter leaves just above the band is not sound that the recording holds.
_GUARD = 1.05


def _response(z: Tensor, b: tuple[float, float, float], a: tuple[float, float]) -> Tensor:
    """Second-order filter (b0 + b1 z + b2 z^2) / (1 + a1 z + a2 z^2) at z = exp(-i omega)."""
    return (b[0] + b[1] * z + b[2] * z * z) / (1.0 + a[0] * z + a[1] * z * z)


@lru_cache(maxsize=4)
def _k_response(sample_rate: int, size: int) -> Tensor:
    """The two filters of ITU-R BS.1770-4, annex 1, re-derived for any sample rate from their analogue prototypes."""
    omega = torch.arange(size // 2 + 1, dtype=torch.float64, device="cpu") * (2.0 * math.pi / size)
    z = torch.polar(torch.ones_like(omega), -omega)
    # Stage 1: high shelf of 4 dB at 1682 Hz (the head); stage 2: high pass at 38 Hz.
    gain, q, frequency = 3.999843853973347, 0.7071752369554196, 1681.974450955533
    k = math.tan(math.pi * frequency / sample_rate)
    high = 10.0 ** (gain / 20.0)
    band = high**0.4996667741545416
    norm = 1.0 + k / q + k * k
    shelf = ((high + band * k / q + k * k) / norm, 2.0 * (k * k - high) / norm, (high - band * k / q + k * k) / norm)
    response = _response(z, shelf, (2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm))
    q, frequency = 0.5003270373238773, 38.13547087602444
    k = math.tan(math.pi * frequency / sample_rate)
    norm = 1.0 + k / q + k * k
    return response * _response(z, (1.0, -2.0, 1.0), (2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm))


def _k_weighted(row: Tensor, sample_rate: int) -> Tensor:
    """K-weight float64 `[n_samples]` in blocks of some seconds; the filters forget within half a second."""
    lead = sample_rate // 2
    size = 1 << (8 * sample_rate).bit_length()
    block = size - 2 * lead
    response = _k_response(sample_rate, size).to(row.device)
    pieces = []
    for start in range(0, row.shape[-1], block):
        begin = max(start - lead, 0)
        part = row[begin : start + block]
        filtered: Tensor = torch.fft.irfft(torch.fft.rfft(part, n=size) * response, n=size)
        pieces.append(filtered[start - begin : len(part)])
    return torch.cat(pieces)


def loudness(waveform: Tensor, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4): K-weighting, 400 ms blocks, both gates.

    Args:
        waveform: `[n_samples]` or `[channels, n_samples]` (front channels, weight 1 each); a clip shorter than
            400 ms is one block.
        sample_rate: Hz, 8000 or more.

    Returns:
        LUFS; minus infinity for silence.
    """
    if sample_rate < 8000:
        raise AudiodiffError(f"Loudness at {sample_rate} Hz is not defined; expected 8000 Hz or more.")
    channels = waveform.double().reshape(-1, waveform.shape[-1])
    weighted = torch.cat([_k_weighted(row, sample_rate)[None] for row in channels])
    size = min(round(0.4 * sample_rate), channels.shape[-1])
    hop = max(round(0.1 * sample_rate), 1)
    power = weighted.square().unfold(-1, size, hop).mean(dim=-1).sum(dim=0)
    gated = power[power > 10.0 ** ((-70.0 + 0.691) / 10.0)]
    if gated.numel() == 0:
        return -math.inf
    gated = gated[gated > gated.mean() * 0.1]
    return -0.691 + 10.0 * math.log10(float(gated.mean()))


def frame_power(log_mel: Tensor, spec: MelSpec) -> Tensor:
    """Return the mean square of the samples under each frame's window, `[..., n_mels, n_frames]` -> `[..., n_frames]`.

    By Parseval over the magnitudes that the pseudo-inverse of the filter bank gives, so energy outside the bands of
    `spec` does not count; a frame with nothing above the floor of the log counts as 0. The Hann window's sum of squares
    is 3/8 of its length.
    """
    energy = mel_to_magnitude(log_mel, spec).square()
    both_sides = 2.0 * energy.sum(dim=-2) - energy[..., 0, :] - energy[..., -1, :]
    lowest = value_range(spec)[0]
    heard = log_mel.amax(dim=-2) > lowest + 1e-4 * max(1.0, abs(lowest))
    return both_sides / (spec.n_fft * 0.375 * spec.win_length) * heard


class LevelMeter:
    """Collects the frames of one channel and tells how loud it is."""

    def __init__(self, spec: MelSpec) -> None:
        """Measure log-mels of `spec`."""
        self._spec = spec
        self._powers: list[Tensor] = []

    def add(self, log_mel: Tensor) -> None:
        """Take in frames `[n_mels, n_frames]`."""
        self._powers.append(frame_power(log_mel, self._spec))

    @property
    def n_frames(self) -> int:
        """Frames seen."""
        return sum(power.numel() for power in self._powers)

    @property
    def silent(self) -> bool:
        """Whether no frame is above `SILENCE_DB`."""
        return not any(bool((power > 10.0 ** (SILENCE_DB / 10.0)).any()) for power in self._powers)

    @property
    def level_db(self) -> float:
        """Root-mean-square level of the audible frames in dBFS; `-inf` for silence."""
        if self.silent:
            return -math.inf
        power = torch.cat(self._powers).double()
        audible = power[power > 10.0 ** (SILENCE_DB / 10.0)]
        gate = float(audible.mean()) * 10.0 ** (-RELATIVE_GATE_DB / 10.0)
        return 10.0 * math.log10(float(audible[audible >= gate].mean()))


class BandMeter:
    """Tells what share of a recording's energy lies above a frequency.

    Args:
        sample_rate: of the recording (Hz).
        hz: the frequency.
    """

    def __init__(self, sample_rate: int, hz: float) -> None:
        self._first = math.ceil(_GUARD * hz * _FRAME / sample_rate)
        self._window = torch.hann_window(_FRAME)
        self._held: Tensor | None = None
        self._above = 0.0
        self._all = 0.0

    def add(self, block: Tensor) -> None:
        """Take in samples `[channels, n]`."""
        samples = block if self._held is None else torch.cat([self._held, block], dim=-1)
        count = samples.shape[-1] // _FRAME
        self._held = samples[:, count * _FRAME :].clone()
        if count:
            self._measure(samples[:, : count * _FRAME])

    @property
    def above_db(self) -> float:
        """Energy above the frequency against all energy (dB); `-inf` where there is none."""
        short = self._held
        if self._all == 0.0 and short is not None and short.shape[-1]:
            # Less than a frame: under a window of its own length. A rest after whole frames does not count.
            tapered = short * torch.hann_window(short.shape[-1], periodic=False)
            self._measure(torch.nn.functional.pad(tapered, (0, _FRAME - short.shape[-1])), windowed=True)
        return 10.0 * math.log10(self._above / self._all) if self._above > 0.0 else -math.inf

    def _measure(self, samples: Tensor, *, windowed: bool = False) -> None:
        frames = samples.reshape(len(samples), -1, _FRAME)
        if not windowed:
            frames = frames * self._window
        power = torch.fft.rfft(frames).abs().double().square().sum(dim=(0, 1))
        self._above += float(power[self._first :].sum())
        self._all += float(power.sum())


class RmsMeter:
    """The root mean square and the peak of each channel."""

    def __init__(self) -> None:
        self._squares: Tensor | None = None
        self._peaks = torch.zeros(0)
        self.n_samples = 0

    def add(self, block: Tensor) -> None:
        """Take in samples `[channels, n]`."""
        squares = block.double().square().sum(dim=-1)
        peaks = block.abs().amax(dim=-1)
        self._squares = squares if self._squares is None else self._squares + squares
        self._peaks = peaks if not len(self._peaks) else torch.maximum(self._peaks, peaks)
        self.n_samples += block.shape[-1]

    def gains(self, level: float) -> list[float | None]:
        """What brings each channel to `level`; `None` for silence."""
        assert self._squares is not None
        rms = (self._squares / self.n_samples).sqrt().tolist()
        return [
            level / value if peak > SILENCE_PEAK else None
            for value, peak in zip(rms, self._peaks.tolist(), strict=True)
        ]
