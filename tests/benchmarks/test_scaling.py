import math

import pytest
import torch
from torch import nn

from benchmarks.scaling import Cost, Gpu, computed_table, counted, large_cost, measured_table, step_seconds, train_step


def test_operations_and_bytes_of_a_product_are_those_of_its_shape() -> None:
    left, right = torch.zeros(8, 16), torch.zeros(16, 4)
    flops, traffic = counted(lambda: left @ right)
    assert flops == 2 * 8 * 16 * 4
    assert traffic == 4 * (8 * 16 + 16 * 4 + 8 * 4)


def test_a_step_counts_both_passes_and_learns() -> None:
    layer = nn.Linear(16, 4, bias=False)
    before, x = layer.weight.detach().clone(), torch.ones(8, 16)
    flops, _ = counted(train_step(layer, lambda: layer(x).square().mean()))
    assert flops == 2 * (2 * 8 * 16 * 4)  # forward, and the gradient of the weights; the input needs none
    assert not torch.equal(layer.weight, before)


def test_time_on_many_gpus_is_that_of_one_and_of_what_the_exchange_adds() -> None:
    gpu = Gpu(flops=1e12, link=100e9, network=10e9, hidden=0.5)
    cost = Cost("x", parameters=10**9, items=1, seconds=1.0, flops=5e10, bytes=1.0)
    assert step_seconds(cost, 1, 0.5, gpu) == pytest.approx(0.1)
    # 2 x 7/8 x 4 GB at 100 GB/s are 70 ms, of which the backward pass hides 50
    assert step_seconds(cost, 8, 0.5, gpu) == pytest.approx(0.1 + 0.07 - 0.05)
    assert step_seconds(cost, 16, 0.5, gpu) == pytest.approx(0.1 + 2 * 15 / 16 * 0.4 - 0.05)
    small = Cost("x", parameters=1000, items=1, seconds=1.0, flops=5e10, bytes=1.0)
    assert step_seconds(small, 256, 0.5, gpu) == pytest.approx(0.1)
    rows = computed_table([(small, 0.5)], (1, 256)).splitlines()
    assert len(rows) == 4
    assert rows[3].split("|")[-2].strip() == "100 %"


def test_the_roof_is_the_memory_where_operations_are_few() -> None:
    cost = Cost("x", parameters=1, items=1, seconds=2.0, flops=1e9, bytes=1e9, measured=0.5)
    row = measured_table([cost], peak=1e10, bandwidth=1e9).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[4:-1]] == ["1", "1.0", "0.50", "2 (20 %)", "10 %", "4.0"]


@pytest.mark.slow
def test_the_large_denoiser_is_counted_without_being_computed() -> None:
    cost = large_cost()
    assert 0.9e9 < cost.parameters < 1.1e9
    tokens = cost.items * 645
    # six operations a parameter and token (forward and backward) but for what sees a whole item
    assert 0.6 < cost.flops / (6.0 * cost.parameters * tokens) < 1.2
    assert math.isnan(cost.measured)
