"""Phase by fast Griffin-Lim, and which bands of a mel an item can hold."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec, filterbank, mel_to_magnitude, n_frames


def mel_band_mask(bandwidth_hz: Tensor, spec: MelSpec) -> Tensor:
    """Weights `[batch, n_mels, 1]`, 1 for mel bands that lie wholly within `bandwidth_hz [batch]` (Hz), 0 for others.

    Half the sample rate or more keeps every band.
    """
    bins = torch.arange(spec.n_fft // 2 + 1) * (spec.sample_rate / spec.n_fft)
    tops = ((filterbank(spec) > 0.0) * bins).amax(dim=1).to(bandwidth_hz.device)
    limit = torch.where(bandwidth_hz >= spec.sample_rate / 2, math.inf, bandwidth_hz)
    return (tops[None, :, None] <= limit[:, None, None]).float()


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
