from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.provenance import read_provenance
from demo import handlers
from demo.app_state import AppState, Models
from demo.handlers import Compared, Update
from demo.jobs import Stopped
from demo.upsampling import take_example, upsample
from tests.marked import as_marked
from tests.models.upsampler.cases import voice as wide_voice
from tests.refusals import refused


def ignore(update: Update) -> None:
    pass


def run(state: AppState, path: Path | str | None, report: Any = ignore, **given: Any) -> Compared:
    return upsample(state, report, user="me", input=path, **given)


def test_a_call_gets_its_band_and_is_compared(state: AppState, call: Path) -> None:
    made = run(state, str(call), steps=3, sampler="heun", seed=4, augmentation=0.2)
    samples, rate = soundfile.read(made.path, dtype="float32")
    assert (samples.shape, rate) == ((8_000,), 16_000)
    assert made.path.name == "my-call-upsampled.flac"
    wanted = state.models.require_upsampler().upsample(
        soundfile.read(call, dtype="float32")[0], 8_000, steps=3, sampler="heun", seed=4, augmentation=0.2
    )
    np.testing.assert_allclose(samples, np.clip(as_marked(wanted, made.path, rate), -1, 1), atol=1 / 32768)
    figures = made.figures
    assert (figures["steps"], figures["sampler"], figures["grid"], figures["seed"]) == (3, "heun", "uniform", 4)
    assert (figures["augmentation"], figures["replace"], figures["precision"]) == (0.2, False, "fp32")
    assert (figures["input_rate"], figures["sample_rate"], figures["new_band_hz"]) == (
        8_000,
        16_000,
        [3_500.0, 8_000.0],
    )
    assert (figures["seconds"], figures["channels"], figures["silent_channels"], figures["notes"]) == (0.5, 1, 0, [])
    assert figures["real_time_factor"] > 0
    record = read_provenance(made.path)
    assert (record.verb, record.seed, record.inputs[0].name) == ("upsample", 4, "my call.wav")


def test_what_went_in_is_interpolated_and_shown_without_the_band(state: AppState, call: Path) -> None:
    made = run(state, call)
    assert made.original is not None
    narrow, rate = soundfile.read(made.original)
    assert (len(narrow), rate) == (8_000, 16_000)
    np.testing.assert_allclose(narrow[400:-400:2], soundfile.read(call)[0][200:-200], atol=2e-3)
    above = [np.asarray(image.convert("L"), dtype=float)[:70].mean() for image in made.pictures]
    assert above[1] > above[0] + 20


def test_empty_fields_are_the_models_own(state: AppState, call: Path) -> None:
    names = dict.fromkeys(("sampler", "grid", "precision"), "")
    figures = run(state, call, steps=None, augmentation=None, **names).figures
    assert (figures["steps"], figures["sampler"], figures["augmentation"]) == (2, "ddim", 0.1)


def test_a_recording_that_has_the_band_keeps_it_unless_asked_for(state: AppState, tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    soundfile.write(path, np.stack([wide_voice(4_001)[0], np.zeros(4_001)], axis=1), 16_000)
    refused("has sound above 4000 Hz already", lambda: run(state, path))
    made = run(state, path, replace=True, format="wav")
    samples, rate = soundfile.read(made.path)
    assert (samples.shape, rate) == ((4_001, 2), 16_000)
    shown = soundfile.read(made.original)[0][:, 0]
    assert len(shown) == 4_001
    power = np.abs(np.fft.rfft(shown * np.hanning(len(shown)))) ** 2
    assert power[len(power) * 17 // 32 :].sum() < 1e-5 * power.sum()  # what the model does not hear
    assert (made.figures["replace"], made.figures["channels"], made.figures["silent_channels"]) == (True, 2, 1)
    assert "left out, and a new band takes its place" in made.figures["notes"][0]


@pytest.mark.parametrize("n_samples", [1, 100])
def test_a_click_is_no_trouble(state: AppState, tmp_path: Path, n_samples: int) -> None:
    path = tmp_path / "click.wav"
    soundfile.write(path, np.full(n_samples, 0.1), 11_025)
    made = run(state, path, replace=True)
    frames = -(-n_samples * 16_000 // 11_025)
    assert soundfile.info(made.path).frames == soundfile.info(made.original).frames == frames


def test_the_example_lacks_the_band(state: AppState) -> None:
    path = take_example(state)
    assert path.is_relative_to(state.workspace.folder)
    assert (path.name, soundfile.info(path).samplerate) == ("example-8k.flac", 8_000)
    made = run(state, path)
    assert made.figures["notes"] == []
    assert made.figures["seconds"] == pytest.approx(soundfile.info(path).duration, abs=1e-3)


def test_an_upsampling_stops_too(state: AppState, call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "REPORT_SECONDS", 0.0)
    said: list[Update] = []

    def report(update: Update) -> None:
        said.append(update)
        state.jobs.stop("me")

    with pytest.raises(Stopped):
        run(state, call, report, steps=40)
    assert len(said) == 1
    assert "of 0.5 s of sound" in str(said[0].text)
    assert 0 < said[0].fraction < 0.1
    assert list(state.workspace.folder.rglob("*.flac")) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 51}, "from 1 to 50"),
        ({"seed": -1}, "seed is -1"),
        ({"sampler": "magic"}, "sampler 'magic' is unknown"),
        ({"augmentation": 0.6}, "expected a number from 0 to 0.5"),
        ({"augmentation": float("nan")}, "augmentation is"),
        ({"precision": "int4"}, "precision 'int4'"),
        ({"format": "exe"}, "format is 'exe'"),
    ],
)
def test_what_is_beyond_the_limits_gets_a_sentence(
    state: AppState, call: Path, fields: dict[str, Any], message: str
) -> None:
    refused(message, lambda: run(state, call, **fields))
    assert list(state.workspace.folder.rglob("*.*")) == []


def test_a_bad_upload_and_a_missing_model_get_a_sentence(state: AppState, call: Path, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(b"RIFF" + bytes(range(256)) * 20)
    refused("not audio", lambda: run(state, path))
    long = tmp_path / "long.flac"
    soundfile.write(long, np.zeros(8_000 * 21), 8_000)
    refused("21 s of sound", lambda: run(state, long))
    bare = replace(state, models=Models())
    for work in (lambda: run(bare, call), lambda: take_example(bare)):
        with pytest.raises(AudiodiffError, match="--upsampler"):
            work()
