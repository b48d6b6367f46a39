from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    EDM,
    X0,
    Consistency,
    Denoiser,
    EDMWeight,
    Eps,
    LinearVP,
    MinSNR,
    RectifiedFlow,
    V,
    VarianceExploding,
    Velocity,
    denoising_loss,
    length_mask,
    masked_mean,
    uniform_weight,
)
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import PARAMETERIZATIONS, PROCESSES, defines_eps
from tests.refusals import refused


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(3, 1, 8, generator=generator, dtype=torch.float64),
        torch.randn(3, 1, 8, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("row", PARAMETERIZATIONS)
@pytest.mark.parametrize("name", PROCESSES)
def test_network_error_is_x0_error_over_c_out(name: str, row: str) -> None:
    process, parameterization = PROCESSES[name], PARAMETERIZATIONS[row]
    if row == "eps" and not defines_eps(process):
        return
    denoiser = Denoiser(lambda x, c_noise, cond: torch.sin(x), process, parameterization)
    x_0, noise = batch()
    t = process.t_max * torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    loss = denoising_loss(denoiser, x_0, None, t, noise)
    torch.testing.assert_close(loss.x_t, process.mix(x_0, noise, t))
    torch.testing.assert_close(loss.x0_hat, denoiser(loss.x_t, t))
    c_out = parameterization.coefficients(process, t).c_out
    expected = (loss.x0_hat - x_0).square().mean((1, 2)) / c_out**2
    torch.testing.assert_close(loss.per_item, expected, rtol=1e-8, atol=1e-10)


def test_right_answers_cost_nothing() -> None:
    x_0, noise = batch()
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    for row, target in ((X0(), x_0), (Velocity(), noise - x_0)):
        denoiser = Denoiser(lambda x, c_noise, cond, target=target: target, RectifiedFlow(), row)  # type: ignore[misc]
        assert denoising_loss(denoiser, x_0, None, t, noise).per_item.abs().max() < 1e-24


@pytest.mark.parametrize("row", PARAMETERIZATIONS)
def test_a_teacher_decides_what_the_estimate_is_to_be(row: str) -> None:
    x_0, noise = batch()
    process, t = LinearVP(), torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    denoiser = Denoiser(lambda x, c_noise, cond: 0.3 * x, process, PARAMETERIZATIONS[row])
    own = denoising_loss(denoiser, x_0, None, t, noise)
    taught = denoising_loss(denoiser, x_0, None, t, noise, wanted=own.x0_hat)
    assert torch.equal(taught.x_t, own.x_t)  # the state stays that of the data
    torch.testing.assert_close(taught.per_item, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-20)
    assert (own.per_item > 1e-3).all()


def test_small_times_keep_their_digits_in_float32() -> None:
    """The velocity target is noise - x_0 at every t; dividing x_0 - x_t by t would lose it."""
    x_0, noise = (value.float() for value in batch())
    denoiser = Denoiser(lambda x, c_noise, cond: noise - x_0, RectifiedFlow(), Velocity())
    t = torch.full((3,), 1e-6, dtype=torch.float64)
    assert denoising_loss(denoiser, x_0, None, t, noise).per_item.max() < 1e-12


def weighted(row: object, process: object, weighting: object, t: Tensor) -> Tensor:
    x_0, noise = batch()
    denoiser = Denoiser(lambda x, c_noise, cond: 0.0 * x, process, row)  # type: ignore[arg-type]
    plain = denoising_loss(denoiser, x_0, None, t, noise)
    heavy = denoising_loss(denoiser, x_0, None, t, noise, weighting=weighting)  # type: ignore[arg-type]
    return heavy.per_item / plain.per_item


def test_weightings_against_their_papers() -> None:
    t = torch.tensor([0.05, 0.4, 0.9], dtype=torch.float64)
    process = LinearVP()
    snr = process.alpha(t) ** 2 / process.sigma(t) ** 2
    capped = torch.minimum(snr, torch.tensor(5.0))
    assert (snr > 5.0).any()
    assert (snr < 5.0).any()
    torch.testing.assert_close(weighted(Eps(), process, MinSNR(), t), capped / snr)
    torch.testing.assert_close(weighted(V(), process, MinSNR(), t), capped / (snr + 1))
    torch.testing.assert_close(weighted(X0(), process, MinSNR(), t), capped)
    torch.testing.assert_close(weighted(X0(), process, uniform_weight, t), torch.ones(3, dtype=torch.float64))
    sigma, sd = torch.tensor([0.02, 0.7, 30.0], dtype=torch.float64), 0.5
    karras = (sigma**2 + sd**2) / (sigma * sd) ** 2
    torch.testing.assert_close(weighted(X0(), VarianceExploding(), EDMWeight(sd), sigma), karras)
    torch.testing.assert_close(weighted(EDM(sd), VarianceExploding(), EDMWeight(sd), sigma), torch.ones_like(sigma))


def test_mask_leaves_out_what_is_beyond_the_length() -> None:
    mask = length_mask(torch.tensor([8, 3, 0]), 8)
    assert mask.shape == (3, 1, 8)
    assert mask.sum((1, 2)).tolist() == [8, 3, 0]
    x_0, noise = batch()
    t = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    denoiser = Denoiser(lambda x, c_noise, cond: torch.cos(3 * x), RectifiedFlow(), Velocity())
    masked = denoising_loss(denoiser, x_0, None, t, noise, mask=mask).per_item
    whole = denoising_loss(denoiser, x_0, None, t, noise).per_item
    cut = denoising_loss(denoiser, x_0[1:2, :, :3], None, t[1:2], noise[1:2, :, :3]).per_item
    torch.testing.assert_close(masked[0], whole[0])
    torch.testing.assert_close(masked[1:2], cut)
    assert masked[2] == 0.0
    polluted = torch.where(mask, x_0, torch.full_like(x_0, math.nan))
    torch.testing.assert_close(denoising_loss(denoiser, polluted, None, t, noise, mask=mask).per_item, masked)


def test_mask_broadcasts_over_channels_and_weighs() -> None:
    error = torch.arange(12.0).reshape(1, 2, 6)
    mask = torch.tensor([1.0, 0.5, 0.0, 0.0, 0.0, 0.0]).reshape(1, 1, 6)
    assert masked_mean(error, mask).item() == pytest.approx((0 + 6 + 0.5 * (1 + 7)) / 3.0)
    refused("broadcast", lambda: masked_mean(error, torch.ones(1, 1, 5)))


def test_metric_decides_the_error() -> None:
    x_0, noise = batch()
    t = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    denoiser = Denoiser(lambda x, c_noise, cond: 0.0 * x, RectifiedFlow(), X0())
    loss = denoising_loss(denoiser, x_0, None, t, noise, metric=torch.abs)
    torch.testing.assert_close(loss.per_item, x_0.abs().mean((1, 2)))
    spectral = denoising_loss(
        denoiser, x_0, None, t, noise, metric=lambda difference: torch.fft.rfft(difference, norm="ortho").abs() ** 2
    )
    assert spectral.per_item.shape == (3,)


def test_gradient_reaches_the_network_only_through_valid_positions() -> None:
    weight = torch.ones(1, 1, 8, dtype=torch.float64, requires_grad=True)
    x_0, noise = batch()
    denoiser = Denoiser(lambda x, c_noise, cond: weight * x, RectifiedFlow(), Velocity())
    mask = length_mask(torch.tensor([3, 3, 3]), 8)
    denoising_loss(denoiser, x_0, None, torch.full((3,), 0.5), noise, mask=mask).per_item.sum().backward()
    assert weight.grad is not None
    assert (weight.grad[..., :3] != 0).all()
    assert (weight.grad[..., 3:] == 0).all()


def test_times_without_a_target_are_refused() -> None:
    x_0, noise = batch()
    denoiser = Denoiser(lambda x, c_noise, cond: x, RectifiedFlow(), Velocity())
    refused("draw t inside", lambda: denoising_loss(denoiser, x_0, None, torch.tensor([0.0, 0.5, 0.5]), noise))
    boundary = Denoiser(lambda x, c_noise, cond: x, VarianceExploding(), Consistency(0.5, 0.002))
    with pytest.raises(AudiodiffError, match="above t_min"):
        denoising_loss(boundary, x_0, None, torch.tensor([0.002, 0.5, 0.5], dtype=torch.float64), noise)
    refused("shape of x_0", lambda: denoising_loss(denoiser, x_0, None, torch.tensor([0.5, 0.5, 0.5]), noise[:1]))


def test_bad_weights_are_refused() -> None:
    with pytest.raises(AudiodiffError):
        MinSNR(0.0)
    with pytest.raises(AudiodiffError):
        EDMWeight(-1.0)
