import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from audiodiff.nn.low_rank import LowRankConfig
from audiodiff.nn.wavenet import FrameConditioner, MelUpsampler, WaveNet, WaveNetConfig, upsample_factors
from tests.refusals import refused

SMALL = WaveNetConfig(channels=8, layers=5, dilation_cycle=3, cond_channels=6, embedding_width=12)


def reference(net: WaveNet, x: Tensor, c_noise: Tensor, cond: Tensor) -> Tensor:
    """DiffWave's equations, one convolution at a time, with torch.tanh and 1-D convolutions."""
    state = net.state_dict()
    n_layers = net.config.layers
    embedding = net.diffusion_embedding(c_noise)
    x = F.relu(F.conv1d(x, state["input_projection.weight"], state["input_projection.bias"]))
    skips = torch.zeros_like(x)
    for i in range(n_layers):
        p = f"residual_layers.{i}."
        dilation = 2 ** (i % net.config.dilation_cycle)
        step = F.linear(embedding, state[p + "diffusion_projection.weight"], state[p + "diffusion_projection.bias"])
        y = F.conv1d(
            x + step[:, :, None],
            state[p + "dilated_conv.weight"],
            state[p + "dilated_conv.bias"],
            padding=dilation * (net.config.kernel_size // 2),
            dilation=dilation,
        )
        y = y + F.conv1d(cond, state[p + "conditioner_projection.weight"], state[p + "conditioner_projection.bias"])
        gate, candidate = y.chunk(2, dim=1)
        y = torch.sigmoid(gate) * torch.tanh(candidate)
        y = F.conv1d(y, state[p + "output_projection.weight"], state[p + "output_projection.bias"])
        residual, skip = y.chunk(2, dim=1)
        x = (x + residual) / math.sqrt(2.0)
        skips = skips + skip
    y = F.relu(F.conv1d(skips / math.sqrt(n_layers), state["skip_projection.weight"], state["skip_projection.bias"]))
    return F.conv1d(y, state["output_projection.weight"], state["output_projection.bias"])


def randomised(config: WaveNetConfig, in_channels: int = 3, out_channels: int = 4) -> WaveNet:
    torch.manual_seed(0)
    net = WaveNet(config, in_channels, out_channels)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net


def test_the_fast_layout_computes_the_published_equations() -> None:
    net = randomised(SMALL)
    x, cond, c_noise = torch.randn(2, 3, 41), torch.randn(2, 6, 41), torch.tensor([0.2, 0.9])
    torch.testing.assert_close(net(x, c_noise, cond), reference(net, x, c_noise, cond), rtol=1e-5, atol=1e-5)


def test_projecting_the_condition_first_changes_nothing() -> None:
    net = randomised(SMALL)
    x, cond, c_noise = torch.randn(2, 3, 20), torch.randn(2, 6, 20), torch.tensor([0.2, 0.9])
    assert torch.equal(net(x, c_noise, net.project_cond(cond)), net(x, c_noise, cond))


def test_batch_items_do_not_see_each_other() -> None:
    net = randomised(SMALL)
    x, cond, c_noise = torch.randn(3, 3, 20), torch.randn(3, 6, 20), torch.tensor([0.1, 0.5, 0.9])
    together = net(x, c_noise, cond)
    for i in range(3):
        alone = net(x[i : i + 1], c_noise[i : i + 1], cond[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=1e-5, atol=1e-5)


def test_context_is_exactly_the_reach() -> None:
    net = randomised(SMALL, 1, 1)
    x = torch.zeros(1, 1, 61, requires_grad=True)
    net(x, torch.tensor([0.5]), torch.zeros(1, 6, 61))[0, 0, 30].backward()
    assert x.grad is not None
    (positions,) = x.grad[0, 0].nonzero(as_tuple=True)
    assert int(positions.min()) == 30 - SMALL.context
    assert int(positions.max()) == 30 + SMALL.context


@pytest.mark.parametrize(
    ("look_ahead", "layers"),
    [
        (0, (0, 0, 0, 0, 0)),
        (1, (1, 0, 0, 0, 0)),
        (2, (1, 0, 0, 1, 0)),  # dilations 1, 2, 4, 1, 2
        (5, (1, 2, 0, 1, 1)),
        (9, (1, 2, 3, 1, 2)),
        (100, (1, 2, 4, 1, 2)),
        (None, (1, 2, 4, 1, 2)),
    ],
)
@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_the_look_ahead_is_spent_on_small_dilations(
    look_ahead: int | None, layers: tuple[int, ...], keep: float
) -> None:
    config = replace(SMALL, look_ahead=look_ahead, low_rank=LowRankConfig(keep))
    assert config.layers_ahead == layers
    net = randomised(config, 1, 1)
    x, cond = torch.zeros(1, 1, 61, requires_grad=True), torch.zeros(1, 6, 61)
    net(x, torch.tensor([0.5]), cond)[0, 0, 30].backward()
    assert x.grad is not None
    (positions,) = x.grad[0, 0].nonzero(as_tuple=True)
    assert int(positions.max()) == 30 + config.future == 30 + sum(layers)
    assert int(positions.min()) == 30 - config.context == 30 - (2 * 10 - sum(layers))


def test_the_look_ahead_leaves_weights_as_they_are() -> None:
    """A limited network takes those of another one, and with enough to look at is the same to the bit."""
    net, x, level, cond = randomised(SMALL), torch.randn(2, 3, 20), torch.tensor([0.2, 0.9]), torch.randn(2, 6, 20)
    for look_ahead, same in ((0, False), (10, True)):
        limited = WaveNet(replace(SMALL, look_ahead=look_ahead), 3, 4)
        limited.load_state_dict(net.state_dict())
        assert torch.equal(limited(x, level, cond), net(x, level, cond)) is same


@pytest.mark.parametrize(("look_ahead", "future"), [(0, 0), (1, 1), (2, 2), (5, 2)])
def test_a_conditioner_looks_so_far_ahead(look_ahead: int, future: int) -> None:
    net = FrameConditioner(3, 4, 0.0, 1.0, look_ahead)
    x = torch.zeros(1, 3, 21, requires_grad=True)
    y = net(x)
    assert y.shape == (1, 4, 21)
    y[0, :, 10].sum().backward()
    assert x.grad is not None
    (positions,) = x.grad[0].abs().sum(dim=0).nonzero(as_tuple=True)
    assert (int(positions.min()), int(positions.max())) == (10 - net.context, 10 + net.future)
    assert net.future == future


def test_gradients_reach_every_parameter() -> None:
    net = randomised(SMALL)
    net(torch.randn(1, 3, 9), torch.tensor([0.4]), torch.randn(1, 6, 9)).square().mean().backward()
    # Also the last layer's, whose residual half leads nowhere: its tensors hold the skip half as well.
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_it_starts_as_the_zero_function() -> None:
    net = WaveNet(SMALL, 3, 4)
    assert not net(torch.randn(1, 3, 9), torch.tensor([0.4]), torch.randn(1, 6, 9)).any()


def test_the_mel_upsampler_gives_exactly_hop_times_the_frames() -> None:
    for hop in (256, 320, 480, 512):
        first, second = upsample_factors(hop)
        assert first * second == hop
        assert MelUpsampler((first, second))(torch.randn(2, 5, 7)).shape == (2, 5, 7 * hop)


def test_impossible_shapes_are_refused_with_their_numbers() -> None:
    refused("hop of 255", lambda: upsample_factors(255))
    refused("kernel_size is 4", lambda: WaveNetConfig(kernel_size=4))
    refused("look_ahead is -1", lambda: WaveNetConfig(look_ahead=-1))
    refused("layers is 0", lambda: WaveNetConfig(layers=0))
    refused("sinusoid", lambda: WaveNetConfig(embedding="sinusoid"))
