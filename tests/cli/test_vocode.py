import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file, save_file

from audiodiff.cli import main as main_module
from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec, log_mel, preset
from audiodiff.synthesis import vocode
from audiodiff.synthesis.verbs.vocode import EXAMPLE

RATE = 22050


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "WAV"])
def test_a_recording_becomes_a_recording(command, checkpoint, clip, tmp_path, extension) -> None:
    output = tmp_path / f"out.{extension}"
    done = command("vocode", clip, "-o", output, "--model", checkpoint, "--steps", 1)
    assert done.status == 0, done.err
    info = soundfile.info(output)
    assert (info.samplerate, info.channels, info.frames) == (RATE, 1, soundfile.info(clip).frames)
    assert re.fullmatch(
        r".*out\.\w+: 0\.50 s at 22050 Hz, 1 step of heun \(uniform grid\), seed 0, real-time factor \d+\.\d+"
        r"(; \d+ samples? beyond full scale clipped)?\n",
        done.out,
    )
    assert done.err == ""
    waveform, _ = soundfile.read(output)
    assert np.abs(waveform).max() > 0.001


def test_the_file_holds_what_python_gives(command, checkpoint, clip, tmp_path) -> None:
    output = tmp_path / "out.wav"
    given = ("--model", checkpoint, "--seed", 3, "--sampler", "ddim", "--no-watermark")
    assert command("vocode", clip, "-o", output, *given).status == 0
    waveform, rate = soundfile.read(clip, dtype="float32")
    expected = vocode.load(checkpoint).vocode(waveform, rate, seed=3, sampler="ddim", steps=2)
    written, _ = soundfile.read(output, dtype="float32")
    np.testing.assert_allclose(written, np.clip(expected, -1, 1), atol=2e-4)


def test_the_seed_is_heard(command, checkpoint, clip, tmp_path) -> None:
    waves = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        command("vocode", clip, "-o", tmp_path / f"{name}.wav", "--model", checkpoint, "--seed", seed)
        waves.append(soundfile.read(tmp_path / f"{name}.wav")[0])
    np.testing.assert_array_equal(waves[0], waves[1])
    assert np.abs(waves[0] - waves[2]).max() > 1e-3


def test_the_example_of_the_package(command, checkpoint, tmp_path) -> None:
    done = command("vocode", "--example", "-o", tmp_path / "out.wav", "--model", checkpoint, "--steps", 1)
    assert done.status == 0
    assert soundfile.info(tmp_path / "out.wav").frames == soundfile.info(EXAMPLE).frames


