import dataclasses
from pathlib import Path

import pytest
import torch

from audiodiff.data.shards import LatentDataset
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.mel_latent import MelLatent
from audiodiff.training.devices import open_devices
from audiodiff_recipes import latent, prior
from tests.recipes.latent_corpus import EMBEDDED, tiny
from tests.refusals import refused

CROPS = prior.ValidationConfig(crops=64)


def config_of(place: Path, run: str, steps: int = 3, **changes: str) -> prior.Config:
    given = {
        "data.folder": str(place / "shards"),
        "init": str(place / "embedded"),
        "output": str(place / run),
        "train.steps": str(steps),
        "train.warmup_steps": "1",
    }
    return prior.configure("tiny-prior", {**given, **changes})


@pytest.fixture(scope="module")
def run(embedded_place: Path) -> Path:
    return prior.train(
        config_of(embedded_place, "prior", 60, **{"train.validate_every": "30", "train.learning_rate": "0.01"}),
        resume=False,
    )


def test_the_run_ends_as_the_whole_model_with_a_prior(embedded_place: Path, run: Path) -> None:
    before, after = (load_checkpoint(folder, MelLatent) for folder in (embedded_place / "embedded", run))
    assert after.prior is not None
    assert after.prior.output_projection.weight.abs().max() > 0
    state = after.state_dict()
    for name, value in before.state_dict().items():
        assert torch.equal(state[name], value), name
    assert (run / "vocoder" / "model.safetensors").is_file()
    metadata, base = read_config(run)["metadata"], read_config(embedded_place / "embedded")["metadata"]
    assert metadata["sampling"] == base["sampling"]
    assert metadata["prior"]["corpus"]["clips"] == 5
    assert metadata["prior"]["step"] == 60
    assert metadata["prior"]["origins"]["init"]["model"] == "embedded"
    assert "tiny-prior" in metadata["prior"]["command"]


def test_it_learns(embedded_place: Path, run: Path) -> None:
    config, data = config_of(embedded_place, "prior"), LatentDataset(embedded_place / "shards" / "train")
    trained = load_checkpoint(run, MelLatent)
    before, after = (
        prior.validation_loss(model, data, dataclasses.replace(config, validation=CROPS), open_devices("cpu"))
        for model in (prior.with_prior(trained, config), trained)
    )
    assert before == pytest.approx(2.0, abs=0.5)  # of noise less data, both of variance 1
    assert after < 0.9 * before
    assert '"validation_loss"' in (run / "log.jsonl").read_text()


def test_text_and_labels_are_withheld(embedded_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[prior.Condition] = []
    loss = prior.prior_loss

    def spy(denoiser: object, clip: torch.Tensor, cond: prior.Condition, *rest: torch.Tensor) -> torch.Tensor:
        assert bool(clip.isfinite().all())
        seen.append(cond)
        return loss(denoiser, clip, cond, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(prior, "prior_loss", spy)
    shares = {"data.drop_all": "0", "data.drop_text": "1", "data.drop_number": "0", "validation.crops": "0"}
    prior.train(config_of(embedded_place, "prior-withheld", 1, **shares), resume=False)
    prior.train(config_of(embedded_place, "prior-nothing", 1, **(shares | {"data.drop_all": "1"})), resume=False)
    assert not seen[0].mask.any()
    assert seen[0].numbers.isfinite().any()
    assert not seen[1].numbers.isfinite().any()


@pytest.mark.slow
def test_resuming_is_exact(embedded_place: Path) -> None:
    whole = load_checkpoint(prior.train(config_of(embedded_place, "prior-whole", 4), resume=False), MelLatent)
    prior.train(config_of(embedded_place, "prior-parts", 2), resume=False)
    parts = prior.train(config_of(embedded_place, "prior-parts", 4), resume=True)
    resumed = load_checkpoint(parts, MelLatent).state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed[name], value), name


def test_what_cannot_have_a_prior_is_refused(embedded_place: Path) -> None:
    refused("init is not set", lambda: prior.train(config_of(embedded_place, "no", init=""), resume=False))
    plain = config_of(embedded_place, "no", init=str(embedded_place / "plain"))
    refused("takes no embedding that a prior could draw", lambda: prior.train(plain, resume=False))
    refused("data.drop_text is 2", lambda: config_of(embedded_place, "no", **{"data.drop_text": "2"}))
    refused("set model.embedding", lambda: tiny(embedded_place, "no", **{"model.prior.width": "16"}))


def test_the_model_can_be_trained_further_with_its_prior_or_without(
    embedded_place: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"init": str(run), **EMBEDDED}
    same = {"model.prior.width": "16", "model.prior.depth": "1", "model.prior.heads": "2"}
    kept = latent.build_model(tiny(embedded_place, "kept", **given, **same))
    assert kept.prior is not None
    assert not any(parameter.requires_grad for parameter in kept.prior.parameters())
    trained = load_checkpoint(run, MelLatent).prior
    assert trained is not None
    assert torch.equal(kept.prior.output_projection.weight, trained.output_projection.weight)
    capsys.readouterr()
    assert latent.build_model(tiny(embedded_place, "without", **given)).prior is None
    assert "the prior of" in capsys.readouterr().err
    other = {**given, **same, "model.prior.depth": "2"}
    refused("trained after the model", lambda: latent.build_model(tiny(embedded_place, "other", **other)))


def test_the_loss_is_that_of_embeddings_alone(embedded_place: Path, run: Path) -> None:
    model = load_checkpoint(run, MelLatent)
    batch = LatentDataset(embedded_place / "shards" / "train").batch(0, 0, 4, 16)
    cond = latent.batch_condition(model, batch)
    told = prior.prior_loss(model.prior_denoiser(), cond.clip, cond, torch.full((4,), 0.5), torch.zeros(4, 8, 2))
    assert told.shape == (4,)
    loud = cond._replace(clip=torch.zeros_like(cond.clip))
    again = prior.prior_loss(model.prior_denoiser(), cond.clip, loud, torch.full((4,), 0.5), torch.zeros(4, 8, 2))
    assert torch.equal(told, again)  # what it is to find is not told
