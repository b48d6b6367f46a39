"""Tiny generators of other projects with random weights, made by the projects' own code, and files of them."""

from __future__ import annotations

import copy
import importlib
import json
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

HIFIGAN = {
    "resblock": "1",
    "upsample_rates": [4, 2],
    "upsample_kernel_sizes": [8, 4],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 2]],
    "num_mels": 12,
    "n_fft": 32,
    "hop_size": 8,
    "win_size": 32,
    "sampling_rate": 8000,
    "fmin": 0,
    "fmax": 4000,
}
"""A `config.json` of HiFi-GAN."""

VOCOS = """
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args: {{sample_rate: 8000, n_fft: 32, hop_length: 8, n_mels: 12, padding: {padding}}}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {{input_channels: 12, dim: 16, intermediate_dim: 24, num_layers: 2}}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {{dim: 16, n_fft: 32, hop_length: 8, padding: {padding}}}
"""
"""A `config.yaml` of Vocos."""


def log_mel(n_frames: int = 20) -> Tensor:
    return torch.randn(2, 12, n_frames, generator=torch.Generator().manual_seed(1))


def randomised(model: nn.Module) -> nn.Module:
    """Weights far from where they start, so that nothing is hidden by a zero or a one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            scale = 0.3 if value.ndim < 2 else 0.15
            value.copy_(scale * torch.randn(value.shape, generator=generator) + (1.0 if "weight_g" in name else 0.0))
    return model.eval()


def speecht5() -> Any:
    """The HiFi-GAN of transformers."""
    transformers = pytest.importorskip("transformers")
    config = transformers.SpeechT5HifiGanConfig(
        model_in_dim=12,
        sampling_rate=8000,
        **{key: HIFIGAN[key] for key in HIFIGAN if key.startswith(("upsample_", "resblock_"))},
    )
    model = randomised(transformers.SpeechT5HifiGan(config))
    model.mean.copy_(torch.linspace(-1.0, 1.0, 12))
    model.scale.copy_(torch.linspace(0.5, 2.0, 12))
    return model


def bigvgan(**changes: Any) -> tuple[Any, dict[str, Any]]:
    """BigVGAN of NVIDIA's package, and its config."""
    pytest.importorskip("bigvgan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("bigvgan.bigvgan")
        config = {**HIFIGAN, "activation": "snakebeta", "snake_logscale": True, **changes}
        config = {key: value for key, value in config.items() if value is not ...}
        return randomised(module.BigVGAN(module.AttrDict(copy.deepcopy(config)))), config


def vocos(padding: str) -> Any:
    """Vocos's backbone and head, as its own class joins them."""
    if importlib.util.find_spec("vocos") is None:
        pytest.skip("vocos is not installed; `pip install --no-deps vocos` is enough")
    stub = types.ModuleType("encodec")
    stub.EncodecModel = object  # type: ignore[attr-defined]
    missing = importlib.util.find_spec("encodec") is None
    if missing:
        sys.modules["encodec"] = stub
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models, heads = importlib.import_module("vocos.models"), importlib.import_module("vocos.heads")
    finally:
        if missing:
            del sys.modules["encodec"]
    model = nn.Module()
    model.backbone = models.VocosBackbone(12, 16, 24, 2)
    model.head = heads.ISTFTHead(16, 32, 8, padding)
    return randomised(model)


def write(folder: Path, name: str, stored: Any, config: dict[str, Any] | str) -> Path:
    """Write weights and the config beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(stored, folder / name)
    if isinstance(config, str):
        (folder / "config.yaml").write_text(config)
    else:
        (folder / "config.json").write_text(json.dumps(config))
    return folder / name


def original_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of transformers' HiFi-GAN as the original code names them."""
    return {name.replace("upsampler.", "ups."): value for name, value in state.items() if name not in ("mean", "scale")}


def with_weight_norm(state: dict[str, Tensor], old: bool) -> dict[str, Tensor]:
    """Every weight as magnitude and direction, under the names of torch's old function or of its new one."""
    names = ("weight_g", "weight_v")
    if not old:
        names = ("parametrizations.weight.original0", "parametrizations.weight.original1")
    split = {}
    for name, value in state.items():
        if not name.endswith(".weight"):
            split[name] = value
            continue
        layer = name.removesuffix("weight")
        length = value.flatten(1).norm(dim=1).reshape(-1, 1, 1)
        split[layer + names[0]] = length
        split[layer + names[1]] = 3.0 * value  # any length: the magnitude is the other's
    return split


def write_hifigan(folder: Path) -> Path:
    """A HiFi-GAN of our own making as its project publishes it, without its code."""
    from audiodiff.models.config import dataclass_from_dict
    from audiodiff.nn.hifigan import HifiGan, HifiGanConfig

    keys = [key for key in HIFIGAN if key.startswith(("upsample_", "resblock"))]
    config = dataclass_from_dict(HifiGanConfig, {**{key: HIFIGAN[key] for key in keys}, "n_mels": 12})
    state = with_weight_norm(randomised(HifiGan(config)).state_dict(), old=True)
    return write(folder, "g_00000010", {"generator": state}, HIFIGAN)
