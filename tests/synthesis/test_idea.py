from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.cli.main import main
from audiodiff.errors import AudiodiffError
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.mel_latent.prior import embedding_of, state_of
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.guided import encode_prompt
from audiodiff.synthesis.idea import draw_idea
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.text.prompt import parse_prompt
from tests.refusals import refused

FAST = {"seconds": 0.5, "steps": 2, "level": "none"}


def idea(model: MelLatent, text: float = 1.0, seed: int = 3, **numbers: float) -> torch.Tensor:
    tokens = text * torch.ones(2, model.config.text_width)
    return draw_idea(model, [(1.0, tokens)], numbers, {}, seed)


def test_an_idea_belongs_to_its_seed_and_to_what_is_asked_for(with_prior: LatentSynthesizer) -> None:
    model = with_prior.model
    first = idea(model)
    assert first.shape == (1, 8)
    assert torch.equal(idea(model), first)
    for other in (idea(model, seed=4), idea(model, text=-1.0), idea(model, tempo=60.0)):
        assert not torch.allclose(other, first, atol=1e-3)


def test_states_and_embeddings_are_the_same_numbers() -> None:
    embedding = torch.arange(12.0).reshape(2, 6)
    assert state_of(embedding)[0].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]  # mean and spread of each channel
    assert torch.equal(embedding_of(state_of(embedding)), embedding)


def test_ideas_of_a_gaussian_have_its_mean_and_spread(
    with_prior: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prior whose data are normal with mean 2 and spread 0.5 has a denoiser in closed form."""
    model = with_prior.model

    def denoise(x: torch.Tensor, t: torch.Tensor, cond: object) -> torch.Tensor:
        alpha, sigma = (each.float()[:, None, None] for each in (model.process.alpha(t), model.process.sigma(t)))
        return 2.0 + 0.25 * alpha / (0.25 * alpha**2 + sigma**2) * (x - 2.0 * alpha)

    monkeypatch.setattr(MelLatent, "prior_denoiser", lambda self: denoise)
    found = torch.cat([idea(model, seed=seed) for seed in range(40)])
    assert float(found.mean()) == pytest.approx(2.0, abs=0.1)
    assert float(found.std()) == pytest.approx(0.5, abs=0.1)


def test_the_wanted_prompt_alone_gets_the_idea(with_prior: LatentSynthesizer) -> None:
    encoder, prompt = with_prior.encoder(), parse_prompt("jazz")
    with_idea, without = (
        encode_prompt(with_prior.model, encoder, prompt, {}, {}, seed).conditions[0][1] for seed in (3, None)
    )
    assert not torch.allclose(with_idea.vector, without.vector, atol=1e-3)
    assert torch.equal(with_idea.text[0].keys, without.text[0].keys)


def test_takes_of_one_idea_share_it_and_have_noise_of_their_own(with_prior: LatentSynthesizer) -> None:
    music = Generator(with_prior)
    one = music.generate("jazz", prior=True, seed=3, **FAST)
    assert np.array_equal(one, music.generate("jazz", idea=3, seed=3, **FAST))
    assert not np.allclose(one, music.generate("jazz", seed=3, **FAST), atol=1e-6)
    assert not np.allclose(one, music.generate("jazz", idea=4, seed=3, **FAST), atol=1e-6)
    assert not np.allclose(one, music.generate("jazz", idea=3, seed=4, **FAST), atol=1e-6)
    parts = np.concatenate(list(music.stream("jazz", idea=3, seed=3, seconds=0.5, steps=2)))
    np.testing.assert_allclose(parts, one, atol=1e-7)


def test_files_name_their_idea_and_are_replayed(
    with_prior: LatentSynthesizer, prior_folder: Path, tmp_path: Path
) -> None:
    settings = GenerateSettings(
        "jazz | (drums:1.2)",
        seconds=0.5,
        sampling=Sampling(steps=2, seed=5),
        idea=9,
        key="A minor",
        bars=1,
        tempo=240.0,
    )
    made = run_file("generate", with_prior, [], tmp_path / "take.wav", settings)
    assert made.record is not None
    assert made.record.settings["idea"] == 9
    assert "prior" not in made.record.settings
    assert made.record.settings["chords"]
    again = replay(tmp_path / "take.wav", tmp_path / "again.wav", model=prior_folder)
    assert again.identical
    assert again.again.settings == made.record.settings


def test_without_it_nothing_of_it_is_kept(with_prior: LatentSynthesizer, tmp_path: Path) -> None:
    settings = GenerateSettings("jazz", seconds=0.5, sampling=Sampling(steps=2))
    made = run_file("generate", with_prior, [], tmp_path / "take.wav", settings)
    assert made.record is not None
    assert not {"idea", "prior"} & set(made.record.settings)


def test_the_takes_of_a_command_share_the_idea_of_the_first(
    prior_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--model", str(prior_folder), "--steps", "2", "--seconds", "0.5"]
    command = ["generate", "jazz", "-o", str(tmp_path / "take.wav"), "--prior", "--count", "2", "--seed", "5", *common]
    assert main(command) == 0
    assert "; idea 5" in capsys.readouterr().out
    records = [read_provenance(tmp_path / f"take-seed{seed}.wav") for seed in (5, 6)]
    assert [(record.seed, record.settings["idea"]) for record in records] == [(5, 5), (6, 5)]
    back = ["generate", "jazz", "-o", str(tmp_path / "back.wav"), "--idea", "5", "--seed", "6", *common]
    assert main(back) == 0
    assert read_provenance(tmp_path / "back.wav").audio == records[1].audio


def test_models_without_a_prior_and_edits_refuse_it(tiny: LatentSynthesizer, with_prior: LatentSynthesizer) -> None:
    refused("has no prior to draw an idea with", lambda: Generator(tiny).generate("jazz", prior=True, **FAST))
    refused("has no prior to draw an idea with", lambda: Generator(tiny).generate("jazz", idea=0, **FAST))
    refused("train one with", lambda: idea(tiny.model))
    sound = np.zeros(22050, np.float32)
    refused("prior and idea are for new clips", lambda: Generator(with_prior).apply("vary", sound, prior=True))
    both = ("jazz", "rock")
    refused(
        "prior and idea are for new clips", lambda: Generator(with_prior).apply("interpolate", prompts=both, idea=1)
    )
    for wrong in (-1, 1.5, "3"):
        with pytest.raises(AudiodiffError, match="idea is"):
            GenerateSettings(idea=wrong)  # type: ignore[arg-type]
