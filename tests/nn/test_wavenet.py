import math

import torch
from torch import Tensor
from torch.nn import functional as F

from audiodiff.nn.wavenet import MelUpsampler, WaveNet, WaveNetConfig, upsample_factors
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
    refused("layers is 0", lambda: WaveNetConfig(layers=0))
    refused("sinusoid", lambda: WaveNetConfig(embedding="sinusoid"))
