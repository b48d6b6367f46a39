"""Reads the checkpoints of HiFi-GAN, BigVGAN, Vocos and transformers' `SpeechT5HifiGan` into a `GanVocoder`.

Most of their files are pickles. They are opened with `weights_only=True`, which admits tensors and plain values and
runs no code; convert once, keep the folder that `save_checkpoint` writes.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table
from audiodiff.models.config import dataclass_from_dict
from audiodiff.models.gan_vocoder.config import GanVocoderConfig
from audiodiff.models.gan_vocoder.model import GanVocoder
from audiodiff.models.memory import without_weights
from audiodiff.nn.hifigan import HifiGanConfig
from audiodiff.nn.vocos import VocosConfig
from audiodiff.signal.mel_spec import PRESETS, MelSpec

__all__ = ["NAMES", "is_generator", "load_generator", "read_tensors"]

NAMES = {
    "hifigan": "HiFi-GAN",
    "bigvgan": "BigVGAN",
    "vocos": "Vocos",
    "speecht5": "HiFi-GAN of transformers",
}
"""What is recognised -> what people call it."""

_CONFIGS = ("config.json", "config.yaml", "config.yml")
_WEIGHTS = ("model.safetensors", "*.safetensors", "bigvgan_generator.pt", "pytorch_model.bin", "g_*", "*.pt", "*.ckpt")
_WRAPPERS = ("generator", "state_dict", "model")
_SHAPE_KEYS = (
    "upsample_initial_channel",
    "upsample_rates",
    "upsample_kernel_sizes",
    "resblock",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
)
_SPEECHT5_MEL = dataclasses.replace(
    PRESETS["tacotron2-22k"], sample_rate=16000, f_min=80.0, f_max=7600.0, log="log10", floor=1e-10
)
"""The mel of SpeechT5, whose vocoder's config does not say it (its feature extractor does)."""


def is_generator(path: Path) -> bool:
    """Whether a file, or a folder that is no checkpoint of ours, holds the tensors of one of these generators."""
    config = path / "config.json"
    try:
        if config.is_file() and "kind" in read_json_table(config):
            return False
        return _architecture(read_tensors(_weights_in(path))) is not None
    except AudiodiffError:
        return False


