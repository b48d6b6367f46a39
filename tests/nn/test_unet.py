import math

import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.nn.condition import Condition, drop_conditions, null_condition_like
from audiodiff.nn.unet import UNet, UNetConfig
from tests.nn.told import check_beats, check_known

SMALL = UNetConfig(channels=3, width=8, levels=(1, 2, 3), blocks=1, heads=2, text_width=6, numbers=2, classes=(4,))
FLAT = UNetConfig(channels=3, width=8, levels=(2,), attention_levels=1, heads=2, text_width=6, numbers=2, classes=(4,))
WITHOUT_TEXT = UNetConfig(
    channels=3, width=8, levels=(1, 2), heads=2, kernel_size=5, text_width=0, numbers=2, classes=(4,)
)
CONFIGS = pytest.mark.parametrize("config", [SMALL, FLAT, WITHOUT_TEXT], ids=["three levels", "one level", "no text"])


def randomised(config: UNetConfig = SMALL) -> UNet:
    torch.manual_seed(0)
    net = UNet(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    return net


def condition() -> Condition:
    return Condition(
        torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1)),
        torch.tensor([[True, True, False, False], [True, True, True, True]]),
        torch.tensor([[120.0, math.nan], [90.0, 10.0]]),
        torch.tensor([[1], [3]]),
        torch.zeros(2, 0),
        torch.zeros(2, 3, 0),
    )


def noisy(n_latents: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n_latents)
    return torch.randn(2, 3, n_latents, generator=generator), torch.tensor([-1.0, 1.0])


def item(cond: Condition, i: int) -> Condition:
    return Condition(*(part[i : i + 1] for part in cond))


@CONFIGS
@pytest.mark.parametrize("n_latents", [1, 2, 7, 215])
def test_any_length_goes_in_and_comes_out(config: UNetConfig, n_latents: int) -> None:
    x, c_noise = noisy(n_latents)
    out = randomised(config)(x, c_noise, condition())
    assert out.shape == x.shape
    assert out.isfinite().all()
    assert out.any()


@CONFIGS
def test_it_starts_as_the_zero_function(config: UNetConfig) -> None:
    x, c_noise = noisy(7)
    assert not UNet(config)(x, c_noise, condition()).any()


