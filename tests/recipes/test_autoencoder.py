from pathlib import Path

import numpy as np
import soundfile
import torch

from audiodiff.training.devices import open_devices
from audiodiff_recipes import autoencoder
from audiodiff_recipes.autoencoder import Config, configure, reconstruct
from audiodiff_recipes.corpus import RandomCrops, open_dataset, read_corpus

RATE = 22_050


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
    autoencoder.model_with_loss(model, crops, config, devices).loss_fn(0, torch.Generator().manual_seed(0))
    assert given[0].tolist() == [3000.0] * config.train.batch_size

    before, _ = reconstruct(model, data, config, devices)
    last = [weight for weight in model.decoder.parameters() if weight.dim() == 1 and len(weight) == 80][-1]
    with torch.no_grad():
        last[-20:] += 3.0  # bands that the clip cannot hold
    assert reconstruct(model, data, config, devices)[0] == before
    with torch.no_grad():
        last[:20] += 3.0
    assert reconstruct(model, data, config, devices)[0] > before
