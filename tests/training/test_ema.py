import pytest
import torch
from torch import nn

from audiodiff.training.ema import EMA, ema_decay
from tests.refusals import refused


def module_with(value: float) -> nn.Linear:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, value)
    return module


def test_a_weight_halves_after_the_half_life_whatever_the_batch_size() -> None:
    for batch in (1, 10, 50):
        share = 1.0
        for step in range(1000 // batch):
            share *= ema_decay(10**9 + step * batch, batch, half_life=1000.0)
        assert share == pytest.approx(0.5, rel=1e-6)


def test_the_average_follows_its_closed_form() -> None:
    module = module_with(0.0)
    ema = EMA(module, half_life=100.0)
    ema.load(ema.tensors(), items_seen=10**9)  # long past warm-up
    nn.init.constant_(module.weight, 1.0)
    for _ in range(25):
        ema.update(8)
    expected = 1.0 - 0.5 ** (25 * 8 / 100.0)
    assert ema.tensors()["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_items_are_counted_not_updates() -> None:
    ema = EMA(module_with(0.0), half_life=100.0)
    for _ in range(3):
        ema.update(8)
    assert ema.items_seen == 24


def test_warm_up_forgets_the_initial_weights() -> None:
    module = module_with(1000.0)
    ema = EMA(module, half_life=1e9)
    nn.init.constant_(module.weight, 1.0)
    ema.update(16)
    assert ema.tensors()["weight"].item() == 1.0
    # The share of the weights of step 10 at step 100 is (10/100)^(ln 2 / 0.1), about 1e-7.
    for step in range(1, 100):
        nn.init.constant_(module.weight, 1000.0 if step <= 10 else 1.0)
        ema.update(16)
    assert ema.tensors()["weight"].item() == pytest.approx(1.0, abs=1e-3)


def test_half_life_zero_is_no_averaging() -> None:
    module = module_with(3.0)
    ema = EMA(module, half_life=0.0)
    nn.init.constant_(module.weight, 7.0)
    ema.update(1)
    assert ema.tensors()["weight"].item() == 7.0
    refused("half-life", lambda: EMA(module, half_life=-1.0))


def test_swapped_shows_the_average_and_gives_the_weights_back_even_after_an_error() -> None:
    module = module_with(1.0)
    parameter = module.weight
    ema = EMA(module, half_life=100.0)
    nn.init.constant_(module.weight, 5.0)
    with ema.swapped():
        assert module.weight.item() == 1.0
    assert module.weight.item() == 5.0
    with pytest.raises(RuntimeError), ema.swapped():
        raise RuntimeError
    assert module.weight.item() == 5.0
    assert module.weight is parameter
    assert ema.tensors()["weight"].item() == 1.0


def test_frozen_parameters_are_left_alone() -> None:
    module = nn.Sequential(module_with(1.0), module_with(2.0))
    module[1].requires_grad_(False)
    assert EMA(module, 10.0).tensors().keys() == {"0.weight"}


def test_foreign_averages_are_refused() -> None:
    ema = EMA(module_with(1.0), 10.0)
    refused("another model", lambda: ema.load({"bias": torch.zeros(1)}, 0))
    refused("shape", lambda: ema.load({"weight": torch.zeros(2, 1)}, 0))
