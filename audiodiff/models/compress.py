"""A trained checkpoint with weights of low rank (`audiodiff.nn.low_rank`): a smaller one of the same kind."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, save_checkpoint
from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.models.kinds import KINDS
from audiodiff.nn.low_rank import LowRank, LowRankConfig, choose_ranks, factorisable_layers, factorise

__all__ = ["COMPRESSED", "Compression", "compress_checkpoint"]

COMPRESSED = "compressed"
"""Where the metadata of a checkpoint say what it was compressed from."""

_NETWORKS = {"vocoder": "wavenet", "upsampler": "wavenet", "mel_latent": "network"}
"""Kind -> attribute of its model that is the network."""


class Compression(NamedTuple):
    """What has become of a model.

    Attributes:
        parameters: how many it has now.
        before: how many it had.
        n_bytes: size of its weights file.
        bytes_before: size of the original's.
    """

    parameters: int
    before: int
    n_bytes: int
    bytes_before: int


def compress_checkpoint(name_or_path: str | Path, folder: Path | str, keep: float) -> Compression:
    """Write a checkpoint whose network has weights of low rank, the closest to those of another; in its dtype.

    Args:
        name_or_path: the original.
        folder: where the new one goes; made if missing.
        keep: share of the numbers in the weights of the network's linear layers and convolutions that is kept, above 0
            and below 1; the rank of each follows from its singular values.

    Raises:
        AudiodiffError: the original cannot be compressed, or not to that share; the folder cannot be written.
    """
    if not 0.0 < keep < 1.0:
        raise AudiodiffError(f"keep is {keep:g}; expected a share above 0 and below 1, such as 0.5.")
    source, folder = find_checkpoint(name_or_path), Path(folder)
    about = read_config(source)
    kind = KINDS[about["kind"]]
    if kind.name not in _NETWORKS:
        raise AudiodiffError(
            f"{name_or_path} is {kind.label}, which cannot be compressed; give a vocoder, a latent "
            "model or an upsampler."
        )
    model = load_checkpoint(source, nn.Module)
    network: nn.Module = getattr(model, _NETWORKS[kind.name])
    if any(isinstance(part, LowRank) for part in network.modules()):
        raise AudiodiffError(f"{name_or_path} has weights of low rank already; compress the model that it came from.")
    before = _count(model)
    low_rank = LowRankConfig(ranks=choose_ranks(factorisable_layers(network), keep))
    factorise(network, low_rank)
    config: Any = model.config
    model.config = _with_low_rank(config, low_rank)
    metadata = {
        **about["metadata"],
        "command": f"audiodiff compress {public_name(name_or_path)} -o RUN --keep {keep:g}",
        COMPRESSED: {
            "model": public_name(name_or_path),
            "weights_sha256": about["weights_sha256"],
            "keep": keep,
            "parameters": _count(model),
            "parameters_before": before,
        },
    }
    save_checkpoint(folder, model, metadata, dtype=_stored_dtype(source / WEIGHTS_FILE))
    _copy_parts(source, folder, kind.parts)
    sizes = [(each / WEIGHTS_FILE).stat().st_size for each in (folder, source)]
    return Compression(_count(model), before, *sizes)


def _with_low_rank(config: Any, low_rank: LowRankConfig) -> Any:
    """The config of a model whose network has been factorised."""
    field = config.network if hasattr(config, "network") else "wavenet"
    return dataclasses.replace(config, **{field: dataclasses.replace(getattr(config, field), low_rank=low_rank)})


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _stored_dtype(path: Path) -> torch.dtype:
    """Float16 for weights that are stored in it, in bfloat16 or in bytes, else float32."""
    try:
        with safe_open(path, "pt") as file:
            found = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise AudiodiffError(f"{path} is missing or damaged; copy the checkpoint again.") from error
    return torch.float16 if found <= {"F16", "BF16", "I8"} else torch.float32


def _copy_parts(source: Path, folder: Path, parts: Mapping[str, str]) -> None:
    """Put the checkpoints that lie in another one into the new one, too."""
    try:
        for part in parts:
            if (source / part).is_dir():
                shutil.copytree(source / part, folder / part, dirs_exist_ok=True)
    except OSError as error:
        raise AudiodiffError(f"{folder} cannot be written ({error.strerror or error}).") from error
