"""Clips with chords."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.runtime.chord_track import usual_chords
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs import generate
from audiodiff.text.chords import parse_chords
from tests.refusals import refused
from tests.synthesis.latent_models import write_chord_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chord_model(tmp_path_factory.mktemp("chords") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> LatentSynthesizer:
    return load_generator(folder)


def test_the_network_is_told_the_chord_of_each_bar(model: LatentSynthesizer) -> None:
    music = Generator(model)

    def made(chords: str, tempo: float = 240.0) -> np.ndarray:  # a bar is a second
        return music.generate("piano", seconds=3.0, tempo=tempo, chords=chords, seed=1, level="none")

    base = made("")
    assert np.abs(made("C") - base).max() > 1e-3
    assert np.abs(made("F#") - made("C")).max() > 1e-3
    np.testing.assert_array_equal(made("C C"), made("C"))
    np.testing.assert_array_equal(made("C F G Am"), made("C F G"))  # the fourth bar is beyond the end
    assert np.abs(made("C F", 120.0) - made("C F")).max() > 1e-3


def test_without_a_tempo_chords_set_the_usual_one(model: LatentSynthesizer) -> None:
    clip = model.resolve(GenerateSettings(prompt="piano", chords="Db,Am C"))
    assert (clip.tempo, clip.beat, clip.values()["chords"]) == (100.0, 100.0, "C#,Am C")
    assert model.resolve(GenerateSettings(prompt="piano, 80 bpm", chords="C")).beat == 80.0
    assert model.resolve(GenerateSettings(prompt="piano")).beat is None


def test_a_file_knows_its_chords_and_replays(model: LatentSynthesizer, folder: Path, tmp_path: Path) -> None:
    settings = GenerateSettings(prompt="piano", seconds=1.0, chords="Am F")
    run_file("generate", model, [], tmp_path / "clip.wav", settings)
    replay(tmp_path / "clip.wav", tmp_path / "again.wav", model=folder)
    one, two = (soundfile.read(tmp_path / name)[0] for name in ("clip.wav", "again.wav"))
    np.testing.assert_array_equal(one, two)


def test_a_model_without_chords_says_so(tiny: LatentSynthesizer) -> None:
    refused("takes no chords", lambda: tiny.resolve(GenerateSettings(chords="C")))
    refused("no chord that is known", lambda: GenerateSettings(chords="X"))


def test_chords_are_drawn_in_the_key_and_kept(model: LatentSynthesizer) -> None:
    clip = model.resolve(GenerateSettings(prompt="piano in Eb minor", chords="auto"))
    assert clip.chords == usual_chords("Eb minor", clip.sampling.seed)
    kept = clip.values()["chords"]
    assert model.resolve(GenerateSettings(prompt="piano in Eb minor", chords=str(kept))).chords == clip.chords
    assert model.resolve(GenerateSettings(key="C major", chords="auto")).chords[0] == parse_chords("C")[0]
    refused("takes a key", lambda: model.resolve(GenerateSettings(prompt="piano", chords="auto")))


def test_a_new_clip_in_a_key_has_usual_chords(model: LatentSynthesizer, folder: Path, tmp_path: Path) -> None:
    def chords(prompt: str, **settings: str) -> object:
        return generate.resolve(model, GenerateSettings(prompt=prompt, sampling=Sampling(seed=4), **settings)).chords

    assert chords("piano in Eb minor") == chords("piano", key="Eb minor") == usual_chords("Eb minor", 4)
    assert chords("piano") == ()
    assert chords("piano in Eb minor", chords="C F") == parse_chords("C F")
    settings = GenerateSettings(prompt="piano in Eb minor", seconds=1.0, chords="N.C.")
    assert generate.resolve(model, settings).tempo is None
    run_file("generate", model, [], tmp_path / "clip.wav", settings)
    replay(tmp_path / "clip.wav", tmp_path / "again.wav", model=folder)
    one, two = (soundfile.read(tmp_path / name)[0] for name in ("clip.wav", "again.wav"))
    np.testing.assert_array_equal(one, two)


def test_a_model_without_chords_is_not_asked_for_any(tiny: LatentSynthesizer) -> None:
    assert generate.resolve(tiny, GenerateSettings(prompt="piano in Eb minor")).chords == ()
    assert tiny.resolve(GenerateSettings(chords="N.C.")).tempo is None
