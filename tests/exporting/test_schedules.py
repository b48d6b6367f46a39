"""A recorded run gives what the sampler gives, for every sampler, grid and kind of process."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from audiodiff.diffusion.config import parameterization_from_dict, process_from_dict
from audiodiff.diffusion.denoiser import Denoiser
from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import GRIDS
from audiodiff.exporting.schedules import defaults_of, record, record_all
from audiodiff.runtime.schedule import Schedule, run, wanted_schedule
from audiodiff.synthesis.settings import FewSteps, Resolved, Sampling

CASES = [
    ({"name": "rectified_flow"}, {"name": "x0"}),
    ({"name": "rectified_flow"}, {"name": "velocity"}),
    ({"name": "cosine_vp"}, {"name": "v"}),
    ({"name": "discrete_vp", "betas": "diffwave"}, {"name": "eps"}),
    ({"name": "variance_exploding", "t_max": 80.0}, {"name": "edm", "sigma_data": 0.5}),
]


def network(x: np.ndarray, c_noise: float) -> np.ndarray:
    return np.tanh(x) + 0.1 * c_noise


def draws(draw: int) -> np.ndarray:
    return np.random.default_rng(draw).standard_normal((2, 5)).astype(np.float32)


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
@pytest.mark.parametrize(("process", "parameterization"), CASES, ids=lambda case: case["name"])
def test_a_table_is_the_run(sampler: str, process: dict, parameterization: dict) -> None:
    law, row = process_from_dict(process), parameterization_from_dict(parameterization)
    denoiser = Denoiser(lambda x, c_noise, cond: torch.from_numpy(network(x.numpy(), float(c_noise[0]))), law, row)
    for grid, steps in (("uniform", 1), ("uniform", 5), ("log_snr", 3)):
        expected = sample(
            SAMPLERS[sampler](),
            denoiser,
            law,
            law.prior(torch.from_numpy(draws(0))),
            GRIDS[grid](law, steps),
            noise=lambda draw: torch.from_numpy(draws(draw)),
        )
        table = record(law, row, sampler=sampler, grid=grid, steps=steps)
        table = Schedule.from_dict(table.to_dict(), "here")
        made = run(table, draws, lambda x, c_noise, time: network(x, c_noise).astype(np.float32))
        np.testing.assert_allclose(made, expected.numpy(), rtol=1e-4, atol=1e-3)


def test_every_sampler_is_exported_and_what_was_asked_for() -> None:
    law, row = process_from_dict({"name": "rectified_flow"}), parameterization_from_dict({"name": "x0"})
    recommended = Resolved(steps=7, sampler="euler", grid="late")
    runs = record_all(law, row, recommended, Sampling(steps=33, grid="karras"))
    found = {run.recorded for run in runs}
    assert {sampler for sampler, _, _ in found} == set(SAMPLER_NAMES)
    assert len(found) == len(runs)
    assert {("euler", "late", 7), ("euler", "late", 50), ("heun", "late", 8), ("euler", "karras", 33)} <= found
    assert {grid for _, grid, _ in found} <= set(GRID_NAMES)


def test_searched_times_are_exported_and_used_as_the_settings_use_them() -> None:
    law, row = process_from_dict({"name": "rectified_flow"}), parameterization_from_dict({"name": "x0"})
    searched = (FewSteps("heun", (1.0, 0.4)), FewSteps("euler", (1.0, 0.3)))
    recommended = Resolved(steps=4, sampler="euler", grid="late", searched=searched)
    known = [run.to_dict() for run in record_all(law, row, recommended)]
    defaults = defaults_of(recommended)
    for steps, sampler, grid in (
        (None, None, None),
        (2, None, None),
        (2, "euler", None),
        (2, "ddim", None),
        (2, None, "late"),
        (4, "euler", None),
    ):
        used = Sampling(steps=steps, sampler=sampler, grid=grid).resolve(recommended)
        found = wanted_schedule(known, defaults, "here", sampler=sampler, grid=grid, steps=steps)
        assert found.recorded == (used.sampler, used.grid, used.steps)
    plain = replace(recommended, searched=())
    assert defaults_of(plain) == {"steps": 4, "sampler": "euler", "grid": "late"}
    times = [call.time for call in wanted_schedule(known, defaults, "here", sampler="euler", grid=None, steps=2).calls]
    assert times == [1.0, 0.3]