def load_generator(path: Path | str, mel: MelSpec | None = None) -> GanVocoder:
    """Read a generator into a `GanVocoder`.

    Args:
        path: the file of the weights, with its config beside it (`config.json`, `config.yaml`), or the folder of both.
        mel: the log-mel that it takes, where the config does not say it or says it wrongly.

    Raises:
        AudiodiffError: no generator that is known, no config, or one that does not fit the weights.
    """
    weights = _weights_in(Path(path))
    state = read_tensors(weights)
    architecture = _architecture(state)
    if architecture is None:
        raise AudiodiffError(
            f"{weights} holds no generator of {', '.join(NAMES.values())}; its first tensors are "
            f"{', '.join(list(state)[:3]) or 'none'}."
        )
    values = _config_beside(weights)
    if architecture == "vocos":
        config = _vocos_config(values, mel, weights)
    else:
        config = _hifigan_config(values, architecture, state, mel, weights)
    with without_weights():
        model = GanVocoder(config)
    _fill(model, _fused(_renamed(state, architecture)), weights)
    return model.eval()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, whatever it wraps them in.

    Raises:
        AudiodiffError: it does not exist, or is no file of tensors.
    """
    if not path.is_file():
        raise AudiodiffError(f"{path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            stored: Any = load_file(path)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise AudiodiffError(f"{path} is truncated or not a safetensors file.") from error
    except Exception as error:  # the unpickler raises what it likes on foreign bytes
        raise AudiodiffError(
            f"{path} is not a PyTorch checkpoint of plain tensors ({type(error).__name__})."
        ) from error
    for key in _WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(key), Mapping):
            stored = stored[key]
    if not isinstance(stored, Mapping):
        raise AudiodiffError(f"{path} holds no tensors with names; expected a checkpoint of a generator.")
    return {str(name): value for name, value in stored.items() if isinstance(value, Tensor)}


def _weights_in(path: Path) -> Path:
    """The file of the weights in a folder; the last by name where there are several of a kind, as of HiFi-GAN."""
    if not path.is_dir():
        return path
    for pattern in _WEIGHTS:
        found = sorted(item for item in path.glob(pattern) if item.is_file())
        if found:
            return found[-1]
    raise AudiodiffError(f"{path} holds no weights; expected one of {', '.join(_WEIGHTS)}.")


def _architecture(state: Mapping[str, Tensor]) -> str | None:
    if "backbone.embed.weight" in state and "head.out.weight" in state:
        return "vocos"
    if not any(name.startswith("conv_pre.") for name in state):
        return None
    if any(name.startswith("upsampler.") for name in state):
        return "speecht5"
    if any(name.startswith("activation_post.") for name in state):
        return "bigvgan"
    return "hifigan" if any(name.startswith("ups.") for name in state) else None


def _config_beside(weights: Path) -> dict[str, Any]:
    """The config of a generator, or nothing."""
    for name in _CONFIGS:
        path = weights.parent / name
        if not path.is_file():
            continue
        if name.endswith(".json"):
            return read_json_table(path)
        try:
            import yaml
        except ImportError as error:
            raise AudiodiffError(f"reading {path} needs PyYAML; install it with: pip install pyyaml.") from error
        try:
            values = yaml.safe_load(path.read_text("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise AudiodiffError(f"{path} is not YAML ({type(error).__name__}).") from error
        if not isinstance(values, dict):
            raise AudiodiffError(f"{path} is not a table of keys and values.")
        return values
    raise AudiodiffError(
        f"{weights.parent} holds no config of the generator; put its {' or '.join(_CONFIGS[:2])} beside the weights."
    )


# --- configs ----------------------------------------------------------------------------------------------------------


def _hifigan_config(
    values: Mapping[str, Any], architecture: str, state: Mapping[str, Tensor], mel: MelSpec | None, weights: Path
) -> GanVocoderConfig:
    shape: dict[str, Any] = {key: values[key] for key in _SHAPE_KEYS if key in values}
    if "resblock" in shape:
        shape["resblock"] = str(shape["resblock"])
    n_mels = values.get("model_in_dim" if architecture == "speecht5" else "num_mels", 80)
    shape["n_mels"] = n_mels
    if architecture == "bigvgan":
        shape["activation"] = values.get("activation", "snakebeta")
        shape["snake_logscale"] = values.get("snake_logscale", True)
        shape["final_tanh"] = values.get("use_tanh_at_final", True)
        shape["final_bias"] = values.get("use_bias_at_final", True)
    if architecture == "speecht5":
        shape["slope"] = values.get("leaky_relu_slope", 0.1)
        shape["standardised"] = bool(values.get("normalize_before", True)) and "mean" in state
        missing = mel is None and (values.get("sampling_rate"), n_mels) != (16000, 80)
        if missing:
            raise AudiodiffError(
                f"the config beside {weights} does not say which mel the vocoder takes; give --mel, one of "
                f"{', '.join(PRESETS)}."
            )
        spec = mel or _SPEECHT5_MEL
    else:
        spec = mel or _hifigan_mel(values, n_mels)
    network = dataclass_from_dict(HifiGanConfig, shape, "config")
    return GanVocoderConfig(spec, hifigan=network)


def _hifigan_mel(values: Mapping[str, Any], n_mels: Any) -> MelSpec:
    """The mel of HiFi-GAN's and BigVGAN's config."""
    rate = values.get("sampling_rate", 22050)
    names = {"n_fft": "n_fft", "hop_length": "hop_size", "win_length": "win_size", "f_min": "fmin", "f_max": "fmax"}
    given = {ours: values[theirs] for ours, theirs in names.items() if values.get(theirs) is not None}
    if "fmax" in values and values["fmax"] is None and isinstance(rate, int | float):
        given["f_max"] = rate / 2.0
    plain = dataclasses.asdict(PRESETS["hifigan-22k"])
    return dataclass_from_dict(MelSpec, {**plain, **given, "sample_rate": rate, "n_mels": n_mels}, "config")


def _vocos_config(values: Mapping[str, Any], mel: MelSpec | None, weights: Path) -> GanVocoderConfig:
    # a training config has the model below "model.init_args"
    inside = values.get("model")
    if isinstance(inside, Mapping) and isinstance(inside.get("init_args"), Mapping):
        values = inside["init_args"]
    sections = []
    for key in ("feature_extractor", "backbone", "head"):
        section = values.get(key)
        arguments = section.get("init_args", {}) if isinstance(section, Mapping) else None
        if not isinstance(section, Mapping) or not isinstance(arguments, Mapping):
            raise AudiodiffError(f"the config beside {weights} has no {key} with init_args; expected that of Vocos.")
        sections.append((str(section.get("class_path", "")), dict(arguments)))
    (features, given), (backbone, shape), (head, transform) = sections
    known = (
        features.endswith("MelSpectrogramFeatures")
        and backbone.endswith("VocosBackbone")
        and head.endswith("ISTFTHead")
        and shape.get("adanorm_num_embeddings") is None
    )
    if not known:
        raise AudiodiffError(
            f"{weights} is a Vocos of {features or 'unknown features'}, {backbone} and {head}; expected one of mels: "
            "MelSpectrogramFeatures, VocosBackbone without adanorm, ISTFTHead."
        )
    spec = mel or dataclass_from_dict(
        MelSpec,
        {
            **dataclasses.asdict(PRESETS["vocos-24k"]),
            **{key: given[key] for key in ("sample_rate", "n_fft", "hop_length", "n_mels") if key in given},
            "win_length": given.get("n_fft", 1024),
            "f_max": float(given.get("sample_rate", 24000)) / 2.0,
            "centring": given.get("padding", "center"),
        },
        "config",
    )
    network = {
        "n_mels": shape.get("input_channels", spec.n_mels),
        "padding": transform.get("padding", "same"),
        **{key: shape[key] for key in ("dim", "intermediate_dim", "num_layers") if key in shape},
        **{key: transform[key] for key in ("n_fft", "hop_length") if key in transform},
    }
    return GanVocoderConfig(spec, vocos=dataclass_from_dict(VocosConfig, network, "config"))


# --- tensors ----------------------------------------------------------------------------------------------------------


def _renamed(state: Mapping[str, Tensor], architecture: str) -> dict[str, Tensor]:
    """The tensors of the generator under our names, weight norm still apart."""
    renamed = {}
    for theirs, value in state.items():
        name = theirs
        if name.endswith((".filter", ".window")) or name.startswith("feature_extractor."):
            continue  # fixed tables
        if architecture == "vocos" and not name.startswith(("backbone.", "head.out.")):
            continue  # discriminators and losses of a training checkpoint
        if architecture == "bigvgan":
            name = re.sub(r"^(ups\.\d+)\.0\.", r"\1.", name)
        if architecture == "speecht5":
            name = re.sub(r"^upsampler\.", "ups.", name)
        renamed[name] = value.float()
    return renamed


def _fused(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights out of magnitude and direction (Salimans & Kingma 2016), by their old names or those of today."""
    fused = {}
    for name, value in state.items():
        for magnitude, direction in (
            (".weight_g", ".weight_v"),
            (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
        ):
            if name.endswith(direction):
                break
            if name.endswith(magnitude):
                layer = name.removesuffix(magnitude)
                v = state.get(layer + direction)
                if v is None or v.shape[0] != value.shape[0]:
                    raise AudiodiffError(f"{layer} has a magnitude and no direction of its size; copy the file again.")
                length = v.flatten(1).norm(dim=1).reshape(-1, *([1] * (v.ndim - 1)))
                fused[f"{layer}.weight"] = value.reshape(length.shape) * v / length
                break
        else:
            fused[name] = value
    return fused


def _fill(model: GanVocoder, state: Mapping[str, Tensor], weights: Path) -> None:
    expected = {name: value.shape for name, value in model.network.state_dict().items()}
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if not model.config.hifigan or not model.config.hifigan.standardised:
        unknown = [name for name in unknown if name not in ("mean", "scale")]
    if missing or unknown:
        first = f"lacks {missing[0]}" if missing else f"has an unknown {unknown[0]}"
        raise AudiodiffError(
            f"{weights} does not fit its config: {len(missing)} tensors missing, {len(unknown)} unknown; it {first}."
        )
    for name, shape in expected.items():
        if state[name].shape != shape:
            raise AudiodiffError(
                f"{weights} does not fit its config: {name} has shape {list(state[name].shape)}, "
                f"expected {list(shape)}."
            )
        if not bool(torch.isfinite(state[name]).all()):
            raise AudiodiffError(f"{weights}: {name} holds values that are not finite.")
    model.network.load_state_dict({name: state[name].contiguous() for name in expected}, assign=True)


def describe_source(path: Path | str) -> str:
    """What a file holds, for the metadata of the checkpoint: `HiFi-GAN`, `BigVGAN`, ..."""
    return NAMES[_architecture(read_tensors(_weights_in(Path(path)))) or "hifigan"]
