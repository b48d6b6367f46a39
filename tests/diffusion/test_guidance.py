from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion import (
    SAMPLERS,
    Denoiser,
    Eps,
    LinearVP,
    RectifiedFlow,
    V,
    angle_grid,
    auto_guidance,
    classifier_free,
    ddim,
    dynamic_thresholding,
    interval,
    region_mask,
    rescale,
    sample,
    uniform_grid,
)
from audiodiff.errors import AudiodiffError
from tests.diffusion.cases import PROCESSES
from tests.oracles import Mixture
from tests.refusals import refused


class TwoClasses:
    """cond = True or False picks one of two constants; None is their mean. Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, t: Tensor, cond: object) -> Tensor:
        self.calls += 1
        value = {True: 1.0, False: -1.0, None: 0.2}[cond]  # type: ignore[index]
        return value * torch.ones_like(x) + 0.1 * x


X, T = torch.randn(2, 1, 5, dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)


def test_scale_one_is_the_condition_alone_and_zero_its_absence() -> None:
    model = TwoClasses()
    for scale, cond in ((1.0, True), (0.0, None)):
        model.calls = 0
        torch.testing.assert_close(classifier_free(model, True, None, scale)(X, T), model(X, T, cond), rtol=0, atol=0)
        assert model.calls == 2


def test_classifier_free_extrapolates() -> None:
    model = TwoClasses()
    guided = classifier_free(model, True, None, 3.0)(X, T)
    assert model.calls == 2
    torch.testing.assert_close(guided, 0.2 + 3.0 * 0.8 + 0.1 * X)


def test_guidance_is_the_same_on_noise_as_on_data() -> None:
    """Guiding the network's noise prediction and guiding x0_hat are the same sampler."""
    process = LinearVP()

    def network(x: Tensor, c_noise: Tensor, cond: float) -> Tensor:
        return torch.tanh(x + cond)

    for row in (Eps(), V()):
        ours = classifier_free(Denoiser(network, process, row), 0.7, 0.0, 2.5)(X, T)
        mixed = Denoiser(
            lambda x, c, _: network(x, c, 0.0) + 2.5 * (network(x, c, 0.7) - network(x, c, 0.0)), process, row
        )
        torch.testing.assert_close(ours, mixed(X, T, None))


def test_guided_score_of_two_classes_is_exact() -> None:
    """p(class | x)^(scale - 1) tilts the class density; on two Gaussians that has a closed form."""
    process, scale = RectifiedFlow(), 2.0
    classes = {c: Mixture((1.0,), (m,), (0.5,)) for c, m in ((0, -0.6), (1, 0.6))}
    both = Mixture((0.5, 0.5), (-0.6, 0.6), (0.5, 0.5))

    def model(x: Tensor, t: Tensor, cond: int | None) -> Tensor:
        return (both if cond is None else classes[cond]).x0_hat(process, x, t)

    guided = classifier_free(model, 1, None, scale)(X, T)
    x = X.clone().requires_grad_()
    variance = (0.5 * 0.5) ** 2 + 0.5**2
    log_class = [-((x - 0.5 * m) ** 2) / (2 * variance) for m in (-0.6, 0.6)]
    posterior = torch.softmax(torch.stack(log_class), 0)[1]
    tilted = log_class[1] + (scale - 1.0) * torch.log(posterior)
    (score,) = torch.autograd.grad(tilted.sum(), x)
    # Tweedie: x0_hat = (x + sigma^2 score) / alpha
    torch.testing.assert_close(guided, (X + 0.25 * score) / 0.5)


def test_auto_guidance_moves_away_from_the_weak_model() -> None:
    strong, weak = TwoClasses(), TwoClasses()
    guided = auto_guidance(strong, lambda x, t, cond: 0.5 * weak(x, t, cond), True, 2.0)(X, T)
    torch.testing.assert_close(guided, 1.5 * strong(X, T, True))
    weak.calls = 0
    torch.testing.assert_close(auto_guidance(strong, weak, True, 1.0)(X, T), strong(X, T, True))
    assert weak.calls == 0


