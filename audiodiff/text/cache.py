"""Text states on disk, so that a corpus is encoded once.

    FOLDER/<64 hex digits>.safetensors     the states of the texts of one call, by the hash of encoder and text

Every call that has to encode adds one file, written under another name and then renamed. So a killed process leaves
nothing half-written, and processes that share the folder never touch each other's files. Each entry carries a
checksum; what does not match is encoded again.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from audiodiff.atomic import scratch_folder
from audiodiff.errors import AudiodiffError
from audiodiff.text.encoder import TextEncoder, TextStates

__all__ = ["CachedEncoder"]

_FORMAT = 1
_SUFFIX = ".safetensors"
_BATCH = 256  # texts per file, so that a run that is stopped keeps most of its work


class CachedEncoder:
    """A text encoder that looks on disk first; itself a `TextEncoder` with the same states, bit for bit.

    Args:
        encoder: encodes what is not there yet.
        folder: made if missing; several encoders and several processes may share it.

    Raises:
        AudiodiffError: the folder cannot be made.
    """

    def __init__(self, encoder: TextEncoder, folder: str | Path) -> None:
        self._encoder = encoder
        self._folder = Path(folder)
        self._held: dict[Path, frozenset[str]] = {}  # file -> its entries; none for a damaged file
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudiodiffError(f"The text cache {self._folder} cannot be made ({error.strerror}).") from error

    @property
    def name(self) -> str:
        """Name of the encoder."""
        return self._encoder.name

    @property
    def width(self) -> int:
        """Numbers per token."""
        return self._encoder.width

    @property
    def max_tokens(self) -> int:
        """Most tokens of one text."""
        return self._encoder.max_tokens

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        """Return the states of each text, encoding and storing those that are not on disk.

        Raises:
            AudiodiffError: the folder cannot be written.
        """
        keys = [self._key(text) for text in texts]
        by_key = dict(zip(keys, texts, strict=True))
        found = self._read(by_key)
        missing = [key for key in by_key if key not in found]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            states = dict(zip(batch, self._encoder.encode([by_key[key] for key in batch]), strict=True))
            self._write(states)
            found.update(states)
        return [found[key] for key in keys]

    def _key(self, text: str) -> str:
        encoder = self._encoder
        head = f"audiodiff text {_FORMAT}\0{encoder.name}\0{encoder.max_tokens}\0"
        return hashlib.sha256(head.encode() + text.encode("utf-8", "surrogatepass")).hexdigest()

    def _look(self) -> None:
        """Learn what the files hold that have come since the last look."""
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            if path not in self._held:
                try:
                    with safe_open(path, "pt") as file:
                        self._held[path] = frozenset(file.keys())
                except (SafetensorError, OSError):
                    self._held[path] = frozenset()

    def _read(self, wanted: Collection[str]) -> dict[str, TextStates]:
        left = set(wanted)
        if not left <= frozenset().union(*self._held.values()):
            self._look()
        found: dict[str, TextStates] = {}
        for path, held in self._held.items():
            # An entry may be in several files: one that was damaged, and the one that replaced it.
            here = left & held
            if not here:
                continue
            try:
                with safe_open(path, "pt") as file:
                    notes = file.metadata() or {}
                    for key in here:
                        states = _unpack(file.get_tensor(key), notes.get(key, ""), self.width)
                        if states is not None:
                            found[key] = states
            except (SafetensorError, OSError):
                continue
            left -= found.keys()
        return found

    def _write(self, states: dict[str, TextStates]) -> None:
        name = hashlib.sha256("\n".join(states).encode()).hexdigest() + _SUFFIX
        path = self._folder / name
        notes = {key: _pack(value) for key, value in states.items()}
        try:
            with scratch_folder(self._folder) as scratch:
                temporary = scratch / name
                temporary.touch()
                mode = temporary.stat().st_mode & 0o777
                # Copies: a tensor that shares its storage with another cannot be saved beside it.
                save_file({key: value.tokens.clone().contiguous() for key, value in states.items()}, temporary, notes)
                temporary.chmod(mode)  # safetensors makes files for the owner alone; a cache may be shared
                os.replace(temporary, path)
        except (OSError, SafetensorError) as error:
            raise AudiodiffError(f"The text cache {self._folder} cannot be written ({error}).") from error
        self._held[path] = frozenset(states)


def _pack(states: TextStates) -> str:
    """Everything but the states themselves, behind a checksum of both."""
    note = json.dumps([states.n_dropped, states.dropped_text, states.offsets])
    return f"{_checksum(states.tokens, note):08x} {note}"


def _unpack(tokens: Tensor, packed: str, width: int) -> TextStates | None:
    """Return the entry, or None if it is not what was written."""
    checksum, _, note = packed.partition(" ")
    if tokens.dtype != torch.float32 or tokens.ndim != 2 or tokens.shape[1] != width:
        return None
    if f"{_checksum(tokens, note):08x}" != checksum:
        return None
    n_dropped, dropped_text, offsets = json.loads(note)
    return TextStates(tokens, n_dropped, dropped_text, tuple((start, stop) for start, stop in offsets))


def _checksum(tokens: Tensor, note: str) -> int:
    return zlib.crc32(tokens.contiguous().numpy().tobytes(), zlib.crc32(note.encode()))
