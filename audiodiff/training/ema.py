"""Exponential moving average of a module's weights, measured in training items."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError
from audiodiff.nn.names import with_current_names
from audiodiff.training.processes import copy_whole, local

WARM_UP_RATIO = 0.1
"""While training is young the half-life is this share of the items seen so far. The average then forgets the
initial weights like `(items now / items then)^-6.9` and its width stays near 10 % of the run, the range that
Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion Models" (2024), section 3, find
best."""


def ema_decay(items_seen: int, new_items: int, half_life: float, warm_up_ratio: float = WARM_UP_RATIO) -> float:
    """Return the share of the old average that survives the next `new_items` training items.

    Args:
        items_seen: training items that the average has seen before this update.
        new_items: training items of this update (the batch size).
        half_life: items after which a weight's share in the average has halved; 0 switches averaging off.
        warm_up_ratio: the half-life is at most this times `items_seen`, so the first update copies the
            weights.
    """
    effective = min(half_life, warm_up_ratio * items_seen)
    if effective <= 0.0:
        return 0.0
    return float(0.5 ** (new_items / effective))


class EMA:
    """Moving average of the trainable parameters of `module`; buffers and frozen parameters are not averaged.

    Counting in items, not steps, keeps the meaning of `half_life` when the batch size changes.
    """

    def __init__(self, module: nn.Module, half_life: float) -> None:
        """Start from a copy of the module's present weights."""
        if half_life < 0:
            raise AudiodiffError(f"EMA half-life is {half_life}, expected 0 (off) or more training items.")
        self.half_life = half_life
        self.items_seen = 0
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._averages = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, new_items: int) -> None:
        """Move the average towards the present weights after a step on `new_items` items."""
        keep = ema_decay(self.items_seen, new_items, self.half_life)
        self.items_seen += new_items
        averages, parameters = self._averages.values(), self._parameters.values()
        torch._foreach_lerp_([local(a) for a in averages], [local(p) for p in parameters], 1.0 - keep)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Let the module hold the averaged weights inside the `with` block; nothing is copied.

        Not for weights that are divided among processes.
        """
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for name, parameter in self._parameters.items():
            parameter.data, self._averages[name] = self._averages[name], parameter.data

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages by parameter name, for saving."""
        return dict(self._averages)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], items_seen: int) -> None:
        """Take over saved averages.

        Raises:
            AudiodiffError: names or shapes are not those of the module.
        """
        copy_tensors(tensors, self._averages, "EMA")
        self.items_seen = items_seen


@torch.no_grad()
def copy_tensors(source: Mapping[str, Tensor], target: Mapping[str, Tensor], what: str) -> None:
    """Copy `source` into the memory of `target`, keeping the target's strides, device and division among processes.

    Raises:
        AudiodiffError: the two do not have the same names and shapes.
    """
    source = with_current_names(source, target)
    if source.keys() != target.keys():
        odd = sorted(source.keys() ^ target.keys())[:3]
        raise AudiodiffError(
            f"the saved {what} belongs to another model (differs in {', '.join(odd)}); "
            "resume with the configuration that the run was started with."
        )
    for name, tensor in target.items():
        if source[name].shape != tensor.shape:
            raise AudiodiffError(
                f"the saved {what} has {name} of shape {list(source[name].shape)}, the model expects "
                f"{list(tensor.shape)}; resume with the configuration that the run was started with."
            )
        copy_whole(tensor, source[name])
