"""Deterministic test signals."""

import math

import torch
from torch import Tensor


def tone(frequency: float, sample_rate: int, seconds: float, amplitude: float = 0.5) -> Tensor:
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    return (amplitude * torch.sin(2.0 * math.pi * frequency * time)).float()


def noise(n_samples: int, seed: int = 0, amplitude: float = 0.1) -> Tensor:
    return amplitude * torch.randn(n_samples, generator=torch.Generator().manual_seed(seed))


def voice(sample_rate: int, seconds: float = 1.0) -> Tensor:
    """Syllables of a harmonic tone with falling partials, a little breath, and digital silence at both ends."""
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    signal = torch.zeros_like(time)
    for partial in range(1, 40):
        frequency = 140.0 * partial
        if frequency < sample_rate / 2:
            signal += torch.sin(2.0 * math.pi * frequency * time + partial) / partial**1.5
    envelope = torch.sin(2.0 * math.pi * 3.0 * time).clamp_min(0.0) ** 2
    signal = 0.3 * signal * envelope + 1e-3 * envelope * noise(len(time), 3).double()
    edge = round(0.06 * seconds * sample_rate)
    signal[:edge] = 0.0
    signal[-edge:] = 0.0
    return signal.float()


def clip(sample_rate, seconds=0.6):
    """Voice, hiss and digital silence, so that peaks, slopes and floors all occur."""
    waveform = voice(sample_rate, seconds)
    third = len(waveform) // 3
    waveform[third : 2 * third] += noise(third, 1, 0.02)
    return waveform
