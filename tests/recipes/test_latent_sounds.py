from pathlib import Path

import numpy as np
import pytest
import torch

import audiodiff
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.vocoder import Vocoder
from audiodiff.synthesis.generator import Generator
from audiodiff.training.logging import Board
from audiodiff_recipes import latent
from audiodiff_recipes.latent_shards import open_shards
from audiodiff_recipes.latent_sounds import listening_clips
from tests.recipes.latent_corpus import CAPTIONS, make_place, small_vocoder, tiny


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("latent"))


@pytest.mark.slow
def test_with_a_vocoder_validation_is_heard(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[int, str, str, torch.Size]] = []

    def audio(self: Board, step: int, name: str, waveform: torch.Tensor, sample_rate: int) -> None:
        assert sample_rate == 22050
        assert bool(waveform.isfinite().all())
        shown.append((step, "audio", name, waveform.shape))

    def picture(self: Board, step: int, name: str, log_mels: torch.Tensor) -> None:
        shown.append((step, "picture", name, log_mels.shape))

    words: list[str] = []
    monkeypatch.setattr(Board, "audio", audio)
    monkeypatch.setattr(Board, "picture", picture)
    monkeypatch.setattr(Board, "text", lambda self, step, name, text: words.append(text))
    vocoder = small_vocoder(tmp_path / "vocoder")
    changes = {"train.validate_every": "1", "validation.seconds": "0.6", "vocoder": str(vocoder)}
    latent.train(tiny(place, "heard", 2, **changes), resume=False)
    n_latents = round(0.6 * 22050 / 1024)
    one = [("picture", (2, 80, n_latents * 4)), ("audio", (n_latents * 1024,))]
    assert [(kind, tuple(shape)) for step, kind, _, shape in shown if step == 1] == one * 2
    assert {step for step, *_ in shown} == {1, 2}
    assert words == [*CAPTIONS[5:7]] * 2  # those of the validation split
    assert load_checkpoint(place / "heard" / "vocoder", Vocoder).mel_spec.sample_rate == 22050
    shown.clear()
    latent.train(tiny(place, "unheard", 1, **changes, **{"validation.sounds": "false"}), resume=False)
    assert not shown
    with pytest.raises(AudiodiffError, match=r"vocoder .* takes another mel"):
        latent.train(tiny(place, "no", vocoder=str(small_vocoder(tmp_path / "other", "bigvgan-22k"))), resume=False)


def test_clips_that_are_listened_to_have_captions(place: Path) -> None:
    assert listening_clips(open_shards(tiny(place, "no"), "train"), 2) == [0, 3]  # clip 2 has no caption


@pytest.mark.slow
def test_what_validation_hears_is_what_everybody_hears(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[torch.Tensor] = []
    monkeypatch.setattr(Board, "audio", lambda self, step, name, waveform, sample_rate: heard.append(waveform))
    vocoder = small_vocoder(tmp_path / "vocoder")
    changes = {"validation.seconds": "0.6", "validation.steps": "3", "vocoder": str(vocoder)}
    run = latent.train(tiny(place, "same", 2, **changes), resume=False)
    assert not (run / "validation").exists()
    model = audiodiff.load(run, device="cpu")
    assert isinstance(model, Generator)
    assert len(heard) == 2
    for seed, (caption, sound) in enumerate(zip(CAPTIONS[5:7], heard, strict=True)):
        seconds = len(sound) / 22050
        theirs = model.generate(caption, seconds=seconds, seed=seed, steps=2, source="rendered", vocoder_steps=3)
        np.testing.assert_array_equal(sound.numpy(), theirs)


def test_a_caption_that_is_no_prompt_does_not_stop_the_training(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Generator, prompt: str, **settings: object) -> None:
        raise AudiodiffError(f"{prompt!r} cannot be read")

    words: list[str] = []
    monkeypatch.setattr(Generator, "generate", refuse)
    monkeypatch.setattr(Board, "text", lambda self, step, name, text: words.append(text))
    changes = {"validation.seconds": "0.6", "vocoder": str(small_vocoder(tmp_path / "vocoder"))}
    run = latent.train(tiny(place, "refused", 1, **changes), resume=False)
    assert read_config(run)["metadata"]["step"] == 1
    assert [text.split(":")[0] for text in words] == list(CAPTIONS[5:7])
    assert "cannot be read" in words[0]