@pytest.mark.parametrize(("rate", "n_samples"), [(16000, 8001), (44100, 9999), (8000, 1), (22050, 1), (48000, 2)])
def test_any_rate_and_length(command, checkpoint, tmp_path, rate, n_samples) -> None:
    soundfile.write(tmp_path / "in.flac", np.full(n_samples, 0.1), rate)
    done = command("vocode", tmp_path / "in.flac", "-o", tmp_path / "out.wav", "--model", checkpoint, "--steps", 1)
    assert done.status == 0, done.err
    assert soundfile.info(tmp_path / "out.wav").frames == -(-n_samples * RATE // rate)


def test_another_rate_for_the_output(command, checkpoint, clip, tmp_path) -> None:
    done = command("vocode", clip, "-o", tmp_path / "out.wav", "--model", checkpoint, "--rate", 48000)
    assert done.status == 0
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.samplerate, info.frames) == (48000, -(-soundfile.info(clip).frames * 48000 // RATE))


def test_stereo_stays_stereo(command, checkpoint, clip, tmp_path) -> None:
    waveform = soundfile.read(clip)[0]
    soundfile.write(tmp_path / "stereo.wav", np.stack([waveform, 0.1 * waveform[::-1]], axis=1), RATE)
    done = command(
        "vocode", tmp_path / "stereo.wav", "-o", tmp_path / "out.wav", "--model", checkpoint, "--no-watermark"
    )
    assert done.status == 0
    assert "2 channels" in done.out
    command("vocode", clip, "-o", tmp_path / "mono.wav", "--model", checkpoint, "--no-watermark")
    stereo = soundfile.read(tmp_path / "out.wav")[0]
    np.testing.assert_allclose(stereo[:, 0], soundfile.read(tmp_path / "mono.wav")[0], atol=1e-4)
    assert 3 < np.std(stereo[:, 0]) / np.std(stereo[:, 1]) < 30


def test_silence_is_said_and_written(command, checkpoint, tmp_path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(5000), RATE)
    done = command("vocode", tmp_path / "in.wav", "-o", tmp_path / "out.wav", "--model", checkpoint)
    assert done.status == 0
    assert "silence" in done.out
    assert np.abs(soundfile.read(tmp_path / "out.wav")[0]).max() < 10 ** (-50 / 20)


def test_a_mel_becomes_a_recording(command, checkpoint, clip, tmp_path) -> None:
    waveform = torch.from_numpy(soundfile.read(clip, dtype="float32")[0][: 256 * 40])
    spec = preset("hifigan-22k")
    mel = log_mel(waveform, spec).numpy()
    np.save(tmp_path / "mel.npy", mel)
    np.save(tmp_path / "batch.npy", mel[None].astype(np.float64))
    matcha = log_mel(waveform, preset("matcha-22k")).numpy()
    np.save(tmp_path / "matcha.npy", matcha)
    waves = []
    for name, more in (("mel", []), ("batch", ["--mel", "hifigan-22k"]), ("matcha", ["--mel", "matcha-22k"])):
        output = tmp_path / f"{name}.wav"
        done = command("vocode", tmp_path / f"{name}.npy", "-o", output, "--model", checkpoint, "--no-watermark", *more)
        assert done.status == 0, done.err
        waves.append(soundfile.read(output)[0])
        assert waves[-1].shape == (256 * 40,)
    np.testing.assert_allclose(waves[1], waves[0], atol=1e-4)
    np.testing.assert_allclose(waves[2], waves[0], atol=1e-3)


def write_mel(path: Path, spec: MelSpec, transform: Callable[[np.ndarray], np.ndarray] = lambda mel: mel) -> Path:
    waveform = torch.from_numpy(np.random.default_rng(0).standard_normal(256 * 40).astype(np.float32)) * 0.1
    np.save(path, transform(log_mel(waveform, spec).numpy()))
    return path


def break_config(checkpoint: Path, folder: Path, key: str) -> Path:
    copy = folder / "model"
    shutil.copytree(checkpoint, copy)
    config = json.loads((copy / "config.json").read_text())
    where = config
    *path, last = key.split(".")
    for part in path:
        where = where[part]
    where[last] = 1
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def bad_inputs() -> dict[str, Callable[[Path, Path, Path], list[object]]]:
    """Name -> function from (folder, good clip, checkpoint) to the arguments."""

    def audio(name: str, write: Callable[[Path], object]) -> Callable[[Path, Path, Path], list[object]]:
        def make(folder: Path, clip: Path, checkpoint: Path) -> list[object]:
            write(folder / name)
            return [folder / name, "-o", folder / "out.wav", "--model", checkpoint]

        return make

    def nan(path: Path) -> None:
        waveform = np.zeros(4000, np.float32)
        waveform[3000] = np.nan
        soundfile.write(path, waveform, RATE, subtype="FLOAT")

    def truncated(folder: Path, clip: Path, checkpoint: Path) -> list[object]:
        shutil.copytree(checkpoint, folder / "model")
        weights = folder / "model" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-500])
        return [clip, "-o", folder / "out.wav", "--model", folder / "model"]

    def foreign(folder: Path, clip: Path, checkpoint: Path) -> list[object]:
        shutil.copytree(checkpoint, folder / "model")
        state = load_file(folder / "model" / "model.safetensors")
        state.pop(sorted(state)[0])
        save_file(state, folder / "model" / "model.safetensors")
        return [clip, "-o", folder / "out.wav", "--model", folder / "model"]

    lmnt = preset("diffwave-lmnt")
    return {
        "missing": lambda d, c, m: [d / "nothing.wav", "-o", d / "out.wav", "--model", m],
        "a folder": lambda d, c, m: [d, "-o", d / "out.wav", "--model", m],
        "empty": audio("in.wav", lambda p: p.write_bytes(b"")),
        "not audio": audio("in.wav", lambda p: p.write_text("these are not the samples")),
        "no samples": audio("in.wav", lambda p: soundfile.write(p, np.zeros(0), RATE)),
        "NaN": audio("nan.wav", nan),
        "no input": lambda d, c, m: ["-o", d / "out.wav", "--model", m],
        "two inputs": lambda d, c, m: [c, "--example", "-o", d / "out.wav", "--model", m],
        "no output": lambda d, c, m: [c, "--model", m],
        "unknown model": lambda d, c, m: [c, "-o", d / "out.wav", "--model", "nonesuch"],
        "model is a file": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m / "config.json"],
        "folder is no model": lambda d, c, m: [c, "-o", d / "out.wav", "--model", d],
        "truncated weights": truncated,
        "foreign weights": foreign,
        "unknown config key": lambda d, c, m: [
            c, "-o", d / "out.wav", "--model", break_config(m, d, "model.wavenet.magic"),
        ],
        "unknown sampling key": lambda d, c, m: [
            c, "-o", d / "out.wav", "--model", break_config(m, d, "metadata.sampling.magic"),
        ],
        "bad level in the config": lambda d, c, m: [
            c, "-o", d / "out.wav", "--model", break_config(m, d, "metadata.sampling.sampler"),
        ],
        "unknown device": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--device", "abacus"],
        "steps 0": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--steps", 0],
        "steps half": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--steps", 0.5],
        "seed below 0": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--seed", -1],
        "unknown sampler": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--sampler", "magic"],
        "rate 0": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--rate", 0],
        "unknown extension": lambda d, c, m: [c, "-o", d / "out.mp4", "--model", m],
        "no extension": lambda d, c, m: [c, "-o", d / "out", "--model", m],
        "output folder missing": lambda d, c, m: [c, "-o", d / "no" / "out.wav", "--model", m],
        "output is a folder": lambda d, c, m: [c, "-o", d, "--model", m],
        "output cannot be written": lambda d, c, m: [c, "-o", "/proc/out.wav", "--model", m],
        "output is the input": lambda d, c, m: [c, "-o", c.parent / "." / c.name, "--model", m],
        "mel for a sound file": lambda d, c, m: [c, "-o", d / "out.wav", "--model", m, "--mel", "hifigan-22k"],
        "mel of another recipe": lambda d, c, m: [write_mel(d / "m.npy", lmnt), "-o", d / "out.wav", "--model", m],
        "mel not convertible": lambda d, c, m: [
            write_mel(d / "m.npy", lmnt), "-o", d / "out.wav", "--model", m, "--mel", "diffwave-lmnt",
        ],
        "mel with other bands": lambda d, c, m: [
            write_mel(d / "m.npy", preset("vocos-24k")), "-o", d / "out.wav", "--model", m,
        ],
        "mel transposed": lambda d, c, m: [
            write_mel(d / "m.npy", preset("hifigan-22k"), lambda x: x.T), "-o", d / "out.wav", "--model", m,
        ],
        "mel without frames": lambda d, c, m: [
            write_mel(d / "m.npy", preset("hifigan-22k"), lambda x: x[:, :0]), "-o", d / "out.wav", "--model", m,
        ],
        "mel with NaN": lambda d, c, m: [
            write_mel(d / "m.npy", preset("hifigan-22k"), lambda x: x * np.nan), "-o", d / "out.wav", "--model", m,
        ],
        "mel of objects": lambda d, c, m: [
            write_mel(d / "m.npy", preset("hifigan-22k"), lambda x: x.astype(object)),
            "-o", d / "out.wav", "--model", m,
        ],
        "mel of integers": lambda d, c, m: [
            write_mel(d / "m.npy", preset("hifigan-22k"), lambda x: x.astype(int)), "-o", d / "out.wav", "--model", m,
        ],
        "unknown mel preset": lambda d, c, m: [
            write_mel(d / "m.npy", preset("hifigan-22k")), "-o", d / "out.wav", "--model", m, "--mel", "magic",
        ],
        "mel is no array": lambda d, c, m: [
            shutil.copy(c, d / "m.npy"), "-o", d / "out.wav", "--model", m,
        ],
    }  # fmt: skip


