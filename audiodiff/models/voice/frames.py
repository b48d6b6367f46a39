"""From symbols to frames, and what a frame knows: where it lies in its symbol, and its pitch."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from audiodiff.signal import mel
from audiodiff.signal.mel import MelSpec

__all__ = ["N_PITCH", "N_PLACE", "Frames", "frames_of", "harmonic_table", "pitch_features", "place_features"]

N_PLACE = 12
"""Numbers that tell where a frame lies in its symbol."""

N_PITCH = 10
"""Numbers about the pitch of a frame next to the pattern of its harmonics."""

_ROWS = 256


class Frames(NamedTuple):
    """`symbol` `[batch, n_frames]`: which symbol each frame is of; `place` `[batch, n_frames, N_PLACE]`: where in it;
    `mask` `[batch, n_frames, 1]`: 1 where there is a frame.
    """

    symbol: Tensor
    place: Tensor
    mask: Tensor


def frames_of(durations: Tensor) -> Frames:
    """Lay out the frames of symbols that last `durations` `[batch, n_symbols]` frames."""
    ends = durations.long().cumsum(1)
    total = ends[:, -1:]
    frame = torch.arange(int(total.max()), device=durations.device).expand(len(ends), -1).contiguous()
    index = torch.searchsorted(ends, frame, right=True).clamp(max=durations.shape[1] - 1)
    length = durations.long().gather(1, index)
    since = (frame - (ends.gather(1, index) - length)).float()
    place = place_features(frame, total, since, length)
    return Frames(index, place, (frame < total).float()[..., None])


def place_features(frame: Tensor, total: Tensor, since: Tensor, length: Tensor) -> Tensor:
    """Where frames lie in their symbols and in the whole.

    Args:
        frame: number of each frame `[batch, n_frames]`.
        total: frames in all `[batch, 1]`.
        since: frames of the same symbol before it `[batch, n_frames]`.
        length: frames of the symbol `[batch, n_frames]`.

    Returns:
        `[batch, n_frames, N_PLACE]`.
    """
    length = length.clamp(min=1).float()
    until = length - 1 - since
    share = (since + 0.5) / length
    angle = math.pi * share
    place = [share - 0.5, length.log() - 1.8, since.clamp(max=10) / 5 - 1, until.clamp(min=0, max=10) / 5 - 1]
    place += [angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos(), frame / total - 0.5]
    place += [(-since / 2).exp(), (-until.clamp(min=0) / 2).exp(), (length <= 3).float()]
    return torch.stack(place, dim=-1)


def harmonic_table(spec: MelSpec, f_min: float, f_max: float) -> Tensor:
    """How a pulse train of each pitch looks in the log-mel, less the mean over all pitches: `[256, n_mels]`.

    Rows lie evenly in log frequency. With its row a network need not learn where harmonics lie.
    """
    width = spec.sample_rate / spec.n_fft
    pitch = (f_min * (f_max / f_min) ** (torch.arange(_ROWS, dtype=torch.float64) / (_ROWS - 1))) / width
    bins = torch.arange(spec.n_fft // 2 + 1, dtype=torch.float64)
    # the main lobe of the Hann window around the nearest harmonic
    away = (bins / pitch[:, None] - (bins / pitch[:, None]).round().clamp(min=1.0)) * pitch[:, None]
    away = torch.where((away.abs() - 1.0).abs() < 1e-3, away + 2e-3, away)
    magnitude = (torch.sinc(away) / (1.0 - away**2)).abs()
    bank = mel.filterbank(spec).double()
    bands = magnitude @ (bank.T if bank.shape[0] == spec.n_mels else bank)
    logs = (bands + 1e-5).log()
    return (logs - logs.mean(dim=0)).clamp(-2.5, 2.5).float()


def pitch_features(log_hertz: Tensor, voiced: Tensor, table: Tensor, f_min: float, f_max: float) -> Tensor:
    """The pitch features of a frame.

    Args:
        log_hertz: base-2 logarithm of F0 `[batch, n_frames]`.
        voiced: 1 or 0 `[batch, n_frames]`.
        table: `harmonic_table` for `f_min` to `f_max`.
        f_min, f_max: Hz.

    Returns:
        `[batch, n_frames, n_mels + N_PITCH]`; zero where unvoiced.
    """
    place = (log_hertz - math.log2(f_min)) / math.log2(f_max / f_min)
    row = (place * (len(table) - 1)).clamp(0, len(table) - 1.001)
    low = row.floor().long()
    pattern = torch.lerp(table[low], table[low + 1], (row - low)[..., None])
    height = 4.0 * (place - 0.5)[..., None]
    angles = height * (math.pi * torch.tensor([0.5, 1.0, 2.0, 4.0], device=height.device))
    features = torch.cat([pattern, torch.ones_like(height), height, angles.sin(), angles.cos()], dim=-1)
    return features * voiced[..., None]
