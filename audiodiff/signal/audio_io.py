"""Sound files in and out through soundfile: whole, in blocks, and never half-written."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.signal.limits import HIGHEST_RATE, LOWEST_RATE, MAX_CHANNELS, MAX_PEAK

Samples = npt.NDArray[np.float32]

# Extension -> (libsndfile container, default encoding).
_WRITERS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
LOSSY = {".ogg": "Ogg Vorbis", ".mp3": "MP3"}
"""Extension -> format that keeps no sample as it was."""

# Variable bit rate of the best quality, some 130 kbit/s and channel; without it libsndfile chooses about 80.
_MP3_QUALITY = {"bitrate_mode": "VARIABLE", "compression_level": 0.0}

AUDIO_EXTENSIONS = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})


_BLOCK = 1 << 16
_BLOCK_VALUES = 1 << 22
# Some headers give no length; what libsndfile then returns is out of all proportion.
_UNKNOWN_LENGTH = 1 << 48
_VORBIS_RATES = (8000, 192000)
# A WAV header counts bytes in 32 bits.
_WAV_LIMIT = (1 << 32) - (1 << 16)


@dataclass(frozen=True)
class Audio:
    """Decoded sound.

    Attributes:
        waveform: float32 `[channels, n_samples]`, full scale 1.
        sample_rate: samples per second (Hz).
    """

    waveform: Samples
    sample_rate: int


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes:
        sample_rate: samples per second (Hz).
        channels: number of channels.
        n_samples: samples per channel.
        encoding: container and encoding, such as "WAV PCM_16".
    """

    sample_rate: int
    channels: int
    n_samples: int
    encoding: str

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sample_rate


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """Open a sound file for reading; every way to fail is one sentence."""
    import soundfile

    path = Path(path)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudiodiffError(f"{path} does not exist; give the path of a sound file.") from error
    except (OSError, ValueError) as error:
        raise AudiodiffError(f"{path} cannot be read ({_reason(error)}); give the path of a sound file.") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudiodiffError(f"{path} is a folder; give the path of a sound file.")
    if not stat.S_ISREG(status.st_mode):
        raise AudiodiffError(
            f"{path} is a pipe or a device, and sound is read more than once; save it to a file, and give that."
        )
    if status.st_size == 0:
        raise AudiodiffError(f"{path} is empty (0 bytes); expected a sound file.")
    try:
        file = soundfile.SoundFile(_native(path))
    except PermissionError as error:
        raise AudiodiffError(f"{path} may not be read ({error.strerror}); check its permissions.") from error
    except (soundfile.SoundFileError, TypeError) as error:
        if not os.access(path, os.R_OK):
            raise AudiodiffError(f"{path} may not be read; check its permissions.") from error
        raise AudiodiffError(
            f"{path} is not audio that can be decoded ({_reason(error)}); "
            "expected WAV, FLAC, OGG, MP3 or another format that libsndfile reads."
        ) from error
    with file:
        if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
            raise AudiodiffError(
                f"{path} claims a sample rate of {file.samplerate} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE} Hz."
            )
        if file.channels > MAX_CHANNELS:
            raise AudiodiffError(f"{path} claims {file.channels} channels; expected 1 to {MAX_CHANNELS}.")
        yield file


