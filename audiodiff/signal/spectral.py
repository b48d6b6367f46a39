"""Distances between spectrograms at several resolutions, and phase by fast Griffin-Lim.

The distances are differentiable and per item; each may leave out the frequencies that an item's source never held.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec, filterbank, mel_to_magnitude, n_frames

Distance = Literal["complex", "magnitude", "log-magnitude", "convergence"]

# A resampling filter falls off below the limit of its source; bins this close to it are left out as well.
_GUARD = 0.06


@dataclass(frozen=True)
class Resolution:
    """One STFT of a multi-resolution distance.

    Attributes:
        n_fft: FFT size, and length of the periodic Hann window, in samples.
        hop_length: samples between frames.
    """

    n_fft: int
    hop_length: int

    def __post_init__(self) -> None:
        """Refuse sizes below 1 and hops that leave samples unseen."""
        if not 1 <= self.hop_length <= self.n_fft:
            raise AudiodiffError(
                f"Resolution n_fft {self.n_fft}, hop_length {self.hop_length}: need 1 <= hop_length <= n_fft."
            )


RESOLUTIONS = (Resolution(256, 64), Resolution(512, 128), Resolution(1024, 256))


@lru_cache(maxsize=16)
def _window(n_fft: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.hann_window(n_fft, periodic=True, dtype=torch.float64).to(device=device, dtype=dtype)


def stft(waveform: Tensor, resolution: Resolution) -> Tensor:
    """Complex STFT, divided by the root of the window's energy (white noise of variance 1 gives variance 1).

    Args:
        waveform: `[batch, n_samples]`; zeros beyond both ends.
        resolution: the sizes.

    Returns:
        `[batch, n_fft // 2 + 1, n_samples // hop_length + 1]`.
    """
    waveform = waveform if waveform.dtype == torch.float64 else waveform.float()
    window = _window(resolution.n_fft, waveform.device, waveform.dtype)
    spectrum = torch.stft(
        waveform,
        resolution.n_fft,
        resolution.hop_length,
        resolution.n_fft,
        window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return spectrum / math.sqrt(0.375 * resolution.n_fft)


def band_mask(bandwidth_hz: Tensor, n_fft: int, sample_rate: int, guard: float = _GUARD) -> Tensor:
    """Weights `[batch, n_fft // 2 + 1, 1]`, 1 for bins that an item's source could hold and 0 above.

    Args:
        bandwidth_hz: `[batch]` (Hz). Half the sample rate or more keeps every bin.
        n_fft: FFT size.
        sample_rate: of the STFT (Hz).
        guard: for a lower bandwidth, the part of it just below the limit that is left out too (the resampling
            filter's slope).
    """
    bins = torch.arange(n_fft // 2 + 1, device=bandwidth_hz.device, dtype=torch.float64) * (sample_rate / n_fft)
    bandwidth = bandwidth_hz.double()
    limit = torch.where(bandwidth >= sample_rate / 2, math.inf, bandwidth * (1.0 - guard))
    return (bins[None, :, None] <= limit[:, None, None]).float()


def mel_band_mask(bandwidth_hz: Tensor, spec: MelSpec) -> Tensor:
    """Weights `[batch, n_mels, 1]`, 1 for mel bands that lie wholly within `bandwidth_hz [batch]` (Hz), 0 for others.

    Half the sample rate or more keeps every band.
    """
    bins = torch.arange(spec.n_fft // 2 + 1) * (spec.sample_rate / spec.n_fft)
    tops = ((filterbank(spec) > 0.0) * bins).amax(dim=1).to(bandwidth_hz.device)
    limit = torch.where(bandwidth_hz >= spec.sample_rate / 2, math.inf, bandwidth_hz)
    return (tops[None, :, None] <= limit[:, None, None]).float()


def _mean(error: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the bins kept and all frames, per item."""
    if mask is None:
        return error.mean(dim=(1, 2))
    kept = mask.sum(dim=(1, 2)).clamp_min(1.0) * error.shape[-1]
    return (error * mask).sum(dim=(1, 2)) / kept


def _magnitude(spectrum: Tensor) -> Tensor:
    # The gradient of a plain root is infinite at digital silence.
    return (spectrum.real.square() + spectrum.imag.square() + 1e-14).sqrt()


def stft_distance(
    estimate: Tensor, target: Tensor, kind: Distance, *, mask: Tensor | None = None, floor: float | Tensor = 1e-4
) -> Tensor:
    """Distance of two complex spectrograms, per item.

    Args:
        estimate: complex `[batch, n_bins, n_frames]`.
        target: the same shape.
        kind: "complex" mean |E - T|^2; "magnitude" mean ||E| - |T||; "log-magnitude" mean
            |ln(|E| + floor) - ln(|T| + floor)|; "convergence" Frobenius norm of |E| - |T| over that of |T|
            (S. Arik et al., 2018, eq. 2).
        mask: weights `[batch, n_bins, 1]`, as from `band_mask`.
        floor: added inside the log and, times the number of values, under the convergence; a number or `[batch]`.

    Returns:
        `[batch]`.
    """
    if estimate.shape != target.shape:
        raise AudiodiffError(
            f"Spectrograms of shapes {list(estimate.shape)} and {list(target.shape)} cannot be compared."
        )
    if kind == "complex":
        difference = estimate - target
        return _mean(difference.real.square() + difference.imag.square(), mask)
    level = floor[:, None, None] if isinstance(floor, Tensor) else floor
    ours, theirs = _magnitude(estimate), _magnitude(target)
    if kind == "magnitude":
        return _mean((ours - theirs).abs(), mask)
    if kind == "log-magnitude":
        return _mean(((ours + level).log() - (theirs + level).log()).abs(), mask)
    if kind == "convergence":
        error, energy = _mean((ours - theirs).square(), mask), _mean(theirs.square(), mask)
        return ((error + 1e-14) / (energy + (floor**2))).sqrt()
    known = "'complex', 'magnitude', 'log-magnitude', 'convergence'"
    raise AudiodiffError(f"Unknown distance {kind!r}; expected one of {known}.")


def _transforms(spec: MelSpec, n_samples: int) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """STFT and least-squares inverse on the frames of a mel specification, zeros beyond both ends."""
    centre = spec.n_fft // 2 if spec.centring == "center" else (spec.n_fft - spec.hop_length) // 2
    window = torch.hann_window(spec.win_length, periodic=True)
    side = (spec.n_fft - spec.win_length) // 2
    wide = torch.nn.functional.pad(window, (side, spec.n_fft - spec.win_length - side))
    frames = n_frames(n_samples, spec)
    length = (frames - 1) * spec.hop_length + spec.n_fft
    right = max(length - centre - n_samples, 0)

    def add(values: Tensor) -> Tensor:
        folded = torch.nn.functional.fold(values, (1, length), (1, spec.n_fft), stride=(1, spec.hop_length))
        return folded[:, 0, 0, centre : centre + n_samples]

    envelope = add(wide.square()[None, :, None].expand(1, spec.n_fft, frames)).clamp_min(1e-3)

    def forward(waveform: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(waveform, (centre, right))[:, :length]
        return torch.stft(
            padded,
            spec.n_fft,
            spec.hop_length,
            spec.win_length,
            window.to(waveform),
            center=False,
            return_complex=True,
        )

    def inverse(spectrum: Tensor) -> Tensor:
        values = torch.fft.irfft(spectrum, n=spec.n_fft, dim=1) * wide.to(spectrum.real)[:, None]
        waveform = add(values) / envelope.to(values)
        # The last hop may reach beyond the frames' samples.
        return torch.nn.functional.pad(waveform, (0, n_samples - waveform.shape[-1]))

    return forward, inverse


def griffin_lim(
    magnitude: Tensor,
    spec: MelSpec,
    iterations: int = 32,
    momentum: float = 0.99,
    seed: int = 0,
    *,
    n_samples: int | None = None,
) -> Tensor:
    """Find a waveform whose STFT has a given magnitude, from random phases.

    Fast Griffin-Lim: N. Perraudin, P. Balazs and P. Sondergaard, "A fast Griffin-Lim algorithm", 2013, alg. 2.

    Args:
        magnitude: `[..., n_fft // 2 + 1, n_frames]`, as from `mel_to_magnitude`.
        spec: specification of its frames.
        iterations: number of projections, 0 or more.
        momentum: 0 for plain Griffin-Lim, below 1.
        seed: of the phases; every leading item starts from the same ones, so that it is the same alone.
        n_samples: samples wanted; None for what the frames cover (n_frames * hop_length, one hop less where
            frame 0 is centred on sample 0).

    Returns:
        Waveform `[..., n_samples]`, float32.

    Raises:
        AudiodiffError: wrong shape, or settings out of range.
    """
    if magnitude.ndim < 2 or magnitude.shape[-2] != spec.n_fft // 2 + 1 or magnitude.shape[-1] == 0:
        raise AudiodiffError(
            f"A magnitude of shape {list(magnitude.shape)} does not fit; "
            f"expected [..., {spec.n_fft // 2 + 1}, n_frames]."
        )
    if iterations < 0 or not 0.0 <= momentum < 1.0:
        raise AudiodiffError(
            f"griffin_lim(iterations={iterations}, momentum={momentum}): need iterations >= 0, 0 <= momentum < 1."
        )
    count = magnitude.shape[-1]
    covered = count * spec.hop_length if spec.centring == "same" else max((count - 1) * spec.hop_length, 1)
    wanted = covered if n_samples is None else n_samples
    if n_frames(wanted, spec) != count:
        raise AudiodiffError(
            f"{wanted} samples have {n_frames(wanted, spec)} frames, the magnitude has {count}; give the n_samples "
            "of the waveform it was made of."
        )
    rows = magnitude.float().reshape(-1, *magnitude.shape[-2:])
    forward, inverse = _transforms(spec, wanted)
    generator = torch.Generator().manual_seed(seed)
    angle = torch.rand(rows.shape[1:], generator=generator) * (2.0 * math.pi)
    spectrum = rows * torch.polar(torch.ones_like(angle), angle).to(rows.device)
    previous = torch.zeros_like(spectrum)
    for _ in range(iterations):
        projected = forward(inverse(spectrum))
        accelerated = projected + momentum * (projected - previous)
        previous = projected
        spectrum = rows * accelerated / accelerated.abs().clamp_min(1e-12)
    return inverse(spectrum).reshape(*magnitude.shape[:-2], wanted)


def griffin_lim_from_mel(
    log_mel: Tensor,
    spec: MelSpec,
    iterations: int = 32,
    momentum: float = 0.99,
    seed: int = 0,
    *,
    n_samples: int | None = None,
) -> Tensor:
    """Griffin-Lim on the pseudo-inverse magnitude of a log-mel `[..., n_mels, n_frames]`; see `griffin_lim`."""
    return griffin_lim(mel_to_magnitude(log_mel, spec), spec, iterations, momentum, seed, n_samples=n_samples)
