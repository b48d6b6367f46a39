"""Libraries whose models run in their own format behind our verbs. Imports no torch.

The name of such a model begins with that of the library: `diffusers:ORG/NAME`, or `diffusers:` and a folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from audiodiff.models.kinds import imported

__all__ = ["LIBRARIES", "Library", "library_of", "place_in"]


@dataclass(frozen=True)
class Library:
    """A library that runs models of a format of its own.

    Attributes:
        name: what the names of its models begin with, before a colon.
        label: what such a model is, with its article.
        synthesizer: import path of the function `(name, *, device, adapters) -> loaded model` behind `audiodiff.load`.
            The loaded model has a `synthesizer`, whose attribute `library` is this.
        verbs: import path of the function `(verb, synthesizer) -> verb` that says how such a model does what one of
            `audiodiff.synthesis.verbs.VERBS` does, or refuses.
        weights: import path of the function `(name) -> sha256` of a model's weights, as records have it.
    """

    name: str
    label: str
    synthesizer: str
    verbs: str
    weights: str

    def weights_sha256(self, name: str | Path) -> str:
        """Return the hash of the weights of a model.

        Raises:
            AudiodiffError: there is no such model.
        """
        found: str = imported(self.weights)(name)
        return found


LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {
        "diffusers": Library(
            "diffusers",
            "a pipeline of diffusers",
            synthesizer="audiodiff.synthesis.pipeline_generator:load_pipeline",
            verbs="audiodiff.synthesis.pipeline_verbs:as_pipelines_do",
            weights="audiodiff.models.pipelines.folder:weights_sha256",
        )
    }
)
"""The libraries by name."""


def library_of(name_or_path: str | Path) -> Library | None:
    """Return the library that a model's name begins with; `None` for a model of audiodiff."""
    library, colon, _ = str(name_or_path).partition(":")
    return LIBRARIES.get(library) if colon else None


def place_in(name: str) -> tuple[str, Path | None]:
    """Part a name such as `diffusers:PLACE` into its place and, if that is a folder here, the folder."""
    place = name.partition(":")[2]
    folder = Path(os.path.expanduser(place))
    return place, folder if place and folder.is_dir() else None