def _native(path: str | Path) -> str | bytes:
    """A path as soundfile takes it: as bytes, which need not be text in the encoding of the locale."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _reason(error: Exception) -> str:
    found = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
    return str(found).strip().rstrip(".")


def audio_info(path: str | Path) -> AudioInfo:
    """Read the header of a sound file.

    Raises:
        AudiodiffError: missing, empty or not audio.
    """
    return audio_log(path)[0]


def audio_log(path: str | Path) -> tuple[AudioInfo, str]:
    """Read the header of a sound file, and return what libsndfile noted about it, too.

    Raises:
        AudiodiffError: missing, empty or not audio.
    """
    with _opened(path) as file:
        info = AudioInfo(file.samplerate, file.channels, int(file.frames), f"{file.format} {file.subtype}")
        log: str = file.extra_info
    if info.n_samples >= _UNKNOWN_LENGTH:
        info = replace(info, n_samples=sum(block.shape[1] for block in read_blocks(path)))
    return info, log


def _checked(block: Samples, path: str | Path, start: int, sample_rate: int) -> Samples:
    """Refuse what no recording has."""
    if not np.isfinite(block).all():
        where = start + int(np.flatnonzero(~np.isfinite(block).all(axis=0))[0])
        raise AudiodiffError(
            f"{path} has a sample that is not a number or infinite at {where / sample_rate:.3f} s; "
            "expected finite samples, export it again."
        )
    highest = float(np.abs(block).max())
    if highest > MAX_PEAK:
        raise AudiodiffError(
            f"{path} has samples up to {highest:.0f}, but full scale is 1; divide them by the full scale of their "
            "format (32768 for 16 bits)."
        )
    return block


def read_blocks(path: str | Path, block_samples: int = 1 << 20) -> Iterator[Samples]:
    """Decode a sound file in blocks, so that a file of any length fits in memory.

    Args:
        path: the file.
        block_samples: samples per channel in a block (the last may be shorter).

    Yields:
        float32 `[channels, n]`, n from 1 to block_samples.

    Raises:
        AudiodiffError: missing, empty, not audio, without samples, or with samples that are not finite or far beyond
            full scale.
    """
    with _opened(path) as file:
        yield from _decoded(file, path, block_samples)


def _decoded(file: Any, path: str | Path, block_samples: int) -> Iterator[Samples]:
    """Decode an open sound file, as `read_blocks` does."""
    import soundfile

    position = 0
    # Channels are counted in: a header may claim many.
    block_samples = max(1, min(block_samples, _BLOCK_VALUES // file.channels))
    while True:
        try:
            block = file.read(block_samples, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudiodiffError(
                f"{path} is damaged: decoding stopped at {position / file.samplerate:.3f} s "
                f"({_reason(error)}); replace the file."
            ) from error
        if len(block) == 0:
            break
        yield _checked(np.ascontiguousarray(block.T), path, position, file.samplerate)
        position += len(block)
    if position == 0:
        raise AudiodiffError(f"{path} has no samples (zero length); expected at least one.")


def read_whole(
    path: str | Path, *, most_seconds: float = float("inf"), most_values: float = float("inf")
) -> tuple[Audio, AudioInfo, str]:
    """Decode a whole sound file, opened once; also returns its header, and what libsndfile noted about it.

    Args:
        path: the file.
        most_seconds: refuse a longer one (s).
        most_values: refuse one with more samples than that, over all its channels.

    Raises:
        AudiodiffError: missing, empty, not audio, without samples, too long, or with samples that are not finite or far
            beyond full scale.
    """
    with _opened(path) as file:
        info = AudioInfo(file.samplerate, file.channels, int(file.frames), f"{file.format} {file.subtype}")
        if most_seconds < info.seconds and info.n_samples < _UNKNOWN_LENGTH:
            raise AudiodiffError(f"{path} has {info.seconds:.0f} s; at most {most_seconds:g} s are taken, cut it.")
        blocks, count = [], 0
        limit = min(most_values, most_seconds * file.samplerate * file.channels)
        for block in _decoded(file, path, 1 << 20):
            count += block.size
            if count > limit:
                raise AudiodiffError(
                    f"{path} has more than {limit:.0f} samples in {len(block)} channels; cut it, or lower its rate."
                )
            blocks.append(block)
        log: str = file.extra_info
    waveform = np.concatenate(blocks, axis=1)
    if info.n_samples >= _UNKNOWN_LENGTH:
        info = replace(info, n_samples=waveform.shape[1])
    return Audio(waveform, info.sample_rate), info, log


def read_audio(path: str | Path, *, most_values: float = float("inf")) -> Audio:
    """Decode a whole sound file; arguments and errors as of `read_whole`."""
    return read_whole(path, most_values=most_values)[0]


def read_mono(path: str | Path) -> Audio:
    """Decode a whole sound file and average its channels: waveform `[1, n_samples]`.

    Raises:
        AudiodiffError: missing, empty, not audio, without samples, or with samples that are not finite.
    """
    blocks = [block.mean(axis=0, keepdims=True, dtype=np.float32) for block in read_blocks(path)]
    return Audio(np.concatenate(blocks, axis=1), audio_info(path).sample_rate)


def check_extension(path: Path) -> None:
    """Refuse a name that no sound file which can be written has.

    Raises:
        AudiodiffError: its extension is another.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise AudiodiffError(f"{path} has the extension {suffix or '(none)'!r}; expected {', '.join(_WRITERS)}.")


