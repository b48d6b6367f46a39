import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from audiodiff.cli.main import main
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.vocoder.model import VocoderLoss
from audiodiff.synthesis.vocode import load
from audiodiff.training.progress import read_log
from audiodiff_recipes import adapt, compress
from audiodiff_recipes.adapt import AdaptSettings
from audiodiff_recipes.objective import GAN_WEIGHT
from audiodiff_recipes.vocoder import RECIPE, Config, configure, train
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused

OBJECTIVES = ("diffusion", "regression", "gan")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objectives")
    write_corpus(folder / "corpus")
    return folder


def tiny(place: Path, run: str, objective: str, steps: int = 3, **changes: str) -> Config:
    quick = {"judged_items": "2", "fade_in_steps": "1", "validation.sounds": "false", "validation.clips": "1"}
    return configure("tiny", {**tiny_changes(place, run, steps), **quick, "objective": objective, **changes})


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, tuple[Path, list[dict[str, Tensor]]]]:
    """One run of each objective, and what its training loss was called with."""
    found = {}
    plain = Vocoder.loss
    seen: list[dict[str, Tensor]] = []

    def spy(self: Vocoder, waveform: Tensor, hz: Tensor, t: Tensor, noise: Tensor, *rest: Any, **named: Any) -> Any:
        result: VocoderLoss = plain(self, waveform, hz, t, noise, *rest, **named)
        if self.training:
            seen.append({"waveform": waveform, "t": t, "noise": noise, "loss": result.per_item.detach()})
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vocoder, "loss", spy)
        for objective in OBJECTIVES:
            seen.clear()
            run = train(tiny(place, objective, objective), resume=False)
            found[objective] = (run, list(seen))
    return found


def test_the_three_see_the_same_crops_and_noise_and_differ_in_time_and_loss(runs: Any) -> None:
    first = runs["diffusion"][1]
    assert len(first) == 3
    for objective in ("regression", "gan"):
        seen = runs[objective][1]
        for ours, theirs in zip(seen, first, strict=True):
            assert torch.equal(ours["waveform"], theirs["waveform"])
            assert torch.equal(ours["noise"], theirs["noise"])
            assert (ours["t"] == 1.0).all()
    assert all((each["t"] < 1.0).any() for each in first)
    # The same weights at first: what the GAN adds is not in the loss of the estimate.
    assert torch.equal(runs["regression"][1][0]["loss"], runs["gan"][1][0]["loss"])
    weights = {name: load_checkpoint(run, Vocoder).state_dict() for name, (run, _) in runs.items()}
    key = "wavenet.output_projection.weight"
    assert not torch.equal(weights["regression"][key], weights["gan"][key])
    assert not torch.equal(weights["regression"][key], weights["diffusion"][key])


def test_only_the_gan_has_a_discriminator(runs: Any) -> None:
    for objective, (run, _) in runs.items():
        names = {name for line in read_log(run) for name in line}
        assert ("discriminator/loss" in names) == (objective == "gan")
        assert ("adversarial" in names) == (objective == "gan")


