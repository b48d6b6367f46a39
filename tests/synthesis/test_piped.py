import io
import sys
import types
from functools import partial

import numpy as np
import pytest
import soundfile

from audiodiff.synthesis.piped import vocode_pipe
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.verb import STANDARD
from audiodiff.synthesis.vocode import VocoderSynthesizer
from tests.models.vocoder.cases import ANCHORED, make
from tests.refusals import refused

RATE = 22050


@pytest.fixture
def synth() -> VocoderSynthesizer:
    return VocoderSynthesizer(make(ANCHORED), reference_level_db=-20.0)


def sound(n_samples: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.2, 0.2, (n_samples, channels)).astype(np.float32)


def piped(synth: VocoderSynthesizer, data: bytes, monkeypatch: pytest.MonkeyPatch, **options) -> tuple[np.ndarray, int]:
    stdin = types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)))
    monkeypatch.setattr(sys, "stdin", stdin)
    plan = synth.plan(VocodeSettings(Sampling(steps=1), level="keep"))
    stream = io.BytesIO()
    vocode_pipe(
        synth,
        options.pop("path", STANDARD),
        plan,
        options.pop("spec", None),
        options.get("rate", RATE),
        stream,
        look_ahead=options.get("look_ahead"),
    )
    return soundfile.read(io.BytesIO(stream.getvalue()), dtype="float32", always_2d=True)


def as_wav(samples: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize(("rate", "n_samples", "channels"), [(22050, 30001, 1), (16000, 20003, 2), (48000, 1, 1)])
def test_a_wav_that_comes_in_goes_out_vocoded(synth, monkeypatch, rate, n_samples, channels) -> None:
    samples = sound(n_samples, channels)
    found, found_rate = piped(synth, as_wav(samples, rate), monkeypatch)
    expected = synth.vocode(samples.T, rate, steps=1, settings=VocodeSettings(level="keep"))
    assert found_rate == RATE
    np.testing.assert_allclose(found.T, expected.clip(-1, 1), rtol=0, atol=1e-4)


def test_a_mel_and_a_file_may_come_in_and_another_rate_go_out(synth, monkeypatch, tmp_path) -> None:
    samples = sound(30000)
    mel = synth.mel(samples[:, 0], RATE)
    expected = synth.vocode_mel(mel, steps=1, settings=VocodeSettings(level="keep"))
    file = io.BytesIO()
    np.save(file, mel)
    found, _ = piped(synth, file.getvalue(), monkeypatch)
    np.testing.assert_allclose(found[:, 0], expected.clip(-1, 1), rtol=0, atol=1e-4)
    (tmp_path / "mel.npy").write_bytes(file.getvalue())
    again, rate = piped(synth, b"", monkeypatch, path=tmp_path / "mel.npy", rate=44100)
    assert (rate, len(again)) == (44100, 2 * len(found))
    (tmp_path / "a.wav").write_bytes(as_wav(samples, RATE))
    assert len(piped(synth, b"", monkeypatch, path=tmp_path / "a.wav")[0]) == 30000


def test_the_look_ahead_may_be_limited(synth, monkeypatch) -> None:
    samples = sound(20000)
    settings = VocodeSettings(Sampling(steps=1), level="keep")
    mel = synth.mel(samples[:, 0], RATE)
    expected = np.concatenate(list(synth.stream([mel], settings=settings, look_ahead_seconds=0.03)))
    file = io.BytesIO()
    np.save(file, mel)
    for data in (as_wav(samples, RATE), file.getvalue()):
        found, _ = piped(synth, data, monkeypatch, look_ahead=0.03)
        np.testing.assert_allclose(found[:, 0], expected[: len(found)].clip(-1, 1), rtol=0, atol=1e-4)
        whole, _ = piped(synth, data, monkeypatch)
        assert np.abs(found - whole).max() > 1e-3


def test_what_comes_in_may_be_refused(synth, monkeypatch) -> None:
    for array in (np.zeros((80, 0), "f4"), np.zeros(9, "i4")):
        file = io.BytesIO()
        np.save(file, array)
        refused("expected floating", partial(piped, synth, file.getvalue(), monkeypatch))
        refused("truncated|expected", partial(piped, synth, file.getvalue()[:-9], monkeypatch))
    refused("no WAV", lambda: piped(synth, b"some text", monkeypatch))
    refused("preset", lambda: piped(synth, as_wav(sound(900), RATE), monkeypatch, spec=synth.mel_spec))
    refused("without a frame", lambda: piped(synth, as_wav(sound(0), RATE), monkeypatch))
