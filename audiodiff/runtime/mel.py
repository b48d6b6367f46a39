"""Log-mels in NumPy: frames and FFT here, filter bank and logarithm in an exported graph."""

import math

import numpy as np
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.runtime.frames import hann, overlapping
from audiodiff.runtime.package import Graphs, tensor
from audiodiff.signal.mel_spec import MelSpec

__all__ = ["LevelGate", "level_db", "log_mel"]

Floats = NDArray[np.float32]


def log_mel(waveform: Floats, spec: MelSpec, graphs: Graphs, name: str) -> Floats:
    """The log-mel of a recording, continued with zeros to a whole number of hops and to one window at least.

    Args:
        waveform: `[n_samples]` at the rate of `spec`, 1 or more samples.
        spec: of the mel.
        graphs: of the model.
        name: the graph that makes a log-mel of a power spectrum.

    Returns:
        `[n_mels, n_frames]` with `n_frames = ceil(n_samples / hop_length)`.
    """
    hop = spec.hop_length
    count = -(-len(waveform) // hop)
    wanted = max(count, -(-spec.n_fft // hop)) * hop
    amount = spec.n_fft // 2 if spec.centring == "center" else (spec.n_fft - hop) // 2
    padded = np.pad(np.pad(waveform, (0, wanted - len(waveform))), amount, mode=spec.padding)
    window = np.zeros(spec.n_fft, np.float32)
    start = (spec.n_fft - spec.win_length) // 2
    window[start : start + spec.win_length] = hann(spec.win_length)
    rows = np.fft.rfft(overlapping(padded, spec.n_fft, hop)[:count] * window)
    power = np.square(rows.real) + np.square(rows.imag)
    mel: Floats = graphs(name, power=tensor(power[None]))[0][0]
    return mel


class LevelGate:
    """Which frames count for the level of a recording (`audiodiff.signal.meters.LevelMeter`).

    Args:
        silence_db: frames below it are silence (dBFS).
        relative_db: frames so far below the mean of the audible ones do not count either.
    """

    def __init__(self, silence_db: float, relative_db: float) -> None:
        self.silence = 10.0 ** (silence_db / 10.0)
        self.relative = 10.0 ** (-relative_db / 10.0)


def level_db(power: Floats, gate: LevelGate) -> float | None:
    """Level in dBFS of frames of mean squares `power` `[n_frames]`; `None` for silence."""
    audible = power[power > gate.silence].astype(np.float64)
    if not len(audible):
        return None
    return 10.0 * math.log10(float(audible[audible >= audible.mean() * gate.relative].mean()))


def check_frames(mel: NDArray[np.floating], spec: MelSpec) -> Floats:
    """Return log-mels as `[channels, n_mels, n_frames]`.

    Raises:
        AudiodiffError: they are of another shape, or have values that are not finite numbers.
    """
    frames = np.asarray(mel)
    if frames.dtype.kind != "f":
        raise AudiodiffError(f"the log-mel has {frames.dtype} values; give floating-point numbers.")
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3 or frames.shape[1] != spec.n_mels or 0 in frames.shape:
        raise AudiodiffError(
            f"the log-mel has shape {list(np.shape(mel))}; expected [{spec.n_mels}, n_frames] or "
            f"[channels, {spec.n_mels}, n_frames] with at least one frame."
        )
    if not np.isfinite(frames).all():
        raise AudiodiffError("the log-mel has values that are not finite numbers; compute it again.")
    return frames.astype(np.float32)