def test_the_checkpoint_tells_the_objective_and_is_sampled_in_one_step(runs: Any) -> None:
    for objective, (run, _) in runs.items():
        metadata = read_config(run)["metadata"]
        assert metadata["training"]["objective"] == objective
        assert ("--objective" in metadata["command"]) == (objective != "diffusion")
        assert metadata["sampling"]["steps"] == (2 if objective == "diffusion" else 1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_only_diffusion_takes_more_steps_than_one(runs: Any, objective: str) -> None:
    model = load(runs[objective][0], device="cpu")
    sound = np.sin(np.arange(4000) / 9.0).astype(np.float32)
    assert np.isfinite(model.vocode(sound, 22050)).all()
    assert np.isfinite(model.vocode(sound, 22050, steps=1)).all()
    if objective == "diffusion":
        assert np.isfinite(model.vocode(sound, 22050, steps=3)).all()
    else:
        refused("3 steps are asked for.*in one.*leave out the steps", lambda: model.vocode(sound, 22050, steps=3))


def test_more_steps_of_a_one_step_model_are_one_sentence_on_the_command_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["vocode", str(next((runs["gan"][0].parent / "corpus").glob("*.wav"))), "--model", str(runs["gan"][0])]
    assert main([*words, "-o", str(tmp_path / "a.wav"), "--steps", "4"]) == 2
    assert "4 steps are asked for" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main([*words, "-o", str(tmp_path / "a.wav")]) == 0


@pytest.mark.parametrize("objective", ["regression", "gan"])
def test_it_resumes_to_the_same_bits_and_not_as_another(place: Path, runs: Any, objective: str) -> None:
    parts = f"{objective}-parts"
    train(tiny(place, parts, objective, **{"train.stop_after_seconds": "0"}), resume=False)
    other = "gan" if objective == "regression" else "regression"
    with pytest.raises(AudiodiffError, match=rf"objective = {objective}, now it is {other}"):
        train(tiny(place, parts, other), resume=True)
    resumed = load_checkpoint(train(tiny(place, parts, objective), resume=True), Vocoder).state_dict()
    whole = load_checkpoint(runs[objective][0], Vocoder).state_dict()
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_settings_follow_the_objective() -> None:
    diffusion, regression, gan = (configure("speech", {"objective": objective}) for objective in OBJECTIVES)
    assert diffusion == configure("speech")
    assert (diffusion.model.loss.full_noise, diffusion.sampling.steps) == (0.3, 2)
    for config in (regression, gan):
        assert (config.model.loss.full_noise, config.adversarial.judged_full_noise, config.sampling.steps) == (1, 1, 1)
        assert (config.model.wavenet, config.model.prior, config.train) == (
            diffusion.model.wavenet,
            diffusion.model.prior,
            diffusion.train,
        )
    assert (regression.adversarial.weight, gan.adversarial.weight) == (0.0, GAN_WEIGHT)
    assert configure("tiny", {"objective": "gan"}).adversarial.judged_items == 4  # of its batch
    assert configure("speech", {"objective": "gan", "adversarial.weight": "2"}).adversarial.weight == 2.0
    assert configure("speech-adversarial", {"objective": "regression"}).adversarial.weight == 0.0
    assert configure("speech-adversarial").objective == "diffusion"


def test_settings_of_runs_before_it_are_diffusion() -> None:
    values = json.loads(json.dumps(RECIPE.to_dict(configure("speech"))))
    del values["objective"]
    assert RECIPE.from_dict(values) == configure("speech")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "vae"}, "objective is 'vae'; known: diffusion, regression, gan"),
        ({"objective": "gan", "adversarial.weight": "0"}, "weight is 0 with the objective gan"),
        (
            {"objective": "regression", "adversarial.weight": "1", "judged_items": "2"},
            "with a discriminator the objective is gan",
        ),
        ({"objective": "regression", "sampling.steps": "4"}, "steps is 4 with the objective regression"),
        ({"objective": "gan", "full_noise": "0.5"}, "full_noise is 0.5 with the objective gan"),
        ({"objective": "gan", "judged_full_noise": "0.5"}, "judged_full_noise is 0.5 with the objective gan"),
        ({"full_noise": "1"}, "full_noise is 1 with the objective diffusion"),
    ],
)
def test_settings_that_contradict_it_are_refused(changes: dict[str, str], message: str) -> None:
    refused(message, lambda: configure("tiny", changes))


def test_a_one_step_model_is_taken_further_as_one(runs: Any, tmp_path: Path) -> None:
    run = runs["gan"][0]
    adapted = adapt.configured(
        adapt.PLANS["vocoder"], AdaptSettings(str(tmp_path), str(tmp_path / "a"), str(run)), "vocoder"
    )
    assert (adapted.objective, adapted.model.loss.full_noise, adapted.sampling.steps) == ("regression", 1.0, 1)
    again = adapt.configured(
        adapt.PLANS["vocoder"], AdaptSettings(str(tmp_path), str(tmp_path / "a"), str(runs["diffusion"][0])), "vocoder"
    )
    assert again.objective == "diffusion"
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "start").symlink_to(run)
    settings = compress.CompressSettings(str(run), str(tmp_path / "small"), data=str(tmp_path))
    smaller = compress.configured(compress.PLANS["vocoder"], settings, run, "vocoder")
    assert (smaller.objective, smaller.adversarial.weight) == ("regression", 0.0)
