"""A trained `WaveNet` rearranged for sampling: the same function without gradients, in about two thirds of the time.

Sequences are rows (`[batch, time, channels]`), so that every convolution is a matrix product. What is saved:

- a dilated convolution of three taps makes two outputs from four products instead of six (S. Winograd, "Arithmetic
  complexity of computations", 1980; F(2, 3) of A. Lavin and S. Gray, arXiv 1509.09308), the pair being one dilation
  apart;
- weights are cast once; biases, the factors 1/sqrt(2) of the residual path and 2 in tanh(x) = 2 sigmoid(2 x) - 1, and
  the linear map behind the skip path are part of them;
- sums are made inside the products or in place.
"""

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from audiodiff.errors import AudiodiffError
from audiodiff.nn.wavenet import WaveNet, WaveNetConfig

__all__ = ["PackedCond", "PackedWaveNet", "packable"]


class PackedCond(NamedTuple):
    """What the layers need of a condition: for each the first and the second outputs' terms, `[2, rows, 2 * channels]`.

    Attributes:
        layers: the terms, biases included.
        length: time steps of the condition.
    """

    layers: tuple[Tensor, ...]
    length: int


class _Layer(NamedTuple):
    """Weights of one layer, `[in, out]`; float32 where they act on vectors, the compute dtype on sequences."""

    dilation: int
    taps: tuple[Tensor, Tensor, Tensor, Tensor]
    residual: Tensor | None
    skip: Tensor
    step: Tensor
    step_bias: Tensor
    cond: Tensor
    cond_bias: Tensor


def packable(config: WaveNetConfig) -> bool:
    """Whether `PackedWaveNet` knows this shape."""
    return config.kernel_size == 3 and config.cond_channels > 0


class PackedWaveNet:
    """The function of a `WaveNet` as it is now; later changes of its weights do not count.

    Args:
        wavenet: the network.
        dtype: of sequences and their products; noise levels stay in float32.
        in_order: input channel of the network that stands at each place of a row; None for its own order.
        out_order: the same for output channels.

    Raises:
        AudiodiffError: a kernel size other than 3, or a network without condition.
    """

    def __init__(
        self,
        wavenet: WaveNet,
        dtype: torch.dtype = torch.float32,
        *,
        in_order: Tensor | None = None,
        out_order: Tensor | None = None,
    ) -> None:
        if not packable(wavenet.config):
            raise AudiodiffError(
                f"Only a WaveNet with kernel size 3 and a condition can be packed; this one has kernel size "
                f"{wavenet.config.kernel_size} and {wavenet.config.cond_channels} condition channels."
            )
        self.dtype = dtype
        self._embedding = copy.deepcopy(wavenet.diffusion_embedding)
        state = {name: value.detach() for name, value in wavenet.named_parameters()}
        entry, exit_ = state["input_projection.weight"][:, :, 0], state["output_projection.weight"][:, :, 0]
        exit_bias = state["output_projection.bias"]
        if in_order is not None:
            entry = entry[:, in_order]
        if out_order is not None:
            exit_, exit_bias = exit_[out_order], exit_bias[out_order]
        self._entry, self._entry_bias = self._cast(entry.T), self._cast(state["input_projection.bias"])
        self._exit, self._exit_bias = self._cast(exit_.T), self._cast(exit_bias)
        # relu(W sum(skip) + b) = relu(sum(W skip) + b): one map fewer, and nothing to add up first.
        n_layers = wavenet.config.layers
        after_skip = state["skip_projection.weight"][:, :, 0] / math.sqrt(n_layers)
        skip_bias = state["skip_projection.bias"].clone()
        # With X = 2^(l/2) x the residual path is a plain sum; a constant part of it waits for the next layer.
        constant = torch.zeros_like(skip_bias)
        layers = []
        for index in range(n_layers):
            part = {
                name.split(".", 2)[2]: value
                for name, value in state.items()
                if name.startswith(f"residual_layers.{index}.")
            }
            scale = 2.0 ** (index / 2)
            out, out_bias = part["output_projection.weight"][:, :, 0], part["output_projection.bias"]
            half = len(out) // 2
            filter_twice = torch.cat([torch.ones(half), torch.full((half,), 2.0)]).to(out)
            kernel = part["dilated_conv.weight"].double() * filter_twice[:, None, None] / scale
            left, middle, right = (kernel[:, :, tap].T for tap in range(3))
            taps = (left, (left + middle + right) / 2, (left - middle + right) / 2, -right)
            layers.append(
                _Layer(
                    dilation=2 ** (index % wavenet.config.dilation_cycle),
                    taps=(self._cast(taps[0]), self._cast(taps[1]), self._cast(taps[2]), self._cast(taps[3])),
                    residual=None if index == n_layers - 1 else self._cast(2.0 * scale * out[:half].T),
                    skip=self._cast(2.0 * (after_skip @ out[half:]).T),
                    step=part["diffusion_projection.weight"] * scale,
                    step_bias=part["diffusion_projection.bias"] * scale + constant,
                    cond=self._cast((part["conditioner_projection.weight"][:, :, 0] * filter_twice[:, None]).T),
                    cond_bias=self._cast(
                        (part["conditioner_projection.bias"] + part["dilated_conv.bias"]) * filter_twice
                    ),
                )
            )
            skip_bias += after_skip @ out_bias[half:]
            constant = constant + scale * out_bias[:half]
        self._layers = tuple(layers)
        self._skip_bias = self._cast(skip_bias)

    def _cast(self, weight: Tensor) -> Tensor:
        return weight.to(self.dtype, copy=True).contiguous()

    def project_cond(self, cond: Tensor) -> PackedCond:
        """Everything that the layers need of `cond` `[batch, cond_channels, time]`, for any number of calls."""
        rows = cond.transpose(1, 2).to(self.dtype)
        terms = []
        for layer in self._layers:
            term = torch.matmul(rows, layer.cond) + layer.cond_bias
            pairs = _pairs(rows.shape[1], layer.dilation)
            padded = F.pad(term, (0, 0, 0, 2 * pairs * layer.dilation - rows.shape[1]))
            split = padded.view(len(rows), pairs, 2, layer.dilation, -1).movedim(2, 0)
            terms.append(split.reshape(2, -1, term.shape[-1]).contiguous())
        return PackedCond(tuple(terms), rows.shape[1])

    @torch.no_grad()
    def __call__(self, rows: Tensor, c_noise: Tensor, cond: PackedCond) -> Tensor:
        """Denoise.

        Args:
            rows: `[batch, time, in_channels]` in the compute dtype.
            c_noise: noise level, `[batch]`.
            cond: as `project_cond` gives it, for as many time steps.

        Returns:
            `[batch, time, out_channels]` in the compute dtype.
        """
        batch, length = rows.shape[:2]
        if cond.length != length:
            raise AudiodiffError(f"The input has {length} time steps and the condition {cond.length}.")
        with torch.autocast(rows.device.type, enabled=False):
            embedding = self._embedding(c_noise)
            x = torch.addmm(self._entry_bias, rows.flatten(0, 1), self._entry).relu_()
            skip = self._skip_bias.repeat(len(x), 1)
            padded: dict[int, Tensor] = {}  # the zeros around a sequence stay, so one for each dilation will do
            for layer, terms in zip(self._layers, cond.layers, strict=True):
                if layer.dilation not in padded:
                    blocks = 2 * _pairs(length, layer.dilation) + 2
                    padded[layer.dilation] = x.new_zeros(batch, blocks * layer.dilation, x.shape[1])
                step = F.linear(embedding, layer.step, layer.step_bias).to(self.dtype)[:, None]
                sequence = padded[layer.dilation]
                inner = sequence[:, layer.dilation : layer.dilation + length]
                torch.add(x.view(batch, length, -1), step, out=inner)
                hidden = _gated(sequence, layer, terms)[:, :length].reshape(len(x), -1)
                if layer.residual is not None:
                    x.addmm_(hidden, layer.residual)
                skip.addmm_(hidden, layer.skip)
            return torch.addmm(self._exit_bias, skip.relu_(), self._exit).view(batch, length, -1)


