"""The names of samplers and grids, for whoever offers a choice. Imports no torch."""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from audiodiff.errors import AudiodiffError

SAMPLER_NAMES: Final = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "adams_pc", "consistency")
"""The keys of ``SAMPLERS`` in ``samplers.py``."""

SAMPLER_ALIASES: Final = {"arc": "adams_pc"}
"""Names in older files and settings -> names now."""

GRID_NAMES: Final = ("uniform", "karras", "log_snr", "angle", "shifted", "late")
"""The keys of ``GRIDS`` in ``times.py``."""

MOST_TIMES: Final = 1000
"""The most times of a grid that is given as a list."""


def sampler_name(name: str) -> str:
    """Return the present name of a sampler; a name that is no alias stays as it is."""
    return SAMPLER_ALIASES.get(name, name)


def times_text(times: Iterable[float]) -> str:
    """Return times as the setting ``grid`` takes them, such as ``1,0.6,0.3``: the same numbers when read again."""
    return ",".join(repr(float(time)).removesuffix(".0") for time in times)


def listed_times(grid: str) -> tuple[float, ...] | None:
    """Return the times of a grid that is given as a list, one for each step, without the 0 at the end.

    ``None`` where the grid is a name.

    Raises:
        AudiodiffError: it is neither a name of ``GRID_NAMES`` nor such a list.
    """
    if grid in GRID_NAMES:
        return None
    try:
        times = [float(part) for part in grid.split(",")]
    except ValueError:
        times = []
    if len(times) > 1 and times[-1] == 0.0:
        times = times[:-1]
    falling = all(later < earlier for earlier, later in pairwise(times))
    if not times or len(times) > MOST_TIMES or not falling or not 0.0 < times[-1] <= times[0] < math.inf:
        shown = grid if len(grid) <= 80 else grid[:80] + "..."
        raise AudiodiffError(
            f"grid {shown!r} is unknown; choose one of {', '.join(GRID_NAMES)}, or list falling times above 0, one for "
            "each step, such as 1,0.6,0.3."
        )
    return tuple(times)


def grid_name(grid: str) -> str:
    """Return the present form of a grid: a name as it is, a list of times as ``times_text`` writes it.

    Raises:
        AudiodiffError: as ``listed_times``.
    """
    times = listed_times(grid)
    return grid if times is None else times_text(times)
