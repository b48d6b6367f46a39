"""Adapters: low-rank changes of trained weights, by LoRA (arXiv 2106.09685) or DoRA (arXiv 2402.09353).

An adapter changes the weight of a layer and not its call, so it works wherever weights are read: in layers of torch, in
convolutions that slice their weight, in networks that are packed for sampling. Merged, it costs nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.convolution import TimeConv
from audiodiff.torch_state import full_precision

__all__ = [
    "AdapterConfig",
    "WeightedAdapter",
    "adaptable_layers",
    "adapter_tensors",
    "adapter_weight",
    "add_adapter",
    "merge_adapters",
]

DOWN, UP, MAGNITUDE = "down", "up", "magnitude"

_SMALLEST = 1e-12
"""Norms below this count as this: a row of zeros has no direction."""


@dataclass(frozen=True)
class AdapterConfig:
    """Shape of an adapter.

    Attributes:
        rank: of the change of each weight; 0 for no adapter: all weights are trained.
        method: "lora", or "dora", which learns the length of each row apart from its direction.
        alpha: the change is multiplied by alpha / rank, so that the learning rate fits any rank.
        targets: patterns of the names of layers, such as "network.blocks.*"; linear layers and convolutions that fit
            one are adapted.
    """

    rank: int = 0
    method: Literal["lora", "dora"] = "lora"
    alpha: float = 16.0
    targets: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            AudiodiffError: a field is out of range.
        """
        check_bounds(self, "adapter", rank=(0, 4096), alpha=(1e-6, 1e6))
        if self.method not in ("lora", "dora"):
            raise AudiodiffError(f'adapter.method is "{self.method}"; known: lora, dora.')
        if not self.targets:
            raise AudiodiffError("adapter.targets is empty; give a pattern of names, such as *.")

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.alpha / self.rank


class WeightedAdapter(NamedTuple):
    """What is to be merged.

    Attributes:
        config: shape of the adapter.
        tensors: as `adapter_tensors` returns them.
        strength: 1 as it was trained, 0 for nothing of it.
    """

    config: AdapterConfig
    tensors: Mapping[str, Tensor]
    strength: float


def adapter_weight(weight: Tensor, down: Tensor, up: Tensor, magnitude: Tensor | None, scale: float) -> Tensor:
    """Return an adapted weight.

    LoRA (section 4.1, Eq. 3): `W + scale * up @ down`. DoRA (section 4.1, Eq. 5) gives each row of that the length
    `magnitude`; rows are the outputs of a layer, as in the authors' own code.

    Args:
        weight: `[out, in]`, or of a convolution `[out, in, *kernel]`, which counts as `[out, in * kernel]`.
        down: `[rank, in]`.
        up: `[out, rank]`.
        magnitude: `[out]`; None for LoRA.
        scale: of the product.
    """
    with full_precision(weight):
        changed = torch.addmm(weight.flatten(1), up, down, alpha=scale)
        if magnitude is not None:
            norm = torch.linalg.vector_norm(changed, dim=1, keepdim=True).clamp(min=_SMALLEST)
            changed = changed * (magnitude[:, None] / norm)
        return changed.view_as(weight)


class _Adapter(nn.Module):
    """The factors of one layer; called with its frozen weight, returns the adapted one. Starts as the identity."""

    def __init__(self, weight: Tensor, config: AdapterConfig) -> None:
        super().__init__()
        rank, (n_out, n_in) = _rank_of(weight, config.rank), weight.flatten(1).shape
        self.scale = config.scale
        self.down = nn.Parameter(weight.new_empty(rank, n_in))
        self.up = nn.Parameter(weight.new_zeros(n_out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5.0))
        self.magnitude: nn.Parameter | None = None
        if config.method == "dora":
            self.magnitude = nn.Parameter(torch.linalg.vector_norm(weight.detach().flatten(1), dim=1))

    def forward(self, weight: Tensor) -> Tensor:
        return adapter_weight(weight, self.down, self.up, self.magnitude, self.scale)


