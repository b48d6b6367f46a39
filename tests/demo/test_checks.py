from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import check_extension
from audiodiff.synthesis.provenance import ProvenanceRecord
from demo import checks
from demo.limits import Limits
from tests.refusals import refused
from tests.synthesis.records import RECORD


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/tmp/gradio/1f/voice.wav is not audio", "voice.wav is not audio"),
        ("there is no 'C:\\Users\\me\\clip.wav' here", "there is no 'clip.wav' here"),
        ("expected WAV and/or FLAC, 3/4 time", "expected WAV and/or FLAC, 3/4 time"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("diffusers:/srv/models/stable cannot extend", "diffusers:stable cannot extend"),
        ("diffusers:stabilityai/stable-audio cannot", "diffusers:stabilityai/stable-audio cannot"),
        ("replace that. Ask for it (--replace), or", "replace that. Ask for it (replace), or"),
        (
            "it is not next to it; give the original with --input.",
            "it is not next to it; give the original as the original recording.",
        ),
    ],
)
def test_messages_tell_no_folders(message: str, told: str) -> None:
    assert checks.public_message(AudiodiffError(message)) == told


def test_whole_numbers_come_from_browsers_as_floats() -> None:
    assert checks.whole("steps", 20.0, 1, 50) == 20
    assert checks.whole_or_none("steps", None, 1, 50) is None
    assert checks.whole_or_none("steps", "", 1, 50) is None
    for bad in (0, 51, 2.5, "20", True, None, float("nan")):
        with pytest.raises(AudiodiffError, match="steps is"):
            checks.whole("steps", bad, 1, 50)


def test_numbers_have_a_range() -> None:
    assert checks.number("seconds", 3, 0.5, 8.0) == 3.0
    for bad in (0.4, 8.1, float("nan"), float("inf"), "3", True, None):
        with pytest.raises(AudiodiffError, match="seconds is"):
            checks.number("seconds", bad, 0.5, 8.0)


def test_numbers_may_come_from_a_field_for_text() -> None:
    assert checks.number_or_none("tempo", " 96.5 ", 10.0, 400.0) == 96.5
    assert checks.number_or_none("tempo", " ", 10.0, 400.0) is None
    assert checks.number_or_none("tempo", None, 10.0, 400.0) is None
    for bad in ("fast", "5", "nan"):
        with pytest.raises(AudiodiffError, match="tempo is"):
            checks.number_or_none("tempo", bad, 10.0, 400.0)


def test_prompts_have_a_length(limits: Limits) -> None:
    assert checks.check_prompt(limits, "prompt", None) == ""
    assert checks.check_prompt(limits, "prompt", "x" * 200) == "x" * 200
    refused("201 characters; this demo takes 200", lambda: checks.check_prompt(limits, "prompt", "x" * 201))
    refused("must be text", lambda: checks.check_prompt(limits, "prompt", ["x"]))


def write(path: Path, seconds: float, channels: int = 1, rate: int = 8000) -> Path:
    soundfile.write(path, np.zeros((round(seconds * rate), channels)), rate)
    return path


def test_uploads_have_a_size_and_a_length(limits: Limits, tmp_path: Path) -> None:
    fine = write(tmp_path / "fine.wav", 10.0, channels=2)
    assert checks.check_upload(limits, str(fine)) == fine
    with pytest.raises(AudiodiffError, match=r"long.flac has 21 s of sound; this demo takes up to 20 s"):
        checks.check_upload(limits, write(tmp_path / "long.flac", 21.0))
    with pytest.raises(AudiodiffError, match="11 s of sound in 2 channels"):
        checks.check_upload(limits, write(tmp_path / "wide.flac", 11.0, channels=2))
    with pytest.raises(AudiodiffError, match=r"large.wav has 1.1 MiB; this demo takes up to 1"):
        checks.check_upload(limits, write(tmp_path / "large.wav", 5.0, rate=120_000))
    for nothing in (None, ""):
        with pytest.raises(AudiodiffError, match="choose a clip first"):
            checks.check_upload(limits, nothing)
    refused("not on the server any more", lambda: checks.check_upload(limits, tmp_path / "gone.wav"))
    text = tmp_path / "notes.txt"
    text.write_text("la la la")
    refused("not audio", lambda: checks.check_upload(limits, text))


def test_mels_have_a_length_where_they_are_taken(limits: Limits, tmp_path: Path) -> None:
    path = tmp_path / "mel.npy"
    np.save(path, np.zeros((80, 100), dtype=np.float32))
    assert checks.check_upload(limits, path, mel_seconds_per_frame=0.1) == path
    refused("30 s of sound", lambda: checks.check_upload(limits, path, mel_seconds_per_frame=0.3))
    refused("not audio", lambda: checks.check_upload(limits, path))


