from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.cli import models
from audiodiff.models.checkpoint import load_checkpoint
from audiodiff.models.upsampler import Upsampler
from audiodiff.signal.resample import resample
from audiodiff.synthesis.provenance import read_provenance
from tests.models.upsampler.cases import voice, write


@pytest.fixture(scope="module")
def upsampler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "tiny-up", {"steps": 2})


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A quarter of a second at 8 kHz."""
    path = tmp_path / "call.wav"
    soundfile.write(path, resample(voice(4_000), 16_000, 8_000)[0].numpy(), 8_000)
    return path


def test_a_call_becomes_wide_and_can_be_replayed(command, upsampler, call, tmp_path) -> None:
    target = tmp_path / "out.wav"
    done = command(
        "upsample", call, "-o", target, "--model", upsampler, "--rate", 16000, "--steps", 3, "--augmentation", 0.2,
        "--sampler", "heun", "--seed", 4, "--device", "cpu",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.err == ""
    assert "0.25 s at 16000 Hz, new above 3500 Hz, 3 steps of heun" in done.out
    assert "augmentation 0.2, seed 4" in done.out
    assert soundfile.info(target).frames == 4_000
    assert read_provenance(target).settings["sampler"] == "heun"
    assert "upsample" in command("inspect", target).out
    again = command("replay", target, "-o", tmp_path / "again.wav", "--model", upsampler)
    assert again.status == 0, again.err
    assert "identical" in again.out


def test_what_is_lost_is_said(command, upsampler, tmp_path) -> None:
    soundfile.write(tmp_path / "in.wav", resample(voice(4_000), 16_000, 11_025)[0].numpy(), 11_025)
    done = command("upsample", tmp_path / "in.wav", "-o", tmp_path / "out.flac", "--model", upsampler)
    assert done.status == 0
    assert "was left out, and a new band takes its place." in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", 22050], "makes 16000 Hz of 8000 Hz"),
        (["--steps", 0], "steps is 0"),
        (["--augmentation", 0.8], "up to 0.5"),
        (["--sidecar", "--no-provenance"], "give one of them"),
    ],
)
def test_bad_options_are_refused(command, upsampler, call, tmp_path, options, said) -> None:
    done = command("upsample", call, "-o", tmp_path / "out.wav", "--model", upsampler, *options)
    assert done.status == 2
    assert said in done.err
    assert not (tmp_path / "out.wav").exists()


def test_bad_inputs_are_refused(command, upsampler, checkpoint, tmp_path) -> None:
    soundfile.write(tmp_path / "wide.wav", voice(4_000)[0].numpy(), 16_000)
    wide = command("upsample", tmp_path / "wide.wav", "-o", tmp_path / "out.wav", "--model", upsampler)
    assert (wide.status, "already" in wide.err) == (2, True)
    replaced = command("upsample", tmp_path / "wide.wav", "-o", tmp_path / "out.wav", "--model", upsampler, "--replace")
    assert replaced.status == 0
    missing = command("upsample", tmp_path / "no.wav", "-o", tmp_path / "out.wav", "--model", upsampler)
    assert (missing.status, "no.wav" in missing.err) == (2, True)
    soundfile.write(tmp_path / "nan.wav", np.full(400, np.nan), 8_000, subtype="FLOAT")
    bad = command("upsample", tmp_path / "nan.wav", "-o", tmp_path / "out2.wav", "--model", upsampler)
    assert (bad.status, (tmp_path / "out2.wav").exists()) == (2, False)
    other = command("upsample", tmp_path / "wide.wav", "-o", tmp_path / "out.wav", "--model", checkpoint)
    assert (other.status, 'kind "vocoder"' in other.err) == (2, True)


def test_export_keeps_the_kind(command, upsampler, tmp_path) -> None:
    done = command("export", upsampler, "-o", tmp_path / "half", "--half")
    assert done.status == 0, done.err
    assert load_checkpoint(tmp_path / "half", Upsampler).config == load_checkpoint(upsampler, Upsampler).config


def test_doctor_and_models_know_it(command, upsampler, monkeypatch) -> None:
    done = command("doctor", "--model", upsampler)
    assert done.status == 0, done.out
    assert "16000 Hz, loaded in" in done.out
    monkeypatch.setattr(models, "PRETRAINED", upsampler.parent)
    assert "8000 to 16000 Hz" in command("models").out
