"""How each phoneme sounds to one speaker: three Gaussians a phoneme on a few coefficients of the log-mel."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import CONSONANTS, VOWELS, base

__all__ = ["SILENCE", "STATES", "STATE_INDEX", "PhoneModel", "estimate", "features", "load_phone_model", "states_of"]

Floats = npt.NDArray[np.float64]

SILENCE = "SIL"
_COEFFICIENTS = 14
_RELATIVE_FLOOR = -7.0
"""Bands quieter than the clip's loud frames by more (nats) count as that quiet: digital silence has no spread."""

# Stress changes a vowel's length and pitch more than its colour, except for the neutral vowel.
STATES = (SILENCE, *(f"{phone}.{part}" for phone in ("AH0", *VOWELS, *CONSONANTS) for part in range(3)))
STATE_INDEX = {name: index for index, name in enumerate(STATES)}

_POOL = 60.0
"""Frames of the general spread that each state's own is mixed with."""


def states_of(phone: str) -> tuple[int, int, int]:
    """Numbers of the states of a phoneme, with or without stress."""
    name = "AH0" if phone == "AH0" else base(phone)
    first = STATE_INDEX[f"{name}.0"]
    return first, first + 1, first + 2


@functools.cache
def _cosines(n_mels: int) -> Floats:
    band = np.arange(n_mels) + 0.5
    order = np.arange(_COEFFICIENTS)[:, None]
    table: Floats = np.cos(np.pi * order * band / n_mels) * np.sqrt(2.0 / n_mels)
    return table


def features(log_mel: npt.NDArray[np.float32], *, slopes: bool = False) -> Floats:
    """Cepstrum `[n_frames, 14]` of a log-mel `[n_mels, n_frames]` (natural logarithm).

    With `slopes` over time next to it, `[n_frames, 28]`. Relative to the level of the clip's loud frames, so that gain
    does not matter.
    """
    values = log_mel.astype(np.float64)
    values = np.maximum(values - np.percentile(values.mean(axis=0), 95), _RELATIVE_FLOOR)
    cepstrum: Floats = _cosines(len(values)) @ values
    if not slopes:
        return cepstrum.T
    padded = np.pad(cepstrum, ((0, 0), (2, 2)), mode="edge")
    slope = (2 * (padded[:, 4:] - padded[:, :-4]) + (padded[:, 3:-1] - padded[:, 1:-3])) / 10
    return np.concatenate([cepstrum, slope]).T


@dataclass(frozen=True)
class PhoneModel:
    """Gaussian of each state of `STATES`.

    Attributes:
        means: `[n_states, n_features]`.
        whiteners: `[n_states, n_features, n_features]`; a feature minus the mean times it has unit spread.
    """

    means: Floats
    whiteners: Floats

    def scores(self, clip: Floats) -> Floats:
        """Log-likelihood of every state `[n_frames, n_states]` for features `[n_frames, n_features]`."""
        n_states, size = self.means.shape
        flat = self.whiteners.transpose(1, 0, 2).reshape(size, n_states * size)
        shift = np.einsum("sd,sde->se", self.means, self.whiteners)
        distance = (clip @ flat).reshape(len(clip), n_states, size) - shift
        log_volume = np.log(np.diagonal(self.whiteners, axis1=1, axis2=2)).sum(axis=1)
        result: Floats = log_volume - 0.5 * (distance**2).sum(axis=2) - 0.5 * size * np.log(2 * np.pi)
        return result

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors."""
        arrays = {"means": self.means.astype(np.float32), "whiteners": self.whiteners.astype(np.float32)}
        with atomic_file(path) as temporary:
            save_file(arrays, temporary, {"states": " ".join(STATES)})


def load_phone_model(path: str | Path) -> PhoneModel:
    """Read a model that `PhoneModel.save` wrote.

    Raises:
        AudiodiffError: it is no such file.
    """
    try:
        arrays = load_file(path)
        means, whiteners = arrays["means"].astype(np.float64), arrays["whiteners"].astype(np.float64)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise AudiodiffError(f"{path} is no phoneme model: {error}.") from error
    if len(means) != len(STATES) or whiteners.shape != (*means.shape, means.shape[1]):
        raise AudiodiffError(f"{path} has {len(means)} states; expected {len(STATES)}: train it again.")
    return PhoneModel(means, whiteners)


def estimate(clips: Sequence[Floats], labels: Sequence[npt.NDArray[np.int64]]) -> PhoneModel:
    """Gaussians from features and the state of each frame.

    A state that no frame has takes after the states next to it in its phoneme, and after all speech where the whole
    phoneme is missing.
    """
    frames = np.concatenate(list(clips))
    state = np.concatenate(list(labels))
    size = frames.shape[1]
    general = np.cov(frames.T) + 1e-3 * np.eye(size)
    order = np.argsort(state, kind="stable")
    edges = np.searchsorted(state[order], np.arange(len(STATES) + 1))
    own = [frames[order[edges[index] : edges[index + 1]]] for index in range(len(STATES))]
    speech = frames[state != 0] if (state != 0).any() else frames
    means = np.empty((len(STATES), size))
    whiteners = np.empty((len(STATES), size, size))
    for index in range(len(STATES)):
        first = 1 + 3 * ((index - 1) // 3)
        values = own[index] if len(own[index]) or not index else np.concatenate(own[first : first + 3])
        count = len(values)
        means[index] = values.mean(axis=0) if count else speech.mean(axis=0)
        spread = np.cov(values.T) if count > 2 else general
        # Silence is alike all over; phonemes borrow from the general spread until they are frequent enough.
        mixed = spread if index == 0 and count > size else (count * spread + 0.3 * _POOL * general) / (count + _POOL)
        if count == 0:
            mixed = general
        whiteners[index] = np.linalg.cholesky(np.linalg.inv(mixed + 1e-3 * np.eye(size)))
    return PhoneModel(means, whiteners)
