"""File names and texts by others: any bytes, any locale, nothing that a terminal obeys."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAMES = [b"caf\xe9.wav", "日本\x1b[31m\u202e.wav".encode()]


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, ASCII], ids=["usual", "ascii"])
@pytest.mark.parametrize("name", NAMES)
def test_a_sound_of_any_name_goes_in_and_out(
    checkpoint: Path, clip: Path, tmp_path: Path, name: bytes, environment: dict[str, str]
) -> None:
    source = os.path.join(os.fsencode(tmp_path), name)
    target = os.path.join(os.fsencode(tmp_path), b"out-" + name)
    shutil.copyfile(clip, source)

    def run(*arguments: str | bytes | Path) -> bytes:
        command = [sys.executable, "-m", "audiodiff", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, env=os.environ | environment)
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
        return done.stdout

    run("vocode", source, "-o", target, "--model", checkpoint, "--steps", "1", "--sidecar")
    document = json.loads(run("inspect", target, "--json"))
    assert document["provenance"]["inputs"][0]["name"]
    assert b"record" not in run("inspect", target).splitlines()[0]
    run("replay", target, "-o", os.path.join(os.fsencode(tmp_path), b"again.wav"), "--model", checkpoint)


def test_a_home_in_a_path_is_found(command, checkpoint, clip, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = command("vocode", f"~/{clip.name}", "--output", "~/out.wav", "--model", checkpoint, "--steps", 1)
    assert done.status == 0, done.err
    assert (tmp_path / "out.wav").is_file()
    assert not (tmp_path / "~").exists()
    assert command("inspect", "~/out.wav").status == 0
    done = command("vocode", "~nobody-here/a.wav", "-o", "b.wav")
    assert (done.status, done.err.count("\n")) == (2, 1)


def test_errors_and_model_cards_are_cleaned(command, checkpoint, tmp_path) -> None:
    done = command("vocode", tmp_path / "a\x1b]0;owned\x07\u202e.wav", "-o", tmp_path / "b.wav")
    assert done.status == 2
    assert "\\x1b]0;owned\\x07\\u202e" in done.err
    model = shutil.copytree(checkpoint, tmp_path / "model")
    (model / "MODEL_CARD.md").write_text("# Nice\n\x1b[2J\x9b31m\u202e\n")
    config = json.loads((model / "config.json").read_text())
    config["metadata"]["description"] = "\x1b[2Jnice"
    (model / "config.json").write_text(json.dumps(config))
    done = command("inspect", model)
    assert done.status == 0
    assert not set("\x1b\x9b\u202e") & set(done.out)


@pytest.mark.parametrize("claimed", [0, 7, 0xFFFFFFFF])
def test_tags_that_cannot_be_read_do_not_stop_the_sound(command, checkpoint, clip, tmp_path, claimed) -> None:
    content = bytearray(clip.read_bytes())
    content[4:8] = claimed.to_bytes(4, "little")  # as a recorder that crashed leaves it
    crashed = tmp_path / "crashed.wav"
    crashed.write_bytes(content)
    done = command("vocode", crashed, "-o", tmp_path / "out.wav", "--model", checkpoint, "--steps", 1)
    assert done.status == 0, done.err
    done = command("inspect", crashed)
    assert (done.status, done.err) == (0, "")


def test_what_was_cut_off_is_told(command, checkpoint, clip, tmp_path) -> None:
    content = clip.read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(content[: len(content) // 2])
    done = command("vocode", cut, "-o", tmp_path / "out.wav", "--model", checkpoint, "--steps", 1)
    assert done.status == 0
    assert "cut.wav is cut off: its header promises 0.50 s, and 0.25 s are there" in done.err
    assert "cut.wav is cut off" in command("inspect", cut).out
    found = json.loads(command("inspect", cut, "--json").out)["cut_off"]
    assert found["promised_seconds"] == pytest.approx(0.5, abs=0.01)
    assert json.loads(command("inspect", clip, "--json").out)["cut_off"] is None


def test_a_float_file_of_integers_is_refused(command, checkpoint, tmp_path) -> None:
    soundfile.write(tmp_path / "a.wav", 9701 * np.sin(np.arange(9000) * 0.1), 22050, subtype="FLOAT")
    done = command("vocode", tmp_path / "a.wav", "-o", tmp_path / "out.wav", "--model", checkpoint)
    assert done.status == 2
    assert "full scale is 1" in done.err
    assert not (tmp_path / "out.wav").exists()


def test_a_log10_mel_is_remarked_on(command, checkpoint, tmp_path) -> None:
    ln = np.clip(np.random.default_rng(0).normal(-6.0, 2.5, (80, 60)), -11.5, 1.0).astype(np.float32)
    np.save(tmp_path / "ln.npy", ln)
    np.save(tmp_path / "log10.npy", ln / np.float32(np.log(10.0)))
    arguments = ("-o", tmp_path / "out.wav", "--model", checkpoint, "--steps", 1)
    assert command("vocode", tmp_path / "ln.npy", *arguments).err == ""
    done = command("vocode", tmp_path / "log10.npy", *arguments)
    assert done.status == 0
    assert "if they are log10, multiply them by 2.3026" in done.err


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (80, 10000000000000000000000), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (80, 1000000000), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-80, -5), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 'x', }",
        "(" * 117,
        "\0" * 50,
        "[" * 5000 + "]" * 5000,
    ],
)
def test_no_header_of_an_array_costs_anything(command, checkpoint, tmp_path, header) -> None:
    text = header.encode().ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(100))
    for arguments in (
        ("vocode", tmp_path / "a.npy", "-o", tmp_path / "o.wav", "--model", checkpoint),
        ("inspect-mel", tmp_path / "a.npy"),
    ):
        done = command(*arguments)
        assert (done.status, done.err.count("\n")) == (2, 1), done.err
