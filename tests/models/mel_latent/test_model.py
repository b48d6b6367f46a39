import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder, MelAutoencoderConfig
from audiodiff.models.checkpoint import autoencoder_hash, load_checkpoint, read_config, save_checkpoint
from audiodiff.models.config import dataclass_from_dict, model_config_to_dict
from audiodiff.models.mel_latent import (
    MelLatent,
    MelLatentConfig,
    pooled,
)
from audiodiff.models.vocoder import Vocoder
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.nn.transformer import DiTConfig
from audiodiff.nn.unet import UNetConfig
from audiodiff.signal import mel
from tests.models.vocoder.cases import ANCHORED, make
from tests.refusals import refused

CONFIG = MelLatentConfig(
    autoencoder=MelAutoencoderConfig(
        mel=mel.preset("hifigan-22k"), network=AutoencoderConfig(width=16, latent_channels=4, blocks=(1, 0, 1))
    ),
    dit=DiTConfig(width=16, depth=1, heads=2),
    unet=UNetConfig(),
    text_width=12,
)


def model(**changes: object) -> MelLatent:
    torch.manual_seed(0)
    built = MelLatent(dataclasses.replace(CONFIG, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(std=0.2)
    return built.eval()


def test_the_config_survives_json() -> None:
    assert dataclass_from_dict(MelLatentConfig, json.loads(json.dumps(model_config_to_dict(CONFIG)))) == CONFIG
    with pytest.raises(AudiodiffError, match='unknown key "depth"'):
        dataclass_from_dict(MelLatentConfig, {**model_config_to_dict(CONFIG), "depth": 3})


@pytest.mark.parametrize("process", ["rectified_flow", "cosine_vp"])
@pytest.mark.parametrize("parameterization", ["velocity", "v", "x0"])
def test_any_process_and_parameterization_by_config_alone(process: str, parameterization: str) -> None:
    latent = model(process={"name": process}, parameterization={"name": parameterization})
    cond = latent.condition([torch.randn(3, 12)], [{"tempo": 100.0}], [{}])
    estimate = latent.denoiser()(torch.randn(1, 4, 9), torch.full((1,), 0.5), cond)
    assert estimate.shape == (1, 4, 9)
    assert bool(torch.isfinite(estimate).all())


def test_an_impossible_pair_is_refused_when_the_model_is_built() -> None:
    refused("Eps is not defined", lambda: model(parameterization={"name": "eps"}))


def test_both_networks_have_one_signature() -> None:
    x, t = torch.randn(1, 4, 16), torch.full((1,), 0.3)
    for latent in (model(), model(network="unet")):
        cond = latent.condition([torch.randn(2, 12)], [{}], [{"source": "recorded"}])
        assert latent.denoiser()(x, t, cond).shape == x.shape
        assert latent.denoiser(circular=True)(x, t, latent.network.project_cond(cond)).shape == x.shape


def test_conditions_are_padded_and_masked() -> None:
    cond = model().condition(
        [torch.ones(3, 12), torch.zeros(0, 12)], [{"tempo": 110.0}, {"seconds": 20.0}], [{"source": "recorded"}, {}]
    )
    assert cond.mask.tolist() == [[True, True, True], [False, False, False]]
    assert cond.classes.tolist() == [[2], [0]]
    tempo, seconds = cond.numbers.T.tolist()
    assert tempo[0] == 0.0  # the usual tempo is the origin
    assert seconds[1] == pytest.approx(24.0)  # an octave above the usual length
    assert math.isnan(tempo[1])
    assert math.isnan(seconds[0])


def test_an_item_is_denoised_alone_as_in_a_batch() -> None:
    latent = model()
    tokens = [torch.randn(n, 12, generator=torch.Generator().manual_seed(n)) for n in (3, 0, 5)]
    numbers: list[dict[str, float | None]] = [{"tempo": 90.0}, {}, {"tempo": None}]
    x = torch.randn(3, 4, 11, generator=torch.Generator().manual_seed(9))
    t = torch.full((3,), 0.6)
    together = latent.denoiser()(x, t, latent.condition(tokens, numbers, [{}] * 3))
    for item in range(3):
        cond = latent.condition([tokens[item]], [numbers[item]], [{}])
        alone = latent.denoiser()(x[item : item + 1], t[:1], cond)
        torch.testing.assert_close(alone[0], together[item], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("numbers", "classes", "tokens", "message"),
    [
        ({"bpm": 100.0}, {}, torch.zeros(1, 12), "knows no 'bpm'"),
        ({"tempo": -1.0}, {}, torch.zeros(1, 12), "tempo is -1.0"),
        ({"tempo": math.nan}, {}, torch.zeros(1, 12), "tempo is nan"),
        ({}, {"genre": "rock"}, torch.zeros(1, 12), "knows no 'genre'"),
        ({}, {"source": "vinyl"}, torch.zeros(1, 12), "knows rendered, recorded"),
        ({}, {}, torch.zeros(1, 7), r"takes \[n_tokens, 12\]"),
    ],
)
def test_what_the_model_does_not_know_is_refused(
    numbers: dict[str, float | None], classes: dict[str, str], tokens: torch.Tensor, message: str
) -> None:
    refused(message, lambda: model().condition([tokens], [numbers], [classes]))


def test_what_lies_beyond_an_items_length_does_not_count() -> None:
    latent = model()
    cond = latent.condition([torch.zeros(0, 12)] * 2, [{}, {}], [{}, {}])
    latents = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(1))
    t, lengths = torch.full((2,), 0.5), torch.tensor([16, 6])
    with torch.no_grad():
        masked = latent.loss(latents, cond, t, noise, lengths).per_item
        whole = latent.loss(latents, cond, t, noise).per_item
    assert float(masked[0]) == pytest.approx(float(whole[0]))
    assert float(masked[1]) != pytest.approx(float(whole[1]), rel=1e-3)


def test_checkpoints_keep_kinds_apart(tmp_path: Path) -> None:
    latent = model()
    save_checkpoint(tmp_path / "latent", latent, {"description": "x"})
    save_checkpoint(tmp_path / "autoencoder", latent.autoencoder, {})
    loaded = load_checkpoint(tmp_path / "latent", MelLatent)
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), latent.state_dict().values(), strict=True)
    )
    for name in ("autoencoder", "latent"):
        alone = load_checkpoint(tmp_path / name, MelAutoencoder)
        assert not alone.training
        assert torch.equal(alone.encoder.output_projection.weight, latent.autoencoder.encoder.output_projection.weight)
        assert autoencoder_hash(alone) == autoencoder_hash(latent.autoencoder)
    with torch.no_grad():
        alone.latent_mean[0] += 1e-3
    assert autoencoder_hash(alone) != autoencoder_hash(latent.autoencoder)
    assert read_config(tmp_path / "latent")["kind"] == "mel_latent"
    save_checkpoint(tmp_path / "vocoder", make(ANCHORED), {})
    for module, folder, message in (
        (Vocoder, "latent", 'kind "mel_latent"; expected "vocoder"'),
        (MelLatent, "autoencoder", 'kind "autoencoder"; expected "mel_latent"'),
        (MelAutoencoder, "vocoder", 'kind "vocoder"; expected "autoencoder" or "mel_latent"'),
    ):
        with pytest.raises(AudiodiffError, match=message):
            load_checkpoint(tmp_path / folder, module)


