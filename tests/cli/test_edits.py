"""`audiodiff vary`, `inpaint`, `extend`, `interpolate`, and `generate --loop`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.signal.tags import write_tags
from tests.synthesis.latent_models import RATE, write_latent_model
from tests.synthesis.recordings import tones


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("latent") / "tiny")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A clip of ours, with its record."""
    from audiodiff.cli.main import main

    path = tmp_path_factory.mktemp("made") / "made.wav"
    arguments = ("generate", "flute, 90 bpm", "-o", path, "--seconds", 1.5, "--negative", "drums", "--model", model)
    assert main([str(argument) for argument in arguments]) == 0
    return path


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody else's stereo recording in the current folder."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.flac", np.stack([tones(2.0, 44100), tones(2.0, 44100, seed=1)], axis=1), 44100)
    return Path("song.flac")


def samples(path: str | Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def test_vary(command, model, recording) -> None:
    done = command("vary", recording, "--strength", 0.6, "--count", 2, "--seed", 4, "--model", model)
    assert done.status == 0, done.err
    assert done.err == "audiodiff: the recording has 2 channels, which were mixed to one.\n"
    assert done.out.startswith("song-vary-seed4.wav: 2.00 s at 22050 Hz, seed 4, ")
    done = command("vary", recording, "--strength", 0.6, "-o", "b.wav", "--seed", 5, "--model", model)
    assert done.status == 0, done.err
    np.testing.assert_array_equal(samples("song-vary-seed5.wav"), samples("b.wav"))
    done = command("vary", recording, "--seed", 4, "--count", 2, "--model", model)
    assert done.status == 2
    assert "song-vary-seed4.wav exists; choose another output with -o" in done.err


def test_the_prompt_of_a_clip_of_ours_is_taken(command, model, made, tmp_path) -> None:
    def vary(name: str, *arguments: object) -> str:
        done = command("vary", made, "-o", tmp_path / name, "--model", model, "--strength", 0.9, *arguments)
        assert done.status == 0, done.err
        return done.err

    no_beat = "audiodiff: the recording has no steady beat of 90 bpm; what is new has, counted from the beginning.\n"
    assert vary("own.wav") == f"audiodiff: the prompt is that of made.wav: flute, 90 bpm\n{no_beat}"
    assert vary("same.wav", "--prompt", "flute, 90 bpm", "--negative", "drums") == no_beat
    assert vary("none.wav", "--prompt", "") == ""
    np.testing.assert_array_equal(samples(tmp_path / "own.wav"), samples(tmp_path / "same.wav"))
    assert np.abs(samples(tmp_path / "own.wav") - samples(tmp_path / "none.wav")).max() > 1e-4
    told = command("inspect", tmp_path / "own.wav").out
    assert "flute, 90 bpm" in told
    assert "strength 0.9" in told
    assert "made.wav" in told


@pytest.mark.slow
def test_latents_are_kept_unless_not_wanted_and_shown_without_their_values(command, model, tmp_path) -> None:
    own, bare, varied = (tmp_path / name for name in ("own.wav", "bare.wav", "varied.wav"))
    given = ("generate", "", "--seconds", 1.5, "--model", model, "-o")
    assert command(*given, own, "--sidecar").status == 0
    assert command(*given, bare, "--no-latents").status == 0
    np.testing.assert_array_equal(samples(own), samples(bare))
    told = command("inspect", own).out
    assert "latents   1 x 4 x 65, 0.5 kB, autoencoder " in told
    assert "not those" not in told
    assert "  latents" not in command("inspect", bare).out
    for path in (own, tmp_path / "own.wav.json"):
        document = json.loads(command("inspect", path, "--json").out)
        assert document["latents"]["shape"] == [1, 4, 65]
        assert "values" not in document["latents"]
        assert "latents" not in document["provenance"]
    assert json.loads(command("inspect", bare, "--json").out)["latents"] is None
    assert command("vary", own, "-o", varied, "--model", model).status == 0
    assert ", from its latents" in command("inspect", varied).out
    write_tags(varied, {"AUDIODIFF_LATENTS": "{}"})
    assert "latents in" in command("inspect", varied).out
    assert command("vary", "--help").out.count("--no-latents") == 2
    assert "--no-latents" not in command("vocode", "--help").out + command("stretch", "--help").out


def test_inpaint(command, model, recording) -> None:
    given = ("inpaint", recording, "--region", "0.5:1", "--region", "1.5:1.6", "--model", model)
    done = command(*given, "--count", 2, "-o", "new.flac")
    assert done.status == 0, done.err
    assert done.err == ""
    assert "new-seed0.flac: 2.00 s at 44100 Hz, 2 channels, seed 0" in done.out
    assert "new in 0.5:1, 1.5:1.6, 50 ms cross-fades inside" in done.out
    before, after = samples(recording), samples("new-seed1.flac")
    places = np.flatnonzero((before != after).any(axis=1)) / 44100
    assert 0.5 <= places.min() <= places.max() < 1.6
    assert not ((places >= 1.0) & (places < 1.5)).any()
    assert command(*given, "--seed", 1, "-o", "one.flac").status == 0
    np.testing.assert_array_equal(samples("one.flac"), after)
    assert command("replay", "one.flac", "-o", "again.flac", "--model", model).status == 0


def test_extend(command, model, recording) -> None:
    given = ("extend", recording, "--seconds", 1, "--model", model)
    assert command(*given).status == 0
    done = command(*given, "--before", "-o", "before.wav", "--crossfade", 0.1)
    assert "1 s new at the beginning, 100 ms cross-fade beyond the clip" in done.out
    before = samples(recording)
    np.testing.assert_array_equal(samples("song-extend.wav")[:88200], before)
    np.testing.assert_array_equal(samples("before.wav")[44100:], before)
    assert len(samples("song-extend.wav")) == len(samples("before.wav")) == 3 * 44100


def test_the_fade_of_a_clip_of_ours_is_replaced(command, model, made, tmp_path) -> None:
    done = command("extend", made, "--seconds", 0.5, "--model", model, "-o", tmp_path / "a.wav")
    assert "fades for 10 ms at its end, which is replaced" in done.err
    kept = command("extend", made, "--seconds", 0.5, "--model", model, "-o", tmp_path / "b.wav", "--trim", 0)
    assert "fades" not in kept.err
    whole, faded = samples(made), round(0.01 * RATE)
    np.testing.assert_array_equal(samples(tmp_path / "b.wav")[: whole.size], whole)
    a = samples(tmp_path / "a.wav")
    np.testing.assert_array_equal(a[: whole.size - faded], whole[:-faded])
    assert a.size == whole.size + round(0.5 * RATE)
    assert np.abs(a[whole.size - faded : whole.size] - whole[-faded:]).max() > 0.01


def test_interpolate(command, model, recording, made) -> None:
    shutil.copy(made, "made.wav")
    done = command(
        "interpolate", recording, "made.wav", "--count", 3, "-o", "way.wav", "--model", model, "--prompt", ""
    )
    assert done.status == 0, done.err
    assert sorted(path.name for path in Path().glob("way*")) == ["way-1.wav", "way-2.wav", "way-3.wav"]
    assert all(soundfile.info(path).frames == round(1.5 * RATE) for path in Path().glob("way*"))
    assert command("replay", "way-2.wav", "-o", "again.wav", "--model", model).status == 0
    done = command("interpolate", recording, "made.wav", "--count", 2, "--model", model)
    assert "the prompt is that of made.wav" in done.err
    assert "prompt    flute, 90 bpm" in command("inspect", "song-made-2.wav").out


def test_interpolate_prompts(command, model, tmp_path) -> None:
    # Marks carry a number that tells the two records apart.
    given = ("--prompts", "flute", "drums", "--seconds", 0.5, "--model", model, "--seed", 3, "--no-watermark")
    assert command("interpolate", *given, "--count", 3, "-o", tmp_path / "way.wav").status == 0
    assert len(list(tmp_path.glob("way-*.wav"))) == 3
    done = command(
        "generate", "drums", "--seconds", 0.5, "--seed", 3, "-o", tmp_path / "drums.wav", "--model", model,
        "--no-watermark",
    )  # fmt: skip
    assert done.status == 0
    np.testing.assert_array_equal(samples(tmp_path / "way-3.wav"), samples(tmp_path / "drums.wav"))


@pytest.mark.slow
def test_generate_a_loop(command, model, tmp_path) -> None:
    done = command("generate", "flute", "--loop", "--seconds", 1, "-o", tmp_path / "loop.wav", "--model", model)
    assert done.status == 0
    assert "(seam 0." in done.out or "(seam 1." in done.out
    assert soundfile.info(tmp_path / "loop.wav").frames == 22050
    words = ("--tempo", 240, "--bars", 2, "-o", tmp_path / "bars.wav", "--model", model)
    assert command("generate", "flute", *words).status == 0
    assert soundfile.info(tmp_path / "bars.wav").frames == 2 * 22050
    done = command("loop", tmp_path / "bars.wav", "--bars", 1, "-o", tmp_path / "one.wav", "--model", model)
    assert done.status == 0, done.err
    assert "240 bpm, as it tells" in done.err
    assert soundfile.info(tmp_path / "one.wav").frames == 22050


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vary", "song.flac", "--strength", 2), "strength is 2"),
        (("vary", "song.flac", "--count", 0), "--count is 0"),
        (("vary", "song.flac", "--prompt", "(drums"), "^"),
        (("vary", "nothing.wav"), "nothing.wav does not exist"),
        (("vary", "song.flac", "-o", "song.flac"), "input as well"),
        (("vary", "song.flac", "--sidecar", "--no-provenance"), "give one of them"),
        (("vary", "song.flac", "--model", "speech"), "vocoder"),
        (("inpaint", "song.flac"), "--region"),
        (("inpaint", "song.flac", "--region", "4"), "region '4' cannot be read"),
        (("inpaint", "song.flac", "--region", "4:6"), "begins after the end of the recording, which has 2.00 s"),
        (("inpaint", "song.flac", "--region", "1:1"), "region 1:1 is empty"),
        (("extend", "song.flac", "--seconds", 0), "seconds is 0"),
        (("extend", "song.flac", "--trim", 3), "trim is 3 s"),
        (("interpolate", "song.flac"), "give two sound files"),
        (("interpolate",), "give two sound files"),
        (("interpolate", "song.flac", "song.flac", "--count", 1), "--count is 1; expected 2"),
        (("interpolate", "song.flac", "song.flac", "--seconds", 1), "leave --seconds out"),
        (("interpolate", "--prompts", "a", "b", "--prompt", "c"), "give one of them"),
        (("interpolate", "--prompts", "a", "(b"), "^"),
    ],
)
def test_bad_input_gets_a_sentence(command, model, recording, arguments, message) -> None:
    given = arguments if "--model" in arguments else (*arguments, "--model", model)
    done = command(*given)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert [path.name for path in Path().iterdir()] == ["song.flac"]


