"""What every recipe has, whatever it trains: settings in layers, a run to train in, a description of the weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from audiodiff.errors import AudiodiffError
from audiodiff.models.config import dataclass_from_dict, dataclass_to_dict, model_config_to_dict
from audiodiff.models.find import find_checkpoint
from audiodiff.synthesis.settings import GUIDED, Resolved, Sampling
from audiodiff.training.devices import Devices, open_devices
from audiodiff.training.loop import LossOutput, ModelAndLoss, Step, TrainConfig

from .description import describe_origins, run_command
from .memory import TrainingMemory, expect_memory
from .presets import PRESETS, names_of
from .run_folder import check_run_folder
from .settings import differences, given_keys, read_table, with_changes

OnStep = Callable[[Step], None]
"""Called after every training step."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What the settings of every recipe hold. Any key can be set on the command line, nested ones with dots.

    Attributes:
        model: the config of the model.
        train: settings of the loop.
        output: the run folder.
        init: checkpoint folder to start the weights from; empty for random weights.
        device: "auto", "cpu", "cuda", "mps".
        description: one line for the checkpoint.
        preset: what the settings started from.
    """

    model: Any
    train: TrainConfig
    output: str = ""
    init: str = ""
    device: str = "auto"
    description: str = ""
    preset: str = ""


C = TypeVar("C", bound=RunSettings)

Follow = Callable[[dict[str, Any], Mapping[str, Any], set[str]], dict[str, Any]]
"""Brings settings up to others that were changed: values, those of the preset, full keys that were given -> values."""


@dataclass(frozen=True)
class Run:
    """A run that may begin.

    Attributes:
        folder: the run folder.
        train: settings of the loop.
        settings: all settings as plain values.
        devices: where this process trains.
        memory: what it takes at least.
        resume: whether it goes on from the state in its folder.
        on_step: called after every step.
    """

    folder: Path
    train: TrainConfig
    settings: Mapping[str, Any]
    devices: Devices
    memory: TrainingMemory
    resume: bool
    on_step: OnStep | None

    def tell_memory(self) -> None:
        """Say what the run takes, once."""
        if self.devices.rank == 0:
            print(f"training takes {self.memory}.", flush=True)


@dataclass(frozen=True)
class Recipe(Generic[C]):
    """The settings of a recipe, from presets, files and changes to its `Config` and back.

    Attributes:
        name: of its module, as the table of presets has it.
        default: what presets start from.
        follow: brings settings up to others, None where each stands for itself.
        found: a setting that is found in a checkpoint and never stated on a command line.
    """

    name: str
    default: C
    follow: Follow | None = None
    found: str = ""

    def preset(self, name: str) -> C:
        """Return the settings of a preset as the table has them.

        Raises:
            AudiodiffError: the recipe has no such preset.
        """
        if name not in names_of(self.name):
            raise AudiodiffError(f"there is no preset {name!r}; known are {', '.join(names_of(self.name))}.")
        row = PRESETS[name]
        stated = {key: value() if callable(value) else value for key, value in row.values.items()}
        values = with_changes(type(self.default), self.to_dict(self.default), stated)
        return self.from_dict({**values, "description": row.description})

    def configure(self, source: str | Path, changes: Mapping[str, Any] | None = None) -> C:
        """Return the settings of a run.

        Args:
            source: name of a preset, or a YAML or JSON file. A file may name the preset it starts from
                (`preset: speech`); otherwise that is `folder`, or the first of a recipe that has no such preset.
            changes: full or short dotted keys -> values (text is read as the setting's type).

        Raises:
            AudiodiffError: an unknown preset, key or value.
        """
        names, name, table = names_of(self.name), str(source), dict[str, Any]()
        if name not in names:
            path = Path(source)
            if path.suffix.lower() not in (".yaml", ".yml", ".json"):
                raise AudiodiffError(
                    f"there is no preset {name!r}; known are {', '.join(names)}, or give a .yaml file."
                )
            table = read_table(path)
            name = table.pop("preset", "") or ("folder" if "folder" in names else names[0])
            if name not in names:
                raise AudiodiffError(f"{path} starts from preset {name!r}; known are {', '.join(names)}.")
        before = self.to_dict(self.preset(name))
        values, given = before, set[str]()
        for layer in (table, changes or {}):
            values = with_changes(type(self.default), values, layer)
            given |= given_keys(type(self.default), layer)
        if self.follow is not None:
            values = self.follow(values, before, given)
        return self.from_dict({**values, "preset": name})

    def to_dict(self, config: C) -> dict[str, Any]:
        """Turn settings into JSON values."""
        values: dict[str, Any] = dataclass_to_dict(config)
        return {**values, "model": model_config_to_dict(config.model)}

    def from_dict(self, values: Mapping[str, Any]) -> C:
        """Read settings from plain values.

        Raises:
            AudiodiffError: an unknown key, a value of the wrong type, or parts that do not fit each other.
        """
        model = dataclass_from_dict(type(self.default.model), values["model"])
        return dataclass_from_dict(type(self.default), {**values, "model": model})

    def open_run(
        self,
        config: C,
        build: Callable[[], nn.Module],
        positions: int,
        *,
        resume: bool,
        on_step: OnStep | None,
    ) -> Run:
        """Check that a run can begin: its folder, the device, and the memory of that.

        Args:
            config: the settings.
            build: makes what is trained.
            positions: places of an item at which the network works: frames, latents or samples.
            resume: whether the run is to go on.
            on_step: called after every step.

        Raises:
            AudiodiffError: it cannot begin.
        """
        settings = self.to_dict(config)
        folder = check_run_folder(config.output, settings, resume)
        devices = open_devices(config.device)
        memory = expect_memory(build, config.train, positions, devices)
        return Run(folder, config.train, settings, devices, memory, resume, on_step)

    def describe(
        self,
        config: C,
        corpus: Mapping[str, Any],
        *,
        keep: Sequence[str] = (),
        find: Callable[[str], Path] = find_checkpoint,
        **checkpoints: str,
    ) -> dict[str, Any]:
        """What travels with the weights: the corpus and its licences, whose weights are in them, settings, the command.

        Args:
            config: the settings.
            corpus: a description of the corpus.
            keep: settings to report next to those of the loop and of the data.
            find: returns the folder that the name of a checkpoint stands for.
            checkpoints: whose weights the run starts from or contains, by the setting that names them.

        Raises:
            AudiodiffError: one of the checkpoints is not there.
        """
        settings = self.to_dict(config)
        training = {key: value for key, value in settings.items() if key in ("train", "data", *keep)}
        # Paths say nothing on another machine.
        training["data"] = {key: value for key, value in training["data"].items() if key not in ("folder", "cache")}
        return {
            "description": config.description,
            "corpus": corpus,
            "origins": describe_origins(corpus, find=find, **checkpoints),
            "training": training,
            "command": self.command(config),
        }

    def command(self, config: C) -> str:
        """Return the command line that repeats a run."""
        settings = self.to_dict(config)
        if not config.preset:
            return run_command("", {}, settings)
        preset = self.to_dict(self.preset(config.preset))
        if self.found:
            group, key = self.found.split(".")
            preset[group][key] = settings[group][key]
        return run_command(config.preset, preset, settings)


@dataclass(frozen=True)
class GuidedSampling(Resolved):
    """How a model is meant to be sampled; goes into the checkpoint, which recommends no seed."""

    seed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled with."""
        try:
            checked = Sampling(**{name: getattr(self, name) for name in GUIDED})
        except AudiodiffError as error:
            raise AudiodiffError(f"sampling.{error}") from error
        object.__setattr__(self, "sampler", checked.sampler)


@dataclass(frozen=True)
class PlainSampling(GuidedSampling):
    """The same of a model that takes no prompt."""

    guidance: float = field(default=1.0, init=False)
    rescale: float = field(default=0.0, init=False)
    guidance_hold: float = field(default=0.0, init=False)


def check_shape(
    init: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], counts: Callable[[str], bool] = lambda key: True
) -> None:
    """Refuse to start from weights of another shape.

    Args:
        init: the checkpoint they are in.
        theirs: its model's config, as plain values.
        ours: that of the run.
        counts: whether a dotted key of them decides about the shape.

    Raises:
        AudiodiffError: a setting that counts differs.
    """
    for key, before, now in differences(theirs, ours):
        if counts(key):
            raise AudiodiffError(
                f"the checkpoint {init} is of another shape: model.{key} is {before} there and {now} here; "
                "give the settings that it was trained with."
            )


def with_loss(
    name: str,
    module: nn.Module,
    loss: Callable[[Devices, int, torch.Generator], LossOutput],
    devices: Devices,
    accumulate: int,
) -> ModelAndLoss:
    """Return a model with its loss, for `train_steps`.

    Args:
        name: of the model.
        module: what is trained.
        loss: makes the loss of the part of a step's batch that the devices shard.
        devices: of this process.
        accumulate: into how many parts a batch is divided.
    """
    first, *further = [partial(loss, part) for part in devices.parts(accumulate)]
    return ModelAndLoss(name, module, first, further=further)
