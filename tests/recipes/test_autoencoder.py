import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import autoencoder_hash, load_checkpoint, read_config
from audiodiff.training.devices import open_devices
from audiodiff_recipes import autoencoder
from audiodiff_recipes.autoencoder import Config, configure, reconstruct
from audiodiff_recipes.corpus import RandomCrops, open_dataset, read_corpus
from audiodiff_recipes.latent_shards import check_shards, open_shards
from tests.recipes.latent_corpus import make_place, tiny
from tests.refusals import refused

RATE = 22_050
JUDGED = {"adversarial.weight": "1.0", "adversarial.judged_items": "2", "adversarial.fade_in_steps": "0"}


def walled(tmp_path: Path, limit: str) -> Config:
    """Settings for a corpus of noise whose table states `limit` (Hz)."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    samples = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    soundfile.write(folder / "a.wav", samples, RATE)
    (folder / "metadata.csv").write_text(f"file_name,bandwidth_hz\na.wav,{limit}\n", "utf-8")
    return configure("tiny-autoencoder", {"data.folder": str(folder), "data.cache": str(tmp_path / "cache")})


def test_the_limit_of_a_clip_reaches_loss_and_validation(tmp_path: Path) -> None:
    config = walled(tmp_path, "3000")
    data = open_dataset(read_corpus(config.data).items, config.data, RATE)
    devices = open_devices("cpu")
    crops = RandomCrops(data, config.data, 0, config.data.crop_frames * 256, config.train.batch_size)
    waveform, bandwidth = crops.draw(0, torch.Generator())
    assert bandwidth.tolist() == [3000.0] * 4
    model = autoencoder.build_model(config, autoencoder._log_mels(waveform, config), bandwidth)
    given = []
    whole = model.loss
    model.loss = lambda *parts: given.append(parts[2]) or whole(*parts)  # type: ignore[method-assign, assignment]
    autoencoder.models_with_losses(model, crops, config, devices)[0].loss_fn(0, torch.Generator().manual_seed(0))
    assert given[0].tolist() == [3000.0] * config.train.batch_size

    before, _ = reconstruct(model, data, config, devices)
    last = [weight for weight in model.decoder.parameters() if weight.dim() == 1 and len(weight) == 80][-1]
    with torch.no_grad():
        last[-20:] += 3.0  # bands that the clip cannot hold
    assert reconstruct(model, data, config, devices)[0] == before
    with torch.no_grad():
        last[:20] += 3.0
    assert reconstruct(model, data, config, devices)[0] > before


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("codec"))


def further(place: Path, run: str, **changes: str) -> Path:
    """Train the decoder of the codec in `place` for three steps."""
    given = {"data.folder": str(place / "corpus"), "data.cache": str(place / "cache"), "output": str(place / run)}
    given |= {"init": str(place / "ae"), "keep_encoder": "true", "train.steps": "3"}
    return autoencoder.train(configure("tiny-autoencoder", given | changes), resume=False)


def test_a_decoder_trained_alone_leaves_latents_and_their_shards_as_they_are(place: Path) -> None:
    before = load_checkpoint(place / "ae", MelAutoencoder)
    table = json.loads((place / "ae" / "config.json").read_text())
    table["metadata"]["sampling"] = {"band_limits": [-1.0, -2.0]}
    (place / "ae" / "config.json").write_text(json.dumps(table))
    path = further(place, "decoder", **{"train.learning_rate": "1e-2"})
    assert read_config(path)["metadata"]["sampling"] == {"band_limits": [-1.0, -2.0]}
    after = load_checkpoint(path, MelAutoencoder)
    log_mel = 2.0 * torch.randn(1, 80, 32, generator=torch.Generator().manual_seed(0)) - 5.0
    latents = before.encode(log_mel)
    assert torch.equal(after.encode(log_mel), latents)
    assert not torch.allclose(after.decode(latents), before.decode(latents), atol=1e-2)
    # shards that the first codec made fit the new one, and one more trained from that, but not any codec
    again = further(place, "again", init=str(path))
    for codec in (path, again):
        config = tiny(place, "no", autoencoder=str(codec))
        check_shards(open_shards(config, "train"), config)
    assert autoencoder_hash(after) != autoencoder_hash(before)
    other = further(place, "other", keep_encoder="false")
    config = tiny(place, "no", autoencoder=str(other))
    refused("another autoencoder", lambda: check_shards(open_shards(config, "train"), config))
    refused("no encoder to keep", lambda: configure("tiny-autoencoder", {"keep_encoder": "true"}))


def test_a_discriminator_learns_and_changes_what_is_learnt(place: Path) -> None:
    plain = load_checkpoint(further(place, "plain"), MelAutoencoder)
    judged = further(place, "judged", **JUDGED)
    weights = load_checkpoint(judged, MelAutoencoder).state_dict()
    assert any(not torch.equal(value, weights[name]) for name, value in plain.state_dict().items())
    log = (judged / "log.jsonl").read_text()
    assert '"adversarial"' in log
    assert "discriminator" in log
    refused(
        "train.accumulate is 2",
        lambda: configure(
            "tiny-autoencoder",
            {"adversarial.weight": "1.0", "adversarial.judged_items": "2", "train.accumulate": "2"},
        ),
    )
    refused("judged_items is 9", lambda: configure("tiny-autoencoder", JUDGED | {"adversarial.judged_items": "9"}))
