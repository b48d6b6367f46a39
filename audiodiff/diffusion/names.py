"""The names of samplers and grids, for whoever offers a choice. Imports no torch."""

from typing import Final

SAMPLER_NAMES: Final = ("ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "arc", "consistency")
"""The keys of ``SAMPLERS`` in ``samplers.py``."""

GRID_NAMES: Final = ("uniform", "karras", "log_snr", "angle", "shifted", "late")
"""The keys of ``GRIDS`` in ``times.py``."""
