import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AudioWriter, audio_info, read_audio, read_blocks, read_mono, write_audio
from audiodiff.signal.tags import read_tags, write_tags
from tests.refusals import refused
from tests.signal.signals import noise, tone


@pytest.fixture
def stereo():
    return np.stack([tone(440.0, 22050, 0.5).numpy(), noise(11025).numpy()])


@pytest.mark.parametrize(
    ("name", "encoding", "tolerance"),
    [
        ("a.wav", "PCM_U8", 2 / 128),
        ("a.wav", "PCM_16", 2 / 32768),
        ("a.wav", "PCM_24", 2e-7),
        ("a.wav", "FLOAT", 0.0),
        ("a.wav", "DOUBLE", 0.0),
        ("a.flac", "PCM_16", 2 / 32768),
        ("a.flac", "PCM_24", 2e-7),
        ("a.ogg", "VORBIS", 0.25),
        ("a.mp3", None, 0.25),
        ("a.WAV", None, 2 / 32768),
    ],
)
def test_round_trip(tmp_path, stereo, name, encoding, tolerance):
    path = tmp_path / name
    write_audio(path, stereo, 22050, encoding)
    audio = read_audio(path)
    assert audio.sample_rate == 22050
    assert audio.waveform.shape == stereo.shape
    assert audio.waveform.dtype == np.float32
    assert np.abs(audio.waveform - stereo).max() <= tolerance
    assert os.listdir(tmp_path) == [name]
    info = audio_info(path)
    assert (info.sample_rate, info.channels, info.n_samples) == (22050, 2, 11025)
    assert info.seconds == 0.5


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("OGG", "OPUS")])
def test_other_formats_are_read(tmp_path, container, subtype):
    path = tmp_path / "clip.bin"
    sine = tone(440.0, 48000, 0.5).numpy()
    soundfile.write(path, sine, 48000, format=container, subtype=subtype)
    audio = read_mono(path)
    assert audio.waveform.shape[0] == 1
    assert abs(audio.waveform.shape[1] - 24000) <= 2304
    level = np.sqrt(np.square(audio.waveform[0, 4000:-4000]).mean())
    assert 20 * np.log10(level / (0.5 / np.sqrt(2))) == pytest.approx(0.0, abs=0.2)


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, np.array([[0.5, 0.25], [-0.5, 0.75], [0.3, 0.5]]), 8000, "FLOAT")
    assert np.allclose(read_mono(path).waveform, [[0.1, 0.5]], atol=1e-7)


def test_integer_files_clip_instead_of_wrapping(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, np.array([1.5, -1.5, 0.0]), 8000)
    assert np.allclose(read_audio(path).waveform, [[1.0, -1.0, 0.0]], atol=1e-4)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_blocks_are_the_whole(tmp_path, name):
    path = tmp_path / name
    write_audio(path, noise(50000).numpy(), 16000)
    whole = read_audio(path).waveform
    blocks = list(read_blocks(path, 7000))
    assert {block.shape[1] for block in blocks[:-1]} == {7000}
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)


def test_written_in_blocks_is_the_same_file(tmp_path):
    samples = noise(200000).numpy()
    write_audio(tmp_path / "whole.wav", samples, 16000)
    with AudioWriter(tmp_path / "parts.wav", 16000) as writer:
        for start in range(0, 200000, 33333):
            writer.write(samples[start : start + 33333])
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "parts.wav").read_bytes()


def test_minutes_of_vorbis_in_one_call(tmp_path):
    # libsndfile's encoder overflows its stack when it is handed this at once.
    write_audio(tmp_path / "a.ogg", np.zeros(3_000_000, dtype=np.float32), 48000)
    assert audio_info(tmp_path / "a.ogg").n_samples == 3_000_000


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_one_sample(tmp_path, name):
    write_audio(tmp_path / name, np.array([0.5]), 22050)
    assert read_audio(tmp_path / name).waveform.shape == (1, 1)


# -- what cannot be read -----------------------------------------------------------------------------------------------


