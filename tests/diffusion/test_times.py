from __future__ import annotations

import math

import pytest
import torch

from audiodiff.diffusion import (
    GRIDS,
    QUANTILES,
    CosineVP,
    LinearVP,
    RectifiedFlow,
    VarianceExploding,
    angle_grid,
    beta_schedule,
    betas_grid,
    explicit_grid,
    karras_grid,
    late_grid,
    log_normal_quantile,
    log_snr_grid,
    logit_normal_quantile,
    shifted_grid,
    stratified_uniform,
    uniform_grid,
)
from audiodiff.diffusion.times import times_of
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import PROCESSES
from tests.refusals import refused


@pytest.mark.parametrize("steps", [1, 2, 3, 50])
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("process", PROCESSES)
def test_grids_start_at_t_max_decrease_and_end_in_zero(process: str, name: str, steps: int) -> None:
    grid = GRIDS[name](PROCESSES[process], steps)
    assert grid.shape == (steps + 1,)
    assert grid.dtype == torch.float64
    assert grid[0] == PROCESSES[process].t_max
    assert grid[-1] == 0.0
    assert (grid[1:] < grid[:-1]).all()


def test_karras_grid_is_equation_5() -> None:
    n, rho = 9, 7.0
    expected = [(80 ** (1 / rho) + i / (n - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho for i in range(n)]
    torch.testing.assert_close(karras_grid(VarianceExploding(), n), torch.tensor([*expected, 0.0], dtype=torch.float64))


def test_log_snr_grid_is_even_in_log_snr() -> None:
    process = LinearVP()
    log_snr = process.log_snr(log_snr_grid(process, 8)[:-1])
    steps = log_snr[1:] - log_snr[:-1]
    # the first step also covers what is noisier than sigma_max
    assert steps[0] > steps[1]
    torch.testing.assert_close(steps[1:], steps[1:2].expand(6), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["karras", "log_snr", "angle"])
def test_grids_in_noise_level_do_not_depend_on_the_process(name: str) -> None:
    levels = [process.log_snr(GRIDS[name](process, 6)[1:-1]) for process in (RectifiedFlow(), CosineVP())]
    torch.testing.assert_close(levels[0], levels[1], rtol=1e-9, atol=1e-9)


def test_angle_grid_is_even_in_the_angle() -> None:
    grid = angle_grid(RectifiedFlow(), 8, 0.25)
    angles = torch.atan(grid[1:] / (0.25 * (1 - grid[1:])))
    torch.testing.assert_close(angles, 0.5 * math.pi * torch.arange(7, -1, -1, dtype=torch.float64) / 8)
    assert grid[4] == pytest.approx(0.2)


def test_angle_grid_ends_where_the_process_does_at_any_scale() -> None:
    process = VarianceExploding(t_max=2.0)
    grid = angle_grid(process, 8, 0.25)
    angles = torch.atan(process.sigma(grid) / 0.25)
    torch.testing.assert_close(angles.diff(), torch.full((8,), -float(angles[0]) / 8, dtype=torch.float64))


def test_shifted_grid() -> None:
    grid = shifted_grid(RectifiedFlow(), 4, 3.0)
    torch.testing.assert_close(grid, torch.tensor([1.0, 0.9, 0.75, 0.5, 0.0], dtype=torch.float64))
    torch.testing.assert_close(shifted_grid(RectifiedFlow(), 5, 1.0), uniform_grid(RectifiedFlow(), 5))


def test_late_grid_halves_the_odds_of_noise() -> None:
    grid = late_grid(RectifiedFlow(), 4)
    torch.testing.assert_close(grid, torch.tensor([1.0, 0.6, 1 / 3, 1 / 7, 0.0], dtype=torch.float64))


def test_explicit_grid_appends_zero_and_checks() -> None:
    assert explicit_grid(RectifiedFlow(), [0.9, 0.4]).tolist() == [0.9, 0.4, 0.0]
    assert explicit_grid(RectifiedFlow(), [0.9, 0.0]).tolist() == [0.9, 0.0]
    for wrong in ([], [0.0], [0.4, 0.9], [1.2, 0.4], [math.nan, 0.1], [0.5, -0.5]):
        with pytest.raises(AudiodiffError):
            explicit_grid(RectifiedFlow(), wrong)


def test_betas_grid_has_the_fast_noise_levels() -> None:
    process = PROCESSES["discrete_vp_diffwave"]
    betas = beta_schedule("diffwave_fast_6")
    grid = betas_grid(process, betas)
    bars = torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), 0).flip(0)
    torch.testing.assert_close(process.alpha(grid[:-1]) ** 2, bars)
    # DiffWave aligns in sqrt(alpha_bar), we in log-SNR: the step indices agree closely
    aligned = torch.tensor([42.918644, 22.992493, 10.451817, 4.086654, 0.8941341, 0.0], dtype=torch.float64)
    torch.testing.assert_close(process.noise_label(grid[:-1]), aligned, rtol=0, atol=0.15)
    with pytest.raises(AudiodiffError):
        betas_grid(process, (0.1, 1.0))


