"""Layers of low rank: a weight as the product of two thin ones, by singular values.

A linear layer `W` becomes `U V`; a convolution with a kernel of k becomes one of k to `rank` channels and one of 1 from
there, which is the same of its weight as `[out, in * k]`. The truncated singular value decomposition is the closest
product of its rank (Eckart and Young, Psychometrika 1936). It also is where training from the start begins: factors of
the weight that the layer would have begun with (arXiv 2105.01029, section 3.1).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.bounds import check_bounds
from audiodiff.errors import AudiodiffError
from audiodiff.nn.adapters import adaptable_layers
from audiodiff.nn.convolution import TimeConv

__all__ = [
    "LayerRank",
    "LowRank",
    "LowRankConfig",
    "factor_count",
    "factorisable_layers",
    "factorise",
    "singular_values",
]


@dataclass(frozen=True)
class LayerRank:
    """The rank of layers.

    Attributes:
        layers: pattern of their names, such as "residual_layers.*.dilated_conv".
        rank: of their weights; 0 for whole ones.
    """

    layers: str
    rank: int

    def __post_init__(self) -> None:
        """Refuse ranks that there are not.

        Raises:
            AudiodiffError: a field is out of range.
        """
        check_bounds(self, "low_rank.ranks", rank=(0, 65_536))


@dataclass(frozen=True)
class LowRankConfig:
    """Which layers of a network have weights of low rank.

    A rank whose factors would hold as many numbers as the weight leaves it whole.

    Attributes:
        keep: share of the numbers of its weight that a layer's factors may hold; 1 for whole weights.
        ranks: rank by name; the first pattern that fits a layer counts, and where none does, `keep`.
    """

    keep: float = 1.0
    ranks: tuple[LayerRank, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            AudiodiffError: a field is out of range.
        """
        check_bounds(self, "low_rank", keep=(1e-6, 1.0))

    def rank_of(self, name: str, n_out: int, n_in: int) -> int:
        """Return the rank of a layer, 0 for a whole weight.

        Args:
            name: of the layer.
            n_out, n_in: shape of its weight as a matrix.
        """
        asked = next((each.rank for each in self.ranks if fnmatchcase(name, each.layers)), None)
        if asked is None:
            asked = 0 if self.keep >= 1.0 else max(1, int(self.keep * n_out * n_in / (n_out + n_in)))
        return asked if factor_count(asked, n_out, n_in) < n_out * n_in else 0


class LowRank(nn.Module):
    """Two layers in a row in the place of one.

    Args:
        down: to `rank` channels, without a bias; takes what the layer took.
        up: from there, with the layer's bias.
    """

    def __init__(self, down: nn.Linear | nn.Conv1d | TimeConv, up: nn.Linear | nn.Conv1d) -> None:
        super().__init__()
        self.down = down
        self.up = up

    def forward(self, x: Tensor, *rest: Any) -> Tensor:
        """Map as the layer did."""
        hidden = self.down(x, *rest)
        out: Tensor = self.up(hidden)
        return out


def factor_count(rank: int, n_out: int, n_in: int) -> int:
    """Numbers in the two factors of a matrix."""
    return rank * (n_out + n_in)


def factorisable_layers(module: nn.Module) -> dict[str, nn.Linear | nn.Conv1d | TimeConv]:
    """Return the layers of a network that can be of low rank, by name: those that adapters change, too."""
    return {
        name: layer
        for name, layer in adaptable_layers(module).items()
        if isinstance(layer, nn.Linear | nn.Conv1d | TimeConv)
    }


def singular_values(weight: Tensor) -> Tensor:
    """Return those of a weight `[out, in]` or `[out, in, kernel]` as a matrix, largest first, in float64."""
    values: Tensor = torch.linalg.svdvals(weight.detach().flatten(1).double())
    return values


def factorise(module: nn.Module, config: LowRankConfig) -> None:
    """Give layers of a network weights of low rank, the closest ones to those that they have.

    Args:
        module: the network.
        config: of which layers.

    Raises:
        AudiodiffError: a pattern fits no layer.
    """
    if config == LowRankConfig():
        return
    layers = factorisable_layers(module)
    _check_patterns(config, layers)
    for name, layer in layers.items():
        if rank := config.rank_of(name, *layer.weight.flatten(1).shape):
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, _factors(layer, rank))