def test_unreadable_files_get_one_sentence(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is not audio, whatever its name says " * 20)
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 40)
    soundfile.write(tmp_path / "zero.wav", np.zeros((0, 1)), 16000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan, 0.0]), 1000, subtype="FLOAT")
    soundfile.write(tmp_path / "inf.wav", np.array([0.0, 0.0, np.inf]), 1000, subtype="FLOAT")
    for name, words in (
        ("missing.wav", "does not exist"),
        (".", "is a folder"),
        ("empty.wav", "0 bytes"),
        ("text.wav", "not audio"),
        ("zero.wav", "zero length"),
        ("nan.wav", r"at 0\.001 s"),
        ("inf.wav", r"at 0\.002 s"),
    ):
        for reader in (read_audio, read_mono):
            with pytest.raises(AudiodiffError, match=words) as caught:
                reader(tmp_path / name)
            assert "\n" not in str(caught.value)
            assert name in str(caught.value) or name == "."
    with pytest.raises(AudiodiffError):
        read_audio(tmp_path / "noise.mp3")


def test_a_truncated_file_is_an_error_or_short_but_never_a_crash(tmp_path):
    write_audio(tmp_path / "a.flac", noise(60000).numpy(), 16000)
    content = (tmp_path / "a.flac").read_bytes()
    for part in (10, 60, len(content) // 2):
        (tmp_path / "cut.flac").write_bytes(content[:part])
        try:
            length, message = read_audio(tmp_path / "cut.flac").waveform.shape[1], "cut.flac"
        except AudiodiffError as error:
            length, message = 0, str(error)
        assert length <= 60000
        assert "cut.flac" in message


# -- what cannot be written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "samples", "rate", "words"),
    [
        ("a.mp4", [0.0], 16000, "extension"),
        ("a", [0.0], 16000, "extension"),
        ("a.wav", [np.nan], 16000, "not numbers"),
        ("a.flac", [0.0, np.inf], 16000, "not numbers"),
        ("a.wav", [], 16000, "no samples"),
        ("a.wav", np.zeros((1, 2, 3)), 16000, "shape"),
        ("a.ogg", [0.0], 500000, "192000"),
        ("a.ogg", [0.0], 1000, "8000"),
        ("a.mp3", [0.0], 96000, "48000"),
        ("a.mp3", np.zeros((3, 99)), 48000, "3 channels"),
        ("a.flac", [0.0], 10_000_000, "cannot be written"),
        ("a.wav", np.zeros((1000, 2)), 16000, "1000 channels"),
        ("no/such/folder/a.wav", [0.0], 16000, "does not exist"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, name, samples, rate, words):
    refused(words, lambda: write_audio(tmp_path / name, np.asarray(samples), rate))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_midway_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, [0.25], 8000)
    before = path.read_bytes()

    def half():
        with AudioWriter(path, 8000) as writer:
            writer.write(np.zeros(1000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_read_only_targets(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, [0.25], 8000)
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write everywhere")
    refused("read-only", lambda: write_audio(path, [0.5], 8000))


def test_a_read_only_target_is_refused_for_any_user(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    write_audio(path, [0.25], 8000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused("read-only", lambda: write_audio(path, [0.5], 8000))
    assert list(tmp_path.iterdir()) == [path]


def test_new_files_have_usual_rights(tmp_path):
    mask = os.umask(0o022)
    try:
        write_audio(tmp_path / "a.wav", [0.25], 8000)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.wav").stat().st_mode) == 0o644


def test_a_wav_cannot_pass_4_gib(tmp_path):
    def write():
        with AudioWriter(tmp_path / "a.wav", 48000) as writer:
            writer._written = (1 << 31) - 40000
            writer.write(np.zeros(50000))

    refused("4 GiB", write)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import AudioWriter
from audiodiff.signal.tags import put_tags

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
noise = np.random.default_rng(0).uniform(-1, 1, 60000).astype(np.float32)

def write(path, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with AudioWriter(path, 22050, finish=lambda temporary: put_tags(temporary, {"title": "x" * 3000})) as writer:
        writer.write(noise)

for name in ("a.wav", "a.flac", "a.ogg"):
    path = Path(sys.argv[1]) / name
    write(path, resource.RLIM_INFINITY)
    size = path.stat().st_size
    path.unlink()
    for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.94, 0.96, 0.98, 0.999):
        try:
            write(path, int(share * size))
        except AudiodiffError as error:
            print(name, share, error)
        assert os.listdir(sys.argv[1]) == [], (name, share)
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_in_any_format(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 27


def test_the_longest_name_can_be_written_with_its_tags(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac", ".ogg"):
        path = tmp_path / ("n" * (255 - len(suffix)) + suffix)
        write_audio(path, np.zeros(100), 16000)
        write_tags(path, {"title": "long"})
        assert read_audio(path).waveform.shape == (1, 100)


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.wav").symlink_to("there/real.wav")
    write_audio(tmp_path / "a.wav", np.zeros(100), 16000)
    write_tags(tmp_path / "a.wav", {"title": "linked"})
    assert (tmp_path / "a.wav").is_symlink()
    assert read_tags(tmp_path / "there" / "real.wav")["title"] == "linked"


def with_header(path: Path, at: int, layout: str, value: int) -> Path:
    """A WAV of 0.1 s whose header says something else at a place."""
    write_audio(path, noise(2205).numpy() * 0.1, 22050)
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, at, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("rate", [1, 999, 768_001, 1_999_993, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_refused_wherever_a_file_is_opened(tmp_path: Path, rate: int) -> None:
    path = with_header(tmp_path / "a.wav", 24, "<I", rate)
    for read in (audio_info, read_audio, read_mono, lambda path: list(read_blocks(path))):
        with pytest.raises(AudiodiffError, match=f"claims a sample rate of {rate} Hz; expected 1000 to 768000"):
            read(path)


def test_channels_are_bounded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 200)), 22050)
    refused("200 channels; expected 1 to 64", lambda: read_audio(tmp_path / "a.wav"))


def test_blocks_of_many_channels_are_shorter(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((200_000, 64), 0.1), 22050)
    blocks = list(read_blocks(tmp_path / "a.wav"))
    assert max(block.size for block in blocks) <= 1 << 22
    assert sum(block.shape[1] for block in blocks) == 200_000


@pytest.mark.parametrize("level", [101.0, 9701.0, 32767.0, 1e30])
def test_integers_in_a_float_file_are_refused_wherever_a_file_is_read(tmp_path: Path, level: float) -> None:
    soundfile.write(tmp_path / "a.wav", level * tone(440.0, 22050, 0.5).numpy() / 0.5, 22050, subtype="FLOAT")
    for read in (read_audio, read_mono, lambda path: list(read_blocks(path))):
        with pytest.raises(AudiodiffError, match="full scale is 1; divide"):
            read(tmp_path / "a.wav")


def test_a_file_with_more_samples_than_wanted_is_refused_while_it_is_read(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", np.zeros((2, 1000)), 22050)
    assert read_audio(tmp_path / "a.wav", most_values=2000).waveform.shape == (2, 1000)
    refused("more than 1999 samples in 2 channels", lambda: read_audio(tmp_path / "a.wav", most_values=1999))


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    refused("is a pipe", lambda: audio_info(tmp_path / "a.wav"))
    refused("is a pipe", lambda: audio_info("/dev/zero"))


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\xff\xfe.flac", b"new\nline.ogg", "日本.wav".encode()])
def test_any_name_of_a_file_can_be_read_and_written(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    write_audio(path, np.zeros(100), 16000)
    write_tags(path, {"title": "x"})
    assert read_tags(path)["title"] == "x"
    assert read_audio(path).waveform.shape == (1, 100)
    assert os.listdir(os.fsencode(tmp_path)) == [name]


@pytest.mark.parametrize("name", ["n" * 300, "a\0b.wav", "a.wav/b.wav"])
def test_names_that_cannot_be_are_one_sentence(tmp_path: Path, name: str) -> None:
    write_audio(tmp_path / "a.wav", np.zeros(100), 16000)
    refused(r"does not exist|cannot be read", lambda: read_audio(tmp_path / name))
