"""The names of samplers and grids, for whoever offers a choice. Imports no torch."""

from typing import Final

SAMPLER_NAMES: Final = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "adams_pc", "consistency")
"""The keys of ``SAMPLERS`` in ``samplers.py``."""

SAMPLER_ALIASES: Final = {"arc": "adams_pc"}
"""Names in older files and settings -> names now."""

GRID_NAMES: Final = ("uniform", "karras", "log_snr", "angle", "shifted", "late")
"""The keys of ``GRIDS`` in ``times.py``."""


def sampler_name(name: str) -> str:
    """Return the present name of a sampler; a name that is no alias stays as it is."""
    return SAMPLER_ALIASES.get(name, name)
