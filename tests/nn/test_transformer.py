import math

import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.nn.condition import Condition, drop_conditions, null_condition_like
from audiodiff.nn.transformer import DiT, DiTConfig
from tests.nn.told import check_beats, check_known

SMALL = DiTConfig(channels=3, width=16, depth=2, heads=2, text_width=6, numbers=2, classes=(4,), conv_kernel=3)
PER_BLOCK = DiTConfig(
    channels=3,
    width=16,
    depth=2,
    heads=2,
    text_width=6,
    numbers=2,
    classes=(4,),
    modulation="block",
    feedforward="gelu",
)
WITHOUT_TEXT = DiTConfig(channels=3, width=16, depth=2, heads=2, text_width=0, numbers=2, classes=(4,))
CONFIGS = pytest.mark.parametrize("config", [SMALL, PER_BLOCK, WITHOUT_TEXT], ids=["shared", "block", "no text"])


def randomised(config: DiTConfig = SMALL) -> DiT:
    torch.manual_seed(0)
    net = DiT(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net


def condition(batch: int = 2) -> Condition:
    generator = torch.Generator().manual_seed(1)
    return Condition(
        torch.randn(batch, 4, 6, generator=generator),
        torch.tensor([[True, True, False, False], [True, True, True, True]]).repeat(batch, 1)[:batch],
        torch.tensor([[120.0, math.nan], [90.0, 10.0]]).repeat(batch, 1)[:batch],
        torch.tensor([[1], [3]]).repeat(batch, 1)[:batch],
        torch.zeros(batch, 0),
        torch.zeros(batch, 3, 0),
    )


def noisy(n_latents: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n_latents)
    return torch.randn(batch, 3, n_latents, generator=generator), torch.linspace(-1.0, 1.0, batch)


def item(cond: Condition, i: int) -> Condition:
    return Condition(*(part[i : i + 1] for part in cond))


@CONFIGS
@pytest.mark.parametrize("n_latents", [1, 2, 7, 215])
def test_any_length_goes_in_and_comes_out(config: DiTConfig, n_latents: int) -> None:
    x, c_noise = noisy(n_latents)
    out = randomised(config)(x, c_noise, condition())
    assert out.shape == x.shape
    assert out.isfinite().all()
    assert out.any()


@CONFIGS
def test_it_starts_as_the_zero_function(config: DiTConfig) -> None:
    x, c_noise = noisy(7)
    assert not DiT(config)(x, c_noise, condition()).any()


@CONFIGS
def test_every_parameter_learns_in_the_end(config: DiTConfig) -> None:
    # Zero weights hide what is behind them: the output first, then the gates, then the blocks, then the modulation.
    torch.manual_seed(0)
    net = DiT(config)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    learnt = set()
    x, c_noise = noisy(7)
    for _ in range(5):
        optimizer.zero_grad()
        (net(x, c_noise, condition()) - x).square().mean().backward()
        learnt |= {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
        optimizer.step()
    assert {name for name, _ in net.named_parameters()} - learnt == set()


@CONFIGS
def test_items_do_not_see_each_other(config: DiTConfig) -> None:
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


def test_the_order_of_tokens_is_the_text_encoders_business() -> None:
    net, cond = randomised(), condition()
    x, c_noise = noisy(7)
    turned = cond._replace(tokens=cond.tokens.flip(1), mask=cond.mask.flip(1))
    torch.testing.assert_close(net(x, c_noise, turned), net(x, c_noise, cond))


@CONFIGS
def test_projecting_the_condition_first_changes_nothing(config: DiTConfig) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    assert torch.equal(net(x, c_noise, net.project_cond(cond)), net(x, c_noise, cond))


@CONFIGS
def test_padding_changes_nothing_for_what_is_real(config: DiTConfig) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(9)
    real = torch.arange(9) < torch.tensor([[5], [9]])
    filled = torch.where(real[:, None], x, 100.0)
    out = net(filled, c_noise, cond, real)
    torch.testing.assert_close(out[:1, :, :5], net(x[:1, :, :5], c_noise[:1], item(cond, 0)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(out[1:], net(x[1:], c_noise[1:], item(cond, 1)), rtol=1e-4, atol=1e-4)
    assert not out[0, :, 5:].any()


def test_a_circle_reaches_from_the_end_to_the_beginning() -> None:
    net = randomised()
    x, c_noise = noisy(8)
    line, circle = net(x, c_noise), net(x, c_noise, circular=True)
    assert not torch.allclose(line[:, :, 0], circle[:, :, 0], atol=1e-3)


@CONFIGS
def test_bfloat16_is_near_and_finite_in_training_and_out_of_it(config: DiTConfig) -> None:
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


def test_double_precision_stays_double() -> None:
    net, cond = randomised().double(), condition()
    x, c_noise = noisy(7)
    out = net(x.double(), c_noise.double(), cond)
    assert out.dtype == torch.float64
    torch.testing.assert_close(out.float(), randomised()(x, c_noise, cond), rtol=1e-4, atol=1e-4)


def test_scaled_positions_are_other_positions() -> None:
    x, c_noise = noisy(7)
    stretched = DiTConfig(**{**SMALL.__dict__, "rotary_scale": 0.5})
    assert not torch.allclose(randomised()(x, c_noise), randomised(stretched)(x, c_noise), atol=1e-3)


def test_the_shipped_shape_has_about_eleven_million_parameters() -> None:
    with torch.device("meta"):
        net = DiT(DiTConfig())
    assert 10e6 < sum(p.numel() for p in net.parameters()) < 12e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 30, "heads": 4}, "width is 30 with 4 heads; the width must be a multiple of 8"),
        ({"width": 20, "heads": 4}, "even size"),
        ({"heads": 0}, "heads is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"channels": 0}, "channels is 0"),
        ({"text_width": -1}, "text_width is -1"),
        ({"classes": (3, 1)}, "at least 2 classes"),
        ({"expansion": 0.0}, "expansion is 0.0"),
        ({"feedforward": "relu"}, "known: swiglu, gelu"),
        ({"modulation": "none"}, "known: shared, block"),
        ({"conv_kernel": 4}, "conv_kernel is 4; it must be odd"),
        ({"conv_kernel": -1}, "conv_kernel is -1"),
        ({"rotary_base": 1.0}, "rotary_base is 1.0"),
        ({"rotary_scale": math.inf}, "rotary_scale is inf"),
    ],
)
def test_impossible_shapes_are_refused_with_their_numbers(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        DiTConfig(**change)  # type: ignore[arg-type]


def test_impossible_inputs_are_refused() -> None:
    net = randomised()
    x, c_noise = noisy(7)
    with pytest.raises(AudiodiffError, match=r"takes \[batch, 3, n_latents\]"):
        net(x[:, :2], c_noise)
    with pytest.raises(AudiodiffError, match=r"shape \[2, 3, 0\]"):
        net(x[:, :, :0], c_noise)
    with pytest.raises(AudiodiffError, match="True where a latent is real"):
        net(x, c_noise, None, torch.ones(2, 6, dtype=torch.bool))
    with pytest.raises(AudiodiffError, match=r"torch\.float32"):
        net(x, c_noise, None, torch.ones(2, 7))
    with pytest.raises(AudiodiffError, match="batch loops of one length"):
        net(x, c_noise, None, torch.ones(2, 7, dtype=torch.bool), circular=True)
    with pytest.raises(AudiodiffError, match="repeat_condition"):
        net(x, c_noise, item(condition(), 0))


def test_beats_are_heard_where_they_are_known() -> None:
    check_beats(randomised(DiTConfig(**{**SMALL.__dict__, "beats": True})), *noisy(7), condition())


def test_known_latents_are_heard_at_every_place() -> None:
    check_known(randomised(DiTConfig(**{**SMALL.__dict__, "known": True})), *noisy(7), condition())
