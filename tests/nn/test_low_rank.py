from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from audiodiff.models.memory import without_weights
from audiodiff.nn.convolution import TimeConv
from audiodiff.nn.low_rank import LayerRank, LowRank, LowRankConfig, factorisable_layers, factorise
from audiodiff.nn.packed import PackedWaveNet, WaveNetStream
from audiodiff.nn.transformer import DiT
from audiodiff.nn.unet import UNet
from audiodiff.nn.wavenet import WaveNet, WaveNetConfig
from tests.nn.latent_networks import DIT, UNET, condition, noisy
from tests.refusals import refused

WAVENET = WaveNetConfig(channels=12, layers=5, dilation_cycle=3, cond_channels=7, embedding_width=10)
HALF = LowRankConfig(0.5)


def parameters(net: nn.Module) -> int:
    return sum(each.numel() for each in net.parameters())


def whole_layers(net: nn.Module) -> nn.Module:
    """The same function with the product in the place of every two factors."""
    for name, part in list(net.named_modules()):
        if isinstance(part, LowRank):
            weight = (part.up.weight.flatten(1) @ part.down.weight.flatten(1)).detach()
            shape = (len(weight), *part.down.weight.shape[1:])
            parent, _, child = name.rpartition(".")
            if isinstance(part.down, TimeConv):
                layer: nn.Module = TimeConv(shape[1], shape[0], shape[2], stride=part.down.stride)
            elif isinstance(part.down, nn.Conv1d):
                layer = nn.Conv1d(shape[1], shape[0], shape[2])
            else:
                layer = nn.Linear(shape[1], shape[0], bias=part.up.bias is not None)
            state = {"weight": weight.view(shape)} | ({} if part.up.bias is None else {"bias": part.up.bias.detach()})
            layer.load_state_dict(state)
            setattr(net.get_submodule(parent), child, layer)
    return net


def randomised(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


def wavenet(low_rank: LowRankConfig = HALF) -> WaveNet:
    net = randomised(WaveNet(replace(WAVENET, low_rank=low_rank), 6, 5))
    assert isinstance(net, WaveNet)
    return net


def test_two_factors_are_the_best_of_their_rank() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30))
    weight = net[0].weight.detach().clone()
    factorise(net, LowRankConfig(ranks=(LayerRank("*", 4),)))
    assert isinstance(net[0], LowRank)
    product = net[0].up.weight @ net[0].down.weight
    left = torch.linalg.svdvals(weight)[4:].square().sum().sqrt()  # Eckart and Young
    torch.testing.assert_close(torch.linalg.matrix_norm(weight - product), left, rtol=1e-4, atol=0)
    sizes = [torch.linalg.matrix_norm(each) for each in (net[0].up.weight, net[0].down.weight)]
    torch.testing.assert_close(sizes[0], sizes[1])  # neither is learnt faster than the other


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(6, 8), nn.Linear(6, 8, bias=False), nn.Conv1d(6, 8, 3, stride=2, padding=4, dilation=2)],
)
def test_a_layer_of_low_rank_keeps_the_function_of_a_weight_that_has_that_rank(layer: nn.Linear | nn.Conv1d) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        thin = torch.randn(8, 2) @ torch.randn(2, layer.weight[0].numel())
        layer.weight.copy_(thin.view_as(layer.weight))
    x = torch.randn(2, 6, 20) if isinstance(layer, nn.Conv1d) else torch.randn(2, 6)
    expected, net = layer(x), nn.Sequential(layer)
    factorise(net, LowRankConfig(ranks=(LayerRank("0", 2),)))
    assert isinstance(net[0], LowRank)
    torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [DIT, UNET, WAVENET])
