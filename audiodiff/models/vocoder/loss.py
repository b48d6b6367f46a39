"""The phase-blind part of a vocoder's training loss."""

import math

import torch
from torch import Tensor

from audiodiff.signal.frames import STFT
from audiodiff.torch_state import full_precision


def band_mask(bandwidth_hz: Tensor, sample_rate: int, n_fft: int) -> Tensor:
    """1 for bins below the item's bandwidth: `[batch, n_bins, 1]`."""
    frequency = torch.arange(n_fft // 2 + 1, device=bandwidth_hz.device) * (sample_rate / n_fft)
    return (frequency[None] < bandwidth_hz[:, None])[:, :, None].float()


def magnitude_distance(
    estimate: Tensor,
    target: Tensor,
    bandwidth_hz: Tensor,
    sample_rate: int,
    resolutions: tuple[tuple[int, int], ...],
) -> Tensor:
    """Log-magnitude L1 plus spectral convergence, averaged over resolutions: `[batch]` (arXiv 1910.11480, eq. 6-8)."""
    total = torch.zeros(len(target), device=target.device)
    for n_fft, hop_length in resolutions:
        window = torch.hann_window(n_fft, device=target.device)
        frequency = torch.arange(n_fft // 2 + 1, device=target.device) * (sample_rate / n_fft)
        mask = (frequency[None] < bandwidth_hz[:, None])[:, None].float()
        ours, theirs = (_frame_magnitude(x, n_fft, hop_length, window) for x in (estimate, target))
        # About -70 dB of full scale: below it a log distance would only compare the noise of silence.
        floor = 3e-4 * math.sqrt(n_fft)
        log_distance = ((ours + floor).log() - (theirs + floor).log()).abs() * mask
        count = mask.sum(dim=(1, 2)) * ours.shape[1]
        residual = (((ours - theirs) * mask).square().sum(dim=(1, 2)) + 1e-6).sqrt()
        reference = ((theirs * mask).square().sum(dim=(1, 2)) + 1e-3).sqrt()
        total = total + log_distance.sum(dim=(1, 2)) / count + residual / reference
    return total / len(resolutions)


def _frame_magnitude(waveform: Tensor, n_fft: int, hop_length: int, window: Tensor) -> Tensor:
    spectrum = torch.fft.rfft(waveform.unfold(-1, n_fft, hop_length) * window)
    magnitude: Tensor = (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()
    return magnitude


def spectral_error(stft: STFT, envelope: Tensor, weight: Tensor, difference: Tensor) -> Tensor:
    """Return the error `[batch, n_bins, n_frames]` of a waveform's spectrum in units of an envelope of that shape.

    Args:
        stft: of the mel.
        envelope: magnitudes.
        weight: of each bin, `[batch, n_bins, 1]`.
        difference: of two waveforms, `[batch, 1, n_samples]`.
    """
    with full_precision(difference):
        spectrum = stft.spectrum(difference[:, 0].float())
        return (spectrum.real.square() + spectrum.imag.square()) / envelope.square() * weight


def time_major(x: Tensor) -> Tensor:
    """The same `[batch, n_bins, n_frames]`, stored frame after frame as spectra are."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)
