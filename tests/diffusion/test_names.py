import subprocess
import sys

import pytest
import torch

from audiodiff import diffusion
from audiodiff.diffusion.names import (
    GRID_NAMES,
    SAMPLER_ALIASES,
    SAMPLER_NAMES,
    grid_name,
    listed_times,
    sampler_name,
    times_text,
)
from tests.refusals import refused


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


def test_times_are_the_same_numbers_when_they_are_read_again() -> None:
    times = (1.0, 1.0 / 3.0, 0.1 + 0.2, 1e-9)
    assert listed_times(times_text(times)) == times
    assert times_text([80.0, 2.5]) == "80,2.5"
    assert listed_times("uniform") is None
    assert grid_name(" 1, 0.50,0.25 , 0") == "1,0.5,0.25"
    assert grid_name("late") == "late"


@pytest.mark.parametrize(
    "grid", ["", "magic", "1,1", "0.5,1", "1,0,0", "0", "-1", "nan", "inf,1", "1,nan", "1,,0.5", "1," * 2000]
)
def test_what_is_neither_a_grid_nor_falling_times_is_refused(grid: str) -> None:
    refused("is unknown; choose one of uniform, .* falling times", lambda: listed_times(grid))
