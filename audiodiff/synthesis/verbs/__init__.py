"""What a user does with a model or a recording: a file for each verb, found by its name. Imports no torch."""

from importlib import import_module
from pkgutil import iter_modules

from audiodiff.synthesis.verb import Verb

__all__ = ["VERBS", "Verb"]

VERBS: dict[str, Verb] = {
    module.name: import_module(f"{__name__}.{module.name}").VERB for module in iter_modules(__path__)
}
"""Every verb by its name."""
