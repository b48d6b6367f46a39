"""What a recording holds above a frequency, and how loud it is, measured block by block."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError

SILENCE_PEAK = 1e-4
"""A channel without a sample above this (-80 dBFS) is silence."""

EMPTY_DB = -50.0
"""A band whose energy is below this share of the whole (dB) holds nothing."""

LOWEST_SHARE = 0.75
"""An input at less than this share of a model's rate leaves too wide a gap below what the model makes."""

_FRAME = 1024
# What a resampler's filter leaves just above the band is not sound that the recording holds.
_GUARD = 1.05


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


@dataclass(frozen=True)
class Bands:
    """The rates (Hz) of an upsampler, and where what it makes begins (Hz)."""

    low_rate: int
    sample_rate: int
    kept_hz: float


def input_notes(rate: int, above_db: float, bands: Bands, *, replace: bool) -> tuple[str, ...]:
    """What going from an input's rate to the model's loses or leaves out, in sentences without an end.

    Args:
        rate: of the input (Hz).
        above_db: energy above half the model's low rate against all (dB).
        bands: the model's.
        replace: a band that is there already may be made anew.

    Raises:
        AudiodiffError: the input has the band already, or its rate is too low.
    """
    nyquist, low = bands.low_rate / 2, bands.low_rate
    if rate == low:
        return ()
    if rate < LOWEST_SHARE * low:
        raise AudiodiffError(
            f"the input is at {rate} Hz and holds nothing above {rate / 2:g} Hz, but this model makes what is missing "
            f"above {bands.kept_hz:g} Hz; give a recording at {low} Hz or more."
        )
    if rate < low:
        note = f"the input is at {rate} Hz, below the {low} Hz of this model, and holds nothing above {rate / 2:g} Hz"
        if rate / 2 < bands.kept_hz:
            note += f"; between there and {bands.kept_hz:g} Hz, where the new band begins, a gap stays"
        return (note,)
    if above_db < EMPTY_DB:
        found = "nothing at all" if above_db == -math.inf else f"{above_db:.0f} dB of its energy"
        return (
            f"the input is at {rate} Hz but has {found} above {nyquist:g} Hz, so it was taken for a recording at "
            f"{low} Hz and nothing was lost",
        )
    if rate >= bands.sample_rate and not replace:
        raise AudiodiffError(
            f"the input is at {rate} Hz and has sound above {nyquist:g} Hz already ({above_db:.0f} dB of its energy); "
            f"this model would replace that. Ask for it (--replace), or give a recording at {low} Hz."
        )
    return (
        f"the input is at {rate} Hz; what it has above {nyquist:g} Hz ({above_db:.0f} dB of its energy) was left out, "
        "and a new band takes its place",
    )
