import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.find import PHONE_MODEL_FILE, PRETRAINED
from audiodiff.models.gan_vocoder import GanVocoder
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.vocoder import Vocoder
from tests.cli.conftest import RATE
from tests.models.gan_vocoder.peers import write_hifigan
from tests.models.vocoder.test_lmnt import lmnt_state
from tests.synthesis.latent_models import write_latent_model


def test_a_run_becomes_a_checkpoint_of_half_the_size(command, checkpoint, tmp_path) -> None:
    done = command("export", checkpoint, "-o", tmp_path / "half", "--half")
    assert done.status == 0, done.err
    assert "float16" in done.out
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (checkpoint, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert read_config(tmp_path / "half")["metadata"] == read_config(checkpoint)["metadata"]
    load_checkpoint(tmp_path / "half", Vocoder)


def test_the_weights_of_a_checkpoint_are_stored_as_asked(command, checkpoint, tmp_path) -> None:
    for words, told in (((), "float32"), (("--weights", "fp16"), "float16"), (("--weights", "int8"), "int8")):
        done = command("export", checkpoint, "-o", tmp_path / told, *words)
        assert done.status == 0, done.err
        assert done.out.rstrip().endswith(told)
        load_checkpoint(tmp_path / told, Vocoder)
    half = command("export", checkpoint, "-o", tmp_path / "half", "--half", "--weights", "fp16")
    assert half.out.rstrip().endswith("float16")


def test_a_latent_model_takes_its_vocoder_along(command, tmp_path) -> None:
    source = write_latent_model(tmp_path / "model")
    done = command("export", source, "-o", tmp_path / "half", "--half")
    assert done.status == 0, done.err
    for name in (".", "vocoder"):
        theirs, ours = read_config(source / name), read_config(tmp_path / "half" / name)
        assert ours["metadata"] == theirs["metadata"]
    exported, original = load_checkpoint(tmp_path / "half", MelLatent), load_checkpoint(source, MelLatent)
    for name, value in original.state_dict().items():
        torch.testing.assert_close(exported.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    load_checkpoint(tmp_path / "half" / "vocoder", Vocoder)


def test_a_voice_takes_its_phone_model_along(command, tmp_path) -> None:
    done = command("export", PRETRAINED / "kathleen", "-o", tmp_path / "voice", "--half")
    assert done.status == 0, done.err
    ours, theirs = (folder / PHONE_MODEL_FILE for folder in (tmp_path / "voice", PRETRAINED / "kathleen"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_lmnt_weights_are_converted(command, tmp_path) -> None:
    state = lmnt_state(8, 3, torch.Generator().manual_seed(0))
    torch.save({"step": 1, "model": state}, tmp_path / "weights.pt")
    assert command("export", tmp_path / "weights.pt", "-o", tmp_path / "diffwave").status == 0
    model = load_checkpoint(tmp_path / "diffwave", Vocoder)
    assert torch.equal(model.wavenet.skip_projection.weight, state["skip_projection.weight"])


def test_a_generator_of_another_project_is_converted_and_vocodes(command, clip, tmp_path) -> None:
    source = write_hifigan(tmp_path / "theirs")
    done = command("export", source, "-o", tmp_path / "hifigan")
    assert done.status == 0, done.err
    config = read_config(tmp_path / "hifigan", "gan_vocoder")
    assert config["metadata"]["description"] == "HiFi-GAN, converted from g_00000010"
    vocoded = command("vocode", clip, "-o", tmp_path / "out.wav", "--model", tmp_path / "hifigan")
    assert vocoded.status == 0, vocoded.err
    waveform, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == 8000
    assert waveform.size == pytest.approx(4000, abs=8)
    replayed = command("replay", tmp_path / "out.wav", "--model", tmp_path / "hifigan", "-o", tmp_path / "again.wav")
    assert replayed.status == 0, replayed.err
    assert (soundfile.read(tmp_path / "again.wav")[0] == waveform).all()
    again = command("export", tmp_path / "hifigan", "-o", tmp_path / "half", "--half")
    assert again.status == 0, again.err
    load_checkpoint(tmp_path / "half", GanVocoder)


@pytest.mark.slow
def test_a_generator_of_another_project_is_evaluated_next_to_the_baselines(command, clip, tmp_path) -> None:
    command("export", write_hifigan(tmp_path / "theirs"), "-o", tmp_path / "hifigan")
    (tmp_path / "data").mkdir()
    shutil.copy(clip, tmp_path / "data")
    done = command(
        "evaluate", "--model", tmp_path / "hifigan", "--data", tmp_path / "data", "--measures", "mr_stft", "--baselines"
    )
    assert done.status == 0, done.err
    assert "hifigan, 1 step" in done.out
    assert "Griffin-Lim 32" in done.out


def test_unconverted_weights_are_told_how_to_become_a_model(command, clip, tmp_path) -> None:
    source = write_hifigan(tmp_path / "theirs")
    for given in (source, source.parent):
        done = command("vocode", clip, "-o", tmp_path / "out.wav", "--model", given)
        assert done.status == 2
        assert "audiodiff export" in done.err
    done = command("export", source, "-o", tmp_path / "out", "--mel", "hifigan-22k")
    assert done.status == 2
    assert "must be the same" in done.err
    assert not (tmp_path / "out").exists()
    torch.save({"model": {}}, tmp_path / "weights.pt")
    assert "is none" in command("export", tmp_path / "weights.pt", "-o", tmp_path / "out", "--mel", "hifigan-22k").err


def test_bad_input_is_one_sentence_and_leaves_nothing(command, checkpoint, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("keep")
    for source, target, message in (
        (checkpoint, tmp_path / "full", "exists already"),
        (tmp_path / "absent", tmp_path / "out", "there is no model"),
        (tmp_path / "full" / "precious.txt", tmp_path / "out", "not a PyTorch checkpoint"),
    ):
        done = command("export", source, "-o", target)
        assert done.status == 2
        assert message in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "precious.txt").read_text() == "keep"


_KILLED = """
import os, signal, sys
from audiodiff.cli.main import main
from audiodiff.models import checkpoint

save, calls = checkpoint.save_checkpoint, []

def dying(*arguments, **options):
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(save(*arguments, **options))

checkpoint.save_checkpoint = dying
sys.exit(main(["export", sys.argv[1], "-o", sys.argv[2]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("saved", [0, 1])
def test_a_killed_export_leaves_nothing_that_looks_complete_and_is_repeated(command, tmp_path, saved) -> None:
    source, target = write_latent_model(tmp_path / "model"), tmp_path / "out" / "exported"
    killed = subprocess.run([sys.executable, "-c", _KILLED, source, target, str(saved)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert command("inspect", target).status == 2
    done = command("export", source, "-o", target)
    assert done.status == 0, done.err
    load_checkpoint(target / "vocoder", Vocoder)
    assert [path.name for path in target.parent.iterdir()] == ["exported"]  # what the dead run left has gone


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_nothing(checkpoint, tmp_path) -> None:
    code = (
        "import resource, sys; from audiodiff.cli.main import main; import torch\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "sys.exit(main(['export', sys.argv[1], '-o', sys.argv[2]]))"
    )
    words = [sys.executable, "-c", code, checkpoint, tmp_path / "out" / "exported"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "cannot be written" in line
    assert "File too large" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_vocoder_becomes_an_onnx_folder(command, checkpoint, tmp_path) -> None:
    pytest.importorskip("onnx")
    done = command("export", checkpoint, "--to", "onnx", "-o", tmp_path / "onnx", "--steps", 21, "--sampler", "unipc")
    assert done.status == 0, done.err
    assert "5 files" in done.out
    from audiodiff.runtime import load

    made = load(tmp_path / "onnx").vocode(np.ones(3000, np.float32), RATE, sampler="unipc", steps=21)
    assert made.shape == (3000,)


def test_what_cannot_be_exported_to_onnx_is_one_sentence(command, checkpoint, tmp_path, monkeypatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("keep")
    for words, message in (
        ((checkpoint, "--to", "onnx", "-o", tmp_path / "full"), "exists already"),
        (("nobody", "--to", "onnx", "-o", tmp_path / "out"), "there is no model 'nobody'"),
        ((PRETRAINED / "upsample-speech", "--to", "onnx", "-o", tmp_path / "out"), "an upsampler, which only widens"),
        ((checkpoint, "--to", "tflite", "-o", tmp_path / "out"), "invalid choice: 'tflite'"),
        ((checkpoint, "--to", "onnx", "-o", tmp_path / "out", "--half"), "--half is for checkpoints"),
        ((checkpoint, "-o", tmp_path / "out", "--weights", "exact"), "--weights exact is for --to onnx"),
        (
            (checkpoint, "-o", tmp_path / "out", "--weights", "int8", "--half"),
            "--weights int8 otherwise; give one of them",
        ),
        ((checkpoint, "--to", "onnx", "-o", tmp_path / "out", "--weights", "int4"), "invalid choice: 'int4'"),
        ((checkpoint, "-o", tmp_path / "out", "--steps", 3), "--steps is for --to onnx"),
        ((checkpoint, "--to", "onnx", "-o", tmp_path / "out", "--steps", 0), "steps is 0"),
    ):
        done = command("export", *words)
        assert done.status == 2, words
        assert message in done.err
        assert done.err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = command("export", checkpoint, "--to", "onnx", "-o", tmp_path / "out")
    assert done.status == 2
    assert "audiodiff-synth[onnx]" in done.err
    assert not (tmp_path / "out").exists()
