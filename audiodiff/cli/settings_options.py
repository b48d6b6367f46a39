"""Options of the command line made out of settings: one for each value, with the help that the docstring gives it."""

import argparse
import inspect
import re
from collections.abc import Collection
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin

from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES, sampler_name
from audiodiff.synthesis.settings import HELD

CHOICES = {"sampler": SAMPLER_NAMES, "grid": GRID_NAMES}
METAVARS = {"negative": "PROMPT", "tempo": "BPM", "crossfade": "SECONDS", "trim": "SECONDS", "rate": "HZ"}
FLAGS = {"guidance_interval": "--interval"}
"""Options that have another name than their value."""


def add_settings(parser: argparse.ArgumentParser, kind: type, *, skip: Collection[str] = ()) -> None:
    """Add an option for every value of settings, those of the settings that they hold among them.

    Args:
        parser: of the command.
        kind: class of the settings.
        skip: values that the command takes in another way, or not at all.
    """
    for name, (annotation, default, said) in described(kind).items():
        if name not in skip:
            _add(parser, name, annotation, default, said)


def option_values(args: argparse.Namespace, kind: type, *, skip: Collection[str] = ()) -> dict[str, Any]:
    """Return the values that `add_settings` added options for, by the names that `changed` takes."""
    found = {name: getattr(args, name) for name in described(kind) if name not in skip}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def described(kind: type) -> dict[str, tuple[Any, Any, str]]:
    """Return type, default and description of every value of settings; of two with one name the outer one counts."""
    said = attribute_docs(kind)
    found: dict[str, tuple[Any, Any, str]] = {}
    for item in fields(kind):
        if isinstance(item.type, type) and item.type in HELD:
            inner = described(item.type)
            held = item.default_factory() if callable(item.default_factory) else None
            own = {other.name for other in fields(kind)}
            found |= {
                name: (annotation, getattr(held, name, default), text)
                for name, (annotation, default, text) in inner.items()
                if name not in own
            }
        else:
            found[item.name] = (item.type, item.default, said.get(item.name, ""))
    return found


def attribute_docs(kind: type) -> dict[str, str]:
    """Return what the section `Attributes` of a class says of each of them."""
    text = inspect.getdoc(kind) or ""
    section = text.partition("Attributes:")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", said).strip() for name, said in found}


def _add(parser: argparse.ArgumentParser, name: str, annotation: Any, default: Any, said: str) -> None:
    flag = FLAGS.get(name, "--" + name.replace("_", "-"))
    options: dict[str, Any] = {"dest": name, "help": _help(said, default)}
    plain = _without_none(annotation)
    if plain is bool:
        parser.add_argument(flag, action="store_true", **options)
        return
    if get_origin(plain) is tuple:
        options |= {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    elif get_origin(plain) is Literal or name in CHOICES:
        options["choices"] = CHOICES.get(name) or get_args(plain)
        if name == "sampler":
            options["type"] = sampler_name  # takes aliases
    else:
        options |= {"type": plain, "metavar": METAVARS.get(name)}
    parser.add_argument(flag, default=default, **options)


def _without_none(annotation: Any) -> Any:
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return parts[0] if _is_union(annotation) and len(parts) == 1 else annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or type(annotation).__name__ == "UnionType"


def _help(said: str, default: Any) -> str:
    first = re.split(r"\. (?=[A-Z])", said)[0]
    text = re.sub(r",? one of `[A-Z_]+`|, as in `\w+`", "", first).replace("when `None`", "when not given")
    text = text.replace("`", "").rstrip(".").replace("%", "%%")
    if default is None:
        return text if "when not given" in text else f"{text} (default: the model's)"
    if isinstance(default, bool) or default == "":
        return text
    return f"{text} (default: {default:g})" if isinstance(default, int | float) else f"{text} (default: {default})"
