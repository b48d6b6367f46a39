import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from audiodiff.cli.main import main
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.compress import compress_checkpoint
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.upsampler import Upsampler, UpsamplerConfig
from audiodiff.models.vocoder import Vocoder
from audiodiff.nn.low_rank import LowRank, choose_ranks, factorisable_layers
from audiodiff.nn.wavenet import WaveNetConfig
from tests.models.vocoder.cases import ANCHORED, make
from tests.refusals import refused
from tests.synthesis.latent_models import write_latent_model

METADATA = {"description": "a vocoder", "sampling": {"steps": 1, "sampler": "ddim"}, "corpus": {"name": "tones"}}


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "voc"
    save_checkpoint(folder, make(ANCHORED), METADATA, dtype=torch.float16)
    return folder


def weights(model: nn.Module) -> int:
    return sum(layer.weight.numel() for layer in factorisable_layers(model).values())


def test_a_vocoder_keeps_a_share_of_its_weights_and_stays_one(vocoder: Path, tmp_path: Path) -> None:
    found = compress_checkpoint(vocoder, tmp_path / "small", 0.6)
    full, small = load_checkpoint(vocoder, Vocoder), load_checkpoint(tmp_path / "small", Vocoder)
    total, kept = weights(full.wavenet), weights(small.wavenet)
    assert 0.5 * total < kept <= 0.6 * total
    assert found.before - found.parameters == total - kept
    assert found.n_bytes < found.bytes_before
    assert any(isinstance(part, LowRank) for part in small.wavenet.modules())
    # everything else is what it was, in the dtype that it had
    assert torch.equal(small.conditioner.conv1.weight, full.conditioner.conv1.weight)  # type: ignore[union-attr]
    with safe_open(tmp_path / "small" / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118
    metadata = read_config(tmp_path / "small")["metadata"]
    assert {key: metadata[key] for key in METADATA} == METADATA
    assert metadata["compressed"] == {
        "model": "voc",
        "weights_sha256": read_config(vocoder)["weights_sha256"],
        "keep": 0.6,
        "parameters": found.parameters,
        "parameters_before": found.before,
    }


def test_more_numbers_bring_the_weights_closer(vocoder: Path, tmp_path: Path) -> None:
    full, errors = load_checkpoint(vocoder, Vocoder), []
    for keep in (0.3, 0.6, 0.9):
        compress_checkpoint(vocoder, tmp_path / str(keep), keep)
        small = load_checkpoint(tmp_path / str(keep), Vocoder)
        error = torch.zeros(())
        for name, layer in factorisable_layers(full.wavenet).items():
            found = small.wavenet.get_submodule(name)
            if isinstance(found, LowRank):
                difference = found.up.weight.flatten(1) @ found.down.weight.flatten(1) - layer.weight.flatten(1)
                error += difference.square().sum() / layer.weight.square().sum()
                assert found.up.bias is not None
                assert torch.equal(found.up.bias, layer.bias)
        errors.append(error.item())
    assert errors[0] > 1.5 * errors[1] > 3.0 * errors[2] > 0


def test_models_of_whole_weights_are_written_as_before(vocoder: Path) -> None:
    assert "low_rank" not in json.dumps(read_config(vocoder)["model"])


def test_a_latent_model_brings_its_vocoder_along(tmp_path: Path) -> None:
    base = write_latent_model(tmp_path / "tiny")
    parts = sorted(path.relative_to(base) for path in base.rglob("*") if path.is_file())
    compress_checkpoint(base, tmp_path / "small", 0.5)
    assert (
        sorted(path.relative_to(tmp_path / "small") for path in (tmp_path / "small").rglob("*") if path.is_file())
        == parts
    )
    full, small = load_checkpoint(base, MelLatent), load_checkpoint(tmp_path / "small", MelLatent)
    assert weights(small.network) <= 0.5 * weights(full.network)
    assert weights(small.autoencoder) == weights(full.autoencoder)


def test_ranks_go_where_the_energy_is() -> None:
    def layer(values: list[float]) -> nn.Linear:
        made = nn.Linear(8, 8, bias=False)
        with torch.no_grad():
            made.weight.copy_(torch.diag(torch.tensor(values)))
        return made

    steep, flat = layer([8.0, 4.0, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4]), layer([1.0] * 8)
    # 16 numbers a rank, 128 in all: 3 of 8 ranks fit into 0.375, one for each layer and the next best one
    ranks = {each.layers: each.rank for each in choose_ranks({"steep": steep, "flat": flat}, 0.375)}
    assert ranks["steep"] == 2
    # where four ranks are as much as the weight, it stays whole
    ranks = {each.layers: each.rank for each in choose_ranks({"steep": steep, "flat": flat}, 0.99)}
    assert ranks["flat"] == 0
    assert 2 <= ranks["steep"] <= 3


def test_what_cannot_be_compressed_is_refused(vocoder: Path, tmp_path: Path) -> None:
    place = tmp_path / "small"
    for keep in (0.0, 1.0, float("nan")):
        refused("expected a share above 0 and below 1", lambda keep=keep: compress_checkpoint(vocoder, place, keep))
    refused("the layers of rank 1 already take", lambda: compress_checkpoint(vocoder, place, 0.01))
    refused("a voice, which speaks text, which cannot", lambda: compress_checkpoint("kathleen", place, 0.5))
    refused("no model 'nothing'", lambda: compress_checkpoint("nothing", place, 0.5))
    assert not place.exists()
    compress_checkpoint(vocoder, place, 0.5)
    refused("has weights of low rank already", lambda: compress_checkpoint(place, tmp_path / "again", 0.5))
    assert not (tmp_path / "again").exists()


def test_an_upsampler_is_compressed_and_inspect_says_what_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    shape = WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=6, embedding_width=8)
    save_checkpoint(tmp_path / "up", Upsampler(UpsamplerConfig(wavenet=shape)), {})
    compress_checkpoint(tmp_path / "up", tmp_path / "small", 0.5)
    load_checkpoint(tmp_path / "small", Upsampler)
    assert main(["inspect", str(tmp_path / "small")]) == 0
    assert "up (weights " in (said := capsys.readouterr().out)
    assert "compressed to low rank" in said
