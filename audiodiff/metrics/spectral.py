"""Spectral distances between a recording and its copy, at the clip's own sample rate.

All take numpy waveforms `[n_samples]` of equal length and are 0 for identical input. They see every deviation of
the magnitudes, heard or not, and none of the phase: read them next to the speech measures.
"""

import math

import numpy as np
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, checked_pair
from audiodiff.signal.mel import MelSpec, log_mel

MCD_COEFFICIENTS = 24
MCD_DEFINITION = (
    "mel-cepstral distortion in dB, 10/ln(10) * sqrt(2 * sum of squared differences) per frame, mean over all "
    f"frames; coefficients 1 to {MCD_COEFFICIENTS} (no c0) of the cosine series of the log-mel (80 Slaney bands, "
    "0-8 kHz, natural log, FFT 1024, hop 256), no time warping"
)

_RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""FFT size, hop and window in samples, of Yamamoto et al. 2019 (Parallel WaveGAN, table 1)."""


def log_mel_l1(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Mean absolute difference of the log-mels (natural log; 80 Slaney bands, 0-8 kHz, FFT 1024, hop 256).

    Raises:
        AudiodiffError: bad arrays or different lengths.
    """
    reference_mel, estimate_mel = _log_mels(reference, estimate, sample_rate)
    return float((reference_mel - estimate_mel).abs().mean())


def mr_stft(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Multi-resolution STFT distance: spectral convergence plus log-magnitude L1, mean over three resolutions.

    The definition of Yamamoto et al. 2019, equations 4 to 6, with the settings that published vocoder tables take
    from auraloss ("M-STFT"): not scaled to the sample rate, power clamped at 1e-8.

    Raises:
        AudiodiffError: bad arrays, different lengths, or a clip of 1024 samples or less.
    """
    reference, estimate = checked_pair(reference, estimate, sample_rate)
    _require_samples(reference.size, 1025)
    distances = []
    for n_fft, hop_length, win_length in _RESOLUTIONS:
        target = _power(reference, n_fft, hop_length, win_length).clamp_min(1e-8).sqrt()
        other = _power(estimate, n_fft, hop_length, win_length).clamp_min(1e-8).sqrt()
        convergence = torch.linalg.vector_norm(target - other) / torch.linalg.vector_norm(target)
        distances.append(float(convergence + (target.log() - other.log()).abs().mean()))
    return sum(distances) / len(distances)


def log_spectral_distance(
    reference: FloatArray, estimate: FloatArray, sample_rate: int, *, from_hz: float = 0.0
) -> float:
    """Root mean square difference of the log power spectra over frequency (dB), mean over frames.

    FFT and Hann window of 2048 samples, hop 512, power clamped at 1e-8 (Gray and Markel 1976).

    Args:
        reference: the recording.
        estimate: its copy.
        sample_rate: of both (Hz).
        from_hz: count the bins from this frequency up only.

    Raises:
        AudiodiffError: bad arrays, different lengths, a clip of 1024 samples or less, or no bin from `from_hz` up.
    """
    reference, estimate = checked_pair(reference, estimate, sample_rate)
    _require_samples(reference.size, 1025)
    first = math.ceil(from_hz * 2048 / sample_rate)
    if not 0 <= first <= 1024:
        raise AudiodiffError(f"from_hz is {from_hz:g} Hz; expected 0 to {sample_rate / 2:g}, half the sample rate.")
    levels = [10.0 * _power(x, 2048, 512, 2048)[first:].clamp_min(1e-8).log10() for x in (reference, estimate)]
    return float((levels[0] - levels[1]).square().mean(dim=0).sqrt().mean())


def mcd(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> float:
    """Mel-cepstral distortion (dB) as `MCD_DEFINITION` says (Kubichek 1993); not comparable between papers.

    Raises:
        AudiodiffError: bad arrays or different lengths.
    """
    reference_mel, estimate_mel = _log_mels(reference, estimate, sample_rate)
    n_mels = reference_mel.shape[0]
    position = (torch.arange(n_mels, dtype=torch.float64) + 0.5) / n_mels
    order = torch.arange(1, MCD_COEFFICIENTS + 1, dtype=torch.float64)
    basis = 2.0 / n_mels * torch.cos(math.pi * order[:, None] * position[None, :])
    difference = basis @ (reference_mel - estimate_mel).double()
    return float(10.0 / math.log(10.0) * (2.0 * difference.square().sum(dim=0)).sqrt().mean())


def _log_mels(reference: FloatArray, estimate: FloatArray, sample_rate: int) -> tuple[Tensor, Tensor]:
    reference, estimate = checked_pair(reference, estimate, sample_rate)
    spec = MelSpec(sample_rate=sample_rate, f_max=min(8000.0, sample_rate / 2), magnitude_epsilon=1e-9)
    _require_samples(reference.size, spec.hop_length)
    return log_mel(_tensor(reference), spec), log_mel(_tensor(estimate), spec)


def _power(waveform: FloatArray, n_fft: int, hop_length: int, win_length: int) -> Tensor:
    window = torch.hann_window(win_length)
    spectrum = torch.stft(_tensor(waveform), n_fft, hop_length, win_length, window, return_complex=True)
    return spectrum.real.square() + spectrum.imag.square()


def _tensor(waveform: FloatArray) -> Tensor:
    return torch.from_numpy(np.array(waveform, dtype=np.float32))


def _require_samples(n_samples: int, least: int) -> None:
    if n_samples < least:
        raise AudiodiffError(
            f"the clip has {n_samples} samples, but this distance needs {least} or more; leave shorter clips out."
        )
