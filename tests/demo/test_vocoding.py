from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.synthesis.provenance import read_provenance
from demo import handlers
from demo.app_state import AppState
from demo.handlers import Update
from demo.jobs import Stopped
from demo.vocoding import vocode
from tests.refusals import refused
from tests.synthesis.latent_models import RATE


def ignore(update: Update) -> None:
    pass


def test_a_recording_is_resynthesised_and_compared(state: AppState, voice: Path) -> None:
    made = vocode(state, ignore, user="me", input=str(voice), steps=2, sampler="ddim", seed=3)
    samples, rate = soundfile.read(made.path)
    assert (samples.shape, rate) == ((RATE,), RATE)
    assert made.path.name == "my-voice-vocoded.flac"
    assert made.original is not None
    np.testing.assert_allclose(soundfile.read(made.original)[0], soundfile.read(voice)[0], atol=2e-4)
    figures = made.figures
    assert (figures["steps"], figures["sampler"], figures["seed"], figures["seconds"]) == (2, "ddim", 3, 1.0)
    assert 0.05 < figures["log_mel_l1"] < 5.0
    assert figures["real_time_factor"] > 0
    record = read_provenance(made.path)
    assert (record.verb, record.seed, record.inputs[0].name) == ("vocode", 3, "my voice.wav")


def test_stereo_stays_stereo_and_other_rates_are_taken(state: AppState, tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((4410, 2)), 44100)
    made = vocode(state, ignore, user="me", input=path)
    assert soundfile.info(made.path).channels == 2
    assert soundfile.info(made.original).samplerate == RATE
    assert made.figures["channels"] == 2


def test_a_mel_is_taken_too(state: AppState, voice: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(voice, dtype="float32")
    path = tmp_path / "mel.npy"
    np.save(path, state.models.require_vocoder().mel(samples, rate))
    made = vocode(state, ignore, user="me", input=path)
    assert made.original is None
    assert made.figures["log_mel_l1"] is None
    assert made.figures["seconds"] == pytest.approx(1.0, abs=0.02)


def test_a_recording_too_short_to_compare_is_vocoded_all_the_same(state: AppState, tmp_path: Path) -> None:
    path = tmp_path / "click.wav"
    soundfile.write(path, np.ones(100) * 0.1, RATE)
    assert vocode(state, ignore, user="me", input=path).figures["log_mel_l1"] is None


def test_a_vocoding_stops_too(state: AppState, voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "REPORT_SECONDS", 0.0)
    said: list[str] = []

    def report(update: Update) -> None:
        said.append(str(update.text))
        state.jobs.stop("me")

    with pytest.raises(Stopped):
        vocode(state, report, user="me", input=voice, steps=40)
    assert len(said) == 1


def test_a_bad_upload_gets_a_sentence(state: AppState, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(b"RIFF" + bytes(range(256)) * 20)
    refused("not audio", lambda: vocode(state, ignore, user="me", input=path))
