"""Soundfonts: finding them, and unpacking those with compressed samples.

An .sf3 is an .sf2 (SoundFont 2.01) whose samples are Ogg Vorbis streams. FluidSynth decodes all of them whenever it
starts, which takes longer than to play a clip; so that is done once for many clips.
"""

import io
import os
import struct
from pathlib import Path

from audiodiff.errors import AudiodiffError

PLACES = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"), Path("/usr/share/soundfonts"))
VARIABLE = "AUDIODIFF_SOUNDFONT"
INSTALL = "apt-get install fluidsynth fluid-soundfont-gm musescore-general-soundfont-lossless"

_LICENCES = {
    "FluidR3_GM": "FluidR3_GM (MIT)",
    "MuseScore_General": "MuseScore_General (MIT)",
    "MuseScore_General_Full": "MuseScore_General (MIT)",
    "MuseScore_General_Lite": "MuseScore_General (MIT)",
}
_COPYLEFT = ("TimGM6mb",)
"""Under the GPL, which would reach the recordings: these are played only when they are named."""

# name[20], start, end, loop start, loop end, rate, pitch, correction, link, type (SoundFont 2.01, section 7.10)
_SAMPLE_HEADER = struct.Struct("<20s5IBbHH")
_COMPRESSED = 0x10
# name[20], program, bank, first bag, library, genre, morphology (section 7.2)
_PRESET = struct.Struct("<20s3H3I")
_DRUMS = 128
_MOST_PRESET_BYTES = 64 * 1024 * 1024  # what describes the instruments of a large soundfont takes a few
# SoundFont 2.01 asks for at least 46 zero samples after each sample.
_GAP = bytes(2 * 46)


def find_soundfonts(chosen: Path | None = None) -> list[Path]:
    """Return the soundfonts to play with, in a fixed order.

    Those with compressed samples, which end in a wall at their codec's cut-off, and those that lack instruments of
    General MIDI are left out where there are others.

    Args:
        chosen: one file; None for $AUDIODIFF_SOUNDFONT, or else what is in the usual places.

    Raises:
        AudiodiffError: the file is missing or is no soundfont, or there is none in the usual places.
    """
    named = chosen or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        if not is_soundfont(named):
            raise AudiodiffError(f"{named} is not a (whole) soundfont; give the path of an .sf2 or .sf3 file.")
        return [named]
    # Links such as default-GM.sf2 are other names of the same files.
    files = {path.resolve() for place in PLACES for path in place.glob("*.sf[23]") if is_soundfont(path)}
    files = {path for path in files if path.stem not in _COPYLEFT}
    if not files:
        raise AudiodiffError(
            f"There is no soundfont (.sf2 or .sf3) in {' or '.join(map(str, PLACES))}; "
            f"install one ({INSTALL}) or name one with --soundfont."
        )
    files = {path for path in files if plays_general_midi(path)} or files
    lossless = {path for path in files if path.suffix.lower() == ".sf2"}
    return sorted(lossless or files, key=lambda path: path.name)


def is_soundfont(path: Path) -> bool:
    """Tell by a file's first bytes and its size whether it is a whole soundfont."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(12)
    is_whole = int.from_bytes(head[4:8], "little") <= path.stat().st_size - 8
    return head[:4] == b"RIFF" and head[8:12] == b"sfbk" and is_whole


def plays_general_midi(path: Path) -> bool:
    """Tell whether a whole soundfont has all 128 instruments of General MIDI, and drums.

    Some, such as FluidR3_GS, only add sounds to another one.
    """
    presets: set[tuple[int, int]] = set()
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            place = file.tell()
            if head[:4] == b"LIST" and file.read(4) == b"pdta" and size < _MOST_PRESET_BYTES:
                for name, content in _chunks(file.read(size - 4), 0, size - 4):
                    whole = content[: len(content) // _PRESET.size * _PRESET.size] if name == b"phdr" else b""
                    presets |= {(bank, program) for _, program, bank, *_ in _PRESET.iter_unpack(whole)}
            # Not every writer of soundfonts fills odd chunks up (see `_chunks`).
            file.seek(place + size + size % 2)
    return {(0, program) for program in range(128)} <= presets and any(bank == _DRUMS for bank, _ in presets)


def soundfont_name(path: Path) -> str:
    """Return a soundfont's name for the metadata, with its licence where that is known."""
    return _LICENCES.get(path.stem, path.stem)


def unpacked(path: Path, folder: Path) -> Path:
    """Return the soundfont with plain samples: itself, or what was written to `folder` if they were compressed.

    Raises:
        AudiodiffError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            data = file.read() if path.suffix.lower() == ".sf3" else b""
        if not data:
            return path
        target = folder / f"{path.stem}.sf2"
        target.write_bytes(_unpack(data))
        return target
    except (struct.error, KeyError, IndexError) as error:
        raise AudiodiffError(f"{path} is a damaged soundfont ({error}); replace it or choose another.") from error


def _chunks(data: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """Split RIFF data into (name, content)."""
    found = []
    while start + 8 <= end:
        name, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        found.append((name, data[start + 8 : start + 8 + size]))
        start += 8 + size
        # RIFF fills odd chunks up with a zero byte, but not every writer of soundfonts does.
        start += size % 2 and data[start : start + 1] == b"\0"
    return found


def _chunk(name: bytes, content: bytes) -> bytes:
    content += b"\0" * (len(content) % 2)
    return name + struct.pack("<I", len(content)) + content


def _unpack(data: bytes) -> bytes:
    """Rewrite a soundfont with every compressed sample decoded to 16 bits."""
    lists = {content[:4]: dict(_chunks(content, 4, len(content))) for _, content in _chunks(data, 12, len(data))}
    pool = lists[b"sdta"][b"smpl"]
    samples, headers = bytearray(), bytearray()
    for fields in _SAMPLE_HEADER.iter_unpack(lists[b"pdta"][b"shdr"]):
        name, start, end, loop_start, loop_end, *rest, kind = fields
        if kind & _COMPRESSED:
            sound = _decode(pool[start:end])
        else:
            sound, loop_start, loop_end = pool[2 * start : 2 * end], loop_start - start, loop_end - start
        place = len(samples) // 2
        samples += sound + _GAP
        spans = (place, place + len(sound) // 2, place + loop_start, place + loop_end)
        headers += _SAMPLE_HEADER.pack(name, *spans, *rest, kind & ~_COMPRESSED)
    # The last header only ends the list.
    headers[-_SAMPLE_HEADER.size :] = lists[b"pdta"][b"shdr"][-_SAMPLE_HEADER.size :]
    lists[b"INFO"][b"ifil"] = struct.pack("<HH", 2, 1)
    lists[b"sdta"] = {b"smpl": bytes(samples)}
    lists[b"pdta"][b"shdr"] = bytes(headers)
    body = b"sfbk"
    for kind in (b"INFO", b"sdta", b"pdta"):
        body += _chunk(b"LIST", kind + b"".join(_chunk(name, content) for name, content in lists[kind].items()))
    return _chunk(b"RIFF", body)


def _decode(stream: bytes) -> bytes:
    """Decode one Ogg Vorbis sample to 16-bit little-endian bytes."""
    import soundfile

    try:
        sound, _ = soundfile.read(io.BytesIO(stream), dtype="int16")
    except soundfile.SoundFileError as error:
        raise KeyError(f"a sample cannot be decoded: {error}") from error
    return bytes(sound.astype("<i2").tobytes())