@pytest.mark.parametrize(
    ("rate", "n_samples", "message"),
    [
        (1_999_993, 100, "sample rate of 1999993 Hz"),
        (7, 100, "sample rate of 7 Hz"),
        (384_000, 2_000_000, "2000000 samples; this demo takes up to 1920000"),
    ],
)
def test_uploads_are_limited_in_samples(
    limits: Limits, tmp_path: Path, rate: int, n_samples: int, message: str
) -> None:
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.zeros(n_samples), rate)
    refused(message, lambda: checks.check_upload(replace(limits, upload_mb=10.0), path))


def test_what_is_taken_in_is_told_by_its_content(tmp_path: Path) -> None:
    checks.check_content(write(tmp_path / "sound.wav", 0.1))
    (tmp_path / "sound.bin").write_bytes((tmp_path / "sound.wav").read_bytes())
    checks.check_content(tmp_path / "sound.bin")
    np.save(tmp_path / "mel.npy", np.zeros((80, 4), np.float32))
    checks.check_content(tmp_path / "mel.npy")
    for name, content in {
        "page.wav": b"<script>alert(1)</script>",
        "empty.wav": b"",
        "header.wav": (tmp_path / "sound.wav").read_bytes()[:44],
        "archive.flac": b"PK\x03\x04" + bytes(100),
        "notes.json": b"{}",
        "list.json": b"[" * 100_000,
        "mel2.npy": b"\x93NUMPY",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AudiodiffError, match=name):
            checks.check_content(tmp_path / name)


def told(**changes: object) -> ProvenanceRecord:
    return replace(RECORD, **changes)  # type: ignore[arg-type]


def test_a_record_cannot_ask_for_more_than_the_page(limits: Limits) -> None:
    base = RECORD
    checks.check_record(limits, base, "clip.wav")
    for settings, message in (
        ({"seconds": 9.0}, "seconds 9; this demo replays up to 8"),
        ({"steps": 51}, "steps 51"),
        ({"vocoder_steps": 10**9}, "vocoder_steps"),
        ({"steps": float("nan")}, "steps nan"),
        ({"piece_frames": 1}, "piece_frames 1; this demo replays pieces of 64 or more"),
        ({"window_frames": 63}, "window_frames 63"),
        ({"renewals": 65}, "renewals 65; this demo replays up to 64"),
        ({"output_half_projections": 900}, "output_half_projections 900; this demo replays up to 64"),
        ({"output_matching": 65}, "output_matching 65; this demo replays up to 64"),
        ({"window_frames": float("nan")}, "window_frames nan"),
        ({"steps": "9" * 9}, "steps 999999999"),
        ({"seconds": True}, "seconds True"),
        ({"regions": [[0, 1]] * 201}, "201 values in one place"),
        ({"regions": [[[[[1]]]]]}, "levels deep"),
        ({"guidance": 10**400}, "the number 1000"),
        ({"new": {"x": float("inf")}}, "the number inf"),
        ({"new": {"x": "y" * 201}}, "201 characters"),
    ):
        with pytest.raises(AudiodiffError, match=message):
            checks.check_record(limits, told(settings={**base.settings, **settings}), "clip.wav")
    for change in ({"prompt": "y" * 201}, {"negative": "y" * 201}):
        with pytest.raises(AudiodiffError, match="201 characters"):
            checks.check_record(limits, told(**change), "clip.wav")
    audio = replace(base.audio, n_samples=base.audio.sample_rate * 30)
    refused("longer than the 20 s", lambda: checks.check_record(limits, told(audio=audio), "clip.wav"))
    with pytest.raises(AudiodiffError, match="1000 threads"):
        checks.check_record(limits, told(machine=replace(base.machine, threads=1000)), "clip.wav")


def test_formats_are_those_that_audiodiff_writes() -> None:
    usual = [(ending, None) for ending in ("flac", "wav", "mp3", "ogg")]
    assert sorted(checks.check_format(name) for name in checks.FORMATS if name != "wav-24") == sorted(usual)
    assert checks.check_format("wav-24") == ("wav", 24)
    for ending in {checks.check_format(name)[0] for name in checks.FORMATS}:
        check_extension(Path(f"a.{ending}"))
    refused("choose one of flac", lambda: checks.check_format("../../x"))


def test_chords_are_a_text_of_bounded_length() -> None:
    assert checks.check_chords(" Am F ") == "Am F"
    assert checks.check_chords(None) is None
    assert checks.check_chords("  ") is None
    for bad in (3, "C " * 300, ["C"]):
        with pytest.raises(AudiodiffError, match="chords is"):
            checks.check_chords(bad)