@CONFIGS
def test_every_parameter_learns_in_the_end(config: UNetConfig) -> None:
    torch.manual_seed(0)
    net = UNet(config)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    learnt = set()
    x, c_noise = noisy(7)
    for _ in range(3):
        optimizer.zero_grad()
        (net(x, c_noise, condition()) - x).square().mean().backward()
        learnt |= {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
        optimizer.step()
    assert {name for name, _ in net.named_parameters()} - learnt == set()


@CONFIGS
def test_items_do_not_see_each_other(config: UNetConfig) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    together = net(x, c_noise, cond)
    for i in range(2):
        alone = net(x[i : i + 1], c_noise[i : i + 1], item(cond, i))
        torch.testing.assert_close(alone[0], together[i], rtol=1e-5, atol=1e-5)


def test_everything_it_is_told_changes_what_it_says() -> None:
    net, cond = randomised(), condition()
    x, c_noise = noisy(7)
    out = net(x, c_noise, cond)
    told = (
        cond._replace(tokens=cond.tokens.flip(2)),
        cond._replace(numbers=cond.numbers + 1.0),
        cond._replace(classes=cond.classes - 1),
    )
    for other in (net(x, c_noise + 0.1, cond), *(net(x, c_noise, changed) for changed in told)):
        assert not torch.allclose(other[0], out[0], atol=1e-3)
        assert not torch.allclose(other[1], out[1], atol=1e-3)


def test_no_condition_is_the_null_condition_whatever_the_tokens_are() -> None:
    net, cond = randomised(), condition()
    x, c_noise = noisy(7)
    out = net(x, c_noise)
    assert out.isfinite().all()
    forgotten = drop_conditions(cond._replace(tokens=cond.tokens * math.nan), torch.ones(2, dtype=torch.bool))
    for null in (null_condition_like(cond), forgotten):
        torch.testing.assert_close(net(x, c_noise, null), out)
    assert not torch.allclose(net(x, c_noise, cond), out, atol=1e-3)


def test_masked_tokens_are_hidden_and_real_ones_are_not() -> None:
    net, cond = randomised(), condition()
    x, c_noise = noisy(7)
    out = net(x, c_noise, cond)
    cond.tokens[0, 3] += 1.0  # masked
    cond.tokens[1, 3] += 1.0  # real
    other = net(x, c_noise, cond)
    torch.testing.assert_close(other[0], out[0])
    assert not torch.allclose(other[1], out[1], atol=1e-3)


@CONFIGS
def test_projecting_the_condition_first_changes_nothing(config: UNetConfig) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    assert torch.equal(net(x, c_noise, net.project_cond(cond)), net(x, c_noise, cond))


@CONFIGS
@pytest.mark.parametrize("length", [4, 5])
def test_padding_changes_nothing_for_what_is_real(config: UNetConfig, length: int) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(9)
    real = torch.arange(9) < torch.tensor([[length], [9]])
    out = net(torch.where(real[:, None], x, 100.0), c_noise, cond, real)
    alone = net(x[:1, :, :length], c_noise[:1], item(cond, 0))
    torch.testing.assert_close(out[:1, :, :length], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(out[1:], net(x[1:], c_noise[1:], item(cond, 1)), rtol=1e-4, atol=1e-4)
    assert not out[0, :, length:].any()


def test_coarse_positions_are_real_where_anything_below_them_is() -> None:
    finest = torch.tensor([[True] * 5 + [False] * 3])
    masks = [mask.tolist() for mask in randomised()._masks(finest) if mask is not None]
    assert masks == [finest.tolist(), [[True, True, True, False]], [[True, True]]]


def test_detail_goes_round_the_coarse_levels() -> None:
    net = randomised()
    for parameter in net.grow.parameters():
        torch.nn.init.zeros_(parameter)
    x, c_noise = noisy(8)
    assert not torch.allclose(net(x, c_noise), net(x.flip(2), c_noise), atol=1e-3)


def test_a_turned_circle_gives_a_turned_circle() -> None:
    net = randomised(WITHOUT_TEXT)
    # Without attention, which stays on a line, all that is left is convolutions.
    for name, parameter in net.named_parameters():
        if ".attention.output" in name:
            torch.nn.init.zeros_(parameter)
    x, c_noise = noisy(8)
    out = net(x, c_noise, circular=True)
    turned = net(x.roll(4, dims=2), c_noise, circular=True)
    torch.testing.assert_close(turned, out.roll(4, dims=2), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(net(x, c_noise)[:, :, 0], out[:, :, 0], atol=1e-3)


def test_a_circle_that_cannot_be_halved_is_refused() -> None:
    x, c_noise = noisy(7)
    with pytest.raises(AudiodiffError, match=r"circle of 7 latents.*multiple of 4, such as 8"):
        randomised()(x, c_noise, circular=True)


@CONFIGS
def test_bfloat16_is_near_and_finite_in_training_and_out_of_it(config: UNetConfig) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    exact = net(x, c_noise, cond)
    with torch.autocast("cpu", torch.bfloat16):
        near = net(x, c_noise, cond)
        with torch.no_grad():
            without_gradient = net(x, c_noise, cond)
    near.float().square().mean().backward()
    tolerance = 0.05 * exact.detach().abs().max()
    assert (near - exact).abs().max() < tolerance
    assert (without_gradient - exact).abs().max() < tolerance
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 30, "heads": 4}, "width is 60 with 4 heads; the width must be a multiple of 8"),
        ({"heads": 0}, "heads is 0"),
        ({"blocks": 0}, "blocks is 0"),
        ({"levels": ()}, r"levels has 0 entries"),
        ({"levels": (1, 0)}, r"levels is 0"),
        ({"attention_levels": 4}, "between 1 and 3"),
        ({"attention_levels": 0}, "attention_levels is 0"),
        ({"kernel_size": 2}, "kernel_size is 2; it must be odd"),
        ({"numbers": -1}, "numbers -1"),
        ({"classes": (0,)}, "at least 2 classes"),
        ({"rotary_base": 0.5}, r"rotary_base is 0\.5"),
    ],
)
def test_impossible_shapes_are_refused_with_their_numbers(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        UNetConfig(**change)  # type: ignore[arg-type]


def test_impossible_inputs_are_refused() -> None:
    net = randomised()
    x, c_noise = noisy(7)
    with pytest.raises(AudiodiffError, match=r"this UNet takes \[batch, 3, n_latents\]"):
        net(x[:, :2], c_noise)
    with pytest.raises(AudiodiffError, match="True where a latent is real"):
        net(x, c_noise, None, torch.ones(2, 6, dtype=torch.bool))
    with pytest.raises(AudiodiffError, match="repeat_condition"):
        net(x, c_noise, item(condition(), 0))


def test_beats_are_heard_where_they_are_known() -> None:
    check_beats(randomised(UNetConfig(**{**SMALL.__dict__, "beats": True})), *noisy(7), condition())


def test_known_latents_are_heard_at_every_place() -> None:
    check_known(randomised(UNetConfig(**{**SMALL.__dict__, "known": True})), *noisy(7), condition())