def test_an_embedding_is_what_a_clip_is_like_whatever_fills_it_up() -> None:
    latents = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
    found = pooled(latents, torch.tensor([9, 5]))
    torch.testing.assert_close(found[0, :4], latents[0].mean(dim=1))
    torch.testing.assert_close(found[0, 4:], latents[0].std(dim=1, correction=0))
    torch.testing.assert_close(found[1:], pooled(latents[1:, :, :5]))
    latents[1, :, 5:] = 100.0
    torch.testing.assert_close(pooled(latents, torch.tensor([9, 5])), found)


def test_embeddings_are_standardised_by_those_of_the_training_clips() -> None:
    latent = model(embedding=True)
    clips = 3.0 + 2.0 * torch.randn(50, 4, 9, generator=torch.Generator().manual_seed(0))
    latent.fit_embedding(pooled(clips))
    found = latent.embedding(clips)
    assert found.shape == (50, 8)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(8), rtol=0, atol=1e-4)
    torch.testing.assert_close(found.std(dim=0), torch.ones(8), rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", ["dit", "unet"])
def test_an_embedding_conditions_any_network_and_is_kept_by_its_checkpoint(network: str, tmp_path: Path) -> None:
    small = UNetConfig(width=8, levels=(1, 2), blocks=1, heads=2)
    latent = model(embedding=True, network=network, unet=small)
    latent.fit_embedding(torch.randn(20, 8, generator=torch.Generator().manual_seed(1)))
    save_checkpoint(tmp_path, latent, {})
    again = load_checkpoint(tmp_path, MelLatent)
    assert again.config == latent.config
    clip = again.embedding(torch.ones(1, 4, 9))
    assert torch.equal(clip, latent.embedding(torch.ones(1, 4, 9)))
    cond = again.condition([torch.randn(3, 12)], [{}], [{}])
    x, t = torch.randn(1, 4, 9), torch.full((1,), 0.5)
    told = again.denoiser()(x, t, cond._replace(clip=clip))
    assert not torch.allclose(told, again.denoiser()(x, t, cond), atol=1e-4)


def test_models_without_an_embedding_are_written_as_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, model(), {})
    stored = read_config(tmp_path)["model"]
    assert "embedding" not in stored
    assert "clip_width" not in stored["dit"]
    assert "embedding_mean" not in model().state_dict()
