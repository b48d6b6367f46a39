"""Checkpoints: a folder with `config.json` and `model.safetensors`. Never pickle.

`config.json` holds everything that is needed to rebuild the model and to know where it came from:
`kind`, `format`, `audiodiff_version`, `model` (the model's config), `weights_sha256` and free-form `metadata`
(training corpus, licences, the command that made it, recommended sampling settings).
"""

import hashlib
import math
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from audiodiff._version import __version__
from audiodiff.atomic import put_in_place, scratch_folder
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import json_bytes, read_json_table
from audiodiff.models.byte_weights import SCALE_ENDING, from_bytes, n_groups, to_bytes
from audiodiff.models.config import dataclass_from_dict, model_config_to_dict
from audiodiff.models.kinds import GROUP, KINDS, Kind
from audiodiff.models.memory import memory_bytes, without_weights
from audiodiff.nn.names import former_name, with_current_names

__all__ = [
    "CONFIG_FILE",
    "WEIGHTS_FILE",
    "autoencoder_hash",
    "kind_of",
    "load_checkpoint",
    "model_config_of",
    "read_config",
    "save_checkpoint",
    "weights_hash",
]

M = TypeVar("M", bound=nn.Module)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_FORMAT = 1
_FLOATS = ("F16", "BF16", "F32", "F64")


