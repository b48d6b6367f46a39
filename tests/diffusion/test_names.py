import subprocess
import sys

import pytest

from audiodiff import diffusion
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES


def test_the_names_are_those_of_the_tables() -> None:
    assert tuple(diffusion.SAMPLERS) == SAMPLER_NAMES
    assert tuple(diffusion.GRIDS) == GRID_NAMES
    assert set(SAMPLER_NAMES) >= diffusion.STOCHASTIC_SAMPLERS


def test_everything_on_the_list_can_be_had_and_nothing_else() -> None:
    assert len(set(diffusion.__all__)) == len(diffusion.__all__)
    for name in diffusion.__all__:
        assert getattr(diffusion, name) is not None
    with pytest.raises(AttributeError, match="poetry"):
        diffusion.poetry  # noqa: B018


def test_names_cost_no_torch() -> None:
    code = "import sys, audiodiff.diffusion.names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
