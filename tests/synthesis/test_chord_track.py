import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.composer.theory import MODES
from audiodiff.nn.condition import CHORD_FEATURES as NETWORK_FEATURES
from audiodiff.synthesis.chord_track import chords_at, usual_chords
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs import generate
from audiodiff.text.chords import CHORD_FEATURES, chord_features, parse_chords
from audiodiff.text.keys import KEYS, pitch_class
from tests.refusals import refused
from tests.synthesis.latent_models import write_chord_model

TRACK = parse_chords("Am F,G C")


def names(beats: list[float]) -> list[str]:
    """The chord at each beat, by its features."""
    known = {chord_features(chord): name for name in ("Am", "F", "G", "C") for chord in parse_chords(name)[0]}
    found = chords_at(torch.tensor(beats), TRACK)
    assert found.shape == (CHORD_FEATURES, len(beats))
    return [known[tuple(column)] if column[0] == column[0] else "" for column in found.T.tolist()]


def test_a_bar_has_four_beats_and_its_chords_share_it() -> None:
    assert names([0.0, 3.99, 4.0, 5.99, 6.0, 7.9, 8.0, 11.9]) == ["Am", "Am", "F", "F", "G", "G", "C", "C"]


def test_the_track_begins_again_after_its_end_and_goes_back_before_its_beginning() -> None:
    assert names([12.5, 18.5, -0.5, -5.0]) == ["Am", "G", "C", "G"]


def test_without_beats_or_chords_nothing_is_known() -> None:
    assert names([math.nan, 1.0]) == ["", "Am"]
    assert chords_at(torch.tensor([0.0, 1.0]), ()).isnan().all()


def test_without_a_chord_nothing_is_known() -> None:
    found = chords_at(torch.tensor([0.0, 4.0, 8.0]), parse_chords("C N.C. G"))
    assert found.isnan().any(dim=0).tolist() == [False, True, False]


def test_networks_take_as_many_numbers_as_a_chord_has() -> None:
    assert NETWORK_FEATURES == CHORD_FEATURES


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


@pytest.mark.parametrize("key", KEYS)
def test_usual_chords_are_of_the_key_and_begin_on_its_tonic(key: str) -> None:
    tonic, mode = key.split()
    scale = {(pitch_class(tonic) + step) % 12 for step in MODES[mode]}
    drawn = {usual_chords(key, seed) for seed in range(40)}
    assert len(drawn) > 3
    for bars in drawn:
        assert len(bars) == 4
        assert bars[0] == parse_chords(tonic + ("m" if mode == "minor" else ""))[0]
        notes = {pitch % 12 for (chord,) in bars for pitch, told in enumerate(chord_features(chord)[12:]) if told}
        leading_tone = {(pitch_class(tonic) - 1) % 12} if mode == "minor" else set()
        assert notes <= scale | leading_tone
    assert usual_chords(key, 3) == usual_chords(key, 3)


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
