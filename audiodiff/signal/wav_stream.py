"""A WAV that is written to a pipe, or read from one, while it is being made, whose length nobody knows yet."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError
from audiodiff.signal.limits import HIGHEST_RATE, LOWEST_RATE, MAX_CHANNELS

_ENCODINGS = {(1, 16): ("<i2", 2.0**-15), (1, 32): ("<i4", 2.0**-31), (3, 32): ("<f4", 1.0), (3, 64): ("<f8", 1.0)}
"""Format and bits of the samples that can be read -> their type and what brings them to full scale 1."""

_EXTENSIBLE = 0xFFFE
_LONGEST_CHUNK = 1 << 20
_UNKNOWN = 0xFFFFFFFF
"""What stands for a length that is not known; players read to the end then."""


class WavStream:
    """Write 16-bit PCM to a binary stream, which need not be a file.

    Args:
        stream: where to; it is flushed after every block, and not closed.
        sample_rate: in Hz.
        comment: what players show, such as what made it.
        channels: how many.
        wait: hold the first block until the second, so that the header of one that is the only one tells the length.
    """

    def __init__(
        self, stream: BinaryIO, sample_rate: int, comment: str, channels: int = 1, *, wait: bool = True
    ) -> None:
        """Write nothing yet."""
        self._stream = stream
        self._wait = wait
        self._channels = channels
        self._sample_rate = sample_rate
        self._comment = comment
        self._first: bytes | None = None
        self._begun = False

    def write(self, waveform: npt.NDArray[np.float32]) -> None:
        """Append samples `[n]`, or `[channels, n]`, cut to full scale."""
        # The rounding of libsndfile, so that a file of the same sound has the same samples.
        scaled = np.round(waveform.T.clip(-1.0, 1.0).astype(np.float64) * 0x7FFFFFFF)
        samples = np.floor(scaled / 0x10000).astype("<i2").tobytes()
        if self._wait and not self._begun and self._first is None:
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
            self._put(wav_header(self._sample_rate, length, self._comment, self._channels) + (self._first or b""))
            self._first = None

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._stream.flush()


def wav_header(sample_rate: int, length: int, comment: str, channels: int = 1) -> bytes:
    """Everything before the samples of a WAV in 16-bit PCM.

    Args:
        sample_rate: in Hz.
        length: bytes of the samples.
        comment: what players show.
        channels: how many.
    """
    text = comment.encode() + b"\0"
    text += b"\0" * (len(text) % 2)
    info = b"INFO" + b"ICMT" + struct.pack("<I", len(text)) + text
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, 2 * channels * sample_rate, 2 * channels, 16)
    chunks = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", info) + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", min(_UNKNOWN, len(chunks) + length)) + chunks


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


class WavReader:
    """Read a WAV from a binary stream that need not be a file, such as a pipe, while it is being written.

    Args:
        stream: where from; its `read1` gives what has arrived.
        first: bytes of it that have been read already.

    Raises:
        AudiodiffError: it is no WAV, or one whose samples are not 16-bit or 32-bit PCM or floating-point numbers.
    """

    def __init__(self, stream: BinaryIO, first: bytes = b"") -> None:
        self._stream = stream
        self._held = first
        if self._take(4) != b"RIFF" or self._take(8)[4:] != b"WAVE":
            raise AudiodiffError("what comes in is no WAV; write a WAV or a .npy log-mel to the pipe.")
        form = b""
        while (name := self._take(4)) != b"data":
            length = struct.unpack("<I", self._take(4))[0]
            if length > _LONGEST_CHUNK:
                raise AudiodiffError("the header of the WAV that comes in is damaged.")
            content = self._take(length + length % 2)
            form = content if name == b"fmt " else form
        self._take(4)  # the length, which whoever writes to a pipe does not know
        if len(form) < 16:
            raise AudiodiffError("the WAV that comes in does not say how its samples are written.")
        tag, self.channels, self.sample_rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
        if tag == _EXTENSIBLE and len(form) >= 26:
            tag = struct.unpack("<H", form[24:26])[0]
        if (tag, bits) not in _ENCODINGS:
            raise AudiodiffError(f"the WAV that comes in has {bits}-bit samples of format {tag}; write 16-bit PCM.")
        if not (1 <= self.channels <= MAX_CHANNELS and LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE):
            raise AudiodiffError(
                f"the WAV that comes in has {self.channels} channels at {self.sample_rate} Hz; expected 1 to "
                f"{MAX_CHANNELS} at {LOWEST_RATE} to {HIGHEST_RATE} Hz."
            )
        self._dtype, self._scale = _ENCODINGS[tag, bits]

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield samples `[channels, n]` as they arrive, to the end of the stream."""
        size = np.dtype(self._dtype).itemsize * self.channels
        while data := self._held or self._read():
            count = len(data) // size * size
            self._held = data[count:]
            if count:
                samples = np.frombuffer(data[:count], self._dtype).reshape(-1, self.channels).T
                yield (samples * self._scale).astype(np.float32)
            if not count or self._held:
                more = self._read()
                if not more:
                    return
                self._held += more

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            more = self._read()
            if not more:
                raise AudiodiffError("what comes in ends before the samples of a WAV begin.")
            self._held += more
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def _read(self) -> bytes:
        return bytes(self._stream.read1(1 << 16))  # type: ignore[attr-defined]  # buffered streams have it
