"""Log-mel spectrograms of a specification (`audiodiff.signal.mel_spec`), and back to magnitudes.

Only torch and numpy are used: the filter banks are computed here, so that no library's change of defaults can
move them.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel_spec import (
    PRESETS,
    FilterBank,
    MelSpec,
    Padding,
    describe,
    from_dict,
    n_frames,
    preset,
    to_dict,
)

__all__ = [
    "PRESETS",
    "MelSpec",
    "band_norm",
    "check_filters",
    "compress",
    "describe",
    "expand",
    "filterbank",
    "from_dict",
    "log_mel",
    "log_mel_to_mel",
    "magnitude",
    "magnitude_to_log_mel",
    "mel_bound",
    "mel_to_magnitude",
    "n_frames",
    "preset",
    "to_dict",
    "value_of",
    "value_range",
    "window_gain",
]


def _hz_to_mel(hz: npt.NDArray[np.float64], scale: FilterBank) -> npt.NDArray[np.float64]:
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    # Slaney's Auditory Toolbox: 200/3 Hz per mel up to 1 kHz, then 27 mels per factor 6.4.
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, 15.0 + 27.0 * np.log(np.maximum(hz, 1.0) / 1000.0) / math.log(6.4))


def _mel_to_hz(mel: npt.NDArray[np.float64], scale: FilterBank) -> npt.NDArray[np.float64]:
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * math.log(6.4) / 27.0))


@lru_cache(maxsize=32)
def _band_edges(spec: MelSpec) -> npt.NDArray[np.float64]:
    low, high = _hz_to_mel(np.array([spec.f_min, spec.f_max]), spec.filterbank)
    return _mel_to_hz(np.linspace(low, high, spec.n_mels + 2), spec.filterbank)


def band_norm(spec: MelSpec) -> npt.NDArray[np.float64]:
    """Height of each band's triangle, `[n_mels]`."""
    edges = _band_edges(spec)
    return 2.0 / (edges[2:] - edges[:-2]) if spec.norm == "slaney" else np.ones(spec.n_mels)


