"""Speech whose borders are known: each phoneme a pulse train or noise of its own colour."""

from collections.abc import Sequence

import numpy as np
import torch

from audiodiff.data.phone_model import PhoneModel, estimate, features, states_of
from audiodiff.signal.mel import log_mel, preset

SPEC = preset("hifigan-22k")
RATE, HOP = SPEC.sample_rate, SPEC.hop_length
VOICED = {
    "AA1": (700, 1100),
    "IY1": (300, 2300),
    "UW1": (320, 900),
    "EH1": (550, 1800),
    "M": (250, 1000),
    "L": (380, 1300),
}
NOISES = {"S": (5500, 7500), "F": (1500, 7000), "SH": (2200, 4500)}
PHONES = [*VOICED, *NOISES]


def sound(phone: str, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    hertz = np.fft.rfftfreq(n_samples, 1 / RATE)
    if phone in VOICED:
        pulses = np.zeros(n_samples)
        pulses[:: int(RATE / rng.uniform(150, 200))] = 30.0
        spectrum = np.fft.rfft(pulses)
        shape = sum(1 / (1 + ((hertz - centre) / 120) ** 2) for centre in VOICED[phone]) + 0.003
        shape *= 0.4 if phone in "ML" else 1.0
    else:
        low, high = NOISES[phone]
        shape = 0.4 * ((hertz > low) & (hertz < high)) + 0.01
    return np.fft.irfft(spectrum * shape, n_samples) * 0.1


def recording(words: Sequence[tuple[str, ...]], pauses: Sequence[int], seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Samples `[n]` and the durations (frames) of `<start>`, phonemes and boundaries, `<end>`."""
    return _recording(words, pauses, np.random.default_rng(seed))


def clip(
    words: Sequence[tuple[str, ...]], pauses: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, list[int]]:
    """Mel and the durations of `recording`."""
    samples, durations = _recording(words, pauses, rng)
    return log_mel(torch.from_numpy(samples)[None].float(), SPEC)[0].numpy(), durations


def phone_model() -> PhoneModel:
    """How these phonemes sound, estimated from clips whose borders are told."""
    rng = np.random.default_rng(1)
    clips, labels = [], []
    for _ in range(20):
        words = [tuple(rng.permutation(PHONES)[:4].tolist()) for _ in range(5)]
        mel, durations = clip(words, [8, 0, 0, 0, 12], rng)
        symbols = [symbol for word in words for symbol in (*word, "")]
        states = [0] * durations[0]
        for symbol, length in zip([*symbols, ""], durations[1:], strict=True):
            thirds = np.arange(length) * 3 // max(length, 1)
            states += [states_of(symbol)[third] for third in thirds] if symbol else [0] * length
        clips.append(features(mel))
        labels.append(np.array(states))
    return estimate(clips, labels)


def _recording(
    words: Sequence[tuple[str, ...]], pauses: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, list[int]]:
    durations = [int(rng.integers(8, 20))]
    pieces = [np.zeros(durations[0] * HOP)]
    for word, pause in zip(words, pauses, strict=True):
        for phone in word:
            durations.append(int(rng.integers(5, 15)))
            pieces.append(sound(phone, durations[-1] * HOP, rng))
        durations.append(pause)
        pieces.append(np.zeros(pause * HOP))
    durations += [durations[-1]]
    durations[-2] = 0
    return np.concatenate(pieces) + 0.002 * rng.standard_normal(sum(durations) * HOP), durations
