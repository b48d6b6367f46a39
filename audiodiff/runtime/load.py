"""`audiodiff.runtime.load`."""

from collections.abc import Callable
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.runtime.engines import DEFAULT_ENGINE
from audiodiff.runtime.music import Music
from audiodiff.runtime.package import Package, read_package
from audiodiff.runtime.vocoder import Vocoder
from audiodiff.runtime.voice import Voice

__all__ = ["load"]


def load(folder: str | Path, *, threads: int = 0, engine: str = DEFAULT_ENGINE) -> Music | Vocoder | Voice:
    """Open an exported model, without torch.

    Args:
        folder: what `audiodiff export MODEL --to onnx -o FOLDER` wrote.
        threads: of each network call; 0 leaves it to the engine.
        engine: what runs the networks: `onnxruntime`, or `openvino`.

    Raises:
        AudiodiffError: it is no such folder, it is damaged, or there is no such engine. That the engine is not
            installed is said when the model is first used.
    """
    package = read_package(folder, threads=threads, engine=engine)
    openers: dict[str, Callable[[Package], Music | Vocoder | Voice]] = {
        "vocoder": Vocoder,
        "voice": Voice,
        "mel_latent": Music,
    }
    if package.kind not in openers:
        raise AudiodiffError(
            f"{folder} holds an exported {package.kind}, which this version does not run; it runs {', '.join(openers)}."
        )
    return openers[package.kind](package)