@pytest.mark.parametrize("name", QUANTILES)
@pytest.mark.parametrize("process", PROCESSES)
def test_quantiles_increase_within_the_range(process: str, name: str) -> None:
    t = QUANTILES[name](PROCESSES[process], torch.linspace(0.001, 0.999, 99, dtype=torch.float64))
    assert (t[1:] >= t[:-1]).all()
    assert t[0] > 0.0
    assert t[-1] <= PROCESSES[process].t_max
    assert len(t.unique()) > 30


def test_quantiles_have_their_distribution() -> None:
    u = stratified_uniform(4001, torch.Generator().manual_seed(0))
    log_sigma = log_normal_quantile(VarianceExploding(), u).log()
    assert log_sigma.mean().item() == pytest.approx(-1.2, abs=0.01)
    assert log_sigma.std().item() == pytest.approx(1.2, abs=0.01)
    t = logit_normal_quantile(RectifiedFlow(), u, 0.5, 2.0)
    logits = torch.logit(t)
    assert logits.mean().item() == pytest.approx(0.5, abs=0.02)
    assert logits.std().item() == pytest.approx(2.0, abs=0.02)
    cosine = QUANTILES["cosine"](CosineVP(), u)
    torch.testing.assert_close(cosine, u, rtol=1e-9, atol=1e-12)


def test_stratified_uniform_has_one_value_in_every_part() -> None:
    u = stratified_uniform(64, torch.Generator().manual_seed(4))
    assert sorted((u * 64).floor().int().tolist()) == list(range(64))
    assert not torch.equal(u, u.sort().values)
    assert torch.equal(u, stratified_uniform(64, torch.Generator().manual_seed(4)))
    with pytest.raises(AudiodiffError):
        stratified_uniform(0, torch.Generator())


def test_bad_settings_are_refused() -> None:
    for name in GRIDS:
        with pytest.raises(AudiodiffError, match="1 or more"):
            GRIDS[name](RectifiedFlow(), 0)
    with pytest.raises(AudiodiffError):
        karras_grid(RectifiedFlow(), 4, sigma_min=3.0, sigma_max=2.0)
    with pytest.raises(AudiodiffError):
        shifted_grid(RectifiedFlow(), 4, -1.0)
    with pytest.raises(AudiodiffError):
        angle_grid(RectifiedFlow(), 4, 0.0)


def test_a_grid_is_named_or_a_list_of_times() -> None:
    law = VarianceExploding()
    assert torch.equal(times_of("karras", law, 3), GRIDS["karras"](law, 3))
    assert times_of("80,2.5,0.1", law, 3).tolist() == [80.0, 2.5, 0.1, 0.0]
    refused("is of 3 steps, and 4 are asked for", lambda: times_of("80,2.5,0.1", law, 4))
    refused("begins at 1; expected 80", lambda: times_of("1,0.5", law, 2))
