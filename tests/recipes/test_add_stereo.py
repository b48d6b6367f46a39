from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.cli.main import main
from audiodiff.data.shards import LatentDataset
from audiodiff.models.autoencoder import MelAutoencoder, MelAutoencoderConfig
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.signal import mel
from audiodiff_recipes import latent
from audiodiff_recipes.add_stereo import add_stereo
from audiodiff_recipes.encode import encode_corpus
from audiodiff_recipes.latent import with_channels
from tests.recipes.latent_corpus import tiny
from tests.refusals import refused

RATE = 44_100  # twice that of the model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of which clips 0 and 1 are stereo, 2 is mono, 3 has opposite phases and 4 has three channels."""
    place = tmp_path_factory.mktemp("stereo")
    (place / "corpus").mkdir()
    dice = np.random.default_rng(0)
    common, other = 0.1 * dice.normal(size=(2, 30_000))
    sounds = [(common, 0.4 * common + 0.2 * other), (other, common), (common,), (common, -common), (common,) * 3]
    for number, channels in enumerate(sounds):
        soundfile.write(place / "corpus" / f"{number}.wav", np.stack(channels, axis=1), RATE)
    (place / "corpus" / "metadata.csv").write_text(
        "file_name,text,split,license\n"
        + "".join(f"{i}.wav,tune,{'valid' if i == 1 else 'train'},CC0\n" for i in range(5))
    )
    torch.manual_seed(0)
    network = AutoencoderConfig(width=16, latent_channels=4, blocks=(1, 0, 1))
    save_checkpoint(
        place / "ae", MelAutoencoder(MelAutoencoderConfig(mel.preset("hifigan-22k"), network)), {"description": "tiny"}
    )
    main(["add-stereo", str(place / "corpus"), "-o", str(place / "stereo"), "--autoencoder", str(place / "ae"),
          "--numbers", "3"])  # fmt: skip
    return place


def encoded(place: Path, codec: str) -> tuple[LatentDataset, str]:
    """Shards of the corpus, and what was left out of them."""
    told: list[str] = []
    output, cache = place / f"{codec}-shards", str(place / "cache")
    encode_corpus(str(place / "corpus"), output, autoencoder=place / codec, cache=cache, on_skip=told.append)
    return LatentDataset(output / "train"), "\n".join(told)


def test_the_rest_of_the_autoencoder_is_kept(place: Path) -> None:
    model, before = (load_checkpoint(place / name, MelAutoencoder) for name in ("stereo", "ae"))
    assert model.latent_channels == 4 + 3
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.state_dict().items())
    metadata = read_config(place / "stereo")["metadata"]
    assert metadata["description"] == "tiny"
    assert metadata["stereo"] | {"kept": 0, "hours": 0} == {
        "clips": 1, "hours": 0, "licences": ["CC0"], "sources": [], "kept": 0
    }  # fmt: skip


def test_what_cannot_be_learnt_from_is_told(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    add_stereo(str(place / "corpus"), tmp_path / "out", autoencoder=place / "stereo", on_skip=told.append)
    assert len(told) == 3
    assert "2.wav has not two channels" in told[0]
    assert "3.wav are of opposite phase" in told[1]
    assert load_checkpoint(tmp_path / "out", MelAutoencoder).latent_channels == 4 + 12  # another stereo in its place
    refused("holds a model already", lambda: add_stereo(str(place / "corpus"), place / "ae", autoencoder=place / "ae"))
    soundfile.write(tmp_path / "mono.wav", np.full(9_000, 0.1), RATE)
    command = ["add-stereo", str(tmp_path), "-o", str(tmp_path / "no"), "--autoencoder", str(place / "ae")]
    assert main(command) == 2
    assert "has two channels" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_shards_hold_the_stereo_of_stereo_clips(place: Path) -> None:
    (mono, _), (stereo, told) = encoded(place, "ae"), encoded(place, "stereo")
    assert stereo.index.channels == 7
    by_key = {clip.key: number for number, clip in enumerate(stereo.clips)}
    assert len(by_key) == 3
    assert "3.wav is silence in mono" in told
    assert "the 3 channels of" in told
    model = load_checkpoint(place / "stereo", MelAutoencoder)
    for number, clip in enumerate(mono.clips):
        latents = stereo.latent(by_key[clip.key])
        assert torch.equal(latents[:4], mono.latent(number))
        parameters = model.stereo_parameters(latents[None].float())
        assert parameters is not None
        wide = clip.key == min(by_key)
        assert (float(parameters[0, 1, :, 3:-3].mean()) < 0.95) == wide
        assert (float(parameters[0, 0, :, 3:-3].mean()) > 3.0) == wide


def test_a_mono_model_goes_on_in_stereo(place: Path, tmp_path: Path) -> None:
    mono_config = replace(tiny(place, "x", autoencoder=str(place / "ae")), init="")
    save_checkpoint(tmp_path / "mono", latent.build_model(mono_config), {})
    config = tiny(place, "y", autoencoder=str(place / "stereo"), init=str(tmp_path / "mono"))
    before, model = load_checkpoint(tmp_path / "mono", MelLatent), latent.build_model(config)
    with torch.no_grad():
        for parameter in before.network.parameters():
            parameter.normal_(std=0.1)
    model.load_state_dict(with_channels(before.state_dict(), model.state_dict()), strict=False)
    generator = torch.Generator().manual_seed(0)
    x, t = torch.randn(1, 7, 20, generator=generator), torch.tensor([0.5])
    cond = before.condition([torch.zeros(0, model.config.text_width)], [{}], [{}])
    made = model.denoiser()(x, t, cond._replace(known=x[..., :0]))
    torch.testing.assert_close(made[:, :4], before.denoiser()(x[:, :4], t, cond))
