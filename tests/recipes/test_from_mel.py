from pathlib import Path

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.signal.mel import PRESETS as MELS
from audiodiff_recipes import autoencoder, vocoder
from audiodiff_recipes.from_mel import mel_settings
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused


def shape(**changes: str) -> VocoderConfig:
    return vocoder.configure("folder", changes).model


def test_what_is_not_given_follows_the_mel() -> None:
    config = shape(**{"model.mel": "bigvgan-44k"})
    music = vocoder.RECIPE.preset("music-vocoder").model
    assert (config.front_end, config.loss.resolutions) == (music.front_end, music.loss.resolutions)
    assert (config.head.mel_mean, config.head.mel_std) == (-4.0, 3.0)
    assert config.wavenet.cond_channels == 128
    config = shape(**{"model.mel": "audioldm-16k"})
    assert (config.front_end.n_fft, config.front_end.hop_length) == (1024, 160)
    # one key of the mel is another mel, too
    assert shape(**{"mel.hop_length": "128"}).front_end.hop_length == 128
    # other logarithms, other ranges
    assert shape(**{"model.mel": "fastdiff-22k"}).head.mel_mean == pytest.approx(-4.0 / 2.3026, abs=1e-2)
    assert 0.2 < shape(**{"model.mel": "diffwave-lmnt"}).head.mel_mean < 0.9


def test_what_is_given_stays(tmp_path: Path) -> None:
    given = {"model.mel": "bigvgan-24k", "loss.resolutions": "[[64, 16]]", "mel_mean": "-3.5"}
    config = shape(**given)
    assert config.loss.resolutions == ((64, 16),)
    assert (config.head.mel_mean, config.head.mel_std) == (-3.5, 3.0)
    file = tmp_path / "mine.json"
    file.write_text('{"model": {"mel": "audioldm-16k", "loss": {"resolutions": [[64, 16]]}}}')
    config = vocoder.configure(file).model
    assert config.front_end.hop_length == 160
    assert config.loss.resolutions == ((64, 16),)
    refused("own STFT", lambda: shape(**{"model.mel": "bigvgan-44k", "front_end.n_fft": "1024"}))


@pytest.mark.parametrize("name", MELS)
def test_every_mel_makes_a_vocoder_or_a_sentence(name: str) -> None:
    settings = mel_settings(MELS[name])
    assert settings["head.mel_std"] > 0
    if name == "riffusion-44k":  # 17640 - 441 is odd: such frames have no middle among the samples
        refused("even n_fft - hop_length", lambda: shape(**{"model.mel": name}))
    else:
        assert shape(**{"model.mel": name}).mel == MELS[name]


@pytest.mark.parametrize("name", ["vocos-24k", "tacotron2-22k", "diffwave-lmnt"])
def test_centred_mels_train_with_the_fast_network(name: str, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    changes = {**tiny_changes(tmp_path, "run", 2), "model.mel": name, "validation.clips": "1"}
    run = vocoder.train(vocoder.configure("tiny", changes), resume=False)
    config = load_checkpoint(run, Vocoder).config
    assert config.mel == MELS[name]
    assert config.head.name == "anchored"
    vocoder.train(vocoder.configure("tiny", {**changes, "train.steps": "3"}), resume=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"mel.n_mels": "300"},
        {"mel.n_mels": "2000"},
        {"mel.n_fft": "256", "mel.win_length": "256", "mel.hop_length": "64"},
    ],
)
def test_empty_bands_are_refused_before_anything_starts(changes: dict[str, str]) -> None:
    for presets, name in ((vocoder, "tiny"), (autoencoder, "tiny-autoencoder")):
        with pytest.raises(AudiodiffError, match=r"mel bands hold no bin of the FFT.*smaller n_mels"):
            presets.configure(name, changes)


def test_a_mel_by_name_can_be_changed_further() -> None:
    assert shape(**{"model.mel": "bigvgan-24k", "mel.n_mels": "64"}).mel.n_mels == 64
    for value in ("nonesuch", "[1]", "{"):
        with pytest.raises(AudiodiffError):
            shape(**{"model.mel": value})
    refused(r"model\.wavenet is .*expected a table", lambda: shape(**{"model.wavenet": "wide"}))