def save_checkpoint(
    folder: Path | str,
    model: nn.Module,
    metadata: Mapping[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder; each file is replaced whole, the weights first.

    Args:
        folder: made if missing.
        model: of any kind of `audiodiff.models.kinds`; its state and config are written.
        metadata: JSON values that travel with the weights.
        dtype: stored dtype of the weights; float16 halves the file. int8 quarters it (`audiodiff.models.byte_weights`):
            small tensors are in float16 then, and those of a model within another, whose latents others may have kept.

    Raises:
        AudiodiffError: the model is of no known kind, or the folder cannot be written.
    """
    kind, model_config = kind_of(type(model)), model_config_to_dict(model.config, stored=True)
    if dtype == torch.int8:
        state = _in_bytes(model, tuple(f"{attribute}." for attribute in kind.embeds.values()))
    else:
        state = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    write_checkpoint(folder, state, {"kind": kind.name, "format": _FORMAT, "model": model_config}, metadata)


def _in_bytes(model: nn.Module, others: tuple[str, ...]) -> dict[str, Tensor]:
    """The state of a model in bytes and their scales; in float16 what is small or begins like one of `others`."""
    state: dict[str, Tensor] = {}
    for name, parameter in model.state_dict().items():
        value = parameter.detach().to("cpu", torch.float32).contiguous()
        packed = None if name.startswith(others) else to_bytes(value)
        if packed is not None:
            state[name], state[name + SCALE_ENDING] = packed
        else:
            half = value.half()
            state[name] = half if bool(torch.isfinite(half).all()) else value
    return state


def write_checkpoint(
    folder: Path | str, tensors: Mapping[str, Tensor], about: Mapping[str, Any], metadata: Mapping[str, Any]
) -> None:
    """Write `config.json` and `model.safetensors`; each file is replaced whole, the weights first.

    Args:
        folder: made if missing.
        tensors: the weights, on the CPU and contiguous.
        about: kind, format and what else the config says of the weights; their hash and the version are added.
        metadata: JSON values that travel with the weights.

    Raises:
        AudiodiffError: the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as scratch:
            new_weights, new_config = scratch / WEIGHTS_FILE, scratch / CONFIG_FILE
            save_file(dict(tensors), new_weights)
            config = {
                **about,
                "audiodiff_version": __version__,
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
        kinds: names of `audiodiff.models.kinds.KINDS`; any of them if none is given.

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
        raise AudiodiffError(
            f'{path} has no "kind"; it is not an audiodiff checkpoint. `audiodiff export` converts HiFi-GAN, BigVGAN '
            "and Vocos."
        )
    expected = kinds or tuple(KINDS)
    if config["kind"] not in expected:
        raise _other_kind(folder, config["kind"], expected)
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


def load_checkpoint(folder: Path | str, module: type[M]) -> M:
    """Load a checkpoint folder as a float32 model in evaluation mode.

    Args:
        folder: the checkpoint.
        module: the class of the model, such as `Vocoder`, or `nn.Module` for whatever it is. A model that is part of
            another, such as the autoencoder of a latent model, is taken out of that.

    Raises:
        AudiodiffError: files are missing, truncated, of another kind, or do not fit each other.
    """
    config, kind, attribute = _find(folder, module)
    with without_weights():
        model = kind.module_class()(dataclass_from_dict(kind.config_class(), config["model"]))
    _fill(model, Path(folder))
    wanted: M = getattr(model.eval(), attribute) if attribute else model.eval()
    return wanted


def model_config_of(folder: Path | str, module: type[nn.Module]) -> dict[str, Any]:
    """Read the config of the model that `load_checkpoint` would load, as plain values.

    Raises:
        AudiodiffError: `config.json` is missing, damaged, or that of another kind.
    """
    config, _, attribute = _find(folder, module)
    values: dict[str, Any] = config["model"]
    return values.get(attribute, {}) if attribute else values


def _find(folder: Path | str, module: type[nn.Module]) -> tuple[dict[str, Any], Kind, str]:
    """The `config.json` of a checkpoint, its kind, and which attribute of its model is a `module`; "" for all of it."""
    config = read_config(folder)
    kind = KINDS[config["kind"]]
    attribute = "" if issubclass(kind.module_class(), module) else _embedded(kind, module)
    if attribute is None:
        raise _other_kind(folder, kind.name, [each.name for each in KINDS.own.values() if _holds(each, module)])
    return config, kind, attribute


def kind_of(module: type[nn.Module]) -> Kind:
    """Return the kind of a model's class.

    Raises:
        AudiodiffError: it is of no known kind.
    """
    for kind in KINDS.usable():
        if issubclass(module, kind.module_class()):
            return kind
    raise AudiodiffError(
        f"{module.__name__} is no model of a known kind ({', '.join(KINDS)}); "
        f"register its kind by the entry-point group {GROUP}."
    )


def _embedded(kind: Kind, module: type[nn.Module]) -> str | None:
    """The attribute of a kind's models that is a model of `module`."""
    found = (where for part, where in kind.embeds.items() if issubclass(KINDS[part].module_class(), module))
    return next(found, None)


def _holds(kind: Kind, module: type[nn.Module]) -> bool:
    return issubclass(kind.module_class(), module) or _embedded(kind, module) is not None


def _other_kind(folder: Path | str, found: object, expected: Iterable[str]) -> AudiodiffError:
    if found == "adapter":
        return AudiodiffError(
            f"{folder} is an adapter, which changes another model; give that, and this as an adapter."
        )
    wanted = " or ".join(f'"{name}"' for name in expected)
    return AudiodiffError(f'{folder} holds a model of kind "{found}"; expected {wanted or "another"}.')


def _fill(model: nn.Module, folder: Path) -> None:
    """Give a model that was built `without_weights` those of a checkpoint, if names, shapes and types are its own."""
    path = folder / WEIGHTS_FILE
    expected = {name: list(value.shape) for name, value in model.state_dict().items()}
    if not path.is_file():
        raise AudiodiffError(f"{path} is missing; copy the whole checkpoint folder.")
    try:
        with safe_open(path, "pt") as file:
            stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            scales = {name + SCALE_ENDING for name in stored} & stored.keys()
            names = with_current_names({name: name for name in stored if name not in scales}, expected)
            _check_header(path, {name: stored[each] for name, each in names.items()}, expected)
            _check_scales(path, {name: stored[name] for name in scales}, stored)
            state = {name: _read(file, names[name], scales) for name in expected}
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
        if found[name].get_dtype() not in (*_FLOATS, "I8"):
            raise AudiodiffError(f"{path}: {name} is of type {found[name].get_dtype()}; expected floating point.")
    needed, most = sum(4 * math.prod(shape) for shape in expected.values()), memory_bytes()
    if most is not None and needed > most:
        raise AudiodiffError(
            f"{path} needs {needed / 2**30:.1f} GiB of memory for its weights; this machine has {most / 2**30:.1f} GiB."
        )


def _check_scales(path: Path, scales: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Compare the scales of a file with the whole numbers that they are for.

    Raises:
        AudiodiffError: a tensor of whole numbers has none, or they do not fit it.
    """
    for name, value in stored.items():
        scale = scales.get(name + SCALE_ENDING)
        if (value.get_dtype() == "I8") != (scale is not None):
            raise AudiodiffError(f"{path}: {name} has {'no scales' if scale is None else 'scales and takes none'}.")
        if scale is not None and (
            list(scale.get_shape()) != n_groups(list(value.get_shape())) or scale.get_dtype() not in _FLOATS
        ):
            raise AudiodiffError(f"{path}: the scales of {name} do not fit it; copy the checkpoint again.")


def _read(file: Any, name: str, scales: Container[str]) -> Tensor:
    """A tensor of a file in float32."""
    value: Tensor = file.get_tensor(name)
    if name + SCALE_ENDING in scales:
        return from_bytes(value, file.get_tensor(name + SCALE_ENDING))
    return value.to(torch.float32, copy=True)


def autoencoder_hash(model: nn.Module) -> str:
    """SHA-256 of an autoencoder's weights in float32, in hexadecimal: the same whatever checkpoint it lies in.

    Encoded data sets keep it, so it goes by the names that tensors had when the first were made.
    """
    digest = hashlib.sha256()
    for name, value in sorted((former_name(name), value) for name, value in model.state_dict().items()):
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