@pytest.mark.parametrize("case", sorted(bad_inputs()))
def test_bad_input_is_one_sentence(case, command, checkpoint, clip, tmp_path) -> None:
    arguments = bad_inputs()[case](tmp_path, clip, checkpoint)
    before = listing(tmp_path)
    kept = clip.read_bytes()
    done = command("vocode", *arguments)
    assert done.status == 2
    assert done.out == ""
    sentences = [line for line in done.err.splitlines() if line.startswith("audiodiff")]
    assert len(sentences) == 1, done.err
    if not sentences[0].startswith("audiodiff vocode: error:"):  # argparse puts its usage in front
        assert done.err == sentences[0] + "\n"
        assert 20 < len(done.err) < 900
        assert done.err.rstrip().endswith((".", ")"))
    assert "Traceback" not in done.err
    assert listing(tmp_path) == before
    assert clip.read_bytes() == kept


def test_read_only_targets(command, checkpoint, clip, tmp_path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "old.wav").write_bytes(b"old")
    (locked / "old.wav").chmod(0o444)
    assert command("vocode", clip, "-o", locked / "old.wav", "--model", checkpoint).status == 2
    locked.chmod(0o555)
    assert command("vocode", clip, "-o", locked / "out.wav", "--model", checkpoint).status == 2
    locked.chmod(0o755)
    assert listing(locked) == {"old.wav"}


