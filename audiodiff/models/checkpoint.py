"""Checkpoints: a folder with `config.json` and `model.safetensors`. Never pickle.

`config.json` holds everything that is needed to rebuild the model and to know where it came from:
`kind`, `format`, `audiodiff_version`, `model` (the model's config), `weights_sha256` and free-form `metadata`
(training corpus, licences, the command that made it, recommended sampling settings).
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from audiodiff._version import __version__
from audiodiff.atomic import put_in_place, scratch_folder
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import json_bytes, read_json_table
from audiodiff.models.autoencoder import MelAutoencoder, autoencoder_config_from_dict, autoencoder_config_to_dict
from audiodiff.models.mel_latent import MelLatent, mel_latent_config_from_dict, mel_latent_config_to_dict
from audiodiff.models.memory import memory_bytes, without_weights
from audiodiff.models.upsampler import Upsampler, upsampler_config_from_dict, upsampler_config_to_dict
from audiodiff.models.vocoder import Vocoder, vocoder_config_from_dict, vocoder_config_to_dict

__all__ = [
    "CONFIG_FILE",
    "WEIGHTS_FILE",
    "autoencoder_hash",
    "load_autoencoder",
    "load_mel_latent",
    "load_upsampler",
    "load_vocoder",
    "read_config",
    "save_autoencoder",
    "save_mel_latent",
    "save_upsampler",
    "save_vocoder",
    "weights_hash",
]

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_FORMAT = 1
_FLOATS = ("F16", "BF16", "F32", "F64")
_KINDS = ("vocoder", "autoencoder", "mel_latent", "upsampler")


def save_vocoder(
    folder: Path | str,
    model: Vocoder,
    metadata: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder; each file is replaced whole, the weights first.

    Args:
        folder: made if missing.
        model: its state and config are written.
        metadata: JSON values that travel with the weights.
        dtype: stored dtype of the weights; float16 halves the file.

    Raises:
        AudiodiffError: the folder cannot be written.
    """
    _save(folder, "vocoder", model, vocoder_config_to_dict(model.config), metadata, dtype)


