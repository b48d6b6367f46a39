"""Whether a sound file has all the sound that its header promises."""

import re
from dataclasses import dataclass
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AudioInfo, audio_log, read_blocks

# What libsndfile says of a chunk that is longer than the file: "data : 352800 (should be 176378)".
_SHORT_CHUNK = re.compile(r"^\s*(data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
# Recorders and pipes that do not know the length yet write about the largest number that fits.
_NO_LENGTH = (1 << 31) - (1 << 16)
_TAIL = 1 << 17
_LAST_PAGE = 4
# Decoders of MP3 leave out the delay of the encoder, or do not: up to some frames of 1152 samples.
_TOLERANCE_SECONDS = 0.1
_SLACK_SECONDS = 0.005


@dataclass(frozen=True)
class Truncation:
    """A sound file that was cut off.

    Attributes:
        seconds: duration of what is there (s).
        promised: duration that the header promises (s); `None` if it promises none, as in OGG.
    """

    seconds: float
    promised: float | None

    def note(self, path: str | Path) -> str:
        """What to tell about the file."""
        name = Path(path).name
        if self.promised is None:
            return f"{name} is cut off: its end is missing, and {self.seconds:.2f} s are there"
        return f"{name} is cut off: its header promises {self.promised:.2f} s, and {self.seconds:.2f} s are there"


def find_truncation(path: str | Path) -> Truncation | None:
    """Compare what a sound file promises with what is there; FLAC and MP3 are decoded for that.

    Returns:
        `None` for a whole file, or one whose format does not tell.

    Raises:
        AudiodiffError: missing, empty or not audio.
    """
    return truncation_of(path, *audio_log(path))


def truncation_of(path: str | Path, info: AudioInfo, log: str, decoded: int | None = None) -> Truncation | None:
    """Do what `find_truncation` does for a file of which some is known.

    Args:
        path: the file.
        info: its header.
        log: what libsndfile noted about it.
        decoded: samples per channel that come out of it; `None` to find out.
    """
    rate, container = info.sample_rate, info.encoding.split()[0]
    if container == "FLAC" or (container in {"MP3", "MPEG"} and _tells_length(Path(path))):
        there = _decodable(path) if decoded is None else decoded
        missing = info.n_samples - there
        return Truncation(there / rate, info.seconds) if missing > _TOLERANCE_SECONDS * rate else None
    if container == "OGG":
        return None if _has_last_page(Path(path)) else Truncation(info.seconds, None)
    for _, promised, there in _SHORT_CHUNK.findall(log):
        seconds = info.seconds * int(promised) / max(1, int(there))
        if int(promised) < _NO_LENGTH and seconds > info.seconds + _SLACK_SECONDS:
            return Truncation(info.seconds, seconds)
    return None


def truncation_notes(*paths: str | Path) -> tuple[str, ...]:
    """Return a sentence about each of the sound files that was cut off."""
    found = ((path, find_truncation(path)) for path in paths)
    return tuple(cut.note(path) for path, cut in found if cut is not None)


def _tells_length(path: Path) -> bool:
    """Whether an MP3 has a frame that counts the others; without, libsndfile guesses the length from the size."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # four times seven bits
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            file.seek(10 + size)
        else:
            file.seek(0)
        frame = file.read(2048)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


def _decodable(path: str | Path) -> int:
    """Samples per channel that come out before the end, or before the damage."""
    count = 0
    try:
        for block in read_blocks(path, 4096):
            count += block.shape[1]
    except AudiodiffError:
        pass
    return count


def _has_last_page(path: Path) -> bool:
    """Whether an Ogg file ends with a page that is whole and says that it is the last (RFC 3533, section 6)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return False
    n_segments = tail[start + 26]
    segments = tail[start + 27 : start + 27 + n_segments]
    whole = len(segments) == n_segments and len(tail) >= start + 27 + n_segments + sum(segments)
    return whole and bool(tail[start + 5] & _LAST_PAGE)
