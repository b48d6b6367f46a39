"""What a user does with a model: one table, and a file next to it for the work of each verb. Imports no torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from audiodiff.synthesis.edit_settings import ExtendSettings, InpaintSettings, InterpolateSettings, VarySettings
from audiodiff.synthesis.settings import GenerateSettings, VocodeFileSettings
from audiodiff.synthesis.upsample_settings import UpsampleSettings

__all__ = ["VERBS", "Verb"]


@dataclass(frozen=True)
class Verb:
    """One thing that a user does with a model.

    Attributes:
        name: the command, and the name in the files that it makes.
        settings: class of its settings.
        inputs: how many files it may take.
        keeps_samples: whether samples of its input are in what it makes, which then has an encoding that holds them.
        from_input: settings of a clip that its input decides.
        streams: whether it works on files of any length, a part at a time, instead of making a clip.
    """

    name: str
    settings: type
    inputs: tuple[int, ...]
    keeps_samples: bool = False
    from_input: tuple[str, ...] = ()
    streams: bool = False

    def __getattr__(self, name: str) -> Any:
        """Find the functions of a verb (`make`, and of one that streams `resolve`) in the file of its name."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module(f"{__name__}.{self.name}"), name)


_VERBS = (
    Verb("generate", GenerateSettings, (0, 1)),
    Verb("vary", VarySettings, (1,), from_input=("seconds",)),
    Verb("inpaint", InpaintSettings, (1,), keeps_samples=True, from_input=("loop", "seconds", "level")),
    Verb("extend", ExtendSettings, (1,), keeps_samples=True, from_input=("loop", "seconds", "level")),
    Verb("interpolate", InterpolateSettings, (0, 2), from_input=("loop",)),
    Verb("vocode", VocodeFileSettings, (1,), streams=True),
    Verb("upsample", UpsampleSettings, (1,), streams=True),
)
VERBS = {verb.name: verb for verb in _VERBS}
"""Every verb by its name: the only place that lists them."""
