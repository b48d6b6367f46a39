"""What every denoiser of latents does, whatever it is built of."""

import math
from dataclasses import replace

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.condition import CHORD_FEATURES, drop_conditions
from audiodiff.nn.transformer import DiTConfig
from audiodiff.nn.unet import UNetConfig
from tests.nn.latent_networks import DIT, UNET, build, condition, item, noisy, randomised
from tests.refusals import refused

Config = DiTConfig | UNetConfig

SMALL = pytest.mark.parametrize("config", [DIT, UNET], ids=["DiT", "UNet"])
CONFIGS = pytest.mark.parametrize(
    "config",
    [
        DIT,
        replace(DIT, modulation="block", feedforward="gelu", conv_kernel=0),
        replace(DIT, text_width=0, conv_kernel=0),
        UNET,
        replace(UNET, levels=(2,), blocks=2, attention_levels=1),
        replace(UNET, levels=(1, 2), blocks=2, kernel_size=5, text_width=0),
    ],
    ids=["DiT", "DiT block", "DiT no text", "UNet", "UNet one level", "UNet no text"],
)


@CONFIGS
@pytest.mark.parametrize("n_latents", [1, 2, 7, 215])
def test_any_length_goes_in_and_comes_out(config: Config, n_latents: int) -> None:
    x, c_noise = noisy(n_latents)
    out = randomised(config)(x, c_noise, condition())
    assert out.shape == x.shape
    assert out.isfinite().all()
    assert out.any()


@CONFIGS
def test_it_starts_as_the_zero_function(config: Config) -> None:
    x, c_noise = noisy(7)
    assert not build(config)(x, c_noise, condition()).any()


@CONFIGS
def test_every_parameter_learns_in_the_end(config: Config) -> None:
    # Zero weights hide what is behind them: the output first, then the gates, then the blocks, then the modulation.
    net = build(config)
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
def test_items_do_not_see_each_other(config: Config) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    together = net(x, c_noise, cond)
    for i in range(2):
        alone = net(x[i : i + 1], c_noise[i : i + 1], item(cond, i))
        torch.testing.assert_close(alone[0], together[i], rtol=1e-5, atol=1e-5)


@SMALL
def test_everything_it_is_told_changes_what_it_says(config: Config) -> None:
    net, cond = randomised(config), condition()
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


@SMALL
def test_no_condition_is_the_null_condition_whatever_the_tokens_are(config: Config) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    out = net(x, c_noise)
    assert out.isfinite().all()
    forgotten = drop_conditions(cond._replace(tokens=cond.tokens * math.nan), torch.ones(2, dtype=torch.bool))
    torch.testing.assert_close(net(x, c_noise, forgotten), out)
    assert not torch.allclose(net(x, c_noise, cond), out, atol=1e-3)


@SMALL
def test_masked_tokens_are_hidden_and_real_ones_are_not(config: Config) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    out = net(x, c_noise, cond)
    cond.tokens[0, 3] += 1.0  # masked
    cond.tokens[1, 3] += 1.0  # real
    other = net(x, c_noise, cond)
    torch.testing.assert_close(other[0], out[0])
    assert not torch.allclose(other[1], out[1], atol=1e-3)


@CONFIGS
def test_projecting_the_condition_first_changes_nothing(config: Config) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(7)
    assert torch.equal(net(x, c_noise, net.project_cond(cond)), net(x, c_noise, cond))


