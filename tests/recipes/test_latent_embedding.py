from pathlib import Path

import pytest
import torch

from audiodiff.data.shards import LatentDataset
from audiodiff.models.checkpoint import load_checkpoint
from audiodiff.models.compress import compress_checkpoint
from audiodiff.models.mel_latent import MelLatent, pooled
from audiodiff_recipes import latent
from tests.recipes.latent_corpus import EMBEDDED, embedded, tiny
from tests.refusals import refused


def test_a_model_without_one_goes_on_as_it_was_and_learns_it(
    embedded_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny(embedded_place, "none", init=str(embedded_place / "plain"), **EMBEDDED)
    before, after = load_checkpoint(embedded_place / "plain", MelLatent), latent.build_model(config)
    assert "trained without embedding; what is new starts without effect" in capsys.readouterr().err
    data = LatentDataset(embedded_place / "shards" / "train")
    latent.standardise_embedding(after, data, config)
    batch = data.batch(0, 0, 4, 16)
    cond, without = latent.batch_condition(after, batch), latent.batch_condition(before, batch)
    assert (cond.clip.shape, without.clip.shape) == ((4, 16), (4, 0))
    x, level = torch.randn(4, 8, 16), torch.full((4,), 0.5)
    assert torch.equal(after.network(x, level, cond), before.network(x, level, without))
    trained = load_checkpoint(embedded_place / "embedded", MelLatent)
    assert trained.network.condition_embedding.clip_projection.weight.abs().max() > 0


def test_embeddings_are_standardised_once_and_keep_that(embedded_place: Path) -> None:
    model = load_checkpoint(embedded_place / "embedded", MelLatent)
    data = LatentDataset(embedded_place / "shards" / "train")
    crops = [data.batch(0, step, 64, 16) for step in range(16)]
    found = model.embedding(torch.cat([each.latents for each in crops]), torch.cat([each.lengths for each in crops]))
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(16), rtol=0, atol=1e-3)
    assert pooled(crops[0].latents, crops[0].lengths).std() != pytest.approx(1.0, abs=1e-3)
    other = tiny(embedded_place, "other", init=str(embedded_place / "embedded"), **{**EMBEDDED, "train.seed": "7"})
    again = latent.build_model(other)
    latent.standardise_embedding(again, data, other)
    assert torch.equal(again.embedding_mean, model.embedding_mean)


def test_it_is_withheld_at_its_own_rate(embedded_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    loss = MelLatent.loss

    def spy(self: MelLatent, latents: torch.Tensor, cond: latent.Condition, *rest: object, **given: object) -> object:
        seen.append(cond.clip.isnan().all(dim=1))
        return loss(self, latents, cond, *rest, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(MelLatent, "loss", spy)
    few = {"train.batch_size": "64", "data.drop_all": "0", "validation.crops": "0"}
    embedded(embedded_place, "withheld", 1, **few, **{"data.drop_embedding": "0.75"})
    embedded(embedded_place, "told", 1, **few, **{"data.drop_embedding": "0"})
    assert [float(each.float().mean()) for each in seen] == [pytest.approx(0.75, abs=0.15), 0.0]
    refused("data.drop_embedding is 1.5", lambda: tiny(embedded_place, "no", **{"data.drop_embedding": "1.5"}))


@pytest.mark.slow
def test_resuming_is_exact(embedded_place: Path) -> None:
    whole = load_checkpoint(embedded(embedded_place, "whole", 4), MelLatent)
    embedded(embedded_place, "parts", 2)
    parts = tiny(embedded_place, "parts", 4, init=str(embedded_place / "plain"), **EMBEDDED)
    resumed = load_checkpoint(latent.train(parts, resume=True), MelLatent).state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed[name], value), name


def test_validation_tells_how_much_it_helps_beside_the_loss_without(embedded_place: Path) -> None:
    log = (embedded_place / "embedded" / "log.jsonl").read_text()
    assert '"validation_loss"' in log
    assert '"validation_embedding_loss"' in log


@pytest.mark.slow
def test_adapters_and_low_rank_take_a_model_that_has_it(embedded_place: Path, tmp_path: Path) -> None:
    adapter = {"init": str(embedded_place / "embedded"), "adapter.rank": "2"}
    assert (embedded(embedded_place, "adapter", 2, **adapter) / "model.safetensors").is_file()
    refused("an adapter cannot add", lambda: embedded(embedded_place, "no", 2, **{"adapter.rank": "2"}))
    compress_checkpoint(embedded_place / "embedded", tmp_path / "small", 0.6)
    small, model = (
        load_checkpoint(tmp_path / "small", MelLatent),
        load_checkpoint(embedded_place / "embedded", MelLatent),
    )
    assert small.config.embedding
    assert torch.equal(small.embedding_std, model.embedding_std)


def test_other_channels_cannot_take_over_embeddings(embedded_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = load_checkpoint(embedded_place / "embedded", MelLatent)
    monkeypatch.setattr("audiodiff_recipes.latent.load_checkpoint", lambda *_: given)
    monkeypatch.setattr(type(given), "channels", property(lambda self: 8 if self is given else 14))
    refused(
        "embeddings of 8 channels, and the latents have 14 here",
        lambda: latent.build_model(tiny(embedded_place, "no", **EMBEDDED, init=str(embedded_place / "embedded"))),
    )