class AudioWriter:
    """Write a sound file block by block; it appears under its name only when complete.

    Used as a context manager: leaving it normally renames the temporary file next to the target, leaving it by
    an exception (or without having written a sample) removes it.

    Args:
        path: target; the extension chooses WAV, FLAC, OGG or MP3.
        sample_rate: samples per second (Hz).
        channels: number of channels.
        encoding: libsndfile's name, such as "PCM_16", "PCM_24", "FLOAT", "VORBIS"; None for the usual one.
        finish: called with the path of the temporary file when all samples are in it, before it gets its name: what is
            added there (`audiodiff.signal.tags.put_tags`) appears together with the sound, or not at all.
        on_decoded: called, before that, with each block `[channels, n]` of what the finished file decodes to.

    Raises:
        AudiodiffError: unknown extension, encoding or rate the format has not, folder missing or read-only.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        channels: int = 1,
        encoding: str | None = None,
        *,
        finish: Callable[[Path], None] | None = None,
        on_decoded: Callable[[Samples], None] | None = None,
    ) -> None:
        """Open the temporary file."""
        import soundfile

        self._path = Path(path)
        self._finish = finish
        self._on_decoded = on_decoded
        self._channels = channels
        self._sample_rate = sample_rate
        self._written = 0
        check_extension(self._path)
        container, usual = _WRITERS[self._path.suffix.lower()]
        encoding = encoding or usual
        if channels < 1 or channels > MAX_CHANNELS:
            raise AudiodiffError(
                f"A waveform with {channels} channels cannot be written to {self._path}; "
                f"expected 1 to {MAX_CHANNELS} (a waveform is [channels, n_samples])."
            )
        low, high = _VORBIS_RATES
        if encoding == "VORBIS" and not low <= sample_rate <= high:
            # libsndfile crashes on these instead of refusing.
            raise AudiodiffError(
                f"{self._path} cannot be written as Vorbis at {sample_rate} Hz; expected {low} to {high} Hz, or .flac."
            )
        self._place = contextlib.ExitStack()
        self._temporary = self._place.enter_context(atomic_file(self._path))
        try:
            self._file = soundfile.SoundFile(
                _native(self._temporary),
                "w",
                samplerate=sample_rate,
                channels=channels,
                subtype=encoding,
                format=container,
                **(_MP3_QUALITY if container == "MP3" else {}),
            )
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            self.discard()
            raise AudiodiffError(
                f"{self._path} cannot be written as {container} {encoding} with {channels} channels at "
                f"{sample_rate} Hz ({_reason(error)}); choose another format or rate."
            ) from error
        width = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}.get(encoding, 1)
        self._limit = _WAV_LIMIT // (width * channels) if container == "WAV" else None

    def write(self, waveform: npt.ArrayLike) -> None:
        """Append samples `[channels, n]`, or `[n]` for one channel.

        Raises:
            AudiodiffError: wrong number of channels, samples not finite, a full disk, a WAV above 4 GiB.
        """
        import soundfile

        block = np.asarray(waveform, dtype=np.float32)
        block = block[None] if block.ndim == 1 else block
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise AudiodiffError(
                f"A waveform of shape {list(block.shape)} cannot be written to {self._path}; "
                f"expected [{self._channels}, n_samples]."
            )
        if not np.isfinite(block).all():
            raise AudiodiffError(
                f"The waveform for {self._path} has samples that are not numbers or infinite; nothing was written."
            )
        if self._limit is not None and self._written + block.shape[1] > self._limit:
            raise AudiodiffError(f"{self._path} would be larger than the 4 GiB a WAV can hold; write .flac instead.")
        try:
            # Vorbis encoders of libsndfile overflow their stack when given minutes at once.
            for start in range(0, block.shape[1], _BLOCK):
                self._file.write(np.ascontiguousarray(block[:, start : start + _BLOCK].T))
        except (soundfile.SoundFileError, AssertionError, OSError) as error:  # an assertion: fewer were written
            raise self._unwritten(error) from error
        self._written += block.shape[1]

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the finished file in place, or remove what was begun."""
        if kind is not None:
            self.discard()
            return
        import soundfile

        with self._place:
            if self._written == 0:
                self._file.close()
                raise AudiodiffError(f"There are no samples to write to {self._path}; expected at least one.")
            try:
                self._file.close()
                # What libsndfile still held is written on closing, and not every encoder tells when that fails.
                decoded = 0
                for block in read_blocks(self._temporary):
                    decoded += block.shape[1]
                    if self._on_decoded is not None:
                        self._on_decoded(block)
            except (soundfile.SoundFileError, AudiodiffError) as failure:
                raise self._unwritten(failure) from failure
            if decoded != self._written:
                raise self._unwritten(None)
            if self._finish is not None:
                self._finish(self._temporary)

    def discard(self) -> None:
        """Close and remove what was begun; nothing appears."""
        import soundfile

        with contextlib.suppress(soundfile.SoundFileError, AttributeError):
            self._file.close()
        left = AudiodiffError()
        self._place.__exit__(type(left), left, None)

    def _unwritten(self, error: Exception | None) -> AudiodiffError:
        reason = f" ({_reason(error)})" if isinstance(error, OSError) else ""
        return AudiodiffError(f"{self._path} could not be written whole{reason}; is the disk full?")


def write_audio(path: str | Path, waveform: npt.ArrayLike, sample_rate: int, encoding: str | None = None) -> None:
    """Write a waveform `[channels, n_samples]` or `[n_samples]` as WAV, FLAC, OGG or MP3 by extension, atomically.

    Integer encodings clip at full scale.

    Raises:
        AudiodiffError: unknown extension, bad samples, a target that cannot be written; nothing is left.
    """
    block = np.asarray(waveform, dtype=np.float32)
    channels = 1 if block.ndim == 1 else block.shape[0]
    with AudioWriter(path, sample_rate, channels, encoding) as writer:
        writer.write(block)