@CONFIGS
@pytest.mark.parametrize("length", [4, 5])
def test_padding_changes_nothing_for_what_is_real(config: Config, length: int) -> None:
    net, cond = randomised(config), condition()
    x, c_noise = noisy(9)
    real = torch.arange(9) < torch.tensor([[length], [9]])
    out = net(torch.where(real[:, None], x, 100.0), c_noise, cond, real)
    alone = net(x[:1, :, :length], c_noise[:1], item(cond, 0))
    torch.testing.assert_close(out[:1, :, :length], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(out[1:], net(x[1:], c_noise[1:], item(cond, 1)), rtol=1e-4, atol=1e-4)
    assert not out[0, :, length:].any()


@CONFIGS
def test_bfloat16_is_near_and_finite_in_training_and_out_of_it(config: Config) -> None:
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


@SMALL
def test_beats_are_heard_where_they_are_known(config: Config) -> None:
    # Beats are heard where they are known, by their place within the beat; those of another stretch are refused.
    net, cond = randomised(replace(config, beats=True)), condition()
    x, c_noise = noisy(7)
    beats = torch.linspace(0.0, 2.3, 7).repeat(2, 1)
    beats[1] = torch.nan
    out, told = net(x, c_noise, cond), net(x, c_noise, cond._replace(beats=beats))
    torch.testing.assert_close(told[1], out[1])
    assert not torch.allclose(told[0], out[0], atol=1e-3)
    shifted = net(x, c_noise, cond._replace(beats=beats + 0.25))
    assert not torch.allclose(told[0], shifted[0], atol=1e-3)
    again = net(x, c_noise, cond._replace(beats=beats + 3.0))
    torch.testing.assert_close(told, again, rtol=1e-4, atol=1e-4)
    projected = net.project_cond(cond._replace(beats=beats))
    assert torch.equal(net(x, c_noise, projected), told)
    refused(r"beats \[2, 6\] for 2 items of 7 latents", lambda: net(x, c_noise, cond._replace(beats=torch.zeros(2, 6))))


@SMALL
def test_known_latents_are_heard_at_every_place(config: Config) -> None:
    # Latents that are known are heard at every place; those of another stretch are refused.
    net, cond = randomised(replace(config, known=True)), condition()
    x, c_noise = noisy(7)
    known = torch.full_like(x, torch.nan)
    out = net(x, c_noise, cond)
    torch.testing.assert_close(net(x, c_noise, cond._replace(known=known)), out)
    known[0, :, :3] = 1.0
    told = net(x, c_noise, cond._replace(known=known))
    torch.testing.assert_close(told[1], out[1])
    assert bool(((told[0] - out[0]).abs().amax(dim=0) > 1e-3).all())
    other = net(x, c_noise, cond._replace(known=known + 1.0))
    assert not torch.allclose(other[0], told[0], atol=1e-3)
    projected = net.project_cond(cond._replace(known=known))
    assert torch.equal(net(x, c_noise, projected), told)
    with pytest.raises(AudiodiffError, match=r"known latents \[2, 3, 6\] for latents \[2, 3, 7\]"):
        net(x, c_noise, cond._replace(known=torch.zeros(2, 3, 6)))


@SMALL
def test_chords_are_heard_where_they_are_known(config: Config) -> None:
    net, cond = randomised(replace(config, chords=True)), condition()
    x, c_noise = noisy(7)
    chords = torch.full((2, CHORD_FEATURES, 7), torch.nan)
    out = net(x, c_noise, cond)
    torch.testing.assert_close(net(x, c_noise, cond._replace(chords=chords)), out)
    chords[0] = 0.0
    chords[0, 9] = 1.0
    told = net(x, c_noise, cond._replace(chords=chords))
    torch.testing.assert_close(told[1], out[1])
    assert not torch.allclose(told[0], out[0], atol=1e-3)
    other = net(x, c_noise, cond._replace(chords=chords.roll(1, dims=1)))
    assert not torch.allclose(told[0], other[0], atol=1e-3)
    projected = net.project_cond(cond._replace(chords=chords))
    assert torch.equal(net(x, c_noise, projected), told)
    refused(r"chords \[2, 24, 6\] for 2", lambda: net(x, c_noise, cond._replace(chords=chords[..., :6])))


@SMALL
def test_impossible_inputs_are_refused(config: Config) -> None:
    net = randomised(config)
    x, c_noise = noisy(7)
    for message, arguments in (
        (rf"{type(net).__name__} takes \[batch, 3, n_latents\]", (x[:, :2], c_noise)),
        (r"shape \[2, 3, 0\]", (x[:, :, :0], c_noise)),
        ("True where a latent is real", (x, c_noise, None, torch.ones(2, 6, dtype=torch.bool))),
        (r"torch\.float32", (x, c_noise, None, torch.ones(2, 7))),
        ("repeat_condition", (x, c_noise, item(condition(), 0))),
    ):
        with pytest.raises(AudiodiffError, match=message):
            net(*arguments)
