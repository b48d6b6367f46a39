"""Training state on disk: tensors in safetensors, numbers in JSON, replaced as a whole or not at all.

    RUN/state/current                the name of the folder that counts
    RUN/state/00001200-3f9a1c/       one state: state.json, weights.safetensors, ema.safetensors, ...

A new state is written beside the old one and only then named in `current` by an atomic rename, so a process
that is killed at any moment leaves the old state or the new one, never a mixture.
"""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from audiodiff.errors import AudiodiffError

_POINTER = "current"
_SCALARS = "state.json"


@dataclass(frozen=True)
class SavedState:
    """What `save_state` wrote: `scalars` as JSON values, `tensors` by group and name (on the CPU)."""

    scalars: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


def has_state(run_dir: Path) -> bool:
    """Tell whether `run_dir` holds a complete training state."""
    return (run_dir / "state" / _POINTER).is_file()


def saved_step(run_dir: Path) -> int:
    """Return how many steps the saved state of `run_dir` has done; 0 without one.

    Raises:
        AudiodiffError: the state is damaged.
    """
    if not has_state(run_dir):
        return 0
    folder = run_dir / "state" / (run_dir / "state" / _POINTER).read_text(encoding="utf-8").strip()
    try:
        return int(json.loads((folder / _SCALARS).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError) as error:
        raise AudiodiffError(
            f"the training state in {folder} is damaged ({error}); start the run again in another folder."
        ) from error


def save_state(run_dir: Path, scalars: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Replace the training state of `run_dir` atomically.

    Args:
        run_dir: the run folder; made when missing.
        scalars: JSON values; `step` (int) also names the folder.
        tensors: group -> name -> tensor; each group becomes one safetensors file.

    Raises:
        AudiodiffError: the folder cannot be written.
    """
    root = run_dir / "state"
    folder = root / f"{int(scalars['step']):08d}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
        for group, named in tensors.items():
            # Tied or strided tensors must be copied: safetensors stores each one dense and on its own.
            dense = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
            save_file(_without_sharing(dense), str(folder / f"{group}.safetensors"))
            _flush(folder / f"{group}.safetensors")
        (folder / _SCALARS).write_text(json.dumps(dict(scalars), indent=1), encoding="utf-8")
        _flush(folder / _SCALARS)
        pointer = root / f".{_POINTER}-{folder.name}"
        pointer.write_text(folder.name, encoding="utf-8")
        _flush(pointer)
        os.replace(pointer, root / _POINTER)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise AudiodiffError(
            f"cannot write the training state to {root} ({error.strerror or error}); "
            "choose an output folder that is writable and has space."
        ) from error
    for leftover in root.iterdir():
        if leftover.is_dir() and leftover.name != folder.name:
            shutil.rmtree(leftover, ignore_errors=True)
        elif leftover.name.startswith(f".{_POINTER}-"):
            leftover.unlink(missing_ok=True)


def load_state(run_dir: Path) -> SavedState:
    """Read the training state of `run_dir`.

    Raises:
        AudiodiffError: there is none, or its files are damaged.
    """
    root = run_dir / "state"
    if not has_state(run_dir):
        raise AudiodiffError(f"{run_dir} holds no training state to resume; start the run without resuming.")
    folder = root / (root / _POINTER).read_text(encoding="utf-8").strip()
    try:
        scalars = json.loads((folder / _SCALARS).read_text(encoding="utf-8"))
        tensors = {path.stem: load_file(str(path)) for path in sorted(folder.glob("*.safetensors"))}
    except (OSError, ValueError, SafetensorError) as error:
        raise AudiodiffError(
            f"the training state in {folder} is damaged ({error}); start the run again in another folder."
        ) from error
    return SavedState(scalars=scalars, tensors=tensors)


def _without_sharing(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        pointer = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return result


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
