"""Signals with known properties for the metrics tests."""

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]


def voice(sample_rate: int = 16_000, seconds: float = 2.0, f_0: float = 120.0, seed: int = 0) -> Waveform:
    """A voice-like signal: harmonics of a drifting pitch with three formants, in syllables with pauses."""
    n_samples = round(seconds * sample_rate)
    time = np.arange(n_samples) / sample_rate
    random = np.random.default_rng(seed)
    pitch = f_0 * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time) + 0.01 * np.sin(2 * np.pi * 5.1 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    source = np.zeros(n_samples)
    for harmonic in range(1, int(0.45 * sample_rate / (1.12 * f_0))):
        frequency = harmonic * f_0
        # Three formants over a -6 dB per octave tilt.
        gain = sum(
            a / (1 + ((frequency - f) / b) ** 2) for f, b, a in ((600, 120, 1), (1500, 180, 0.5), (2700, 250, 0.3))
        )
        source += (gain + 0.02) / np.sqrt(harmonic) * np.sin(harmonic * phase)
    source += 0.01 * random.standard_normal(n_samples)
    syllables = np.clip(1.5 * np.sin(2 * np.pi * 2.0 * time) + 0.6, 0, 1)
    waveform = source * syllables
    result: Waveform = (0.8 * waveform / np.abs(waveform).max()).astype(np.float32)
    return result


def with_noise(waveform: Waveform, snr_db: float, seed: int = 1) -> Waveform:
    """The waveform with white noise at the given signal-to-noise ratio (dB)."""
    noise = np.random.default_rng(seed).standard_normal(waveform.size)
    scale = np.sqrt(np.mean(waveform.astype(np.float64) ** 2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    result: Waveform = (waveform + scale * noise).astype(np.float32)
    return result


def tone(frequency: float, sample_rate: int = 16_000, seconds: float = 1.0, amplitude: float = 0.5) -> Waveform:
    """A sine of the given frequency (Hz)."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    result: Waveform = (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
    return result
