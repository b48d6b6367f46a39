"""Joining two sounds without a click, a dip or a jump in level."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError

__all__ = ["continuation", "crossfade", "matching_gain"]

LONGEST_MEMORY = 256
"""Most samples that `continuation` predicts each sample from."""

LARGEST_GAIN_DB = 12.0
QUIETEST_DB = -60.0


def crossfade(old: Tensor, new: Tensor) -> Tensor:
    """Go from `old` to `new`, both `[n_samples]`, at constant power whether or not they are alike.

    A straight fade holds the power of two equal sounds and dips by 3 dB between two unrelated ones; so the fade is
    scaled by what their correlation says (Fink et al. 2016, "Signal-matched power-complementary cross-fading").

    Raises:
        AudiodiffError: their lengths differ.
    """
    if old.shape != new.shape or old.ndim != 1:
        raise AudiodiffError(f"sounds of shapes {list(old.shape)} and {list(new.shape)} cannot fade into each other.")
    n_samples = old.shape[-1]
    power = float(old.double().square().sum() * new.double().square().sum())
    alike = float((old.double() * new.double()).sum()) / math.sqrt(power) if power > 0.0 else 0.0
    weight = (torch.arange(n_samples, dtype=old.dtype) + 0.5) / n_samples
    # Opposite phases would need a gain without bound; they dip.
    scale = ((1 - weight).square() + weight.square() + 2 * max(alike, 0.0) * weight * (1 - weight)).rsqrt()
    return ((1 - weight) * old + weight * new) * scale


def matching_gain(wanted: Tensor, found: Tensor) -> float:
    """The factor that brings `found` to the level of `wanted`, `[n_samples]` each; 1 where either is silent.

    At most 12 dB either way: more is no difference of level but another sound.
    """
    quietest: float = 10.0 ** (QUIETEST_DB / 20.0)
    levels = [float(item.double().square().mean().sqrt()) if item.numel() else 0.0 for item in (wanted, found)]
    if min(levels) < quietest:
        return 1.0
    largest: float = 10.0 ** (LARGEST_GAIN_DB / 20.0)
    ratio: float = levels[0] / levels[1]
    return min(max(ratio, 1.0 / largest), largest)


def continuation(waveform: Tensor, n_samples: int) -> Tensor:
    """How `waveform [n]` would go on for `n_samples`, if nothing new happened: linear prediction by Burg's method.

    Tones go on in phase and die away; good for the tens of milliseconds of a cross-fade. Float32 `[n_samples]`.
    """
    samples = waveform.double().numpy()
    memory = min(LONGEST_MEMORY, len(samples) // 3)
    coefficients = _burg(samples, memory)
    known = np.concatenate([samples[len(samples) - memory :], np.zeros(n_samples)])
    for place in range(memory, memory + n_samples):
        known[place] = known[place - memory : place] @ coefficients
    return torch.from_numpy(known[memory:]).float()


def _burg(samples: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.float64]:
    """Weights of the last `order` samples, oldest first, that predict the next one; the prediction never grows."""
    error = np.ones(1)
    forward, backward = samples[1:].copy(), samples[:-1].copy()
    for _ in range(order):
        power = forward @ forward + backward @ backward
        if power <= 0.0:
            break
        reflection = -2.0 * (forward @ backward) / power
        padded = np.append(error, 0.0)
        error = padded + reflection * padded[::-1]
        forward, backward = (forward + reflection * backward)[1:], (backward + reflection * forward)[:-1]
    weights = np.zeros(order)
    weights[order - len(error) + 1 :] = -error[:0:-1]
    return weights
