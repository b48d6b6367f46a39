from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from audiodiff.nn.adapters import (
    AdapterConfig,
    WeightedAdapter,
    adaptable_layers,
    adapter_tensors,
    adapter_weight,
    add_adapter,
    merge_adapters,
)
from audiodiff.nn.wavenet import WaveNet, WaveNetConfig
from tests.nn.latent_networks import DIT, UNET, condition, noisy, randomised
from tests.refusals import refused


def wavenet() -> nn.Module:
    torch.manual_seed(0)
    net = WaveNet(WaveNetConfig(channels=8, layers=2, cond_channels=4, embedding_width=8), 3, 3)
    nn.init.normal_(net.output_projection.weight)
    return net


def call_wavenet(net: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x, cond = torch.randn(1, 3, 20, generator=generator), torch.randn(1, 4, 20, generator=generator)
    out: Tensor = net(x, torch.tensor([0.3]), cond)
    return out


def call_latent(net: nn.Module) -> Tensor:
    out: Tensor = net(*noisy(8), condition())
    return out


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Tensor]]] = {
    "wavenet": (wavenet, call_wavenet),
    "dit": (lambda: randomised(DIT), call_latent),
    "unet": (lambda: randomised(UNET), call_latent),
}


def disturb(net: nn.Module, seed: int) -> None:
    """Let an adapter do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("method", ["lora", "dora"])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_adapter_starts_as_the_identity_learns_in_every_layer_and_merges_to_the_same_function(
    name: str, method: str
) -> None:
    build, call = NETWORKS[name]
    net, config = build(), AdapterConfig(rank=2, method=method, alpha=3.0)  # type: ignore[arg-type]
    layers = list(adaptable_layers(net))
    with torch.no_grad():
        before = call(net)
    add_adapter(net, config)
    torch.testing.assert_close(call(net), before)
    disturb(net, 0)
    after = call(net)
    assert (after - before).abs().max() > 0.01
    after.square().sum().backward()
    trained = {key for key, parameter in net.named_parameters() if parameter.grad is not None}
    assert {key.partition(".parametrizations")[0] for key in trained} == set(layers)
    assert all(".parametrizations.weight.0." in key for key in trained)  # the weights themselves are frozen

    merged = build()
    merge_adapters(merged, [WeightedAdapter(config, adapter_tensors(net), 1.0)])
    with torch.no_grad():
        torch.testing.assert_close(call(merged), after.detach(), atol=1e-4, rtol=1e-4)
    assert set(merged.state_dict()) == set(build().state_dict())


def test_the_formulas_of_lora_and_dora() -> None:
    # Written out by hand: W = [[3, 4], [0, 2]], up @ down = [[1], [2]] @ [[1, 0]] = [[1, 0], [2, 0]], scale 0.5.
    weight, down, up = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0], [2.0]])
    lora = torch.tensor([[3.5, 4.0], [1.0, 2.0]])
    torch.testing.assert_close(adapter_weight(weight, down, up, None, 0.5), lora)
    dora = adapter_weight(weight, down, up, torch.tensor([5.0, 1.0]), 0.5)
    torch.testing.assert_close(dora.norm(dim=1), torch.tensor([5.0, 1.0]))
    torch.testing.assert_close(dora / dora.norm(dim=1, keepdim=True), lora / lora.norm(dim=1, keepdim=True))


def test_strengths_add_up_and_the_order_does_not_matter() -> None:
    adapters = []
    for seed, method in ((1, "lora"), (2, "dora")):
        net, config = randomised(DIT), AdapterConfig(rank=2, method=method)  # type: ignore[arg-type]
        add_adapter(net, config)
        disturb(net, seed)
        adapters.append((config, adapter_tensors(net)))

    def merged(*strengths: float) -> dict[str, Tensor]:
        net = randomised(DIT)
        merge_adapters(net, [WeightedAdapter(*each, s) for each, s in zip(adapters, strengths, strict=True)])
        return dict(net.state_dict())

    base, first, second, both = merged(0.0, 0.0), merged(1.0, 0.0), merged(0.0, 1.0), merged(0.8, 0.4)
    torch.testing.assert_close(base, dict(randomised(DIT).state_dict()))
    for name, value in both.items():
        expected = base[name] + 0.8 * (first[name] - base[name]) + 0.4 * (second[name] - base[name])
        torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-5)
    reverse = randomised(DIT)
    merge_adapters(reverse, [WeightedAdapter(*adapters[1], 0.4), WeightedAdapter(*adapters[0], 0.8)])
    torch.testing.assert_close(dict(reverse.state_dict()), both, atol=1e-6, rtol=1e-5)


def test_patterns_choose_layers_and_grouped_convolutions_are_left_out() -> None:
    net = randomised(DIT)
    chosen = adaptable_layers(net, ("blocks.*.attention.*", "output_projection"))
    assert {name.rpartition(".")[2] for name in chosen} == {"qkv", "output", "output_projection"}
    assert not any(name.endswith(".conv") for name in adaptable_layers(net))  # depthwise
    refused(
        "fits no linear layer.*condition_embedding", lambda: add_adapter(net, AdapterConfig(2, targets=("nothing",)))
    )


def test_factors_never_hold_more_than_their_weight() -> None:
    net = nn.Sequential(nn.Linear(100, 2))
    add_adapter(net, AdapterConfig(rank=64))
    assert sum(value.numel() for value in adapter_tensors(net).values()) <= 200


def test_adapters_of_other_networks_are_refused() -> None:
    net, config = nn.Sequential(nn.Linear(8, 8)), AdapterConfig(rank=2)
    tensors = {"0.down": torch.zeros(2, 8), "0.up": torch.zeros(8, 2)}
    for changed, words in (
        ({**tensors, "1.up": torch.zeros(1)}, "'1' that the model does not have"),
        ({**tensors, "0.up": torch.zeros(7, 2)}, r"0.up has shape \[7, 2\]; expected \[8, 2\]"),
        ({"0.up": tensors["0.up"]}, "0.down has shape none"),
        ({**tensors, "0.magnitude": torch.zeros(8)}, "0.magnitude has shape .*expected none"),
    ):
        refused(words, lambda changed=changed: merge_adapters(net, [WeightedAdapter(config, changed, 1.0)]))
    for wrong, words in (({"rank": -1}, "rank"), ({"alpha": 0.0}, "alpha"), ({"targets": ()}, "empty")):
        refused(words, lambda wrong=wrong: AdapterConfig(**wrong))
