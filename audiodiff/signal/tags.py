"""Text in the metadata of sound files: ID3 in WAV and MP3, Vorbis comments in FLAC and OGG.

The samples stay as they are.
"""

import contextlib
import shutil
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError

# Our name -> ID3 frame; other names go into a TXXX frame of that name. Vorbis comments take every name as it is.
_ID3_FRAMES = {"title": "TIT2", "artist": "TPE1", "album": "TALB", "genre": "TCON", "software": "TSSE"}
_ID3_NAMES = {frame: name for name, frame in _ID3_FRAMES.items()}

# RIFF counts bytes in 32 bits.
_RIFF_LIMIT = (1 << 32) - 1
_UTF_8 = 3
# libsndfile draws the serial number of an OGG stream at random, which would make every file another one.
_OGG_SERIAL = 1


def write_tags(path: str | Path, tags: Mapping[str, str]) -> None:
    """Write texts into a WAV, FLAC, OGG or MP3; the file is replaced whole, its other tags and its samples are kept.

    Args:
        path: an existing sound file.
        tags: name -> text. `title`, `artist`, `album`, `genre`, `comment` and `software` are what players show; other
            names (letters, digits, `_`) are kept under that name. Names are read back in lower case.

    Raises:
        AudiodiffError: the file is missing, damaged, cannot be written, or is none of these; it is left as it was.
    """
    path = Path(path)
    if not path.is_file():
        raise AudiodiffError(f"{path} does not exist or is not a file; give the path of a sound file.")
    with atomic_file(path) as temporary:
        shutil.copyfile(path, temporary)
        put_tags(temporary, tags, name=path)


def put_tags(path: Path, tags: Mapping[str, str], *, name: Path | None = None) -> None:
    """Write texts into a sound file in place, for a file that nobody else sees yet; as `write_tags` otherwise.

    Args:
        path: the file, whatever it is called: its first bytes tell what it is.
        tags: name -> text.
        name: what to call the file in messages.
    """
    from mutagen import MutagenError
    from mutagen.mp3 import MP3
    from mutagen.wave import WAVE

    shown = name or path
    for key in tags:
        if not key.isascii() or not key.replace("_", "a").isalnum():
            raise AudiodiffError(f"a tag cannot be called {key!r}; use letters, digits and _ only.")
    tags = {key.lower(): text for key, text in tags.items()}
    with path.open("rb") as file:
        head = file.read(12)
    try:
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            _check_riff(path, tags, shown)
            _put_id3(WAVE(str(path)), tags)
        elif head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
            _put_id3(MP3(str(path)), tags)
        elif head[:4] == b"fLaC":
            _put_flac(path, tags)
        elif head[:4] == b"OggS":
            _put_ogg(path, tags)
        else:
            raise AudiodiffError(f"{shown} cannot carry tags; expected a WAV, FLAC, OGG Vorbis or MP3 file.")
    except (MutagenError, struct.error, EOFError) as error:
        raise AudiodiffError(
            f"no tags can be written to {shown} ({_reason(error)}); is the file complete, and its text not too long?"
        ) from error


def read_tags(path: str | Path) -> dict[str, str]:
    """Return the texts in a sound file's metadata, names in lower case; none for a file without any.

    Other formats that have ID3 or Vorbis comments, such as MP3, AIFF and Opus, are read as well.

    Raises:
        AudiodiffError: the file is missing, or its metadata is damaged.
    """
    from mutagen import File
    from mutagen.id3 import _frames

    # Compressed ID3 frames are written by nobody, and mutagen inflates them whole: a megabyte to a gigabyte.
    vars(_frames)["zlib"] = SimpleNamespace(decompress=_refuse_compressed, error=zlib.error)
    path = Path(path)
    if not path.is_file():
        raise AudiodiffError(f"{path} does not exist or is not a file; give the path of a sound file.")
    try:
        found: Any = File(str(path))
        if found is None or found.tags is None:
            return {}
        return _id3_texts(found.tags) if hasattr(found.tags, "getall") else _comment_texts(found.tags)
    except Exception as error:  # whatever a damaged file makes the library stumble over
        raise AudiodiffError(
            f"the metadata of {path} cannot be read ({_reason(error)}); is the file damaged?"
        ) from error


def _check_riff(path: Path, tags: Mapping[str, str], shown: Path) -> None:
    extra = sum(len(text.encode()) + len(key) + 64 for key, text in tags.items())
    if path.stat().st_size + extra > _RIFF_LIMIT:
        raise AudiodiffError(
            f"{shown} with its tags would be larger than the 4 GiB a WAV can hold; write .flac instead."
        )


def _put_id3(file: Any, tags: Mapping[str, str]) -> None:
    from mutagen.id3 import COMM, TXXX, Frames

    if file.tags is None:
        file.add_tags()
    for key, text in tags.items():
        if key in _ID3_FRAMES:
            frame: Any = Frames[_ID3_FRAMES[key]](encoding=_UTF_8, text=[text])
        elif key == "comment":
            frame = COMM(encoding=_UTF_8, lang="eng", desc="", text=[text])
        else:
            frame = TXXX(encoding=_UTF_8, desc=key.upper(), text=[text])
        file.tags.setall(frame.HashKey, [frame])
    file.save(padding=_no_padding)


def _put_flac(path: Path, tags: Mapping[str, str]) -> None:
    from mutagen.flac import FLAC

    file: Any = FLAC(str(path))
    if file.tags is None:
        file.add_tags()
    for key, text in tags.items():
        file.tags[key.upper()] = text
    file.save(padding=_no_padding)


def _put_ogg(path: Path, tags: Mapping[str, str]) -> None:
    from mutagen.oggvorbis import OggVorbis

    file: Any = OggVorbis(str(path))
    for key, text in tags.items():
        file.tags[key.upper()] = text
    file.save(padding=_no_padding)
    _fix_serial(path)


def _fix_serial(path: Path) -> None:
    """Give the pages of an OGG the serial number that ours always have, unless they belong to several streams."""
    from mutagen.ogg import OggPage

    with path.open("r+b") as file:
        pages: list[tuple[int, int]] = []
        with contextlib.suppress(EOFError):
            while True:
                page: Any = OggPage(file)
                pages.append((page.offset, page.serial))
        if len({serial for _, serial in pages}) != 1:
            return
        for offset, _ in pages:
            file.seek(offset)
            page = OggPage(file)
            page.serial = _OGG_SERIAL
            file.seek(offset)
            file.write(page.write())


def _no_padding(info: object) -> int:
    return 0


def _refuse_compressed(data: bytes) -> bytes:
    raise zlib.error("compressed frames are not read")


def _id3_texts(tags: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for frame in tags.values():
        if frame.FrameID == "TXXX":
            found[frame.desc.lower()] = str(frame.text[0]) if frame.text else ""
        elif frame.FrameID == "COMM" and frame.text:
            found.setdefault("comment", str(frame.text[0]))
        elif frame.FrameID in _ID3_NAMES and frame.text:
            found[_ID3_NAMES[frame.FrameID]] = str(frame.text[0])
    return found


def _comment_texts(tags: Any) -> dict[str, str]:
    """Take what looks like name -> texts; other kinds of metadata (MP4, APE) hold nothing of ours."""
    found: dict[str, str] = {}
    for key, value in tags.items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(key, str) and isinstance(first, str):
            found[key.lower()] = first
    return found


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
