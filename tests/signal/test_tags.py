import os
import stat
import struct
import zlib
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.signal import tags as tags_module
from audiodiff.signal.audio_io import AudioWriter, write_audio
from audiodiff.signal.tags import put_tags, read_tags, write_tags
from tests.refusals import refused
from tests.signal.signals import noise

NAMES = ["a.wav", "a.flac", "a.ogg", "a.mp3"]
TAGS = {
    "title": "Regen über Köln, 雨",
    "comment": "two\nlines",
    "software": "audiodiff 1",
    "MY_DOCUMENT": '{"a": [1, "ü"]}' * 50,
}
BACK = {key.lower(): text for key, text in TAGS.items()}


@pytest.fixture(params=NAMES)
def sound(request, tmp_path) -> Path:
    path = tmp_path / request.param
    write_audio(path, np.stack([noise(40001).numpy(), noise(40001, seed=1).numpy()]), 22050)
    return path


def test_round_trip_with_the_same_samples(sound):
    before = soundfile.read(sound, dtype="int16")
    header = soundfile.info(sound)
    write_tags(sound, TAGS)
    after = soundfile.read(sound, dtype="int16")
    np.testing.assert_array_equal(after[0], before[0])
    assert after[1] == before[1]
    assert (soundfile.info(sound).frames, soundfile.info(sound).format) == (header.frames, header.format)
    assert read_tags(sound).items() >= BACK.items()
    assert os.listdir(sound.parent) == [sound.name]


def test_other_programs_see_them(sound):
    write_tags(sound, TAGS)
    seen = mutagen.File(sound).tags
    if sound.suffix in {".wav", ".mp3"}:
        assert seen["TIT2"].text == [TAGS["title"]]
        assert seen["TXXX:MY_DOCUMENT"].text == [TAGS["MY_DOCUMENT"]]
    if sound.suffix == ".wav":
        assert sound.stat().st_size == int.from_bytes(sound.read_bytes()[4:8], "little") + 8
    elif sound.suffix != ".mp3":
        assert seen["title"] == [TAGS["title"]]
        assert seen["my_document"] == [TAGS["MY_DOCUMENT"]]
        with soundfile.SoundFile(sound) as file:
            assert file.title == TAGS["title"]


def test_replacing_keeps_the_others(sound):
    write_tags(sound, {"artist": "nobody", "title": "old", "mine": "x" * 5000})
    write_tags(sound, {"title": "new", "mine": "short"})
    found = read_tags(sound)
    assert (found["artist"], found["title"], found["mine"]) == ("nobody", "new", "short")
    soundfile.read(sound)


def test_the_same_call_gives_the_same_bytes(tmp_path):
    for name in NAMES:
        contents = []
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_audio(tmp_path / folder / name, noise(30000).numpy(), 22050)
            write_tags(tmp_path / folder / name, TAGS)
            contents.append((tmp_path / folder / name).read_bytes())
        assert contents[0] == contents[1], name


def test_no_tags_is_no_error(sound):
    assert set(read_tags(sound)) <= {"encoder"}
    refused("does not exist", lambda: read_tags(sound.parent / "nothing.wav"))


def test_other_formats_are_read_but_not_written(tmp_path):
    path = tmp_path / "a.aiff"
    soundfile.write(path, np.zeros(9000), 22050)
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(mutagen.id3.TXXX(encoding=1, desc="AUDIODIFF", text=["hello"]))  # as a converter may leave it
    file.save()
    assert read_tags(path)["audiodiff"] == "hello"
    before = path.read_bytes()
    refused("WAV, FLAC, OGG Vorbis or MP3", lambda: write_tags(path, {"title": "x"}))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.aiff"]


@pytest.mark.parametrize("key", ["", "a b", "ä", "a=b"])
def test_names_are_plain(sound, key):
    before = sound.read_bytes()
    refused("letters", lambda: write_tags(sound, {key: "x"}))
    assert sound.read_bytes() == before


def test_a_broken_file_is_one_sentence(sound):
    content = sound.read_bytes()
    sound.write_bytes(content[:30])
    refused("complete", lambda: write_tags(sound, {"title": "x"}))
    assert sound.read_bytes() == content[:30]
    assert os.listdir(sound.parent) == [sound.name]
    with pytest.raises(AudiodiffError):
        write_tags(sound.parent / "nothing.wav", {"title": "x"})


def test_a_failure_midway_keeps_the_file(sound, monkeypatch):
    before = sound.read_bytes()

    def fail(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_tags(sound, TAGS)
    assert sound.read_bytes() == before
    assert os.listdir(sound.parent) == [sound.name]


def test_rights_are_kept(sound):
    sound.chmod(0o640)
    write_tags(sound, TAGS)
    assert stat.S_IMODE(sound.stat().st_mode) == 0o640


def test_a_wav_stays_below_4_gib(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    write_audio(path, noise(1000).numpy(), 16000)
    monkeypatch.setattr(tags_module, "_RIFF_LIMIT", path.stat().st_size + 80)
    refused("4 GiB", lambda: write_tags(path, {"title": "x" * 100}))
    assert read_tags(path) == {}


def test_streams_side_by_side_keep_their_numbers(tmp_path):
    for name, seed in (("a.ogg", 0), ("b.ogg", 1)):
        write_audio(tmp_path / name, noise(20000, seed=seed).numpy(), 22050)
    chained = tmp_path / "chained.ogg"
    chained.write_bytes((tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes())
    write_tags(chained, {"title": "x"})
    serials = {chained.read_bytes()[at + 14 : at + 18] for at in _pages(chained.read_bytes())}
    assert len(serials) == 2


def _pages(content: bytes) -> list[int]:
    found, at = [], content.find(b"OggS\0")
    while at >= 0:
        found.append(at)
        at = content.find(b"OggS\0", at + 1)
    return found


# -- together with the samples -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_sound_and_tags_appear_together(tmp_path, name):
    path = tmp_path / name
    seen = []

    def finish(temporary: Path) -> None:
        seen.append(path.exists())
        put_tags(temporary, TAGS)

    with AudioWriter(path, 22050, finish=finish) as writer:
        writer.write(noise(20000).numpy())
    assert seen == [False]
    assert read_tags(path).items() >= BACK.items()
    assert os.listdir(tmp_path) == [name]


def test_a_failure_while_tagging_leaves_nothing(tmp_path):
    def write(error: BaseException) -> None:
        def finish(temporary: Path) -> None:
            raise error

        with AudioWriter(tmp_path / "a.wav", 22050, finish=finish) as writer:
            writer.write(noise(2000).numpy())

    for error, shown in (
        (KeyboardInterrupt(), KeyboardInterrupt),
        (AudiodiffError("no."), AudiodiffError),
        (OSError(28, "No space left on device"), AudiodiffError),
    ):
        with pytest.raises(shown):
            write(error)
        assert os.listdir(tmp_path) == []


def test_compressed_frames_are_not_inflated(tmp_path):
    text = zlib.compress(b"\x00BIG\0" + b"x" * (1 << 24))
    frame = struct.pack(">4sIHI", b"TXXX", len(text) + 4, 0x0080, 1 << 24) + text
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    id3 = b"ID3\3\0\0" + size + frame
    id3 += bytes(len(id3) % 2)
    path = tmp_path / "a.wav"
    write_audio(path, noise(100).numpy(), 22050)
    content = path.read_bytes() + b"id3 " + struct.pack("<I", len(id3)) + id3
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    assert read_tags(path) == {}
