from __future__ import annotations

import math

import pytest
import torch

from audiodiff.diffusion import (
    CosineVP,
    DiscreteVP,
    LinearVP,
    Process,
    RectifiedFlow,
    VarianceExploding,
    beta_schedule,
    pad_to,
)
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import PROCESSES
from tests.refusals import refused


@pytest.fixture(params=PROCESSES.values(), ids=PROCESSES.keys())
def process(request: pytest.FixtureRequest) -> Process:
    chosen: Process = request.param
    return chosen


def inner_times(process: Process, n: int = 401) -> torch.Tensor:
    """Times off the steps of a table, where its derivatives jump."""
    times = process.t_max * (torch.arange(1, n, dtype=torch.float64) - 0.371) / n
    return times[(times - times.round()).abs() > 0.005]


def test_is_a_process(process: Process) -> None:
    assert isinstance(process, Process)


def test_ends(process: Process) -> None:
    zero = torch.zeros(1, dtype=torch.float64)
    assert process.alpha(zero).item() == pytest.approx(1.0, abs=1e-15)
    assert process.sigma(zero).item() == 0.0
    assert process.log_snr(zero).item() == math.inf


def test_noise_only_grows(process: Process) -> None:
    times = torch.linspace(0.0, process.t_max, 999, dtype=torch.float64)
    log_snr = process.log_snr(times)
    assert bool((log_snr[1:] < log_snr[:-1]).all())
    assert not torch.isnan(log_snr).any()


def test_derivatives_match_finite_differences(process: Process) -> None:
    times = inner_times(process)
    h = 1e-6 * process.t_max
    for value, derivative in ((process.alpha, process.alpha_dot), (process.sigma, process.sigma_dot)):
        numeric = (value(times + h) - value(times - h)) / (2 * h)
        torch.testing.assert_close(derivative(times), numeric, rtol=2e-7, atol=2e-8)


def test_log_snr_is_that_of_alpha_and_sigma(process: Process) -> None:
    times = inner_times(process)
    expected = 2.0 * (torch.log(process.alpha(times)) - torch.log(process.sigma(times)))
    torch.testing.assert_close(process.log_snr(times), expected, rtol=1e-9, atol=1e-9)


def test_time_at_inverts_log_snr(process: Process) -> None:
    times = inner_times(process)
    torch.testing.assert_close(process.time_at(process.log_snr(times)), times, rtol=1e-9, atol=1e-11)
    low = process.t_max * torch.tensor([1e-6, 1e-4, 1e-3], dtype=torch.float64)
    torch.testing.assert_close(process.time_at(process.log_snr(low)), low, rtol=1e-9, atol=1e-11)


def test_time_at_is_clamped_to_the_range(process: Process) -> None:
    times = process.time_at(torch.tensor([math.inf, 200.0, -200.0, -math.inf], dtype=torch.float64))
    assert times[0] == 0.0
    assert 0.0 <= times[1] < 1e-9
    torch.testing.assert_close(times[2:], torch.full((2,), process.t_max, dtype=torch.float64))


@pytest.mark.parametrize("name", [name for name in PROCESSES if name not in {"rectified_flow", "variance_exploding"}])
def test_variance_is_preserved(name: str) -> None:
    times = torch.linspace(0, PROCESSES[name].t_max, 301, dtype=torch.float64)
    q = PROCESSES[name].alpha(times) ** 2 + PROCESSES[name].sigma(times) ** 2
    torch.testing.assert_close(q, torch.ones_like(q), rtol=0, atol=1e-14)


def test_known_values() -> None:
    t = torch.tensor(0.25, dtype=torch.float64)
    assert (RectifiedFlow().alpha(t).item(), RectifiedFlow().sigma(t).item()) == (0.75, 0.25)
    assert CosineVP().alpha(t).item() == pytest.approx(math.cos(math.pi / 8))
    # Song et al. 2021: alpha(1)^2 = exp(-integral of beta) = exp(-10.05)
    assert LinearVP().alpha(torch.ones(1, dtype=torch.float64)).item() == pytest.approx(math.exp(-10.05 / 2))
    assert VarianceExploding().sigma(t).item() == 0.25
    assert VarianceExploding().alpha(t).item() == 1.0


