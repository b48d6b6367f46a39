"""Change of sample rate by a Kaiser-windowed sinc, in one piece or as a stream of blocks.

The filter is that of `torchaudio.functional.resample` with `sinc_interp_kaiser`, computed once per pair of rates
and in float64 (torchaudio computes it again for every call and, for float32 input, only to about 1e-4).
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError

# The "kaiser_best" filter of J. O. Smith's resampling method: 64 zero crossings, pass band to 94.76 % of the
# lower Nyquist frequency, stop band below -120 dB.
_ZERO_CROSSINGS = 64
_ROLL_OFF = 0.9475937167399596
_BETA = 14.769656459379492

# Rates with a small common divisor would need a huge table of filters; above this many values every output's filter
# is interpolated linearly between this many positions instead (an error below -120 dB).
_LARGEST_TABLE = 1 << 22
_PHASES = 4096
_HIGHEST_RATE = 10_000_000
_LARGEST_PIECE = 1 << 20
_SHORTEST_PERIOD = 128
_BLOCK_SAMPLES = 1 << 18


def _check_rates(from_rate: int, to_rate: int) -> tuple[int, int]:
    if not 1 <= from_rate <= _HIGHEST_RATE or not 1 <= to_rate <= _HIGHEST_RATE:
        raise AudiodiffError(
            f"Cannot resample from {from_rate} Hz to {to_rate} Hz; both must be from 1 to {_HIGHEST_RATE} Hz."
        )
    divisor = math.gcd(from_rate, to_rate)
    return from_rate // divisor, to_rate // divisor


def n_resampled(n_samples: int, from_rate: int, to_rate: int) -> int:
    """Return how many samples `resample` makes of `n_samples`: ceil(n_samples * to_rate / from_rate)."""
    return -(-n_samples * to_rate // from_rate)


def _half_width(down: int, up: int) -> int:
    return math.ceil(_ZERO_CROSSINGS * down / (min(down, up) * _ROLL_OFF))


def _taps(distance: Tensor, cutoff: float) -> Tensor:
    """Kaiser-windowed sinc at float64 `distance` (input samples), for a cut-off relative to the input's Nyquist."""
    crossings = (distance * cutoff).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    taper = torch.special.i0(_BETA * (1.0 - (crossings / _ZERO_CROSSINGS).square()).sqrt())
    taper = taper / torch.special.i0(torch.tensor(_BETA, dtype=torch.float64, device="cpu"))
    taps: Tensor = torch.special.sinc(crossings) * taper * cutoff
    return taps


@lru_cache(maxsize=8)
def _table(down: int, up: int) -> Tensor:
    """One filter per output of a period: float64 `[2 * half width + down, up]`."""
    width = _half_width(down, up)
    inputs = torch.arange(-width, width + down, dtype=torch.float64, device="cpu")
    outputs = torch.arange(up, dtype=torch.float64, device="cpu") * down / up
    return _taps(inputs[:, None] - outputs[None, :], min(down, up) * _ROLL_OFF / down)


