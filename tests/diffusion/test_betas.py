from __future__ import annotations

import numpy as np
import pytest
import torch

from audiodiff.diffusion import (
    BETA_SCHEDULES,
    DiscreteVP,
    beta_schedule,
    cosine_betas,
    linear_betas,
    scaled_linear_betas,
    zero_terminal_snr,
)
from audiodiff.errors import AudiodiffError
from tests.refusals import refused


@pytest.mark.parametrize("name", BETA_SCHEDULES)
def test_every_named_table_is_a_process(name: str) -> None:
    assert DiscreteVP(beta_schedule(name)).t_max == len(beta_schedule(name))


def test_tables_agree_with_numpy() -> None:
    np.testing.assert_allclose(beta_schedule("diffwave"), np.linspace(1e-4, 0.05, 50), rtol=1e-12)
    np.testing.assert_allclose(beta_schedule("wavegrad"), np.linspace(1e-6, 0.01, 1000), rtol=1e-12)
    np.testing.assert_allclose(linear_betas(1000), np.linspace(1e-4, 0.02, 1000), rtol=1e-12)
    np.testing.assert_allclose(scaled_linear_betas(10), np.linspace(0.00085**0.5, 0.012**0.5, 10) ** 2, rtol=1e-12)


def test_tables_agree_with_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    for ours, kind, end in (
        (cosine_betas(100), "squaredcos_cap_v2", 0.02),
        (linear_betas(100), "linear", 0.02),
    ):
        theirs = diffusers.DDPMScheduler(100, beta_start=1e-4, beta_end=end, beta_schedule=kind).betas
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-5)
    rescaled = diffusers.DDPMScheduler(
        50, trained_betas=np.array(beta_schedule("diffwave")), rescale_betas_zero_snr=True
    )
    np.testing.assert_allclose(
        zero_terminal_snr(beta_schedule("diffwave")), rescaled.betas.numpy(), rtol=1e-5, atol=1e-6
    )


def test_fast_schedules_as_published() -> None:
    assert beta_schedule("diffwave_fast_6") == (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5)
    lengths = {name: len(beta_schedule(name)) for name in BETA_SCHEDULES if "fast_" in name}
    assert all(name.endswith(f"_{length}") for name, length in lengths.items())
    # DiffWave's aligned steps: alpha-bar of the six-step table
    bars = torch.cumprod(1.0 - torch.tensor(beta_schedule("diffwave_fast_6"), dtype=torch.float64), 0)
    torch.testing.assert_close(
        bars,
        torch.tensor([0.9999, 0.9989001, 0.9889111, 0.9394655, 0.7515724, 0.3757862], dtype=torch.float64),
        rtol=0,
        atol=5e-8,
    )


def test_zero_terminal_snr_keeps_the_start_and_empties_the_end() -> None:
    betas = beta_schedule("diffwave")
    rescaled = zero_terminal_snr(betas)
    assert rescaled[0] == pytest.approx(betas[0], rel=1e-9)
    assert rescaled[-1] == 1.0
    end = torch.tensor([50.0], dtype=torch.float64)
    assert DiscreteVP(rescaled).alpha(end).item() == 0.0


def test_bad_tables_are_refused() -> None:
    refused("expected one of", lambda: beta_schedule("nonsense"))
    with pytest.raises(AudiodiffError):
        linear_betas(1)
    with pytest.raises(AudiodiffError):
        zero_terminal_snr((0.1, 1.0))