def save_autoencoder(
    folder: Path | str,
    model: MelAutoencoder,
    metadata: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder of a mel autoencoder; see `save_vocoder`."""
    _save(folder, "autoencoder", model, autoencoder_config_to_dict(model.config), metadata, dtype)


def save_mel_latent(
    folder: Path | str,
    model: MelLatent,
    metadata: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder of a latent model, its autoencoder included; see `save_vocoder`."""
    _save(folder, "mel_latent", model, mel_latent_config_to_dict(model.config), metadata, dtype)


def save_upsampler(
    folder: Path | str,
    model: Upsampler,
    metadata: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder of an upsampler; see `save_vocoder`."""
    _save(folder, "upsampler", model, upsampler_config_to_dict(model.config), metadata, dtype)


def _save(
    folder: Path | str,
    kind: str,
    model: nn.Module,
    model_config: Mapping[str, Any],
    metadata: Mapping[str, Any],
    dtype: torch.dtype,
) -> None:
    folder = Path(folder)
    state = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as scratch:
            new_weights, new_config = scratch / WEIGHTS_FILE, scratch / CONFIG_FILE
            save_file(state, new_weights)
            config = {
                "kind": kind,
                "format": _FORMAT,
                "audiodiff_version": __version__,
                "model": dict(model_config),
                "weights_sha256": weights_hash(new_weights),
                "metadata": dict(metadata),
            }
            new_config.write_bytes(json_bytes(config, indent=2))
            # safetensors makes files for the owner alone; give this one the ordinary permissions of the other.
            new_weights.chmod(new_config.stat().st_mode & 0o777)
            for path in (new_weights, new_config):  # the config last: where there is one, there are weights
                put_in_place(path, folder / path.name)
    except (OSError, SafetensorError) as error:  # safetensors has a class of its own for a full disk
        raise AudiodiffError(
            f"The checkpoint folder {folder} cannot be written ({getattr(error, 'strerror', None) or error})."
        ) from error


def read_config(folder: Path | str, *kinds: str) -> dict[str, Any]:
    """Read and check `config.json` of a checkpoint folder.

    Args:
        folder: the checkpoint.
        kinds: "vocoder", "autoencoder", "mel_latent" or "upsampler"; any of them if none is given.

    Raises:
        AudiodiffError: it is missing, not JSON, of another kind or of a newer format; the message says what was found.
    """
    folder = Path(folder)
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise AudiodiffError(
            f"{folder} is {found}; expected a checkpoint folder with {CONFIG_FILE} and {WEIGHTS_FILE}."
        )
    if not path.is_file():
        names = sorted(item.name for item in folder.iterdir())
        shown = ", ".join(names[:8]) if names else "nothing"
        raise AudiodiffError(f"{folder} holds no {CONFIG_FILE} (found: {shown}); it is not an audiodiff checkpoint.")
    config = read_json_table(path)
    if "kind" not in config:
        raise AudiodiffError(f'{path} has no "kind"; it is not an audiodiff checkpoint.')
    expected = kinds or _KINDS
    if config["kind"] not in expected:
        wanted = " or ".join(f'"{name}"' for name in expected)
        raise AudiodiffError(f'{folder} holds a model of kind "{config["kind"]}"; expected {wanted}.')
    if config.get("format") != _FORMAT:
        raise AudiodiffError(
            f"{path} has checkpoint format {config.get('format')!r}; this audiodiff {__version__} reads {_FORMAT}. "
            "Update audiodiff."
        )
    for key, expected_type in (("model", dict), ("metadata", dict), ("weights_sha256", str)):
        if key not in config:
            raise AudiodiffError(f'{path} lacks "{key}"; copy the checkpoint again.')
        if not isinstance(config[key], expected_type):
            what = "text" if expected_type is str else "a table of keys and values"
            raise AudiodiffError(f'{path}: "{key}" is {str(config[key])[:60]!r}; expected {what}.')
    for key in ("origins", "sampling"):
        if not isinstance(config["metadata"].get(key, {}), dict):
            raise AudiodiffError(f'{path}: "{key}" of the metadata is not a table of keys and values; copy it again.')
    return config


def load_vocoder(folder: Path | str) -> Vocoder:
    """Load a checkpoint folder as a float32 `Vocoder` in evaluation mode.

    Raises:
        AudiodiffError: files are missing, truncated, of another kind, or do not fit each other.
    """
    config = read_config(folder, "vocoder")
    with without_weights():
        model = Vocoder(vocoder_config_from_dict(config["model"]))
    _fill(model, Path(folder))
    return model.eval()


def load_autoencoder(folder: Path | str) -> MelAutoencoder:
    """Load a checkpoint folder as a float32 `MelAutoencoder` in evaluation mode; raises as `load_vocoder`.

    That of a latent model is taken out of its checkpoint.
    """
    config = read_config(folder, "autoencoder", "mel_latent")
    if config["kind"] == "mel_latent":
        return load_mel_latent(folder).autoencoder
    with without_weights():
        model = MelAutoencoder(autoencoder_config_from_dict(config["model"]))
    _fill(model, Path(folder))
    return model.eval()


def load_mel_latent(folder: Path | str) -> MelLatent:
    """Load a checkpoint folder as a float32 `MelLatent` in evaluation mode; raises as `load_vocoder`."""
    config = read_config(folder, "mel_latent")
    with without_weights():
        model = MelLatent(mel_latent_config_from_dict(config["model"]))
    _fill(model, Path(folder))
    return model.eval()


def load_upsampler(folder: Path | str) -> Upsampler:
    """Load a checkpoint folder as a float32 `Upsampler` in evaluation mode; raises as `load_vocoder`."""
    config = read_config(folder, "upsampler")
    with without_weights():
        model = Upsampler(upsampler_config_from_dict(config["model"]))
    _fill(model, Path(folder))
    return model.eval()


def _fill(model: nn.Module, folder: Path) -> None:
    """Give a model that was built `without_weights` those of a checkpoint, if names, shapes and types are its own."""
    path = folder / WEIGHTS_FILE
    expected = {name: list(value.shape) for name, value in model.state_dict().items()}
    if not path.is_file():
        raise AudiodiffError(f"{path} is missing; copy the whole checkpoint folder.")
    try:
        with safe_open(path, "pt") as file:
            _check_header(path, {name: file.get_slice(name) for name in file.keys()}, expected)  # noqa: SIM118
            state = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in expected}
    except (SafetensorError, OSError) as error:
        raise AudiodiffError(
            f"{path} ({path.stat().st_size} bytes) is truncated or not a safetensors file; copy the checkpoint again."
        ) from error
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise AudiodiffError(f"{path}: {name} holds values that are not finite.")
    model.load_state_dict(state, assign=True)


def _check_header(path: Path, found: Mapping[str, Any], expected: Mapping[str, list[int]]) -> None:
    """Compare what a file says that it holds with what a model needs.

    Raises:
        AudiodiffError: they differ, or the weights are larger than the memory.
    """
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unknown:
        raise AudiodiffError(
            f"{path} does not fit its {CONFIG_FILE}: {len(missing)} tensors missing"
            f"{_first(missing)}, {len(unknown)} unknown{_first(unknown)}."
        )
    for name, shape in expected.items():
        if list(found[name].get_shape()) != shape:
            raise AudiodiffError(
                f"{path} does not fit its {CONFIG_FILE}: {name} has shape {list(found[name].get_shape())}, expected "
                f"{shape}."
            )
        if found[name].get_dtype() not in _FLOATS:
            raise AudiodiffError(f"{path}: {name} is of type {found[name].get_dtype()}; expected floating point.")
    needed, most = sum(4 * math.prod(shape) for shape in expected.values()), memory_bytes()
    if most is not None and needed > most:
        raise AudiodiffError(
            f"{path} needs {needed / 2**30:.1f} GiB of memory for its weights; this machine has {most / 2**30:.1f} GiB."
        )


def autoencoder_hash(model: MelAutoencoder) -> str:
    """SHA-256 of an autoencoder's weights in float32, in hexadecimal: the same whatever checkpoint it lies in."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {list(value.shape)}\n".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()


def weights_hash(path: Path | str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _first(names: list[str]) -> str:
    return f" (first: {names[0][:80]})" if names else ""
