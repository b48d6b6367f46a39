"""A process of two coefficients is the process that states everything."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import SAMPLERS, CosineVP, GaussianProcess, Process, RectifiedFlow, sample, uniform_grid


class Line(GaussianProcess):
    def alpha(self, t: Tensor) -> Tensor:
        return 1.0 - t

    def sigma(self, t: Tensor) -> Tensor:
        return t.clone()


class Circle(GaussianProcess):
    def alpha(self, t: Tensor) -> Tensor:
        return torch.sin(0.5 * math.pi * (1.0 - t))

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sin(0.5 * math.pi * t)


class Growing(GaussianProcess):
    def alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        return t**2


PAIRS = pytest.mark.parametrize(("ours", "stated"), [(Line(), RectifiedFlow()), (Circle(), CosineVP())])


@PAIRS
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_everything_follows_from_two_coefficients(ours: Process, stated: Process, mode: type) -> None:
    assert isinstance(ours, Process)
    t = torch.linspace(0.01, 0.99, 37, dtype=torch.float64)
    with mode():
        for name in ("alpha", "sigma", "alpha_dot", "sigma_dot", "log_snr", "noise_label"):
            torch.testing.assert_close(getattr(ours, name)(t), getattr(stated, name)(t), rtol=1e-9, atol=1e-12)
        levels = torch.linspace(-60.0, 60.0, 25, dtype=torch.float64)
        torch.testing.assert_close(ours.time_at(levels), stated.time_at(levels), rtol=1e-9, atol=1e-12)
    assert ours.t_max == stated.t_max


def test_a_constant_coefficient_has_no_slope() -> None:
    t = torch.tensor([0.25, 0.5])
    assert Growing().alpha_dot(t).tolist() == [0.0, 0.0]
    assert Growing().sigma_dot(t).tolist() == [0.5, 1.0]


@PAIRS
def test_samples_are_the_same(ours: Process, stated: Process) -> None:
    noise = torch.randn(2, 1, 50, generator=torch.Generator().manual_seed(0))
    x_0 = torch.ones_like(noise)
    t = torch.tensor([0.25, 0.75])
    torch.testing.assert_close(ours.mix(x_0, noise, t), stated.mix(x_0, noise, t))
    found = [
        sample(SAMPLERS["dpmpp_2m"](), lambda x, t: torch.tanh(x), each, each.prior(noise), uniform_grid(each, 5))
        for each in (ours, stated)
    ]
    torch.testing.assert_close(*found)