def test_alpha_is_exactly_zero_where_no_data_is_left() -> None:
    for name in ("rectified_flow", "cosine_vp", "discrete_vp_zero_terminal"):
        process = PROCESSES[name]
        end = torch.tensor([process.t_max], dtype=torch.float64)
        assert process.alpha(end).item() == 0.0
        assert process.sigma(end).item() == 1.0
        assert process.log_snr(end).item() == -math.inf


def test_discrete_steps_are_ddpm_alpha_bar() -> None:
    betas = beta_schedule("diffwave")
    process = DiscreteVP(betas)
    steps = torch.arange(1, 51, dtype=torch.float64)
    alpha_bar = torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), 0)
    torch.testing.assert_close(process.alpha(steps) ** 2, alpha_bar, rtol=1e-12, atol=0)
    torch.testing.assert_close(process.noise_label(steps), steps - 1.0)


def test_discrete_log_snr_is_linear_between_steps() -> None:
    process = PROCESSES["discrete_vp_diffwave"]
    at = process.log_snr(torch.tensor([7.0, 7.25, 8.0], dtype=torch.float64))
    assert at[1].item() == pytest.approx(0.75 * at[0].item() + 0.25 * at[2].item())


def test_diffwave_leaves_data_at_the_end_and_still_starts_from_unit_noise() -> None:
    process = PROCESSES["discrete_vp_diffwave"]
    end = torch.tensor([process.t_max], dtype=torch.float64)
    assert process.alpha(end).item() == pytest.approx(0.5288, abs=1e-4)
    assert process.sigma(end).item() == pytest.approx(0.8487, abs=1e-4)
    noise = torch.randn(2, 1, 5)
    torch.testing.assert_close(process.prior(noise), noise, rtol=0, atol=0)


def test_prior(process: Process) -> None:
    noise = torch.randn(2, 3, 5)
    expected = 80.0 * noise if isinstance(process, VarianceExploding) else noise
    start = process.prior(noise)
    torch.testing.assert_close(start, expected, rtol=0, atol=0)
    start.zero_()
    assert noise.abs().sum() > 0


def test_mix_uses_each_items_own_time(process: Process) -> None:
    x_0, noise = torch.randn(3, 2, 4), torch.randn(3, 2, 4)
    t = process.t_max * torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    mixed = process.mix(x_0, noise, t)
    for item in range(3):
        expected = process.alpha(t[item]).float() * x_0[item] + process.sigma(t[item]).float() * noise[item]
        torch.testing.assert_close(mixed[item], expected)
    assert mixed.dtype == torch.float32


def test_pad_to_refuses_times_that_are_not_per_item() -> None:
    refused("one time per item", lambda: pad_to(torch.ones(3), torch.ones(2, 1, 5)))


@pytest.mark.parametrize("betas", [(), (0.1,), (0.1, 0.0), (1.0, 0.1), (0.1, 1.5), (math.nan, 0.1)])
def test_impossible_tables_are_refused(betas: tuple[float, ...]) -> None:
    refused("at least two betas", lambda: DiscreteVP(betas))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(AudiodiffError):
        LinearVP(beta_min=2.0, beta_max=1.0)
    with pytest.raises(AudiodiffError):
        VarianceExploding(t_max=-1.0)


def test_two_betas_with_zero_terminal_snr_work() -> None:
    process = DiscreteVP((0.1, 1.0))
    times = torch.linspace(0.01, 1.99, 50, dtype=torch.float64)
    torch.testing.assert_close(process.time_at(process.log_snr(times)), times)
