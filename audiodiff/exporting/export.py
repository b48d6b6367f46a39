"""A model as a folder of ONNX files and one JSON, as `audiodiff.runtime` reads it."""

from importlib.util import find_spec
from pathlib import Path

from audiodiff import __version__
from audiodiff.atomic import atomic_folder
from audiodiff.errors import AudiodiffError
from audiodiff.exporting.names import WEIGHTS, Weights
from audiodiff.exporting.weights import store_weights
from audiodiff.json_reader import json_bytes
from audiodiff.models.checkpoint import read_config
from audiodiff.models.find import find_checkpoint
from audiodiff.models.kinds import KINDS, imported
from audiodiff.runtime.package import FORMAT, SETTINGS_FILE
from audiodiff.synthesis.settings import Sampling

__all__ = ["export_onnx"]


def export_onnx(source: str | Path, target: Path, other: Sampling | None = None, weights: Weights = "exact") -> None:
    """Write a model for `audiodiff.runtime.load`.

    Args:
        source: a model of the package, a checkpoint folder, or `hf:ORG/NAME`.
        target: the folder, new or empty.
        other: a sampling run to export besides those that the model recommends and the usual ones.
        weights: how weights are stored, one of `audiodiff.exporting.names.WEIGHTS`.

    Raises:
        AudiodiffError: there is no such model, its kind has no export, a package is missing, the folder is taken,
            or weights cannot be stored so.
    """
    if weights not in WEIGHTS:
        raise AudiodiffError(f"weights are {weights!r}; expected {', '.join(WEIGHTS)}.")
    if find_spec("onnx") is None:
        raise AudiodiffError("the export to ONNX needs onnx; install it with `pip install 'audiodiff-synth[onnx]'`.")
    folder = find_checkpoint(source)
    kind = KINDS[read_config(folder)["kind"]]
    if not kind.exporter:
        possible = ", ".join(each.name for each in KINDS.usable() if each.exporter)
        raise AudiodiffError(f"{source} is {kind.label}; the export to ONNX is for {possible}.")
    write = imported(kind.exporter)
    with atomic_folder(target) as unfinished:
        parts = write(source, unfinished, other)
        for graph in sorted(unfinished.glob("*.onnx")):
            store_weights(graph, weights)
        settings = {"format": FORMAT, "audiodiff_version": __version__, "kind": kind.name, "weights": weights, **parts}
        (unfinished / SETTINGS_FILE).write_bytes(json_bytes(settings))