def _polyphase(rows: Tensor, down: int, up: int) -> Tensor:
    """Periods of `down` inputs times a table of filters: one matrix product."""
    # Several short periods at once keep the product from being all reads.
    group = -(-_SHORTEST_PERIOD // up)
    down, up = group * down, group * up
    width = _half_width(down, up)
    n_samples = rows.shape[-1]
    periods = -(-n_samples // down)
    padded = torch.nn.functional.pad(rows, (width, width + periods * down - n_samples))
    windows = padded.unfold(-1, 2 * width + down, down)
    outputs = torch.matmul(windows, _table(down, up).to(rows))
    return outputs.flatten(-2)[..., : n_resampled(n_samples, down, up)]


@lru_cache(maxsize=4)
def _phases(down: int, up: int) -> Tensor:
    """Filters at `_PHASES` + 1 positions between two inputs: float64 `[_PHASES + 1, 2 * half width + 2]`."""
    width = _half_width(down, up)
    inputs = torch.arange(-width, width + 2, dtype=torch.float64, device="cpu")
    position = torch.arange(_PHASES + 1, dtype=torch.float64, device="cpu") / _PHASES
    return _taps(inputs[None, :] - position[:, None], min(down, up) * _ROLL_OFF / down)


def _direct(rows: Tensor, down: int, up: int) -> Tensor:
    """The same sum as `_polyphase`, every output's filter interpolated between two of `_phases`."""
    width = _half_width(down, up)
    n_out = n_resampled(rows.shape[-1], down, up)
    padded = torch.nn.functional.pad(rows, (width, width + 1))
    windows = padded.unfold(-1, 2 * width + 2, 1)
    phases = _phases(down, up)
    pieces = []
    size = max(1, _LARGEST_PIECE // (windows.shape[-1] * len(rows)))
    for start in range(0, n_out, size):
        ticks = torch.arange(start, min(start + size, n_out), device="cpu") * down
        base = torch.div(ticks, up, rounding_mode="floor")
        position = (ticks - base * up).double() * (_PHASES / up)
        lower = position.long()
        weight = (position - lower)[:, None]
        kernel = (phases[lower] * (1.0 - weight) + phases[lower + 1] * weight).to(rows)
        pieces.append((windows[:, base.to(rows.device)] * kernel).sum(-1))
    return torch.cat(pieces, dim=-1)


def _by_table(down: int, up: int) -> bool:
    return up * (2 * _half_width(down, up) + down) <= _LARGEST_TABLE


def _piece(rows: Tensor, down: int, up: int) -> Tensor:
    return _polyphase(rows, down, up) if _by_table(down, up) else _direct(rows, down, up)


def _in_two(blocks: Iterable[Tensor], down: int, up: int, step_samples: int) -> Iterator[Tensor]:
    """Divide the rate by a whole number first, and take the long filters of `_direct` to what is left."""
    first, taken, given = down // (2 * up), 0, 0

    def counted() -> Iterator[Tensor]:
        nonlocal taken
        for block in blocks:
            taken += block.shape[-1]
            yield block

    divided = resample_stream(counted(), first, 1, step_samples)
    for block in resample_stream(divided, down, up * first, step_samples // first):
        # The first step rounds the length up, which may give the second one sample too many at the end.
        wanted = block[..., : max(0, n_resampled(taken, down, up) - given)]
        given += wanted.shape[-1]
        if wanted.shape[-1]:
            yield wanted


def resample_stream(
    blocks: Iterable[Tensor], from_rate: int, to_rate: int, step_samples: int | None = None
) -> Iterator[Tensor]:
    """Resample a signal that arrives in blocks; memory is bounded by the block size.

    Args:
        blocks: tensors `[channels, n]` of any lengths that follow one another.
        from_rate: their sample rate (Hz).
        to_rate: wanted sample rate (Hz).
        step_samples: about how many samples of the input it waits for at a time; the usual number when `None`.

    Yields:
        Blocks `[channels, m]` whose concatenation equals `resample` of the concatenated input.
    """
    down, up = _check_rates(from_rate, to_rate)
    if down == up:
        yield from (block for block in blocks if block.shape[-1])
        return
    step_samples = step_samples or _BLOCK_SAMPLES
    if down >= 4 * up and not _by_table(down, up):
        yield from _in_two(blocks, down, up, step_samples)
        return
    # Block borders lie on whole periods of `down` input and `up` output samples; `margin` periods each side
    # cover the reach of the filter.
    margin = -(-(_half_width(down, up) + down) // down)
    step = max(step_samples // down, 2 * margin, 1)
    held: Tensor | None = None
    lead = 0  # periods in front of `held`'s first new output
    for block in blocks:
        held = block if held is None else torch.cat([held, block], dim=-1)
        while held.shape[-1] >= (lead + step + margin) * down:
            chunk = held[..., : (lead + step + margin) * down]
            yield _piece(chunk, down, up)[..., lead * up : (lead + step) * up]
            keep = min(lead + step, margin)
            held = held[..., (lead + step - keep) * down :]
            lead = keep
    if held is not None and held.shape[-1] > lead * down:
        yield _piece(held, down, up)[..., lead * up : n_resampled(held.shape[-1], down, up)]


def resample(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Resample a waveform; long ones block by block with the same result.

    Args:
        waveform: `[..., n_samples]`.
        from_rate: its sample rate (Hz).
        to_rate: wanted sample rate (Hz).

    Returns:
        `[..., ceil(n_samples * to_rate / from_rate)]`, float32 (float64 stays float64).

    Raises:
        AudiodiffError: a rate below 1, or above what any sound has.
    """
    down, up = _check_rates(from_rate, to_rate)
    waveform = waveform if waveform.dtype == torch.float64 else waveform.float()
    if down == up or waveform.shape[-1] == 0:
        return waveform
    rows = waveform.reshape(-1, waveform.shape[-1])
    result = torch.cat(list(resample_stream(torch.split(rows, 4 * _BLOCK_SAMPLES, dim=-1), from_rate, to_rate)), dim=-1)
    return result.reshape(*waveform.shape[:-1], result.shape[-1])