def _check_patterns(config: LowRankConfig, layers: Mapping[str, nn.Module]) -> None:
    for each in config.ranks:
        if not any(fnmatchcase(name, each.layers) for name in layers):
            known = ", ".join(sorted({name.split(".")[0] for name in layers}))
            raise AudiodiffError(
                f"low_rank.ranks has the pattern {each.layers[:80]!r}, which fits no linear layer or convolution of "
                f"the network; their names begin with {known}."
            )


def _factors(layer: nn.Linear | nn.Conv1d | TimeConv, rank: int) -> LowRank:
    weight, bias = layer.weight.detach(), layer.bias
    n_out, n_in = weight.shape[:2]
    down: nn.Linear | nn.Conv1d | TimeConv
    up: nn.Linear | nn.Conv1d = nn.Linear(rank, n_out, bias=bias is not None)
    if isinstance(layer, nn.Linear):
        down = nn.Linear(n_in, rank, bias=False)
    elif isinstance(layer, TimeConv):
        down = TimeConv(n_in, rank, weight.shape[2], stride=layer.stride, bias=False)
    else:
        up = nn.Conv1d(rank, n_out, 1, bias=bias is not None)
        down = nn.Conv1d(
            n_in,
            rank,
            layer.kernel_size[0],
            stride=layer.stride[0],
            padding=layer.padding if isinstance(layer.padding, str) else layer.padding[0],
            dilation=layer.dilation[0],
            bias=False,
        )
    if not (weight.is_meta or up.weight.is_meta):  # built without weights, to be loaded
        _fill(down, up, weight, bias)
    return LowRank(down, up)


@torch.no_grad()
def _fill(
    down: nn.Linear | nn.Conv1d | TimeConv, up: nn.Linear | nn.Conv1d, weight: Tensor, bias: Tensor | None
) -> None:
    """Let `up @ down` be the closest to a weight, of factors of one size."""
    rank = down.weight.shape[0]
    left, values, right = torch.linalg.svd(weight.flatten(1).double(), full_matrices=False)
    root = values[:rank].sqrt()
    if values[0] > 0:
        down.weight.copy_((root[:, None] * right[:rank]).view_as(down.weight))
    # else a layer that begins as the zero function, which two factors of zeros would stay
    up.weight.copy_((left[:, :rank] * root).view_as(up.weight))
    if bias is not None:
        assert up.bias is not None
        up.bias.copy_(bias)
    for part in (down, up):
        part.to(weight.device, weight.dtype)


def choose_ranks(layers: Mapping[str, nn.Linear | nn.Conv1d | TimeConv], keep: float) -> tuple[LayerRank, ...]:
    """Choose the ranks that keep most of all weights for a number of numbers.

    The singular value `s_i` of a layer is worth its share of the layer's energy, `s_i^2 / sum s^2`, over the numbers
    that it takes; those above one threshold for all layers are kept, at least one of each layer.

    Args:
        layers: by name.
        keep: share of the numbers of all weights that may be kept.

    Returns:
        A rank for each layer, 0 where the whole weight takes no more.

    Raises:
        AudiodiffError: the share is too small for rank 1.
    """
    shapes = {name: layer.weight.flatten(1).shape for name, layer in layers.items()}
    worth = {}
    for name, layer in layers.items():
        energy = singular_values(layer.weight).square()
        worth[name] = energy / energy.sum().clamp_min(1e-30) / sum(shapes[name])

    def ranks(threshold: float) -> dict[str, int]:
        return {name: max(1, int((each >= threshold).sum())) for name, each in worth.items()}

    def numbers(chosen: Mapping[str, int]) -> int:
        return sum(min(factor_count(rank, *shapes[name]), math.prod(shapes[name])) for name, rank in chosen.items())

    whole = sum(math.prod(shape) for shape in shapes.values())
    smallest = numbers(dict.fromkeys(layers, 1))
    if smallest > keep * whole:
        raise AudiodiffError(
            f"keep is {keep:g}, and the layers of rank 1 already take {smallest / whole:.3g} of the weights; keep more."
        )
    thresholds = torch.cat(list(worth.values())).sort(descending=True).values.tolist()
    low, high = 0, len(thresholds)  # the first `low` of them fit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if numbers(ranks(thresholds[middle - 1])) <= keep * whole else (low, middle - 1)
    chosen = ranks(thresholds[low - 1]) if low else dict.fromkeys(layers, 1)
    return tuple(
        LayerRank(name, rank if factor_count(rank, *shapes[name]) < math.prod(shapes[name]) else 0)
        for name, rank in chosen.items()
    )