def adaptable_layers(module: nn.Module, patterns: Sequence[str] = ("*",)) -> dict[str, nn.Module]:
    """Return linear layers and convolutions whose names fit a pattern, by name.

    Depthwise and other grouped convolutions are left out: a change of low rank would be as large as their weights.
    """
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | TimeConv)
        and getattr(layer, "groups", 1) == 1
        and any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def add_adapter(module: nn.Module, config: AdapterConfig) -> None:
    """Freeze a module and give it an adapter, the only thing that is trained; its function stays what it is for now.

    Raises:
        AudiodiffError: no layer fits the patterns.
    """
    layers = adaptable_layers(module, config.targets)
    if not layers:
        known = ", ".join(sorted({name.split(".")[0] for name in adaptable_layers(module)}))
        raise AudiodiffError(
            f"adapter.targets is {', '.join(config.targets)}, which fits no linear layer or convolution; their names "
            f"begin with {known}."
        )
    module.requires_grad_(False)
    for layer in layers.values():
        weight = layer.weight
        assert isinstance(weight, nn.Parameter)
        parametrize.register_parametrization(layer, "weight", _Adapter(weight, config))


def adapter_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return what `add_adapter` has added: "LAYER.down" `[rank, in]`, "LAYER.up" `[out, rank]` and of DoRA
    "LAYER.magnitude" `[out]`.
    """
    return {
        f"{name}.{part}": value.detach()
        for name, adapter in _adapters(module)
        for part, value in adapter.state_dict().items()
    }


@torch.no_grad()
def merge_adapters(module: nn.Module, adapters: Sequence[WeightedAdapter]) -> None:
    """Add the changes of adapters, each times its strength, to the weights of a module that has none yet.

    All changes are those of the weights as they were, so the order does not matter.

    Raises:
        AudiodiffError: an adapter is for layers that the module does not have, or of another shape.
    """
    layers, before = adaptable_layers(module), dict[str, Tensor]()
    for adapter in adapters:
        for name in _checked(adapter, layers):
            weight = layers[name].weight
            assert isinstance(weight, nn.Parameter)
            original = before.setdefault(name, weight.detach().clone())
            down, up, magnitude = (
                None if value is None else value.to(weight)
                for value in (adapter.tensors.get(f"{name}.{part}") for part in (DOWN, UP, MAGNITUDE))
            )
            assert down is not None
            assert up is not None
            changed = adapter_weight(original, down, up, magnitude, adapter.config.scale)
            weight.add_(changed - original, alpha=adapter.strength)


def _checked(adapter: WeightedAdapter, layers: Mapping[str, nn.Module]) -> list[str]:
    """The layers of an adapter.

    Raises:
        AudiodiffError: a tensor is missing, unknown or of another shape.
    """
    names = sorted({name.rpartition(".")[0] for name in adapter.tensors})
    expected: dict[str, list[int]] = {}
    for name in names:
        if name not in layers:
            raise AudiodiffError(f"the adapter changes a layer {name[:80]!r} that the model does not have.")
        weight = layers[name].weight
        assert isinstance(weight, nn.Parameter)
        rank, (n_out, n_in) = _rank_of(weight, adapter.config.rank), weight.flatten(1).shape
        expected |= {f"{name}.{DOWN}": [rank, n_in], f"{name}.{UP}": [n_out, rank]}
        if adapter.config.method == "dora":
            expected[f"{name}.{MAGNITUDE}"] = [n_out]
    found = {name: list(value.shape) for name, value in adapter.tensors.items()}
    for name in sorted({*expected, *found}):
        if found.get(name) != expected.get(name):
            raise AudiodiffError(
                f"the adapter's {name[:80]} has shape {found.get(name, 'none')}; expected {expected.get(name, 'none')}."
            )
    return names


def _adapters(module: nn.Module) -> Iterator[tuple[str, _Adapter]]:
    marker = ".parametrizations.weight.0"
    for name, part in module.named_modules():
        if isinstance(part, _Adapter):
            yield name.removesuffix(marker), part


def _rank_of(weight: Tensor, rank: int) -> int:
    """The rank for a weight: never so high that the factors hold more numbers than it does."""
    n_out, n_in = weight.flatten(1).shape
    return max(1, min(rank, n_out * n_in // (n_out + n_in)))
