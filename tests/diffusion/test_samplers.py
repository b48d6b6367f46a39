from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    SAMPLERS,
    STOCHASTIC_SAMPLERS,
    Carry,
    Denoiser,
    Level,
    Noise,
    Parameterization,
    Past,
    Process,
    RectifiedFlow,
    Step,
    VarianceExploding,
    adams_pc,
    angle_grid,
    consistency,
    ddim,
    ddpm,
    dpmpp_2m_sde,
    euler,
    log_snr_grid,
    sample,
    uniform_grid,
    unipc,
)
from audiodiff.diffusion import samplers as samplers_module
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import DETERMINISTIC, PARAMETERIZATIONS, PROCESSES, STOCHASTIC, defines_eps
from tests.oracles import GAUSSIAN, OVERLAPPING, Mixture, quantile_grid
from tests.refusals import refused

ORDER = {"ddim": 1, "euler": 1, "heun": 2, "dpmpp_2m": 2, "unipc": 3, "adams_pc": 3}


def time(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def level(process: Process, t: Tensor) -> Level:
    return Level(float(process.alpha(t)), float(process.sigma(t)), 0.5 * float(process.log_snr(t)))


def slopes(errors: list[float]) -> list[float]:
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


def numbered_noise(x: Tensor) -> Noise:
    return lambda draw: torch.randn(x.shape, generator=torch.Generator().manual_seed(draw), dtype=x.dtype)


def test_every_name_makes_a_stepper() -> None:
    assert set(DETERMINISTIC) | set(STOCHASTIC) == set(SAMPLERS)
    assert set(STOCHASTIC) == STOCHASTIC_SAMPLERS


# --- order ------------------------------------------------------------------------------------------------------------


def middle_times(process: Process, steps: int) -> Tensor:
    """A smooth grid inside the process that meets the steps of DiffWave's table, where its derivatives jump."""
    u = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    if isinstance(process, VarianceExploding):
        return 0.08 * (10.0 / 0.08) ** u
    return process.t_max * (0.1 + 0.8 * u)


def global_error(process: Process, step: Step, times: Tensor) -> float:
    u = quantile_grid(24)
    x = OVERLAPPING.quantile(process, u, float(times[0]))[:, None]
    carry = None
    for t, s in pairwise(times):
        x, _, carry = step(OVERLAPPING.denoise(process), process, x, t, s, carry, None)
    exact = OVERLAPPING.quantile(process, u, float(times[-1]))[:, None]
    return float((x - exact).square().mean().sqrt())


@pytest.mark.parametrize("name", DETERMINISTIC)
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_global_order(name: str, process: Process) -> None:
    errors = [global_error(process, SAMPLERS[name](), middle_times(process, n)) for n in (40, 80)]
    observed = slopes(errors)[-1]
    # the first step of a multistep method is of lower order, and UniPC's weights are exact in their limit only
    lowest = {"unipc": 1.6, "dpmpp_2m": 1.6}.get(name, ORDER[name] - 0.3)
    assert lowest < observed < ORDER[name] + 0.6, errors


def exact_past(process: Process, x: Tensor, t: Tensor, before: Tensor) -> Past:
    """The estimate that an exact solver passing through ``x`` at ``t`` made at ``before``."""
    earlier = OVERLAPPING.flow(process, x, float(t), float(before))
    return Past(level(process, before), OVERLAPPING.x0_hat(process, earlier, before.reshape(1)))


def unequal_times(process: Process, h: float, ratio: float) -> list[Tensor]:
    """``lambda`` = -ratio * h, 0 and h as times."""
    return [process.time_at(time(2.0 * lam)) for lam in (-ratio * h, 0.0, h)]


STEPS = (0.06, 0.03, 0.015)


@pytest.mark.parametrize("name", ["dpmpp_2m", "unipc", "adams_pc"])
@pytest.mark.parametrize("ratio", [0.4, 2.5])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_local_order_from_exact_history_with_unequal_steps(name: str, ratio: float, process: Process) -> None:
    """One step of a second-order multistep method errs by h^3; with a wrong step ratio by h^2."""
    errors = []
    for h in STEPS:
        before, t, s = unequal_times(process, h, ratio)
        x = OVERLAPPING.quantile(process, quantile_grid(16), float(t))[:, None]
        carry = Carry((exact_past(process, x, t, before),))
        x_s = SAMPLERS[name]()(OVERLAPPING.denoise(process), process, x, t, s, carry, None).x_s
        errors.append(float((x_s - OVERLAPPING.flow(process, x, float(t), float(s))).abs().max()))
    assert slopes(errors)[-1] == pytest.approx(3.0, abs=0.2), errors


@pytest.mark.parametrize("name", ["unipc", "adams_pc"])
@pytest.mark.parametrize("ratio", [0.4, 2.5])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_local_order_of_the_corrector(name: str, ratio: float, process: Process) -> None:
    """Correcting a predicted state with the estimate made there gains one order: h^4."""
    errors = []
    step, denoise = SAMPLERS[name](), OVERLAPPING.denoise(process)
    for h in STEPS:
        before, t, s = unequal_times(process, h, ratio)
        x = OVERLAPPING.quantile(process, quantile_grid(16), float(t))[:, None]
        carry = Carry((exact_past(process, x, t, before),))
        predicted = step(denoise, process, x, t, s, carry, None)
        corrected = step(denoise, process, predicted.x_s, s, 0.9 * s, predicted.carry, None).carry
        assert corrected is not None
        assert corrected.x is not None
        errors.append(float((corrected.x - OVERLAPPING.flow(process, x, float(t), float(s))).abs().max()))
    assert slopes(errors)[-1] == pytest.approx(4.0, abs=0.3), errors


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_first_corrector_of_unipc_is_second_order(process: Process) -> None:
    errors = []
    for h in STEPS:
        _, t, s = unequal_times(process, h, 1.0)
        x = OVERLAPPING.quantile(process, quantile_grid(16), float(t))[:, None]
        predicted = unipc(OVERLAPPING.denoise(process), process, x, t, s, None, None)
        carry = unipc(OVERLAPPING.denoise(process), process, predicted.x_s, s, 0.9 * s, predicted.carry, None).carry
        assert carry is not None
        assert carry.x is not None
        errors.append(float((carry.x - OVERLAPPING.flow(process, x, float(t), float(s))).abs().max()))
    assert slopes(errors)[-1] == pytest.approx(3.0, abs=0.3), errors


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_adams_pc_is_exact_on_gaussian_data_of_its_scale(process: Process) -> None:
    """However long the steps, from pure noise on, given exact history."""
    data = Mixture((1.0,), (0.3,), (0.25,))
    times = angle_grid(process, 4)
    x = data.quantile(process, quantile_grid(8), float(times[1]))[:, None]
    earlier = data.flow(process, x, float(times[1]), float(times[0]))
    past = Past(level(process, times[0]), data.x0_hat(process, earlier, times[:1]))
    for s in times[2:]:
        x_s = adams_pc(0.25)(data.denoise(process), process, x, times[1], s, Carry((past,)), None).x_s
        torch.testing.assert_close(x_s, data.flow(process, x, float(times[1]), float(s)), rtol=0, atol=2e-9)


@pytest.mark.parametrize(
    "process", [RectifiedFlow(), VarianceExploding()], ids=["rectified_flow", "variance_exploding"]
)
def test_euler_is_ddim_where_the_path_is_straight(process: Process) -> None:
    x = process.prior(torch.randn(4, 3, dtype=torch.float64))
    grid = angle_grid(process, 7)
    denoise = OVERLAPPING.denoise(process)
    torch.testing.assert_close(
        sample(euler, denoise, process, x, grid), sample(ddim(), denoise, process, x, grid), rtol=1e-9, atol=1e-9
    )


def test_euler_is_not_ddim_on_a_curved_path() -> None:
    process = PROCESSES["cosine_vp"]
    x = process.prior(torch.randn(4, 3, dtype=torch.float64))
    results = [sample(s, OVERLAPPING.denoise(process), process, x, uniform_grid(process, 7)) for s in (euler, ddim())]
    assert (results[0] - results[1]).abs().max() > 1e-3


# --- every process x parameterization x stepper -----------------------------------------------------------------------


class ExactNetwork:
    """Answers with whatever a parameterization asks for, so that the estimate is the exact one."""

    def __init__(self, process: Process, row: Parameterization) -> None:
        self.process, self.row = process, row
        self.t = torch.zeros(1)

    def __call__(self, x: Tensor, c_noise: Tensor, cond: object) -> Tensor:
        c_skip, c_out, c_in, _ = (value[:, None] for value in self.row.coefficients(self.process, self.t))
        state = x / c_in
        return (OVERLAPPING.x0_hat(self.process, state, self.t) - c_skip * state) / c_out


def sample_through(process: Process, row: Parameterization, step: Step) -> Tensor:
    network = ExactNetwork(process, row)
    denoiser = Denoiser(network, process, row)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        network.t = t
        return denoiser(x, t)

    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x = process.prior(start)
    return sample(step, denoise, process, x, angle_grid(process, 10), numbered_noise(x))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_parameterizations_give_the_same_samples(name: str, process: Process) -> None:
    step = SAMPLERS[name]()
    reference = sample_through(process, PARAMETERIZATIONS["x0"], step)
    assert torch.isfinite(reference).all()
    for row_name, row in PARAMETERIZATIONS.items():
        if row_name == "eps" and not defines_eps(process):
            continue
        torch.testing.assert_close(sample_through(process, row, step), reference, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_point_mass_is_hit_exactly(name: str, process: Process) -> None:
    point = torch.full((2, 5), 0.7, dtype=torch.float64)
    x = process.prior(torch.randn(2, 5, dtype=torch.float64))
    for steps in (1, 2, 7):
        result = sample(
            SAMPLERS[name](), lambda x, t: point, process, x, uniform_grid(process, steps), numbered_noise(x)
        )
        torch.testing.assert_close(result, point, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_float32_follows_float64(name: str, process: Process) -> None:
    x = process.prior(torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    exact = numbered_noise(x)
    grid = angle_grid(process, 12)
    fine = sample(SAMPLERS[name](), OVERLAPPING.denoise(process), process, x, grid, exact)
    coarse = sample(
        SAMPLERS[name](), OVERLAPPING.denoise(process), process, x.float(), grid, lambda draw: exact(draw).float()
    )
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse.double(), fine, rtol=0, atol=1e-4)


# --- stochastic steppers ----------------------------------------------------------------------------------------------


def exact_moments(
    process: Process, step: Step, denoise: Callable[[Tensor, Tensor], Tensor], times: Tensor
) -> tuple[float, float]:
    """Mean and variance of the samples, without sampling.

    On Gaussian data every stepper is affine in the start and in each draw: one batch item per draw measures its gain.
    """
    total = len(times) - 1
    unit = torch.eye(total + 2, dtype=torch.float64)
    alpha, sigma = float(process.alpha(times[0])), float(process.sigma(times[0]))
    start_std = math.sqrt((alpha * GAUSSIAN.std) ** 2 + sigma**2)
    x = alpha * GAUSSIAN.mean + start_std * unit[:, 1:2]
    result = sample(step, denoise, process, x, times, lambda draw: unit[:, draw + 1 : draw + 2])[:, 0]
    return float(result[0]), float((result[1:] - result[0]).square().sum())


@pytest.mark.parametrize("step", [ddpm, ddim(0.5), ddim(1.0), dpmpp_2m_sde], ids=["ddpm", "ddim_half", "ddim_1", "sde"])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_stochastic_steppers_keep_mean_and_variance(step: Step, process: Process) -> None:
    errors = []
    for steps in (100, 200):
        mean, variance = exact_moments(process, step, GAUSSIAN.denoise(process), log_snr_grid(process, steps, 0.01))
        assert mean == pytest.approx(GAUSSIAN.mean, abs=2e-3)
        errors.append(abs(variance / GAUSSIAN.std**2 - 1.0))
    assert errors[1] < 0.05
    assert errors[1] < 0.6 * errors[0] or errors[1] < 1e-3


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
@pytest.mark.parametrize("steps", [1, 3])
def test_exact_consistency_function_keeps_mean_and_variance(process: Process, steps: int) -> None:
    def consistency_function(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha(t)[:, None], process.sigma(t)[:, None]
        unit = x - alpha * GAUSSIAN.mean
        return GAUSSIAN.mean + GAUSSIAN.std * unit / torch.sqrt((alpha * GAUSSIAN.std) ** 2 + sigma**2)

    mean, variance = exact_moments(process, consistency, consistency_function, uniform_grid(process, steps))
    assert mean == pytest.approx(GAUSSIAN.mean, abs=1e-12)
    assert variance == pytest.approx(GAUSSIAN.std**2, rel=1e-12)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_ddpm_is_ddim_with_eta_one(process: Process) -> None:
    x = process.prior(torch.randn(3, 4, dtype=torch.float64))
    results = [
        sample(step, OVERLAPPING.denoise(process), process, x, angle_grid(process, 9), numbered_noise(x))
        for step in (ddpm, ddim(1.0))
    ]
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_steppers_ask_for_noise(name: str) -> None:
    with pytest.raises(AudiodiffError, match="pass noise="):
        sample(SAMPLERS[name](), lambda x, t: x, RectifiedFlow(), torch.zeros(1, 2), uniform_grid(RectifiedFlow(), 2))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_every_step_has_its_own_draw_and_the_prior_keeps_draw_0(name: str) -> None:
    asked: list[int] = []

    def noise(draw: int) -> Tensor:
        asked.append(draw)
        return torch.zeros(1, 2)

    sample(
        SAMPLERS[name](), lambda x, t: x, RectifiedFlow(), torch.zeros(1, 2), uniform_grid(RectifiedFlow(), 4), noise
    )
    assert asked == [1, 2, 3]


# --- the loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLERS)
def test_network_calls(name: str) -> None:
    calls: list[float] = []

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        assert t.shape == (2,)
        calls.append(float(t[0]))
        return 0.5 * x

    x = torch.ones(2, 1, 3)
    sample(SAMPLERS[name](), denoise, RectifiedFlow(), x, uniform_grid(RectifiedFlow(), 5), lambda draw: x)
    assert len(calls) == (9 if name == "heun" else 5)
    assert min(calls) > 0.0


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_item_does_not_depend_on_its_batch(name: str) -> None:
    process = PROCESSES["linear_vp"]
    x = torch.randn(3, 1, 6, dtype=torch.float64)
    noise = numbered_noise(x)
    grid = uniform_grid(process, 6)
    together = sample(SAMPLERS[name](), OVERLAPPING.denoise(process), process, x, grid, noise)
    alone = sample(SAMPLERS[name](), OVERLAPPING.denoise(process), process, x[1:2], grid, lambda draw: noise(draw)[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-12)


def test_on_step_sees_every_step_and_can_stop() -> None:
    seen: list[tuple[int, int]] = []
    x = torch.zeros(1, 4)

    def watch(index: int, total: int, x0_hat: Tensor) -> None:
        assert x0_hat.shape == x.shape
        seen.append((index, total))

    sample(ddim(), lambda x, t: x, RectifiedFlow(), x, uniform_grid(RectifiedFlow(), 3), on_step=watch)
    assert seen == [(0, 3), (1, 3), (2, 3)]

    calls = []

    def stop(index: int, total: int, x0_hat: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(
            ddim(),
            lambda x, t: calls.append(1) or x,
            RectifiedFlow(),
            x,
            uniform_grid(RectifiedFlow(), 3),
            on_step=stop,
        )
    assert len(calls) == 1


@pytest.mark.parametrize("times", [[0.5], [0.5, 0.7, 0.0], [0.9, 0.5, 0.1], [1.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
def test_bad_grids_are_refused(times: list[float]) -> None:
    with pytest.raises(AudiodiffError):
        sample(ddim(), lambda x, t: x, RectifiedFlow(), torch.zeros(1, 2), torch.tensor(times))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(AudiodiffError):
        ddim(1.5)
    with pytest.raises(AudiodiffError):
        adams_pc(0.0)


def test_diffwave_update_is_ddpm_on_a_fast_grid() -> None:
    """DiffWave's own inference update, written out from its six betas, on the same noise."""
    from audiodiff.diffusion import beta_schedule, betas_grid

    process = PROCESSES["discrete_vp_diffwave"]
    betas = beta_schedule("diffwave_fast_6")
    grid = betas_grid(process, betas)
    assert len(grid) == 7
    x = torch.randn(2, 1, 8, dtype=torch.float64)
    noise = numbered_noise(x)
    ours = sample(ddpm, OVERLAPPING.denoise(process), process, x, grid, noise)

    bars = torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), 0)
    state = x
    for index, n in enumerate(reversed(range(6))):
        x0_hat = OVERLAPPING.x0_hat(process, state, grid[index : index + 1])
        eps = (state - bars[n].sqrt() * x0_hat) / (1 - bars[n]).sqrt()
        state = (state - betas[n] / (1 - bars[n]).sqrt() * eps) / math.sqrt(1 - betas[n])
        if n > 0:
            state = state + ((1 - bars[n - 1]) / (1 - bars[n]) * betas[n]).sqrt() * noise(index + 1)
    torch.testing.assert_close(ours, state, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_is_given_in_the_same_ways(name: str) -> None:
    process = RectifiedFlow()
    x = torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(0))

    def run(step: Any) -> Tensor:
        return sample(
            step, lambda x, t: 0.5 * x, process, x, uniform_grid(process, 4), noise=lambda draw: torch.ones_like(x)
        )

    expected = run(SAMPLERS[name]())
    for step in (name, getattr(samplers_module, name)):
        assert torch.equal(run(step), expected)


@pytest.mark.parametrize("step", ["magic", None, 3])
def test_what_is_no_sampler_is_one_sentence(step: Any) -> None:
    process = RectifiedFlow()
    refused("sampler", lambda: sample(step, lambda x, t: x, process, torch.zeros(1, 1, 4), uniform_grid(process, 2)))
