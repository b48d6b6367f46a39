"""An exported model on disk: a folder with `model.json` and ONNX files, never pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table, take
from audiodiff.runtime.engines import DEFAULT_ENGINE, ENGINES, Array, Graph

__all__ = ["FORMAT", "SETTINGS_FILE", "Graphs", "Package", "read_package", "reason_of"]

FORMAT = 1
"""Version of the folder's layout; a reader refuses others."""

SETTINGS_FILE = "model.json"


class Graphs:
    """The ONNX files of a folder, each opened when it is first called.

    Args:
        folder: where they are.
        threads: of one call; 0 leaves it to the engine.
        engine: what runs them, one of `ENGINES`.

    Raises:
        AudiodiffError: there is no such engine.
    """

    def __init__(self, folder: Path, threads: int = 0, engine: str = DEFAULT_ENGINE) -> None:
        if engine not in ENGINES:
            raise AudiodiffError(f"engine is {engine!r}; expected {' or '.join(ENGINES)}.")
        self._folder = folder
        self._threads = threads
        self._open_graph = ENGINES[engine]
        self._known: dict[str, Graph] = {}

    def __call__(self, name: str, **inputs: Array) -> list[Array]:
        """Run the graph `name` on inputs by name and return its outputs.

        Raises:
            AudiodiffError: the file is missing, damaged, or does not take these inputs.
        """
        graph = self._open(name)
        try:
            return graph(inputs)
        except Exception as error:  # the errors of the engines have no common class
            raise AudiodiffError(f"{name}.onnx of {self._folder} cannot be run ({reason_of(error)}).") from error

    def _open(self, name: str) -> Graph:
        if name in self._known:
            return self._known[name]
        path = self._folder / f"{name}.onnx"
        if not path.is_file():
            raise AudiodiffError(f"{self._folder} has no {path.name}; export the model again.")
        try:
            graph = self._open_graph(path, self._threads)
        except AudiodiffError:
            raise
        except Exception as error:
            raise AudiodiffError(f"{path} is damaged ({reason_of(error)}); export the model again.") from error
        self._known[name] = graph
        return graph


class Package:
    """An exported model as it was read.

    Attributes:
        folder: where it is.
        settings: `model.json`.
        graphs: its ONNX files.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], graphs: Graphs) -> None:
        self.folder = folder
        self.settings = settings
        self.graphs = graphs

    @property
    def kind(self) -> str:
        """The kind of the model."""
        return take(self.settings, "kind", str, str(self.folder / SETTINGS_FILE))

    def part(self, name: str) -> dict[str, Any]:
        """Settings of a part of the model.

        Raises:
            AudiodiffError: it has no such part.
        """
        return take(self.settings, name, dict, str(self.folder / SETTINGS_FILE))


def read_package(folder: str | Path, *, threads: int = 0, engine: str = DEFAULT_ENGINE) -> Package:
    """Open an exported model.

    Args:
        folder: what `audiodiff export MODEL --to onnx -o FOLDER` wrote.
        threads: of each network call; 0 leaves it to the engine.
        engine: what runs the networks, one of `audiodiff.runtime.engines.ENGINES`.

    Raises:
        AudiodiffError: it is no such folder, of a version that this package does not read, or there is no such engine.
    """
    path = Path(folder)
    if not (path / SETTINGS_FILE).is_file():
        raise AudiodiffError(
            f"{path} is no exported model: it holds no {SETTINGS_FILE}; write one with "
            "`audiodiff export MODEL --to onnx -o FOLDER`."
        )
    settings = read_json_table(path / SETTINGS_FILE)
    version = settings.get("format")
    if version != FORMAT:
        raise AudiodiffError(
            f"{path} has format {version!r}, and this version of audiodiff reads {FORMAT}; export the model again."
        )
    return Package(path, settings, Graphs(path, threads, engine))


def tensor(array: Array) -> Array:
    """An array as the engines take it: float32, contiguous."""
    return np.ascontiguousarray(array, dtype=np.float32)


def reason_of(error: Exception) -> str:
    """What an error of an engine says, in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
