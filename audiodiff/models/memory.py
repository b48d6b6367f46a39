"""Models before they take memory, and how much there is."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["memory_bytes", "without_weights"]


class _NoStorage(TorchFunctionMode):
    """Gives new parameters a shape and no storage; filling them does nothing."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        # torch imports its compiler, seconds of work, to fill what has no storage; `nn.init` names its argument
        first, name = args[0] if args else kwargs.get("tensor"), func.__name__
        filled = isinstance(first, torch.Tensor) and first.is_meta and name.endswith("_") and not name.startswith("__")
        return first if filled else func(*args, **kwargs)


@contextmanager
def without_weights() -> Iterator[None]:
    """Build modules whose parameters have shapes and no values, in no time and memory.

    Their tables and windows are real. `load_state_dict(..., assign=True)` gives them weights.
    """
    with _NoStorage():
        yield


def memory_bytes(device: torch.device | None = None) -> int | None:
    """Return how much memory a process can ever get, as far as the system tells.

    Args:
        device: where; the CPU by default.
    """
    if device is not None and device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    known = [number for number in (_machine(), _control_group()) if number is not None]
    return min(known) if known else None


def _machine() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # Windows has none of it
        return None


def _control_group() -> int | None:
    """The limit of a container."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
