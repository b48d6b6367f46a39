"""audiodiff: audio and speech diffusion that runs on a laptop.

One scheduler core (`audiodiff.diffusion`) serves a waveform vocoder and mel-latent models. Importing the package
is cheap: torch and everything built on it load on first use.
"""

from typing import TYPE_CHECKING, Any

from audiodiff._version import __version__
from audiodiff.errors import AudiodiffError

if TYPE_CHECKING:
    from audiodiff.synthesis.load import load as load

__all__ = ["AudiodiffError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from audiodiff.synthesis.load import load

        return load
    raise AttributeError(f"module 'audiodiff' has no attribute {name!r}")
