from __future__ import annotations

import json
from typing import Any

import pytest

from audiodiff.diffusion import (
    DiscreteVP,
    Eps,
    LinearVP,
    beta_schedule,
    parameterization_from_dict,
    parameterization_to_dict,
    process_from_dict,
    process_to_dict,
)
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import PARAMETERIZATIONS, PROCESSES
from tests.refusals import refused


@pytest.mark.parametrize("name", PROCESSES)
def test_process_round_trip_through_json(name: str) -> None:
    stored = json.loads(json.dumps(process_to_dict(PROCESSES[name])))
    assert process_from_dict(stored) == PROCESSES[name]


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_parameterization_round_trip_through_json(name: str) -> None:
    stored = json.loads(json.dumps(parameterization_to_dict(PARAMETERIZATIONS[name])))
    assert stored["name"] == name
    assert parameterization_from_dict(stored) == PARAMETERIZATIONS[name]


def test_what_is_stored() -> None:
    assert process_to_dict(LinearVP()) == {"name": "linear_vp", "beta_min": 0.1, "beta_max": 20.0}
    assert process_from_dict({"name": "linear_vp", "beta_max": 10}) == LinearVP(beta_max=10)
    assert process_from_dict({"name": "discrete_vp", "betas": "diffwave"}) == DiscreteVP(beta_schedule("diffwave"))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"name": "nonsense"},
        {"name": ["rectified_flow"]},
        {"name": "rectified_flow", "beta": 1.0},
        {"name": "linear_vp", "beta_min": "0.1"},
        {"name": "linear_vp", "beta_min": True},
        {"name": "linear_vp", "beta_min": -1.0},
        {"name": "discrete_vp"},
        {"name": "discrete_vp", "betas": "nonsense"},
        {"name": "discrete_vp", "betas": 0.1},
        {"name": "discrete_vp", "betas": [0.1, "0.2"]},
        {"name": "variance_exploding", "_log_snrs": 1.0},
    ],
)
def test_bad_processes_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(AudiodiffError):
        process_from_dict(config)


def test_bad_parameterizations_are_refused() -> None:
    refused("expected one of", lambda: parameterization_from_dict({"name": "epsilon"}))
    refused("unknown key", lambda: parameterization_from_dict({"name": "eps", "sigma_data": 0.5}))
    with pytest.raises(AudiodiffError, match="can be stored"):
        process_to_dict(Eps())  # type: ignore[arg-type]