def _pairs(length: int, dilation: int) -> int:
    """Blocks of two outputs, each `dilation` long, that hold `length` outputs."""
    return -(-length // (2 * dilation))


def _gated(sequence: Tensor, layer: _Layer, terms: Tensor) -> Tensor:
    """Half of sigmoid(gate) * tanh(filter) of the dilated convolution of a padded sequence.

    Args:
        sequence: `[batch, (2 * pairs + 2) * dilation, channels]`, `dilation` zeros first.
        layer: the weights.
        terms: what is added to the first and the second outputs, `[2, batch * pairs * dilation, 2 * channels]`.

    Returns:
        `[batch, 2 * pairs * dilation, channels]`.
    """
    blocks = sequence.view(len(sequence), -1, 2, layer.dilation, sequence.shape[2])
    even, odd = blocks[:, :, 0], blocks[:, :, 1]
    # Outputs of pair m stand on blocks odd[m] and even[m + 1]; their four inputs begin at even[m].
    inputs = (
        even[:, :-1] - even[:, 1:],
        odd[:, :-1] + even[:, 1:],
        even[:, 1:] - odd[:, :-1],
        odd[:, :-1] - odd[:, 1:],
    )
    rows = [part.flatten(0, 2) for part in inputs]
    first = torch.addmm(terms[0], rows[0], layer.taps[0])
    both = torch.mm(rows[1], layer.taps[1])
    difference = torch.mm(rows[2], layer.taps[2])
    second = torch.addmm(terms[1], rows[3], layer.taps[3])
    shape = (*inputs[0].shape[:3], first.shape[1])
    outputs = first.new_empty(shape[0], shape[1], 2, *shape[2:])
    torch.add(first, both, out=first)
    torch.add(first.view(shape), difference.view(shape), out=outputs[:, :, 0])
    torch.add(second, both, out=second)
    torch.sub(second.view(shape), difference.view(shape), out=outputs[:, :, 1])
    gates = outputs.flatten(1, 3).sigmoid_()
    gate, candidate = gates.chunk(2, dim=2)
    return candidate.sub_(0.5).mul(gate)
