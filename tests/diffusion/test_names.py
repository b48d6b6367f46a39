import subprocess
import sys

import pytest
import torch

from audiodiff import diffusion
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_ALIASES, SAMPLER_NAMES, sampler_name


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


@pytest.mark.parametrize("alias", SAMPLER_ALIASES)
def test_an_alias_is_taken_for_the_name(alias: str) -> None:
    name = SAMPLER_ALIASES[alias]
    assert alias not in SAMPLER_NAMES
    assert name in SAMPLER_NAMES
    assert sampler_name(alias) == sampler_name(name) == name
    process = diffusion.RectifiedFlow()
    times = diffusion.uniform_grid(process, 3)
    x = torch.randn(1, 4)
    old, new = (diffusion.sample(each, lambda x, t: 0.5 * x, process, x, times) for each in (alias, name))
    assert torch.equal(old, new)
