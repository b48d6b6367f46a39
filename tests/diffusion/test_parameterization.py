from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    EDM,
    X0,
    Consistency,
    CosineVP,
    Denoiser,
    Eps,
    LinearVP,
    Parameterization,
    Process,
    RectifiedFlow,
    V,
    VarianceExploding,
    Velocity,
)
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import PARAMETERIZATIONS, PROCESSES
from tests.refusals import refused

TIMES = torch.tensor([0.02, 0.31, 0.6, 0.97], dtype=torch.float64)


def network_target(process: Process, row: Parameterization, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    coefficients = row.coefficients(process, t)
    x_t = process.alpha(t) * x_0 + process.sigma(t) * noise
    return (x_0 - coefficients.c_skip * x_t) / coefficients.c_out


@pytest.mark.parametrize("name", PROCESSES)
def test_targets_are_what_the_table_says(name: str) -> None:
    process = PROCESSES[name]
    t = process.t_max * TIMES
    generator = torch.Generator().manual_seed(1)
    x_0 = torch.randn(4, generator=generator, dtype=torch.float64)
    noise = torch.randn(4, generator=generator, dtype=torch.float64)
    alpha, sigma = process.alpha(t), process.sigma(t)
    q = alpha**2 + sigma**2
    targets = {
        X0(): x_0,
        Eps(): noise,
        V(): (alpha * noise - sigma * x_0) / torch.sqrt(q),
        Velocity(): process.alpha_dot(t) * x_0 + process.sigma_dot(t) * noise,
    }
    for row, expected in targets.items():
        torch.testing.assert_close(network_target(process, row, x_0, noise, t), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PROCESSES)
def test_edm_input_and_target_have_unit_variance(name: str) -> None:
    process, sd = PROCESSES[name], 0.37
    t = process.t_max * TIMES
    row = EDM(sd).coefficients(process, t)
    alpha, sigma = process.alpha(t), process.sigma(t)
    input_variance = row.c_in**2 * (alpha**2 * sd**2 + sigma**2)
    target_variance = ((1 - row.c_skip * alpha) ** 2 * sd**2 + (row.c_skip * sigma) ** 2) / row.c_out**2
    torch.testing.assert_close(input_variance, torch.ones_like(t), rtol=1e-12, atol=0)
    torch.testing.assert_close(target_variance, torch.ones_like(t), rtol=1e-9, atol=0)


def test_edm_row_is_karras_table_1() -> None:
    sd, sigma = 0.5, torch.tensor([0.01, 1.0, 40.0], dtype=torch.float64)
    row = EDM(sd).coefficients(VarianceExploding(), sigma)
    torch.testing.assert_close(row.c_skip, sd**2 / (sigma**2 + sd**2))
    torch.testing.assert_close(row.c_out, sigma * sd / torch.sqrt(sigma**2 + sd**2))
    torch.testing.assert_close(row.c_in, 1 / torch.sqrt(sigma**2 + sd**2))
    torch.testing.assert_close(row.c_noise, torch.log(sigma) / 4)


def test_consistency_row_is_songs_on_variance_exploding() -> None:
    sd, eps, t = 0.5, 0.002, torch.tensor([0.002, 0.01, 1.0, 40.0], dtype=torch.float64)
    row = Consistency(sd, eps).coefficients(VarianceExploding(), t)
    torch.testing.assert_close(row.c_skip, sd**2 / ((t - eps) ** 2 + sd**2))
    torch.testing.assert_close(row.c_out, sd * (t - eps) / torch.sqrt(t**2 + sd**2))


@pytest.mark.parametrize("name", PROCESSES)
def test_consistency_boundary_is_exact(name: str) -> None:
    process, t_min = PROCESSES[name], 0.01 * PROCESSES[name].t_max
    row = Consistency(0.5, t_min).coefficients(process, torch.tensor([0.0, 0.5 * t_min, t_min], dtype=torch.float64))
    assert row.c_skip.tolist() == [1.0, 1.0, 1.0]
    assert row.c_out.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("row", PARAMETERIZATIONS)
def test_inputs_are_tame_and_labels_finite(name: str, row: str) -> None:
    process = PROCESSES[name]
    t = process.t_max * torch.tensor([0.0, 0.001, 0.5, 1.0], dtype=torch.float64)
    coefficients = PARAMETERIZATIONS[row].coefficients(process, t)
    assert torch.isfinite(coefficients.c_noise).all()
    std = coefficients.c_in * torch.sqrt(0.25 * process.alpha(t) ** 2 + process.sigma(t) ** 2)
    assert std.max() <= 1.001


@pytest.mark.parametrize("process", [RectifiedFlow(), CosineVP(), PROCESSES["discrete_vp_zero_terminal"]])
def test_noise_prediction_without_data_is_refused_at_construction(process: Process) -> None:
    refused("Eps is not defined at t_max", lambda: Denoiser(lambda x, c_noise, cond: x, process, Eps()))


@pytest.mark.parametrize("process", [LinearVP(), VarianceExploding(), PROCESSES["discrete_vp_diffwave"]])
def test_noise_prediction_with_data_is_accepted(process: Process) -> None:
    Denoiser(lambda x, c_noise, cond: x, process, Eps())


def test_impossible_settings_are_refused() -> None:
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(AudiodiffError):
            EDM(wrong)
        with pytest.raises(AudiodiffError):
            Consistency(wrong)
    with pytest.raises(AudiodiffError):
        Consistency(0.5, -0.1)
