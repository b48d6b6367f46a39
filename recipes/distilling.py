"""What recipes do where a model learns the estimates of another one, its teacher (Hinton et al., arXiv 1503.02531)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.compress import COMPRESSED
from audiodiff.models.config import model_config_to_dict

from .recipe import check_shape

M = TypeVar("M", bound=nn.Module)

_OF_TEACHER = ("sampling", "vocabulary", "reference_level_db")
"""Metadata that a student has from its teacher: it is used in the same way."""


def open_teacher(name: str, folder: Path, module: type[M], config: Any, counts: Callable[[str], bool]) -> M:
    """Load a teacher; nothing of it is trained.

    Args:
        name: how it was asked for.
        folder: of its checkpoint.
        module: class of the model.
        config: of the student.
        counts: whether a dotted key of the config must be the same, so that both see the same states.

    Raises:
        AudiodiffError: there is no such model, or it is too different.
    """
    teacher = load_checkpoint(folder, module).requires_grad_(False)
    check_shape(name, model_config_to_dict(teacher.config), model_config_to_dict(config), counts)
    return teacher


def of_teacher(teacher: Path, init: Path | None) -> dict[str, Any]:
    """Metadata of a student.

    Args:
        teacher: folder of its teacher.
        init: folder of the weights that it starts from: if these were compressed, it is.
    """
    metadata: Mapping[str, Any] = read_config(teacher)["metadata"]
    found = {key: metadata[key] for key in _OF_TEACHER if key in metadata}
    start: Mapping[str, Any] = read_config(init)["metadata"] if init is not None else {}
    return found | {key: start[key] for key in (COMPRESSED,) if key in start}
