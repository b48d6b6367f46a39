"""A sound file that was cut off is told from a whole one, in every format that tells."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.signal.truncation import find_truncation, truncation_notes

KINDS = [
    ("a.wav", "WAV", "PCM_16"),
    ("a.wav", "WAV", "FLOAT"),
    ("a.wav", "WAVEX", "PCM_24"),
    ("a.wav", "RF64", "PCM_16"),
    ("a.w64", "W64", "PCM_16"),
    ("a.aiff", "AIFF", "PCM_16"),
    ("a.au", "AU", "PCM_16"),
    ("a.flac", "FLAC", "PCM_16"),
    ("a.mp3", "MP3", "MPEG_LAYER_III"),
    ("a.ogg", "OGG", "VORBIS"),
]
NOISE = 0.1 * np.random.default_rng(0).standard_normal(66150)


@pytest.mark.parametrize(("name", "container", "encoding"), KINDS)
def test_half_a_file_is_told_from_a_whole_one(tmp_path: Path, name: str, container: str, encoding: str) -> None:
    path = tmp_path / name
    soundfile.write(path, NOISE, 22050, format=container, subtype=encoding)
    assert find_truncation(path) is None
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found = find_truncation(path)
    assert found is not None
    assert 0.5 < found.seconds < 1.7
    if container != "OGG":
        assert found.promised == pytest.approx(3.0, abs=0.01)
    assert "cut off" in truncation_notes(path)[0]


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFD3])
def test_a_recorder_that_did_not_know_the_length_cut_nothing_off(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 22050)
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", claimed)
    if claimed:
        content[40:44] = struct.pack("<I", claimed)
    path.write_bytes(content)
    assert find_truncation(path) is None


def test_an_mp3_whose_length_is_guessed_is_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    uneven = np.concatenate([np.zeros(220500), NOISE, NOISE])
    soundfile.write(path, uneven, 22050, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    content = path.read_bytes()
    path.write_bytes(content[content.find(content[:3], 100) :])  # without the frame that counts the others
    assert b"Xing" not in path.read_bytes()
    assert find_truncation(path) is None
