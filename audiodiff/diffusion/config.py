"""Processes and parameterizations to and from plain dictionaries, as checkpoints store them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from audiodiff.diffusion.betas import beta_schedule
from audiodiff.diffusion.parameterization import EDM, X0, Consistency, Eps, Parameterization, V, Velocity
from audiodiff.diffusion.process import (
    CosineVP,
    DiscreteVP,
    LinearVP,
    Process,
    RectifiedFlow,
    VarianceExploding,
)
from audiodiff.errors import AudiodiffError
from audiodiff.plugins import load_plugin, plugins

_PROCESSES: Final[dict[str, Any]] = {
    "rectified_flow": RectifiedFlow,
    "cosine_vp": CosineVP,
    "linear_vp": LinearVP,
    "discrete_vp": DiscreteVP,
    "variance_exploding": VarianceExploding,
}
PROCESSES: Final = "audiodiff.processes"
"""The group of entry points by which installed packages register processes: frozen dataclasses of numbers."""

_PARAMETERIZATIONS: Final[dict[str, Any]] = {
    "x0": X0,
    "eps": Eps,
    "v": V,
    "velocity": Velocity,
    "edm": EDM,
    "consistency": Consistency,
}


def process_to_dict(process: Process) -> dict[str, Any]:
    """``{"name": ..., setting: value, ...}``, ready for JSON."""
    own = type(process) in _PROCESSES.values()
    return _to_dict(process, _PROCESSES if own else _with_registered(*plugins(PROCESSES)), "process")


def process_from_dict(config: Mapping[str, Any]) -> Process:
    """The process that ``process_to_dict`` described.

    ``betas`` of ``discrete_vp`` may also be the name of a table in ``betas.BETA_SCHEDULES``.

    Raises:
        AudiodiffError: unknown name, unknown or missing setting, or an impossible value.
    """
    if config.get("name") == "discrete_vp" and "betas" in config:
        betas = config["betas"]
        table = beta_schedule(betas) if isinstance(betas, str) else _floats(betas, "betas")
        config = {**config, "betas": table}
    name = config.get("name")
    own = not isinstance(name, str) or name in _PROCESSES
    process: Process = _from_dict(config, _PROCESSES if own else _with_registered(name), "process")
    return process


def parameterization_to_dict(parameterization: Parameterization) -> dict[str, Any]:
    """``{"name": ..., setting: value, ...}``, ready for JSON."""
    return _to_dict(parameterization, _PARAMETERIZATIONS, "parameterization")


def parameterization_from_dict(config: Mapping[str, Any]) -> Parameterization:
    """The parameterization that ``parameterization_to_dict`` described.

    Raises:
        AudiodiffError: unknown name, unknown setting, or an impossible value.
    """
    parameterization: Parameterization = _from_dict(config, _PARAMETERIZATIONS, "parameterization")
    return parameterization


def _with_registered(*names: object) -> dict[str, Any]:
    """The processes of this package and those of `names` that others register."""
    found = {name: entry for name, entry in plugins(PROCESSES).items() if name in names}
    return {**{name: load_plugin(entry, "process", type) for name, entry in found.items()}, **_PROCESSES}


def _settings(cls: Any) -> list[str]:
    return [item.name for item in fields(cls) if item.init]


def _to_dict(value: object, classes: Mapping[str, Any], kind: str) -> dict[str, Any]:
    for name, cls in classes.items():
        if type(value) is cls:
            settings = {key: getattr(value, key) for key in _settings(cls)}
            return {"name": name, **{k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}}
    raise AudiodiffError(f"{type(value).__name__} is not a {kind} that can be stored; use one of {', '.join(classes)}.")


def _from_dict(config: Mapping[str, Any], classes: Mapping[str, Any], kind: str) -> Any:
    name = config.get("name")
    if not isinstance(name, str) or name not in classes:
        raise AudiodiffError(f"unknown {kind} name {name!r}; expected one of {', '.join(classes)}.")
    cls = classes[name]
    settings = {key: value for key, value in config.items() if key != "name"}
    unknown = sorted(set(settings) - set(_settings(cls)))
    if unknown:
        known = ", ".join(_settings(cls)) or "no settings"
        raise AudiodiffError(f"unknown key {', '.join(unknown)} for {kind} {name}; it takes {known}.")
    for key, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float | tuple):
            raise AudiodiffError(f"{key} of {kind} {name} must be a number, got {value!r}.")
    try:
        return cls(**settings)
    except TypeError as missing:
        raise AudiodiffError(
            f"{kind} {name} needs the keys {', '.join(_settings(cls))}; some are missing."
        ) from missing


def _floats(values: object, key: str) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    ):
        raise AudiodiffError(f"{key} must be a list of numbers or the name of a table, got {values!r}.")
    return tuple(float(v) for v in values)
