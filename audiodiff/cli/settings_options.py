"""Options of the command line made out of what a verb declares."""

import argparse
import re
from typing import Any, get_origin

from audiodiff.diffusion.names import sampler_name
from audiodiff.synthesis.described import choices, without_none
from audiodiff.synthesis.verb import Argument, Verb

METAVARS = {
    "negative": "PROMPT",
    "tempo": "BPM",
    "crossfade": "SECONDS",
    "fade_out": "SECONDS",
    "start": "SECONDS",
    "new": "SECONDS",
    "rate": "HZ",
    "pitch": "SEMITONES",
}
FLAGS = {"guidance_interval": "--interval"}
"""Options that have another name than their value."""


def add_arguments(parser: argparse.ArgumentParser, verb: Verb) -> None:
    """Add the arguments of a verb, and an option for every setting that they do not stand for."""
    for argument in verb.arguments:
        _declare(parser, argument)
    for name, (annotation, default, said) in verb.options().items():
        _add(parser, name, annotation, default, said)


def given(args: argparse.Namespace, verb: Verb) -> dict[str, Any]:
    """Return what was given for a verb, by the names of its arguments and settings."""
    found = {argument.name: getattr(args, argument.name) for argument in verb.arguments}
    for name in verb.options():
        value = getattr(args, name)
        found[name] = tuple(value) if isinstance(value, list) else value
    return found


def flag_of(verb: Verb, name: str) -> tuple[str, int, bool]:
    """Flag of an argument or setting of a verb (empty for a positional argument), how many values it takes, and whether
    it is a switch without any.
    """
    for argument in verb.arguments:
        if argument.name == name:
            switch = argument.type is bool
            return argument.flag, argument.nargs if isinstance(argument.nargs, int) else 1, switch
    plain = without_none(verb.options()[name][0])
    return _flag(name), 2 if get_origin(plain) is tuple else 1, plain is bool


def _flag(name: str) -> str:
    return FLAGS.get(name, "--" + name.replace("_", "-"))


def _declare(parser: argparse.ArgumentParser, argument: Argument) -> None:
    name = argument.flag or argument.name
    options: dict[str, Any] = {"help": argument.help}
    options |= {"dest": argument.name, "required": argument.required} if argument.flag else {}
    if argument.type is bool:
        parser.add_argument(name, action="store_true", **options)
        return
    options |= {"type": argument.type, "metavar": argument.metavar, "default": argument.default}
    options |= {"action": "append"} if argument.repeated else {}
    options |= {} if argument.nargs is None else {"nargs": argument.nargs}
    parser.add_argument(name, **options)


def _add(parser: argparse.ArgumentParser, name: str, annotation: Any, default: Any, said: str) -> None:
    flag = _flag(name)
    options: dict[str, Any] = {"dest": name, "help": _help(said, default)}
    plain = without_none(annotation)
    if plain is bool:
        parser.add_argument(flag, action="store_true", **options)
        return
    if get_origin(plain) is tuple:
        options |= {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    elif name == "grid":  # takes lists of times as well, which the settings look at
        options |= {"metavar": "GRID", "help": f"{options['help']}; names: {', '.join(choices(name, annotation))}"}
    elif names := choices(name, annotation):
        options["choices"] = names
        if name == "sampler":
            options["type"] = sampler_name  # takes aliases
    else:
        options |= {"type": plain, "metavar": METAVARS.get(name.removeprefix("from_"))}
    parser.add_argument(flag, default=default, **options)


def _help(said: str, default: Any) -> str:
    first = re.split(r"\. (?=[A-Z])", said)[0]
    text = re.sub(r",? one of `[A-Z_]+`|, as in `\w+`", "", first).replace("when `None`", "when not given")
    text = text.replace("`", "").rstrip(".").replace("%", "%%")
    if default is None:
        return text if "when not given" in text else f"{text} (default: the model's)"
    if isinstance(default, bool) or default == "":
        return text
    return f"{text} (default: {default:g})" if isinstance(default, int | float) else f"{text} (default: {default})"
