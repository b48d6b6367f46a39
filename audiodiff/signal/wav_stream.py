"""A WAV that is written to a pipe while it is being made, whose length nobody knows yet."""

import struct
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

_UNKNOWN = 0xFFFFFFFF
"""What stands for a length that is not known; players read to the end then."""


class WavStream:
    """Write 16-bit PCM in one channel to a binary stream, which need not be a file.

    The beginning waits for the second block, so that the header of one that is the only one tells the length.

    Args:
        stream: where to; it is flushed after every block, and not closed.
        sample_rate: in Hz.
        comment: what players show, such as what made it.
    """

    def __init__(self, stream: BinaryIO, sample_rate: int, comment: str) -> None:
        """Write nothing yet."""
        self._stream = stream
        self._sample_rate = sample_rate
        self._comment = comment
        self._first: bytes | None = None
        self._begun = False

    def write(self, waveform: npt.NDArray[np.float32]) -> None:
        """Append samples `[n]`, cut to full scale."""
        # The rounding of libsndfile, so that a file of the same sound has the same samples.
        scaled = np.round(waveform.clip(-1.0, 1.0).astype(np.float64) * 0x7FFFFFFF)
        samples = np.floor(scaled / 0x10000).astype("<i2").tobytes()
        if not self._begun and self._first is None:
            self._first = samples
            return
        self._begin(_UNKNOWN)
        self._put(samples)

    def close(self) -> None:
        """Write what waits."""
        self._begin(len(self._first or b""))

    def _begin(self, length: int) -> None:
        if not self._begun:
            self._begun = True
            self._put(wav_header(self._sample_rate, length, self._comment) + (self._first or b""))
            self._first = None

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._stream.flush()


def wav_header(sample_rate: int, length: int, comment: str) -> bytes:
    """Everything before the samples of a WAV in 16-bit PCM and one channel.

    Args:
        sample_rate: in Hz.
        length: bytes of the samples.
        comment: what players show.
    """
    text = comment.encode() + b"\0"
    text += b"\0" * (len(text) % 2)
    info = b"INFO" + b"ICMT" + struct.pack("<I", len(text)) + text
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    chunks = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", info) + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", min(_UNKNOWN, len(chunks) + length)) + chunks


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content