def test_a_reference_is_heard_told_and_replayed(command, model, recording) -> None:
    given = ("generate", "", "--seconds", 1.0, "--model", model)
    done = command(*given, "-o", "like.flac", "--reference", recording)
    assert done.status == 0, done.err
    assert done.err == "audiodiff: the recording has 2 channels, which were mixed to one.\n"
    assert command(*given, "-o", "plain.flac").status == 0
    assert np.abs(samples("like.flac") - samples("plain.flac")).max() > 1e-3
    assert "song.flac, sha256" in command("inspect", "like.flac").out
    done = command("replay", "like.flac", "-o", "again.flac", "--model", model)
    assert done.status == 0, done.err
    np.testing.assert_array_equal(samples("like.flac"), samples("again.flac"))
    recording.rename("elsewhere.flac")
    done = command("replay", "like.flac", "-o", "third.flac", "--model", model)
    assert done.status == 2
    assert "give the original with --input" in done.err
    assert command("replay", "like.flac", "-o", "third.flac", "--model", model, "--input", "elsewhere.flac").status == 0


def test_a_reference_that_cannot_be_used_is_refused(command, model, recording) -> None:
    for arguments, message in (
        (("--reference", "nowhere.wav"), "nowhere.wav"),
        (("--reference", recording, "--loop"), "a loop takes no reference"),
        (("--reference", "out.wav"), "is the input as well"),
    ):
        done = command("generate", "flute", "-o", "out.wav", "--seconds", 1.0, "--model", model, *arguments)
        assert done.status == 2
        assert message in done.err
        assert not Path("out.wav").exists()
