from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.synthesis.latent_models import RATE, write_latent_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("latent") / "tiny")


def test_a_prompt_becomes_a_file(command, model, tmp_path) -> None:
    output = tmp_path / "clip.flac"
    done = command("generate", "solo piano, slow", "-o", output, "--model", model, "--seconds", 1.5)
    assert done.status == 0, done.err
    info = soundfile.info(output)
    assert (info.frames, info.samplerate, info.channels) == (round(1.5 * RATE), RATE, 1)
    assert "1.50 s at 22050 Hz, seed 0" in done.out
    assert done.err == ""


def test_each_of_several_clips_is_that_of_its_seed_alone(command, model, tmp_path) -> None:
    given = ("generate", "flute", "--model", model, "--seconds", 0.5)
    assert command(*given, "-o", tmp_path / "a.wav", "--count", 3, "--seed", 7).status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-seed7.wav", "a-seed8.wav", "a-seed9.wav"]
    assert command(*given, "-o", tmp_path / "b.wav", "--seed", 8).status == 0
    one, other = (soundfile.read(tmp_path / name)[0] for name in ("a-seed8.wav", "b.wav"))
    np.testing.assert_array_equal(one, other)


def test_a_clip_is_replayed_bit_for_bit(command, model, tmp_path) -> None:
    output, again = tmp_path / "clip.wav", tmp_path / "again.wav"
    arguments = ("--steps", 4, "--guidance", 2.5, "--interval", 0.1, 0.9, "--negative", "drums", "--level", "loudness")
    assert command("generate", "flute, 90 bpm", "-o", output, "--model", model, "--seed", 5, *arguments).status == 0
    told = command("inspect", output)
    assert "flute, 90 bpm" in told.out
    done = command("replay", output, "-o", again, "--model", model)
    assert done.status == 0, done.err
    np.testing.assert_array_equal(soundfile.read(output)[0], soundfile.read(again)[0])
    other = write_latent_model(tmp_path / "other", seed=1)
    assert "not those that made" in command("replay", output, "-o", tmp_path / "c.wav", "--model", other).err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seconds", 0), "seconds is 0.0"),
        (("--seconds", 1e6), "seconds is 1000000.0"),
        (("--steps", 0), "steps is 0"),
        (("--guidance", "nan"), "guidance is nan"),
        (("--count", 0), "--count is 0"),
        (("--negative", "(drums"), "^"),
        (("--sidecar", "--no-provenance"), "give one of them"),
    ],
)
def test_bad_input_gets_a_sentence(command, model, tmp_path, arguments, message) -> None:
    done = command("generate", "piano", "-o", tmp_path / "a.wav", "--model", model, *arguments)
    assert done.status == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_wrong_kind_of_model_is_named(command, checkpoint, tmp_path) -> None:
    done = command("generate", "piano", "-o", tmp_path / "a.wav", "--model", checkpoint)
    assert done.status == 2
    assert "vocoder" in done.err


def test_an_empty_prompt_is_said(command, model, tmp_path) -> None:
    done = command("generate", "", "-o", tmp_path / "a.wav", "--model", model, "--seconds", 0.5, "--no-provenance")
    assert done.status == 0
    assert "empty" in done.err
    assert "no audiodiff provenance record" in command("inspect", tmp_path / "a.wav").out
