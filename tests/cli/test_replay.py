import json
import shutil

import numpy as np
import pytest
import soundfile

from audiodiff.signal.tags import read_tags, write_tags


@pytest.fixture
def told(command, checkpoint, clip, tmp_path):
    path = tmp_path / "out.wav"
    assert command("vocode", clip, "-o", path, "--model", checkpoint, "--steps", 1, "--seed", 2).status == 0
    return path


def test_identical(command, told, checkpoint, tmp_path) -> None:
    done = command("replay", told, "-o", tmp_path / "again.wav", "--model", checkpoint)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"{tmp_path / 'again.wav'}: identical to {told}, 11025 samples at 22050 Hz\n"
    assert (tmp_path / "again.wav").read_bytes() == told.read_bytes()


def test_the_input_may_be_elsewhere(command, told, checkpoint, clip, tmp_path) -> None:
    (tmp_path / "away").mkdir()
    moved = shutil.move(clip, tmp_path / "away" / "renamed.wav")
    arguments = ("replay", told, "-o", tmp_path / "again.wav", "--model", checkpoint)
    done = command(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "--input" in done.err
    assert command(*arguments, "--input", moved).status == 0


def test_not_identical(command, told, checkpoint, tmp_path) -> None:
    document = json.loads(read_tags(told)["audiodiff"])
    document["audio"]["samples_sha256"] = document["audio"]["generated_sha256"] = "0" * 64
    document["machine"]["torch"] = "0.4"
    write_tags(told, {"AUDIODIFF": json.dumps(document)})
    done = command("replay", told, "-o", tmp_path / "again.wav", "--model", checkpoint)
    assert done.status == 1
    assert "not identical" in done.out
    assert "torch 0.4, now" in done.out
    assert "does not decode to those samples" in done.out
    assert (tmp_path / "again.wav").exists()


def test_an_edited_file_becomes_what_it_was(command, told, checkpoint, tmp_path) -> None:
    document = read_tags(told)["audiodiff"]
    samples, rate = soundfile.read(told, dtype="int16")
    soundfile.write(told, np.roll(samples, 1), rate)
    write_tags(told, {"AUDIODIFF": document})
    done = command("replay", told, "-o", tmp_path / "again.wav", "--model", checkpoint)
    assert done.status == 0
    assert "the recorded samples of" in done.out
    np.testing.assert_array_equal(soundfile.read(tmp_path / "again.wav", dtype="int16")[0], samples)


@pytest.mark.parametrize("case", ["no record", "missing", "no model", "output is the input", "bad device"])
def test_bad_input_is_one_sentence(command, told, checkpoint, clip, tmp_path, case) -> None:
    again = tmp_path / "again.wav"
    done = command("replay", *{
        "no record": [clip, "-o", again, "--model", checkpoint],
        "missing": [tmp_path / "nothing.wav", "-o", again, "--model", checkpoint],
        "no model": [told, "-o", again],
        "output is the input": [told, "-o", told, "--model", checkpoint],
        "bad device": [told, "-o", again, "--model", checkpoint, "--device", "abacus"],
    }[case])  # fmt: skip
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("audiodiff: ")
    assert done.err.count("\n") == 1
    assert not again.exists()


def test_vocode_without_a_record(command, checkpoint, clip, tmp_path) -> None:
    arguments = ("vocode", clip, "-o", tmp_path / "out.wav", "--model", checkpoint, "--no-provenance")
    assert command(*arguments).status == 0
    assert read_tags(tmp_path / "out.wav") == {}
    done = command(*arguments, "--sidecar")
    assert done.status == 2
    assert "--sidecar" in done.err
