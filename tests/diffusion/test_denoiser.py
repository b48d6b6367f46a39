from __future__ import annotations

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import EDM, X0, Denoiser, RectifiedFlow, VarianceExploding, Velocity, pad_to
from tests.diffusion.cases import PARAMETERIZATIONS, PROCESSES, defines_eps


class Spy:
    """A network that keeps what it was given."""

    def __call__(self, x: Tensor, c_noise: Tensor, cond: object) -> Tensor:
        self.x, self.c_noise, self.cond = x, c_noise, cond
        return torch.tanh(x)


@pytest.mark.parametrize("shape", [(3, 5), (3, 1, 7), (3, 2, 4, 6)])
def test_is_the_sentence(shape: tuple[int, ...]) -> None:
    process, row, spy = VarianceExploding(), EDM(0.5), Spy()
    t = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    x = torch.randn(shape)
    cond = object()
    x0_hat = Denoiser(spy, process, row)(x, t, cond)
    c_skip, c_out, c_in, c_noise = row.coefficients(process, t)
    torch.testing.assert_close(spy.x, pad_to(c_in, x) * x)
    torch.testing.assert_close(spy.c_noise, c_noise.float())
    assert spy.cond is cond
    torch.testing.assert_close(x0_hat, pad_to(c_skip, x) * x + pad_to(c_out, x) * torch.tanh(spy.x))


@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16, torch.float64])
def test_dtypes(given: torch.dtype) -> None:
    spy = Spy()
    denoiser = Denoiser(spy, RectifiedFlow(), Velocity(), compute_dtype=torch.bfloat16)
    x0_hat = denoiser(torch.randn(2, 1, 4, dtype=given), torch.tensor([0.3, 0.4]), torch.randn(2, 3))
    assert x0_hat.dtype == (torch.float64 if given == torch.float64 else torch.float32)
    assert spy.x.dtype == torch.bfloat16
    assert isinstance(spy.cond, Tensor)
    assert spy.cond.dtype == torch.bfloat16
    assert spy.c_noise.dtype == x0_hat.dtype


def test_integer_condition_is_left_alone() -> None:
    spy = Spy()
    labels = torch.tensor([1, 300])
    Denoiser(spy, RectifiedFlow(), X0(), compute_dtype=torch.bfloat16)(
        torch.randn(2, 4), torch.tensor([0.3, 0.4]), labels
    )
    assert spy.cond is labels


def test_one_time_serves_the_batch() -> None:
    spy = Spy()
    Denoiser(spy, RectifiedFlow(), X0())(torch.randn(3, 4), torch.tensor([0.3]))
    assert spy.c_noise.shape == (3,)


@pytest.mark.parametrize("name", PROCESSES)
def test_parameterizations_describe_the_same_estimate(name: str) -> None:
    """A network that answers with the target of the true x_0 gives x_0 back, on every row."""
    process = PROCESSES[name]
    generator = torch.Generator().manual_seed(0)
    t = process.t_max * torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    x_0 = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    x_t = process.mix(x_0, torch.randn(3, 6, generator=generator, dtype=torch.float64), t)
    rows = [row for name, row in PARAMETERIZATIONS.items() if name != "eps" or defines_eps(process)]
    for row in rows:
        c_skip, c_out, _, _ = row.coefficients(process, t)
        target = (x_0 - c_skip[:, None] * x_t) / c_out[:, None]
        x0_hat = Denoiser(lambda x, c_noise, cond, target=target: target, process, row)(x_t, t)  # type: ignore[misc]
        torch.testing.assert_close(x0_hat, x_0, rtol=1e-10, atol=1e-10)
