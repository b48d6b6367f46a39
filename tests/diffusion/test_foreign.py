"""Our denoisers under the samplers of diffusers and k-diffusion, and k-diffusion's models under ours."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    CosineVP,
    Denoiser,
    DiscreteVP,
    Eps,
    Process,
    RectifiedFlow,
    SigmaGrid,
    V,
    VarianceExploding,
    as_k_diffusion,
    explicit_grid,
    from_diffusers,
    from_k_diffusion,
    linear_betas,
    sample,
    sample_with_diffusers,
)
from audiodiff.errors import AudiodiffError
from tests.oracles import OVERLAPPING, load_k_diffusion_sampling

# raised inside diffusers with recent numpy
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SIGMAS = SigmaGrid(0.01, 20.0)


def unit() -> Tensor:
    return torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(scope="module")
def k_sampling() -> Any:
    module = load_k_diffusion_sampling()
    if module is None:
        pytest.skip("k-diffusion is not installed; `pip install --no-deps k-diffusion` is enough")
    return module


@pytest.fixture(scope="module")
def k_external(k_sampling: Any) -> Any:
    """`k_diffusion/external.py` alone: its wrappers of networks."""
    found = importlib.util.find_spec("k_diffusion")
    assert found is not None
    assert found.submodule_search_locations
    source = Path(next(iter(found.submodule_search_locations))) / "external.py"
    package, utils = types.ModuleType("k_external_part"), types.ModuleType("k_external_part.utils")
    utils.append_dims = lambda x, n: x[(...,) + (None,) * (n - x.ndim)]  # type: ignore[attr-defined]
    package.sampling, package.utils, package.__path__ = k_sampling, utils, []  # type: ignore[attr-defined]
    stubs = {"k_external_part": package, "k_external_part.utils": utils, "k_external_part.sampling": k_sampling}
    spec = importlib.util.spec_from_file_location("k_external_part.external", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.update(stubs)
    try:
        spec.loader.exec_module(module)
    finally:
        for name in stubs:
            del sys.modules[name]
    return module


@pytest.mark.parametrize(
    "process", [RectifiedFlow(), CosineVP(), DiscreteVP(linear_betas(1000))], ids=["flow", "cosine", "table"]
)
def test_our_denoisers_under_the_samplers_of_k_diffusion(k_sampling: Any, process: Process) -> None:
    """One law of data: whatever process its denoiser has, the sampler sees the same denoised."""
    plain = VarianceExploding()
    grid = SIGMAS(plain, 12)
    expected = sample("dpmpp_2m", OVERLAPPING.denoise(plain), plain, 20.0 * unit(), grid)
    model = as_k_diffusion(OVERLAPPING.denoise(process), process)
    result = k_sampling.sample_dpmpp_2m(model, 20.0 * unit(), grid, disable=True)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m", "unipc"])
def test_models_of_k_diffusion_under_our_samplers(k_external: Any, sampler: str) -> None:
    """A v network in k-diffusion's wrapper, sampled on the cosine process, is the network in our own denoiser."""

    def network(x: Tensor, c_noise: Tensor, cond: object = None) -> Tensor:
        return torch.sin(2.0 * x + c_noise.to(x.dtype).reshape(-1, 1))

    process = CosineVP()
    grid = SIGMAS(process, 9)
    theirs = from_k_diffusion(k_external.VDenoiser(network), process)
    expected = sample(sampler, Denoiser(network, process, V()), process, unit(), grid)
    torch.testing.assert_close(sample(sampler, theirs, process, unit(), grid), expected, rtol=1e-5, atol=1e-5)


def test_their_wrapper_of_a_noise_network_is_our_denoiser(k_external: Any) -> None:
    def network(x: Tensor, c_noise: Tensor, cond: object = None) -> Tensor:
        return torch.sin(2.0 * x + c_noise.to(x.dtype).reshape(-1, 1) / 300.0)

    process = DiscreteVP(linear_betas(1000))
    alphas_cumprod = torch.cumprod(1.0 - torch.tensor(process.betas, dtype=torch.float64), 0)
    theirs = k_external.DiscreteEpsDDPMDenoiser(network, alphas_cumprod, quantize=False)
    ours = as_k_diffusion(Denoiser(network, process, Eps()), process)
    sigma = torch.tensor([0.02, 0.5, 3.0, 100.0], dtype=torch.float64)
    x = (1.0 + sigma[:, None]) * unit()[:4]
    torch.testing.assert_close(ours(x, sigma), theirs(x, sigma), rtol=1e-5, atol=1e-5)


def test_what_is_beyond_a_process_is_refused() -> None:
    table = DiscreteVP(linear_betas(1000))
    model = as_k_diffusion(OVERLAPPING.denoise(table), table)
    with pytest.raises(AudiodiffError, match="above 157"):
        model(unit(), torch.full((8,), 200.0))
    denoise = from_k_diffusion(lambda x, sigma: x, CosineVP())
    with pytest.raises(AudiodiffError, match="infinite"):
        sample("ddim", denoise, CosineVP(), unit(), explicit_grid(CosineVP(), [1.0, 0.5]))


THEIRS: dict[str, dict[str, Any]] = {
    "DDIMScheduler": {"clip_sample": False, "timestep_spacing": "trailing"},
    "DPMSolverMultistepScheduler": {"prediction_type": "v_prediction"},
    "UniPCMultistepScheduler": {"prediction_type": "sample"},
    "EulerDiscreteScheduler": {"use_karras_sigmas": True, "prediction_type": "v_prediction"},
    "EulerAncestralDiscreteScheduler": {"timestep_spacing": "trailing"},
    "FlowMatchEulerDiscreteScheduler": {"shift": 2.0},
    "FlowMatchHeunDiscreteScheduler": {},
    "EDMEulerScheduler": {},
    "EDMDPMSolverMultistepScheduler": {"prediction_type": "v_prediction", "sigma_max": 40.0},
}


@pytest.mark.parametrize("name", THEIRS)
def test_our_denoisers_under_the_schedulers_of_diffusers(name: str) -> None:
    """The denoiser lives on a process of another kind than the scheduler's own; the law of data is one."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = getattr(diffusers, name)(**THEIRS[name])
    stochastic = "Ancestral" in name
    process = CosineVP()
    generator = torch.Generator().manual_seed(5) if stochastic else None
    result = sample_with_diffusers(scheduler, OVERLAPPING.denoise(process), process, unit(), 20, generator=generator)
    config = {"_class_name": name, **THEIRS[name]}
    if name.startswith("EDM"):
        config["prediction_type"] = "epsilon"
    settings = from_diffusers(config)
    own, grid = settings.process, settings.grid(settings.process, 20)
    drawn = torch.Generator().manual_seed(5)
    size = torch.hypot(own.alpha(grid[:1]), own.sigma(grid[:1]))
    expected = sample(
        settings.sampler,
        OVERLAPPING.denoise(own),
        own,
        size * unit(),
        grid,
        lambda draw: torch.randn(8, 2, generator=drawn, dtype=torch.float64),
    )
    torch.testing.assert_close(result, expected, rtol=0, atol=2e-3)


def test_what_is_no_scheduler_is_refused() -> None:
    with pytest.raises(AudiodiffError, match="not a scheduler"):
        sample_with_diffusers(object(), OVERLAPPING.denoise(CosineVP()), CosineVP(), unit(), 3)
