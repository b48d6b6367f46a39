"""SHA-256 of samples: says whether two sounds are the same bit for bit, whatever file they are in.

What is hashed is float32, little-endian, sample after sample with the channels side by side, so that anybody can check
it: `hashlib.sha256(soundfile.read(path, dtype="float32")[0].tobytes()).hexdigest()`.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audiodiff.signal.audio_io import read_blocks


class SampleHash:
    """Takes in a waveform block by block; where it is cut makes no difference."""

    def __init__(self) -> None:
        """Begin with no samples."""
        self._digest = hashlib.sha256()

    def update(self, waveform: npt.ArrayLike) -> None:
        """Append samples `[channels, n]`, or `[n]` for one channel."""
        block = np.asarray(waveform, dtype="<f4")
        self._digest.update(np.ascontiguousarray(block.T).tobytes())

    def hexdigest(self) -> str:
        """Return the hash of everything so far, in hexadecimal."""
        return self._digest.hexdigest()


def samples_sha256(path: str | Path) -> str:
    """Return the hash of the samples that a sound file decodes to; its tags do not count.

    Raises:
        AudiodiffError: missing, not audio, damaged, without samples, or with samples that are not finite.
    """
    digest = SampleHash()
    for block in read_blocks(path):
        digest.update(block)
    return digest.hexdigest()
