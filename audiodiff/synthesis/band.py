"""What a recording at a rate that an upsampler does not expect loses or lacks, in words."""

import math
from dataclasses import dataclass

from audiodiff.errors import AudiodiffError

EMPTY_DB = -50.0
"""A band whose energy is below this share of the whole (dB) holds nothing."""

LOWEST_SHARE = 0.75
"""An input at less than this share of a model's rate leaves too wide a gap below what the model makes."""


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
        replace: a band that is there already may be replaced.

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
