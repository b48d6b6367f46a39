"""The folder that `DiffusionPipeline.save_pretrained` writes, or a copy of it from the Hub. Imports no torch.

`model_index.json` names the class of the pipeline and of its components; each component lies in the folder of its name.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table
from audiodiff.models.find import hub_snapshot
from audiodiff.models.libraries import place_in
from audiodiff.models.pipelines.table import PIPELINES

__all__ = ["INDEX", "PipelineFolder", "find_pipeline", "weights_sha256"]

INDEX = "model_index.json"

_WEIGHTS = re.compile(r"(diffusion_pytorch_model|model)(-\d{5}-of-\d{5})?\.safetensors")
_WEIGHTS_ON_HUB = ("model.safetensors", "model-*-of-*.safetensors")
_CONFIGS = ("*.json", "*.txt", "*.model")
_LIBRARIES = frozenset({"diffusers", "transformers"})
"""Where classes of components may come from, besides the module of the pipeline itself."""


@dataclass(frozen=True)
class PipelineFolder:
    """A saved pipeline of a class that we know how to call.

    Attributes:
        path: of the folder.
        class_name: of the pipeline, a key of `PIPELINES`.
        components: names of the components that it has, each a folder.
    """

    path: Path
    class_name: str
    components: tuple[str, ...]

    def config(self, component: str) -> dict[str, Any]:
        """Read the config of a component.

        Raises:
            AudiodiffError: it is missing or damaged.
        """
        path = self.path / component / "config.json"
        if not path.is_file():
            raise AudiodiffError(f"{self.path} lacks {component}/config.json; save or fetch the pipeline again.")
        return read_json_table(path)

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the names and hashes of all weights that are loaded, variants such as fp16 left out.

        Raises:
            AudiodiffError: a file cannot be read.
        """
        return _hash_of([path for path in self._files() if _WEIGHTS.fullmatch(path.name)], self.path)

    @cached_property
    def config_sha256(self) -> str:
        """Hash of the names and hashes of everything but weights: configs, scheduler, tokenizers.

        Raises:
            AudiodiffError: a file cannot be read.
        """
        kept = [path for path in self._files() if any(path.match(pattern) for pattern in _CONFIGS)]
        return _hash_of([self.path / INDEX, *kept], self.path)

    def _files(self) -> list[Path]:
        return sorted(path for part in self.components for path in (self.path / part).rglob("*") if path.is_file())


def find_pipeline(name: str | Path) -> PipelineFolder:
    """Find a pipeline, fetched from the Hub first if there is no such folder here.

    Args:
        name: `diffusers:` and the path of a folder, `ORG/NAME`, or `ORG/NAME@REVISION`.

    Raises:
        AudiodiffError: there is no such pipeline, or it is none that we know how to call.
    """
    place, folder = place_in(str(name))
    if folder is not None:
        return _opened(folder, str(name))
    if place.startswith(("/", ".", "~")):  # no name of a model
        raise AudiodiffError(f"{place} is no folder; give that of a pipeline which diffusers saved.")
    opened = _opened(hub_snapshot(place, [INDEX], "diffusers"), str(name))
    weights = [f"{part}/*{file}" for part in opened.components for file in _WEIGHTS_ON_HUB]
    configs = [f"{part}/{file}" for part in opened.components for file in _CONFIGS]
    return _opened(hub_snapshot(place, [INDEX, *configs, *weights], "diffusers"), str(name))


def weights_sha256(name: str | Path) -> str:
    """Return the hash of the weights of a pipeline, as records have it.

    Raises:
        AudiodiffError: as `find_pipeline`, or a file cannot be read.
    """
    return find_pipeline(name).weights_sha256


def _opened(folder: Path, name: str) -> PipelineFolder:
    """Read what is in a folder.

    No class outside of diffusers and transformers is accepted: importing it would run code that comes with the model.
    """
    if not (folder / INDEX).is_file():
        raise AudiodiffError(f"{folder} holds no {INDEX}; give the folder of a pipeline that diffusers saved.")
    index = read_json_table(folder / INDEX)
    class_name = index.get("_class_name")
    if not isinstance(class_name, str) or class_name not in PIPELINES:
        raise AudiodiffError(
            f"{name} is of the class {str(class_name)[:60]!r}, which audiodiff cannot run; it runs "
            f"{known_classes()} of diffusers."
        )
    components = []
    for part, named in index.items():
        if part.startswith("_") or not isinstance(named, list):
            continue
        if named == [None, None]:  # an optional component that this pipeline has not
            continue
        library = named[0] if len(named) == 2 else None
        own = PIPELINES[class_name].module
        if not (library in {*_LIBRARIES, own} and isinstance(named[1], str) and re.fullmatch(r"\w+", part)):
            raise AudiodiffError(
                f"{folder / INDEX} takes the component {part[:60]!r} from {str(library)[:60]!r}; only classes of "
                "diffusers and transformers are loaded."
            )
        components.append(part)
    return PipelineFolder(folder, class_name, tuple(sorted(components)))


def known_classes() -> str:
    """The classes of pipelines that we know how to call, in words."""
    *first, last = PIPELINES
    return f"{', '.join(first)} and {last}" if first else last


def _hash_of(paths: list[Path], folder: Path) -> str:
    """Hash of files: of their places in the folder and the hashes of their bytes."""
    found = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise AudiodiffError(f"{path} cannot be read ({error.strerror}); check that it is there.") from error
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
