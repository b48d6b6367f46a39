"""Training state on disk: tensors in safetensors, numbers in JSON, replaced as a whole or not at all.

    RUN/state/current                the name of the folder that counts
    RUN/state/00001200-3f9a1c/       one state: state.json, weights.safetensors, ema.safetensors, ...

A new state is written next to the old one and only then named in `current` by an atomic rename, so a process
that is killed at any moment leaves the old state or the new one, never a mixture.

`state.json` keeps the SHA-256 of every file and of its own numbers. What does not match is not loaded: training would
go on from other weights without a word.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError

_POINTER = "current"
_SCALARS = "state.json"
_CHECKSUMS = "sha256"


@dataclass(frozen=True)
class SavedState:
    """What `save_state` wrote: `scalars` as JSON values, `tensors` by group and name (on the CPU)."""

    scalars: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]

    def group(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of a group.

        Raises:
            AudiodiffError: the state has no such group.
        """
        if name not in self.tensors:
            raise AudiodiffError(
                f"the training state lacks {name}.safetensors; copy the whole state folder again, or start another run."
            )
        return self.tensors[name]


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Keep other processes from training into `run_dir` inside the `with` block.

    The lock is the system's own, so it ends with the process however that ends. File systems without locks go without.

    Raises:
        AudiodiffError: another process trains into it, or it cannot be made.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudiodiffError(f"the run folder {run_dir} cannot be written ({error.strerror or error}).") from error
    if sys.platform == "win32":  # a folder cannot be locked there
        yield
        return
    import fcntl

    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AudiodiffError(
                f"another process is training into {run_dir}; wait for its end, or choose another folder. (Several "
                "processes of one run are started with `accelerate launch` or `torchrun`.)"
            ) from error
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)  # closing unlocks


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
    return int(_read_scalars(_current(run_dir))[0]["step"])


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
        checksums = {path.name: _file_sha256(path) for path in sorted(folder.iterdir())}
        checksums[_SCALARS] = _scalars_sha256(scalars)
        (folder / _SCALARS).write_text(json.dumps({**scalars, _CHECKSUMS: checksums}, indent=1), encoding="utf-8")
        _flush(folder / _SCALARS)
        with atomic_file(root / _POINTER) as pointer:
            pointer.write_text(folder.name, encoding="utf-8")
            _flush(pointer)
    except (OSError, AudiodiffError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise AudiodiffError(
            f"cannot write the training state to {root} ({getattr(error, 'strerror', None) or error}); "
            "choose an output folder that is writable and has space."
        ) from error
    for leftover in root.iterdir():
        if leftover.is_dir() and leftover.name != folder.name:
            shutil.rmtree(leftover, ignore_errors=True)


def load_state(run_dir: Path) -> SavedState:
    """Read the training state of `run_dir`, and check that it is what was saved.

    A state of an audiodiff that kept no checksums yet is loaded with a note.

    Raises:
        AudiodiffError: there is none, or its files are damaged, incomplete or not its own.
    """
    if not has_state(run_dir):
        raise AudiodiffError(f"{run_dir} holds no training state to resume; start the run without resuming.")
    folder = _current(run_dir)
    scalars, checksums = _read_scalars(folder)
    if checksums is None:
        print(f"{folder} was saved without checksums: whether it is whole cannot be checked.", file=sys.stderr)
    else:
        _verify(folder, checksums)
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            tensors[path.stem] = load_file(str(path))
        except (OSError, ValueError, SafetensorError) as error:
            raise _damaged(path, f"it cannot be read: {error}") from error
    return SavedState(scalars=scalars, tensors=tensors)


def _current(run_dir: Path) -> Path:
    """The folder that `current` names, which lies next to it."""
    pointer = run_dir / "state" / _POINTER
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise _damaged(pointer, f"it cannot be read: {error}") from error
    if not re.fullmatch(r"\d{8,20}-[0-9a-f]{6}", name) or not pointer.with_name(name).is_dir():
        raise _damaged(pointer, f"it names {name[:80]!r}, which is no state folder next to it")
    return pointer.with_name(name)


def _read_scalars(folder: Path) -> tuple[dict[str, Any], dict[str, str] | None]:
    """The scalars, checked, and the checksums of the files; None in states that have none."""
    path = folder / _SCALARS
    try:
        scalars = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, f"it cannot be read: {error}") from error
    step = scalars.get("step") if isinstance(scalars, dict) else None
    if type(step) is not int or step < 0:
        raise _damaged(path, "it does not say which step it is of")
    if _CHECKSUMS not in scalars:
        return scalars, None
    checksums = scalars.pop(_CHECKSUMS)
    if not isinstance(checksums, dict) or checksums.pop(_SCALARS, "") != _scalars_sha256(scalars):
        raise _damaged(path, "its numbers are not those that were saved")
    return scalars, checksums


def _verify(folder: Path, checksums: Mapping[str, str]) -> None:
    for name in sorted({path.name for path in folder.glob("*.safetensors")} - checksums.keys()):
        raise _damaged(folder / name, "it is not part of this state")
    for name, expected in checksums.items():
        path = folder / name
        try:
            found = _file_sha256(path)
        except OSError as error:
            raise _damaged(path, f"it cannot be read: {error.strerror or error}") from error
        if found != expected:
            raise _damaged(path, "its checksum is not the one that was saved")


def _damaged(path: Path, reason: str) -> AudiodiffError:
    return AudiodiffError(
        f"the training state is damaged: {path}: {reason}; copy the run folder again from where it is whole, or start "
        "a new run in another folder (--init with the run folder starts from its last weights)."
    )


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _scalars_sha256(scalars: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(scalars), sort_keys=True).encode()).hexdigest()


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