def test_networks_take_a_share_or_ranks_by_name(config: object) -> None:
    def build(low_rank: LowRankConfig) -> nn.Module:
        torch.manual_seed(0)
        shaped = replace(config, low_rank=low_rank)  # type: ignore[type-var]
        return WaveNet(shaped, 6, 5) if config is WAVENET else DiT(shaped) if config is DIT else UNet(shaped)

    full = build(LowRankConfig())
    layers = factorisable_layers(full)
    weights = sum(layer.weight.numel() for layer in layers.values())
    half = build(HALF)
    removed = parameters(full) - parameters(half)
    assert 0.45 * weights < removed < 0.6 * weights  # ranks are whole numbers
    name = next(name for name in layers if name.endswith(("dilated_conv", "feedforward.input", "conv1")))
    one = build(LowRankConfig(ranks=(LayerRank(name, 2), LayerRank("*", 0))))
    assert [found for found, part in one.named_modules() if isinstance(part, LowRank)] == [name]
    # a rank that would save nothing
    assert parameters(build(LowRankConfig(ranks=(LayerRank("*", 60_000),)))) == parameters(full)
    with without_weights():
        assert {key: value.shape for key, value in build(HALF).state_dict().items()} == {
            key: value.shape for key, value in half.state_dict().items()
        }


@pytest.mark.parametrize("config", [DIT, UNET])
def test_a_latent_denoiser_of_low_rank_is_the_one_with_the_products(config: object) -> None:
    net = DiT(replace(DIT, low_rank=HALF)) if config is DIT else UNet(replace(UNET, low_rank=HALF))
    randomised(net)
    given = (*noisy(8), condition())
    with torch.no_grad():
        found = net(*given)
        expected = whole_layers(net)(*given)
    assert found.abs().mean() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_wavenet_of_low_rank_is_the_one_with_the_products() -> None:
    net = wavenet()
    x, cond, level = torch.randn(2, 6, 40), torch.randn(2, 7, 40), torch.tensor([0.2, 0.9])
    with torch.no_grad():
        found = net(x, level, cond)
        expected = whole_layers(net)(x, level, cond)
    assert found.abs().mean() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_every_factor_learns_from_the_start() -> None:
    torch.manual_seed(0)
    net = WaveNet(replace(WAVENET, low_rank=HALF), 6, 5)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    for _ in range(3):  # what comes before a layer that begins as the zero function learns once it has moved
        optimiser.zero_grad()
        net(torch.ones(1, 6, 20), torch.tensor([0.4]), torch.ones(1, 7, 20)).sub(1.0).square().mean().backward()
        optimiser.step()
    still = [name for name, value in net.named_parameters() if torch.equal(value, before[name])]
    # the residual half of the last layer goes nowhere, but its other half does
    assert not still


RANKS = {
    "half": HALF,
    # so high that the whole kernel takes fewer products
    "high": LowRankConfig(ranks=(LayerRank("residual_layers.*.dilated_conv", 13),)),
    "some": LowRankConfig(ranks=(LayerRank("residual_layers.[13].*", 3), LayerRank("output_projection", 2))),
}


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("length", [1, 3, 9, 40])
def test_packed_and_streamed_it_is_the_same_network(ranks: str, length: int) -> None:
    net = wavenet(RANKS[ranks])
    torch.manual_seed(length)
    x, cond, level = torch.randn(1, 6, length), torch.randn(1, 7, length), torch.rand(1)
    in_order, out_order = torch.tensor([3, 0, 4, 1, 5, 2]), torch.tensor([4, 2, 0, 1, 3])
    packed = PackedWaveNet(net, in_order=in_order, out_order=out_order)
    assert any(layer.up is not None for layer in packed._layers) == (ranks != "high")
    with torch.no_grad():
        expected = net(x, level, cond)[:, out_order].transpose(1, 2)
    rows = x[:, in_order].transpose(1, 2)
    torch.testing.assert_close(packed(rows, level, packed.project_cond(cond)), expected, rtol=0, atol=1e-5)
    stream = WaveNetStream(PackedWaveNet(net, in_order=in_order, out_order=out_order, for_stream=True))

    def terms(start: int, stop: int) -> Tensor:
        return cond[0, :, start:stop].T

    cut = length // 2
    parts = [stream.push(rows[0, :cut], level, terms, False), stream.push(rows[0, cut:], level, terms, True)]
    torch.testing.assert_close(torch.cat(parts)[None], expected, rtol=0, atol=1e-5)


def test_what_cannot_be_built_is_refused() -> None:
    other = replace(WAVENET, low_rank=LowRankConfig(ranks=(LayerRank("blocks.*", 2),)))
    refused(r"'blocks\.\*', which fits no linear layer", lambda: WaveNet(other, 6, 5))
    refused("low_rank.keep is 0", lambda: LowRankConfig(0.0))
    refused("low_rank.ranks.rank is -1", lambda: LayerRank("*", -1))