def test_rescale_restores_the_deviation_of_each_item() -> None:
    conditional = torch.randn(2, 1, 500) * torch.tensor([1.0, 3.0])[:, None, None]
    guided = conditional * torch.tensor([4.0, 2.0])[:, None, None] + 0.3  # a factor of its own for each item
    full = rescale(1.0)(guided, conditional)
    torch.testing.assert_close(full.std((1, 2)), conditional.std((1, 2)))
    torch.testing.assert_close(rescale(0.0)(guided, conditional), guided)
    torch.testing.assert_close(rescale(0.5)(guided, conditional), 0.5 * (full + guided))
    model = TwoClasses()
    adjusted = classifier_free(model, True, None, 3.0, adjust=rescale(1.0))(X, T)
    torch.testing.assert_close(adjusted.std((1, 2)), model(X, T, True).std((1, 2)))


def test_interval_limits_guidance() -> None:
    model = TwoClasses()
    guided, plain = classifier_free(model, True, None, 3.0), classifier_free(model, True, None, 1.0)
    limited = interval(guided, plain, 0.2, 0.6)
    for time, expected in ((0.1, plain), (0.2, guided), (0.5, guided), (0.7, plain)):
        t = torch.full((2,), time, dtype=torch.float64)
        torch.testing.assert_close(limited(X, t), expected(X, t))
    refused("one time for the whole batch", lambda: limited(X, torch.tensor([0.1, 0.5])))
    with pytest.raises(AudiodiffError):
        interval(guided, plain, 0.6, 0.2)


def test_dynamic_thresholding() -> None:
    wide = torch.linspace(-4.0, 4.0, 1001).reshape(1, 1, -1)
    narrow = 0.1 * wide
    result = dynamic_thresholding(lambda x, t: x, 0.9, 1.0)(torch.cat([wide, narrow]), torch.zeros(2))
    assert result[0].abs().max() == 1.0
    bound = torch.quantile(wide.abs(), 0.9).item()
    torch.testing.assert_close(result[0, 0, 500:700], wide[0, 0, 500:700] / bound, rtol=2e-3, atol=1e-4)
    assert (result[0].abs() == 1.0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    torch.testing.assert_close(result[1], narrow[0])
    with pytest.raises(AudiodiffError):
        dynamic_thresholding(lambda x, t: x, 0.0)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES.keys())
def test_region_mask_keeps_the_known_part_exactly(name: str, process: object) -> None:
    known = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64).reshape(1, 1, 6)
    mask = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.5, 1.0], dtype=torch.float64)
    x = PROCESSES["linear_vp"].prior(torch.randn(2, 1, 6, dtype=torch.float64))
    denoise = region_mask(lambda x, t: torch.full_like(x, 5.0), known, mask)
    result = sample(SAMPLERS[name](), denoise, process, x, angle_grid(process, 5), lambda draw: torch.randn_like(x))  # type: ignore[arg-type]
    expected = torch.tensor([-1.0, -0.6, 5.0, 5.0, 2.8, 1.0], dtype=torch.float64).expand(2, 1, 6)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


def test_region_mask_leaves_the_path_of_the_known_part_alone() -> None:
    """On the way the known part is itself mixed with the noise it started from."""
    process, known = RectifiedFlow(), torch.full((1, 1, 4), 0.3, dtype=torch.float64)
    x = torch.randn(1, 1, 4, dtype=torch.float64)
    denoise = region_mask(lambda x, t: 0.0 * x, known, torch.ones(4))
    grid = uniform_grid(process, 4)
    state, carry = x, None
    for t, s in pairwise(grid[:4]):
        state, _, carry = ddim()(denoise, process, state, t, s, carry, None)
        torch.testing.assert_close(state, process.mix(known, x, s.reshape(1)))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(AudiodiffError):
        classifier_free(TwoClasses(), True, None, float("nan"))
    with pytest.raises(AudiodiffError):
        rescale(1.5)
    with pytest.raises(AudiodiffError):
        region_mask(lambda x, t: x, X, torch.tensor([2.0]))