@lru_cache(maxsize=32)
def _filters(spec: MelSpec) -> npt.NDArray[np.float64]:
    edges = _band_edges(spec)
    bins = np.arange(spec.n_fft // 2 + 1) * (spec.sample_rate / spec.n_fft)
    rising = (bins[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling)) * band_norm(spec)[:, None]


@lru_cache(maxsize=32)
def _filter_tensor(spec: MelSpec, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(_filters(spec), device=device, dtype=dtype)


@lru_cache(maxsize=32)
def _inverse_tensor(spec: MelSpec, device: torch.device, dtype: torch.dtype) -> Tensor:
    # Bands narrower than a bin are linearly dependent: without a cut their pseudo-inverse explodes. On filters of
    # unit peak the cut touches no other preset (their smallest singular value is 8 % of the largest or more).
    norm = band_norm(spec)
    inverse = np.linalg.pinv(_filters(spec) / norm[:, None], rcond=0.02) / norm[None, :]
    return torch.tensor(inverse, device=device, dtype=dtype)


@lru_cache(maxsize=32)
def _window(spec: MelSpec, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.hann_window(spec.win_length, periodic=True, dtype=torch.float64).to(device=device, dtype=dtype)


def filterbank(spec: MelSpec) -> Tensor:
    """Return the triangular mel filters as float32 `[n_mels, n_fft // 2 + 1]`."""
    return _filter_tensor(spec, torch.device("cpu"), torch.float32).clone()


def check_filters(spec: MelSpec) -> None:
    """Refuse bands so narrow that no bin of the FFT falls into them: they would be silent whatever the input.

    Raises:
        AudiodiffError: some bands are empty.
    """
    # A bin lies in two triangles at most, so there cannot be more bands than that; they need not be made to tell.
    most = 2 * (spec.n_fft // 2 + 1)
    empty = spec.n_mels - most if spec.n_mels > most else int((_filters(spec).sum(axis=1) == 0.0).sum())
    if empty:
        raise AudiodiffError(
            f"{empty} of the {spec.n_mels} mel bands hold no bin of the FFT (n_fft {spec.n_fft} at {spec.sample_rate} "
            f"Hz: one every {spec.sample_rate / spec.n_fft:.3g} Hz); choose a smaller n_mels or a larger n_fft."
        )


def _pad_ends(waveform: Tensor, amount: int, padding: Padding) -> Tensor:
    """Extend both ends of `[rows, n_samples]` by `amount` samples; however short the clip."""
    n_samples = waveform.shape[-1]
    if padding == "constant":
        return torch.nn.functional.pad(waveform, (amount, amount))
    if n_samples > amount:
        return torch.nn.functional.pad(waveform[:, None], (amount, amount), mode="reflect")[:, 0]
    # A short clip is mirrored again and again: the index runs up and down a period of 2 (n_samples - 1).
    period = max(2 * (n_samples - 1), 1)
    index = torch.arange(-amount, n_samples + amount, device=waveform.device).remainder(period)
    return waveform[:, torch.where(index < n_samples, index, period - index)]


def magnitude(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Return the STFT magnitude on the specification's frames, before `power` and `normalized`.

    Args:
        waveform: `[..., n_samples]`, full scale 1.
        spec: the specification.

    Returns:
        `[..., n_fft // 2 + 1, n_frames]`, sqrt(re^2 + im^2 + magnitude_epsilon).

    Raises:
        AudiodiffError: the waveform is too short for one frame.
    """
    n_samples = waveform.shape[-1]
    if n_samples == 0 or n_frames(n_samples, spec) == 0:
        raise AudiodiffError(
            f"The waveform has {n_samples} samples, less than one hop of {spec.hop_length}; pad it to at least that."
        )
    # Half precision has neither the range nor an FFT for this.
    waveform = waveform if waveform.dtype == torch.float64 else waveform.float()
    amount = spec.n_fft // 2 if spec.centring == "center" else (spec.n_fft - spec.hop_length) // 2
    padded = _pad_ends(waveform.reshape(-1, n_samples), amount, spec.padding)
    spectrum = torch.stft(
        padded,
        spec.n_fft,
        spec.hop_length,
        spec.win_length,
        _window(spec, waveform.device, waveform.dtype),
        center=False,
        return_complex=True,
    )
    if spec.magnitude_epsilon > 0:
        result = (spectrum.real.square() + spectrum.imag.square() + spec.magnitude_epsilon).sqrt()
    else:
        result = spectrum.abs()
    return result.reshape(*waveform.shape[:-1], *result.shape[-2:])


def window_gain(spec: MelSpec) -> float:
    """Factor from the plain magnitude to the one that enters the filter bank (before `power`)."""
    # The periodic Hann window's squares sum to exactly 3/8 of its length (3 samples and more).
    window = np.sin(np.pi * np.arange(spec.win_length) / spec.win_length) ** 2
    return float(1.0 / np.sqrt(np.square(window).sum())) if spec.normalized else 1.0


def magnitude_to_log_mel(magnitude: Tensor, spec: MelSpec) -> Tensor:
    """Return the log-mel `[..., n_mels, n_frames]` of an STFT magnitude `[..., n_fft // 2 + 1, n_frames]`."""
    magnitude = magnitude * window_gain(spec) if spec.normalized else magnitude
    magnitude = magnitude if spec.power == 1.0 else magnitude**spec.power
    mel = torch.matmul(_filter_tensor(spec, magnitude.device, magnitude.dtype), magnitude)
    return compress(mel, spec)


def log_mel(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Return the log-mel spectrogram of a waveform; differentiable, float32 (float64 stays float64).

    Args:
        waveform: `[..., n_samples]` at `spec.sample_rate`, full scale 1.
        spec: the specification.

    Returns:
        `[..., n_mels, n_frames]` with `n_frames(n_samples, spec)` frames.

    Raises:
        AudiodiffError: the waveform is too short for one frame.
    """
    return magnitude_to_log_mel(magnitude(waveform, spec), spec)


def compress(mel: Tensor, spec: MelSpec) -> Tensor:
    """Apply the log, offset and scale to mel magnitudes `[..., n_mels, n_frames]`."""
    if spec.log == "ln":
        value = mel.clamp_min(spec.floor).log()
    elif spec.log == "log10":
        value = mel.clamp_min(spec.floor).log10()
    elif spec.log == "db-lmnt":
        value = ((20.0 * mel.clamp_min(spec.floor).log10() - 20.0 + 100.0) / 100.0).clamp(0.0, 1.0)
    elif spec.log == "db-top80":
        level = 10.0 * mel.clamp_min(spec.floor).log10()
        value = (level - level.amax(dim=(-2, -1), keepdim=True)).clamp_min(-80.0)
    else:
        value = mel.clamp_min(0.0) ** 0.25
    return value if spec.offset == 0.0 and spec.scale == 1.0 else (value - spec.offset) / spec.scale


def expand(log_mel: Tensor, spec: MelSpec) -> Tensor:
    """Undo `compress` in the dtype given; "db-top80" has lost its level."""
    value = log_mel if spec.offset == 0.0 and spec.scale == 1.0 else log_mel * spec.scale + spec.offset
    if spec.log == "ln":
        return value.exp()
    if spec.log == "log10":
        return torch.pow(10.0, value)
    if spec.log == "db-lmnt":
        return torch.pow(10.0, (value * 100.0 - 80.0) / 20.0)
    if spec.log == "db-top80":
        return torch.pow(10.0, value / 10.0)
    return value.clamp_min(0.0) ** 4


def log_mel_to_mel(log_mel: Tensor, spec: MelSpec) -> Tensor:
    """Undo the log, offset and scale: mel magnitudes `[..., n_mels, n_frames]`, at the floor where it cut.

    "db-top80" has lost its level; the loudest value becomes 1.
    """
    return expand(log_mel if log_mel.dtype == torch.float64 else log_mel.float(), spec)


def mel_to_magnitude(log_mel: Tensor, spec: MelSpec, minimum: float = 1e-5) -> Tensor:
    """Invert the filter bank by its pseudo-inverse.

    Args:
        log_mel: `[..., n_mels, n_frames]`.
        spec: the specification it was made with.
        minimum: smallest magnitude returned (the pseudo-inverse has negative ripples).

    Returns:
        Linear STFT magnitude `[..., n_fft // 2 + 1, n_frames]`, in the units of `magnitude`.
    """
    mel = log_mel_to_mel(log_mel, spec)
    linear = torch.matmul(_inverse_tensor(spec, mel.device, mel.dtype), mel)
    if spec.power != 1.0:
        linear = linear.clamp_min(0.0) ** (1.0 / spec.power)
    if spec.normalized:
        linear = linear / window_gain(spec)
    return linear.clamp_min(minimum)


@lru_cache(maxsize=64)
def mel_bound(spec: MelSpec) -> float:
    """A mel magnitude that no waveform within full scale exceeds.

    Parseval bounds the energy of a frame's spectrum (half of it in the bins kept), Cauchy-Schwarz a band of it.
    """
    window = np.sin(np.pi * np.arange(spec.win_length) / spec.win_length) ** 2
    energy = spec.n_fft * np.square(window).sum() / 2.0 * window_gain(spec) ** 2
    filters = _filters(spec)
    if spec.power == 2.0:
        return float(energy * filters.max())
    return float((np.sqrt(energy) * np.sqrt(np.square(filters).sum(axis=1)).max()) ** spec.power)


def value_of(mel: float, spec: MelSpec) -> float:
    """Return the log-mel value of a mel magnitude; 0 for "db-top80", which is relative to its loudest value."""
    if spec.log == "db-top80":
        return 0.0
    return float(compress(torch.tensor([[mel]], dtype=torch.float64, device="cpu"), spec))


def value_range(spec: MelSpec) -> tuple[float, float]:
    """Return the lowest and highest value that audio within full scale can give."""
    if spec.log == "db-top80":
        return (-80.0 - spec.offset) / spec.scale, -spec.offset / spec.scale
    return value_of(0.0, spec), value_of(mel_bound(spec), spec)
