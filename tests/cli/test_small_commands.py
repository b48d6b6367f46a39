import io
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from audiodiff._version import __version__
from audiodiff.cli import allocator, models
from audiodiff.cli.progress import progress_bar
from audiodiff.signal.mel import log_mel, preset


def test_version_and_help(command) -> None:
    assert command("--version").out == f"audiodiff {__version__}\n"
    assert "vocode" in command("--help").out
    nothing = command()
    assert (nothing.status, nothing.out) == (2, "")
    assert "usage" in nothing.err


def test_models_are_listed(command, checkpoint, monkeypatch) -> None:
    monkeypatch.setattr(models, "PRETRAINED", checkpoint.parent)
    listed = command("models")
    assert listed.status == 0
    assert listed.out.startswith("tiny  ")
    assert "22050 Hz, 80 mel bands" in listed.out
    config = json.loads(command("models", "--json").out)["tiny"]
    assert config == json.loads((checkpoint / "config.json").read_text())


def test_a_model_names_its_corpus(command, checkpoint, tmp_path, monkeypatch) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    config["metadata"] |= {"description": "one voice", "corpus": {"name": "own", "hours": 1.5, "licences": ["CC0-1.0"]}}
    config["metadata"]["origins"] = {
        "init": {
            "corpus": "theirs",
            "licences": ["CC-BY-4.0"],
            "origins": {"init": {"corpus": "older", "licences": ["MIT", "CC0-1.0"]}},
        }
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(models, "PRETRAINED", tmp_path)
    assert "one voice; trained on own, 1.5 h; CC-BY-4.0; CC0-1.0; MIT" in command("models").out


def test_the_shipped_models_are_listed(command) -> None:
    listed = command("models")
    assert (listed.status, listed.err) == (0, "")
    assert "trained on game, rendered, music" in listed.out
    assert [line.split()[0] for line in listed.out.splitlines()] == ["kathleen", "music", "speech", "upsample-speech"]


def test_no_models(command, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(models, "PRETRAINED", tmp_path / "nothing")
    assert "train" in command("models").out


@pytest.mark.parametrize("name", ["hifigan-22k", "vocos-24k", "diffwave-lmnt"])
def test_the_mel_is_recognised(command, tmp_path, name) -> None:
    spec = preset(name)
    time = torch.arange(3 * spec.sample_rate) / spec.sample_rate
    waveform = 0.3 * torch.sin(2 * torch.pi * 220 * time) * (0.5 + 0.5 * torch.sin(6 * time)) ** 4
    waveform += 0.02 * torch.randn(waveform.shape, generator=torch.Generator().manual_seed(0)) * (time % 1 > 0.4)
    np.save(tmp_path / "mel.npy", log_mel(waveform, spec).numpy())
    done = command("inspect-mel", tmp_path / "mel.npy")
    assert done.status == 0, done.err
    assert f"{spec.n_mels} bands" in done.out
    assert any(line.startswith(f"  {name} ") for line in done.out.splitlines()), done.out


def test_a_mel_of_no_preset(command, tmp_path) -> None:
    np.save(tmp_path / "mel.npy", np.zeros((7, 10), np.float32))
    assert "no preset" in command("inspect-mel", tmp_path / "mel.npy").out
    np.save(tmp_path / "mel.npy", np.full((80, 10), np.nan, np.float32))
    assert command("inspect-mel", tmp_path / "mel.npy").status == 2
    assert command("inspect-mel", tmp_path / "nothing.npy").status == 2


def test_doctor_tells(command, checkpoint, tmp_path) -> None:
    done = command("doctor", "--model", checkpoint)
    assert done.status == 0, done.out
    assert "ok    torch" in done.out
    assert "real-time factor" in done.out
    sick = command("doctor", "--model", tmp_path)
    assert sick.status == 1
    assert "FAIL  model" in sick.out


def test_allocator_is_left_alone_when_told(monkeypatch) -> None:
    monkeypatch.setenv(allocator.SWITCH, "default")
    assert allocator.tune_allocator() is False
    monkeypatch.delenv(allocator.SWITCH)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    assert allocator.tune_allocator() is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_allocator_serves_long_blocks_from_the_heap() -> None:
    code = (
        "import ctypes; from audiodiff.cli.allocator import tune_allocator; done = tune_allocator(); "
        "libc = ctypes.CDLL('libc.so.6'); libc.malloc.restype = ctypes.c_void_p; block = libc.malloc(1 << 28); "
        "heap = [line.split()[0] for line in open('/proc/self/maps') if '[heap]' in line]; "
        "low, high = (int(part, 16) for part in heap[0].split('-')); print(done, low <= block < high)"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", allocator.SWITCH))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout in {"True True\n", "False False\n"}
    if "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or ""):
        assert done.stdout == "True True\n"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU OpenMP")
@pytest.mark.parametrize(
    ("given", "count"),
    [({}, "'1000'"), ({"GOMP_SPINCOUNT": "7"}, "'7'"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "'0'")],
)
def test_idle_threads_sleep_soon_unless_the_user_says_otherwise(given, count) -> None:
    plain = {key: value for key, value in os.environ.items() if key not in {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}}
    code = "from audiodiff.cli.main import main; main(['models']); import torch"
    environment = {**plain, "OMP_DISPLAY_ENV": "verbose", **given}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch is built with another OpenMP")
    assert f"GOMP_SPINCOUNT = {count}" in done.stderr


def test_progress_is_silent_without_a_terminal(capsys) -> None:
    with progress_bar("working", "s", delay=0.0) as report:
        for done in range(5):
            report(float(done), 4.0)
    assert capsys.readouterr().err == ""


def test_progress_is_drawn_on_a_terminal(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("working", "s of audio", delay=0.0) as report:
        for done in range(5):
            time.sleep(0.11)
            report(float(done), 4.0)
    assert "working  75 %" in terminal.getvalue()
    assert "3/4 s of audio" in terminal.getvalue()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_memory_is_given_back_when_told() -> None:
    code = """
import re
from pathlib import Path
from audiodiff.cli.allocator import release_memory, tune_allocator

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

done = tune_allocator()
blocks = [b"x" * 2**16 for _ in range(2048)]
kept = b"y" * 2**16
before = resident()
del blocks
held = resident()
print(done, before - held < 32, release_memory(), held - resident() > 96)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", allocator.SWITCH))}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    done, held, released, given_back = said.stdout.split()
    if done == "False":
        pytest.skip("no glibc")
    assert (held, released, given_back) == ("True", "True", "True")
