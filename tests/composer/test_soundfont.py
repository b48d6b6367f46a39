import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.composer.soundfont import find_soundfonts, plays_general_midi, soundfont_name, unpacked
from audiodiff.errors import AudiodiffError

HEADER = struct.Struct("<20s5IBbHH")


def chunk(name: bytes, content: bytes, *, fill: bool) -> bytes:
    return name + struct.pack("<I", len(content)) + content + (b"\0" * (len(content) % 2) if fill else b"")


def compressed(path: Path, sounds: list[np.ndarray], *, fill: bool) -> Path:
    """Write an .sf3 of Vorbis samples looped from 100 to 1 before their end, with an odd chunk."""
    pool, headers = b"", b""
    for number, sound in enumerate(sounds):
        stream = io.BytesIO()
        soundfile.write(stream, sound, 22050, format="OGG", subtype="VORBIS")
        data = stream.getvalue()
        name = f"tone {number}".encode()
        headers += HEADER.pack(
            name, len(pool), len(pool) + len(data), 100, len(sound) - 1, 22050, 60 + number, -3, 0, 0x11
        )
        pool += data
    pool += b"\1" * (1 - len(pool) % 2)  # an odd length
    headers += HEADER.pack(b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    info = b"INFO" + chunk(b"INAM", b"ab\0", fill=fill) + chunk(b"ifil", struct.pack("<HH", 3, 1), fill=fill)
    body = b"sfbk" + chunk(b"LIST", info, fill=fill)
    body += chunk(b"LIST", b"sdta" + chunk(b"smpl", pool, fill=fill), fill=fill)
    body += chunk(b"LIST", b"pdta" + chunk(b"inst", b"zz", fill=fill) + chunk(b"shdr", headers, fill=fill), fill=fill)
    path.write_bytes(chunk(b"RIFF", body, fill=fill))
    return path


def read_list(data: bytes, kind: bytes) -> dict[bytes, bytes]:
    place, found = 12, {}
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place + 8 : place + 12] == kind:
            inside = place + 12
            while inside < place + 8 + size:
                length = int.from_bytes(data[inside + 4 : inside + 8], "little")
                found[data[inside : inside + 4]] = data[inside + 8 : inside + 8 + length]
                inside += 8 + length
        place += 8 + size
    assert place == len(data)
    return found


@pytest.mark.parametrize("fill", [True, False])
def test_samples_are_unpacked(tmp_path: Path, fill: bool) -> None:
    time = np.arange(5000) / 22050
    sounds = [0.5 * np.sin(2 * np.pi * 440 * time), 0.3 * np.sin(2 * np.pi * 200 * time[:3000])]
    plain = unpacked(compressed(tmp_path / "a.sf3", sounds, fill=fill), tmp_path)
    assert plain == tmp_path / "a.sf2"
    data = plain.read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert read_list(data, b"INFO")[b"ifil"] == struct.pack("<HH", 2, 1)
    assert set(read_list(data, b"INFO")) == {b"INAM", b"ifil"}
    assert read_list(data, b"pdta")[b"inst"] == b"zz"
    pool = np.frombuffer(read_list(data, b"sdta")[b"smpl"], "<i2") / 32768
    *headers, last = HEADER.iter_unpack(read_list(data, b"pdta")[b"shdr"])
    assert last[0].startswith(b"EOS")
    assert len(headers) == 2
    for number, (sound, header) in enumerate(zip(sounds, headers, strict=True)):
        name, start, end, loop_start, loop_end, rate, pitch, correction, _, kind = header
        assert name.startswith(f"tone {number}".encode())
        assert (rate, pitch, correction, kind) == (22050, 60 + number, -3, 1)
        assert (end - start, loop_start - start, loop_end - start) == (len(sound), 100, len(sound) - 1)
        assert np.abs(pool[start:end] - sound).max() < 0.05
        assert not pool[end : end + 46].any()


def test_plain_soundfonts_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.sf2").write_bytes(b"anything")
    assert unpacked(tmp_path / "a.sf2", tmp_path / "none") == tmp_path / "a.sf2"


def test_damage(tmp_path: Path) -> None:
    path = compressed(tmp_path / "a.sf3", [np.zeros(3000)], fill=True)
    whole = path.read_bytes()
    for damaged in (whole[:-100], whole.replace(b"OggS", b"abcd"), whole[:200]):
        path.write_bytes(damaged)
        with pytest.raises(AudiodiffError, match="damaged"):
            unpacked(path, tmp_path)


def test_names() -> None:
    assert soundfont_name(Path("/x/FluidR3_GM.sf2")) == "FluidR3_GM (MIT)"
    assert soundfont_name(Path("/x/Mine.sf2")) == "Mine"


def with_presets(path: Path, presets: list[tuple[int, int]]) -> Path:
    """Write a soundfont without samples that has these (bank, program)."""
    rows = [struct.pack("<20s3H3I", b"tone", program, bank, 0, 0, 0, 0) for bank, program in presets]
    body = b"sfbk" + chunk(b"LIST", b"sdta" + chunk(b"smpl", bytes(4), fill=True), fill=True)
    body += chunk(b"LIST", b"pdta" + chunk(b"phdr", b"".join(rows), fill=True), fill=True)
    path.write_bytes(chunk(b"RIFF", body, fill=True))
    return path


def test_soundfonts_that_only_add_sounds_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [(0, program) for program in range(128)]
    whole = with_presets(tmp_path / "whole.sf2", [*everything, (128, 0)])
    for name, presets in (
        ("extra", [(8, 0), (128, 0)]),
        ("no-drums", everything),
        ("gap", [*everything[1:], (128, 0)]),
    ):
        assert not plays_general_midi(with_presets(tmp_path / f"{name}.sf2", presets))
    assert plays_general_midi(whole)
    monkeypatch.setattr("audiodiff.composer.soundfont.PLACES", (tmp_path,))
    monkeypatch.delenv("AUDIODIFF_SOUNDFONT", raising=False)
    assert find_soundfonts() == [whole]
    whole.unlink()
    assert len(find_soundfonts()) == 3  # better than nothing
    assert find_soundfonts(tmp_path / "extra.sf2") == [tmp_path / "extra.sf2"]