def test_output_by_another_name_of_the_input(command, checkpoint, clip, tmp_path) -> None:
    os.link(clip, tmp_path / "twin.wav")
    done = command("vocode", clip, "-o", tmp_path / "twin.wav", "--model", checkpoint)
    assert done.status == 2
    assert "input" in done.err


def test_a_longer_wav_than_wav_can_be(command, checkpoint, clip, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("audiodiff.synthesis.files.WAV_BYTES", 1000)
    done = command("vocode", clip, "-o", tmp_path / "out.wav", "--model", checkpoint)
    assert done.status == 2
    assert ".flac" in done.err
    assert listing(tmp_path) == {"in.wav"}


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (AudiodiffError("The cat\nsat on it."), 2, "The cat sat on it."),
        (OSError(28, "No space left on device", "out.wav"), 2, "out.wav: No space left on device."),
        (MemoryError(), 2, "memory"),
    ],
)
def test_interruptions_leave_nothing(command, checkpoint, clip, monkeypatch, *, error, status, said) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise error

    monkeypatch.setattr("audiodiff.synthesis.sampling.sample", fail)
    monkeypatch.setattr("audiodiff.synthesis.sampling.count_network_calls", lambda *arguments: 1)
    done = command("vocode", clip, "-o", clip.parent / "out.wav", "--model", checkpoint)
    assert done.status == status
    assert said in done.err
    assert "Traceback" not in done.err
    assert listing(clip.parent) == {"in.wav"}


def test_being_terminated_leaves_nothing(command, checkpoint, clip, monkeypatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("audiodiff.synthesis.sampling.count_network_calls", lambda *arguments: 1)
    monkeypatch.setattr(
        "audiodiff.synthesis.sampling.sample", lambda *arguments, **named: os.kill(os.getpid(), signal.SIGTERM)
    )
    done = command("vocode", clip, "-o", clip.parent / "out.wav", "--model", checkpoint)
    assert done.status == 143
    assert listing(clip.parent) == {"in.wav"}
    assert signal.getsignal(signal.SIGTERM) is before


def test_debug_shows_where(command, checkpoint, tmp_path) -> None:
    for arguments in (["--debug", "vocode", "x.wav"], ["vocode", "x.wav", "--debug"]):
        with pytest.raises(AudiodiffError):
            command(*arguments, "-o", tmp_path / "out.wav", "--model", checkpoint)


def test_a_closed_pipe_is_quiet() -> None:
    code = "import sys; from audiodiff.cli.main import main; sys.exit(main(['models', '--json']))"
    shell = f'{sys.executable} -c "{code}" | true; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "0\n"
    assert done.stderr == ""


def test_broken_pipe_while_printing(monkeypatch, command) -> None:
    def broken(args: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(main_module.os, "dup2", lambda *arguments: None)
    monkeypatch.setattr(main_module.sys, "stdout", sys.__stdout__)
    monkeypatch.setattr("audiodiff.cli.models.run", broken)
    done = command("models")
    assert (done.status, done.err) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")
def test_an_hour_in_bounded_memory(checkpoint, tmp_path) -> None:
    rate, seconds = 16000, 3600
    second = (np.random.default_rng(0).standard_normal(rate) * 3000).astype(np.int16)
    with soundfile.SoundFile(tmp_path / "in.wav", "w", rate, 1) as file:
        for _ in range(seconds):
            file.write(second)
    code = (  # not `ru_maxrss`, which counts what this process shares with its child before that starts its program
        "import re, sys; from audiodiff.cli.main import main; status = main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]); sys.exit(status)"
    )
    arguments = ["vocode", tmp_path / "in.wav", "-o", tmp_path / "out.wav", "--model", checkpoint, "--steps", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "out.wav").frames == seconds * RATE
    assert int(done.stdout.splitlines()[-1]) * 1024 < 1.2 * 2**30


@pytest.mark.slow
def test_a_pipe_in_and_a_pipe_out(checkpoint, clip) -> None:
    wav = Path(clip).read_bytes() if Path(clip).suffix == ".wav" else None
    assert wav is not None
    call = [sys.executable, "-m", "audiodiff", "vocode", "--stream", "-", "--model", str(checkpoint), "--steps", "1"]
    done = subprocess.run(call, input=wav, capture_output=True, check=True)
    samples, rate = soundfile.read(io.BytesIO(done.stdout))
    assert (rate, len(samples)) == (RATE, soundfile.info(clip).frames)
    assert np.abs(samples).max() > 0.001


def test_standard_input_needs_the_stream(command, checkpoint, tmp_path) -> None:
    done = command("vocode", "-", "-o", tmp_path / "a.wav", "--model", checkpoint)
    assert done.status == 2
    assert "--stream" in done.err
    assert listing(tmp_path) == set()
