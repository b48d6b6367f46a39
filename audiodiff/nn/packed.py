"""A trained `WaveNet` rearranged for sampling: the same function without gradients, in about two thirds of the time.

Sequences are rows (`[batch, time, channels]`), so that every convolution is a matrix product. What is saved:

- a dilated convolution of three taps makes four outputs, one dilation apart, from six products instead of twelve
  (S. Winograd, "Arithmetic complexity of computations", 1980; F(4, 3) of A. Lavin and S. Gray, arXiv 1509.09308);
- weights are cast once; biases, the factors 1/sqrt(2) of the residual path and 2 in tanh(x) = 2 sigmoid(2 x) - 1, and
  the linear map behind the skip path are part of them;
- sums are made inside the products or in place;
- weights of low rank are multiplied one factor after the other where that takes fewer products than the whole weight.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiodiff.errors import AudiodiffError
from audiodiff.nn.low_rank import LowRank
from audiodiff.nn.wavenet import WaveNet, WaveNetConfig

__all__ = ["PackedCond", "PackedWaveNet", "WaveNetStream", "packable"]


class PackedCond(NamedTuple):
    """What the layers need of a condition.

    Attributes:
        layers: for each layer the terms of the first to fourth outputs, `[4, rows, 2 * channels]`, biases included; of
            one whose convolution has two factors in the order of time, `[4 * rows, 2 * channels]`.
        length: time steps of the condition.
    """

    layers: tuple[Tensor, ...]
    length: int


class _Layer(NamedTuple):
    """Weights of one layer, `[in, out]`; float32 where they act on vectors, the compute dtype on sequences.

    `up` is the second factor of a convolution of which `taps` is the first, `inner` the first one of `residual` and
    `skip`; None for whole weights.
    """

    dilation: int
    ahead: int
    taps: tuple[Tensor, ...]
    up: Tensor | None
    inner: Tensor | None
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
        for_stream: hold what `WaveNetStream` calls: whole convolutions, with the condition among their inputs.

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
        for_stream: bool = False,
    ) -> None:
        if not packable(wavenet.config):
            raise AudiodiffError(
                f"Only a WaveNet with kernel size 3 and a condition can be packed; this one has kernel size "
                f"{wavenet.config.kernel_size} and {wavenet.config.cond_channels} condition channels."
            )
        self.dtype = dtype
        self._embedding = copy.deepcopy(wavenet.diffusion_embedding)
        entry, entry_bias = _matrices(wavenet.input_projection)
        exit_, exit_bias = _matrices(wavenet.output_projection)
        if in_order is not None:
            entry = [entry[0][:, in_order], *entry[1:]]
        if out_order is not None:
            exit_, exit_bias = [*exit_[:-1], exit_[-1][out_order]], exit_bias[out_order]
        self._entry, self._entry_bias = [self._cast(each.T) for each in entry], self._cast(entry_bias)
        self._exit, self._exit_bias = [self._cast(each.T) for each in exit_], self._cast(exit_bias)
        # relu(W sum(skip) + b) = relu(sum(W skip) + b): one map fewer, and nothing to add up first.
        n_layers = wavenet.config.layers
        after_skip, skip_bias = _whole(wavenet.skip_projection)
        after_skip, skip_bias = after_skip / math.sqrt(n_layers), skip_bias.clone()
        # With X = 2^(l/2) x the residual path is a plain sum; a constant part of it waits for the next layer.
        constant = torch.zeros_like(skip_bias)
        layers = []
        for index, part in enumerate(wavenet.residual_layers):
            scale = 2.0 ** (index / 2)
            (*inner, out), out_bias = _matrices(part.get_submodule("output_projection"))
            half = len(out) // 2
            filter_twice = torch.cat([torch.ones(half), torch.full((half,), 2.0)]).to(out)
            kernel, up, conv_bias = _kernel(part.get_submodule("dilated_conv"))
            kernel = kernel.double() / scale
            cond_weight, cond_bias = _whole(part.get_submodule("conditioner_projection"))
            step, step_bias = _whole(part.get_submodule("diffusion_projection"))
            cond = (cond_weight * filter_twice[:, None]).T
            if up is None:
                kernel = kernel * filter_twice[:, None, None]
            else:
                up = (up * filter_twice[:, None]).T
            taps = _transformed_taps(kernel)
            if for_stream:
                # With the condition among the inputs of the last product.
                taps = [torch.cat([*kernel.permute(2, 1, 0), *([cond] if up is None else [])])]
                up = None if up is None else torch.cat([up, cond])
            layers.append(
                _Layer(
                    dilation=wavenet.config.dilations[index],
                    ahead=wavenet.config.layers_ahead[index],
                    taps=tuple(self._cast(each) for each in taps),
                    up=None if up is None else self._cast(up),
                    inner=self._cast(inner[0].T) if inner else None,
                    residual=None if index == n_layers - 1 else self._cast(2.0 * scale * out[:half].T),
                    skip=self._cast(2.0 * (after_skip @ out[half:]).T),
                    step=step * scale,
                    step_bias=step_bias * scale + constant,
                    cond=self._cast(cond),
                    cond_bias=self._cast((cond_bias + conv_bias) * filter_twice),
                )
            )
            skip_bias += after_skip @ out_bias[half:]
            constant = constant + scale * out_bias[:half]
        self._layers = tuple(layers)
        self._skip_bias = self._cast(skip_bias)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._entry_bias.device

    def _cast(self, weight: Tensor) -> Tensor:
        return weight.to(self.dtype, copy=True).contiguous()

    def project_cond(self, cond: Tensor) -> PackedCond:
        """Everything that the layers need of `cond` `[batch, cond_channels, time]`, for any number of calls."""
        batch, _, length = cond.shape
        lengths = [4 * _groups(length, layer.dilation) * layer.dilation for layer in self._layers]
        rows = F.pad(cond.transpose(1, 2), (0, 0, 0, max(lengths) - length)).to(self.dtype)
        terms = []
        for layer, padded in zip(self._layers, lengths, strict=True):
            term = torch.addmm(layer.cond_bias, rows[:, :padded].reshape(batch * padded, -1), layer.cond)
            if layer.up is None:
                groups = term.view(batch, -1, 4, layer.dilation, term.shape[1])
                term = groups.movedim(2, 0).reshape(4, -1, term.shape[1])
            terms.append(term)
        return PackedCond(tuple(terms), length)

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
            x = _product(self._entry_bias, rows.flatten(0, 1), self._entry).relu_()
            skip = self._skip_bias.repeat(len(x), 1)
            # The zeros around a sequence stay, so one for each dilation and place will do.
            padded: dict[tuple[int, int], Tensor] = {}
            for layer, terms in zip(self._layers, cond.layers, strict=True):
                before = 2 * layer.dilation - layer.ahead
                place = layer.dilation, before
                if place not in padded:
                    blocks = 4 * _groups(length, layer.dilation) + 4
                    padded[place] = x.new_zeros(batch, blocks * layer.dilation, x.shape[1])
                step = F.linear(embedding, layer.step, layer.step_bias).to(self.dtype)[:, None]
                sequence = padded[place]
                inner = sequence[:, before : before + length]
                torch.add(x.view(batch, length, -1), step, out=inner)
                hidden = _gated(sequence, layer, terms)[:, :length].reshape(len(x), -1)
                if layer.inner is not None:
                    hidden = hidden @ layer.inner
                if layer.residual is not None:
                    x.addmm_(hidden, layer.residual)
                skip.addmm_(hidden, layer.skip)
            return _product(self._exit_bias, skip.relu_(), self._exit).view(batch, length, -1)


class WaveNetStream:
    """A packed network on a sequence that arrives in parts: every layer keeps the rows that it sees again.

    Args:
        packed: made `for_stream`.
    """

    def __init__(self, packed: PackedWaveNet) -> None:
        self._packed = packed
        channels, device = len(packed._entry_bias), packed.device
        empty = torch.zeros(0, channels, dtype=packed.dtype, device=device)
        # of each layer: its convolution's input, zeros before the beginning; its own input and sum that wait for that
        self._held = [
            (empty.new_zeros(2 * layer.dilation - layer.ahead, channels), empty, empty) for layer in packed._layers
        ]
        self._done = [0] * len(self._held)

    @torch.no_grad()
    def push(self, rows: Tensor, c_noise: Tensor, cond: Callable[[int, int], Tensor], last: bool) -> Tensor:
        """Take in rows and return those that are final now, as `PackedWaveNet` would.

        Args:
            rows: `[n, in_channels]` in the compute dtype.
            c_noise: noise level, `[1]`.
            cond: `cond(start, stop)` gives rows of the condition, `[stop - start, cond_channels]`.
            last: whether these rows are the last.
        """
        packed = self._packed
        with torch.autocast(rows.device.type, enabled=False):
            embedding = packed._embedding(c_noise)
            x = _product(packed._entry_bias, rows, packed._entry).relu_()
            skip = packed._skip_bias.expand(len(x), -1)
            for index, layer in enumerate(packed._layers):
                step = F.linear(embedding, layer.step, layer.step_bias).to(packed.dtype)
                seen, inputs, sums = self._held[index]
                seen = torch.cat([seen, x + step, x.new_zeros(layer.ahead if last else 0, x.shape[1])])
                inputs, sums = torch.cat([inputs, x]), torch.cat([sums, skip])
                count, done = max(0, len(seen) - 2 * layer.dilation), self._done[index]
                taps = [seen[tap * layer.dilation :][:count] for tap in range(3)]
                term = cond(done, done + count).to(packed.dtype)
                if layer.up is None:
                    gates = torch.addmm(layer.cond_bias, torch.cat([*taps, term], dim=1), layer.taps[0]).sigmoid_()
                else:
                    reduced = torch.cat(taps, dim=1) @ layer.taps[0]
                    gates = torch.addmm(layer.cond_bias, torch.cat([reduced, term], dim=1), layer.up).sigmoid_()
                gate, candidate = gates.chunk(2, dim=1)
                hidden = candidate.sub_(0.5).mul(gate)
                if layer.inner is not None:
                    hidden = hidden @ layer.inner
                skip = torch.addmm(sums[:count], hidden, layer.skip)
                x = inputs[:count] if layer.residual is None else torch.addmm(inputs[:count], hidden, layer.residual)
                self._held[index] = seen[count:].clone(), inputs[count:].clone(), sums[count:].clone()
                self._done[index] += count
            return _product(packed._exit_bias, skip.relu_(), packed._exit)


def _matrices(layer: nn.Module) -> tuple[list[Tensor], Tensor]:
    """The weight `[out, in]` of a layer, or both in their order where it has low rank; and its bias."""
    parts: list[nn.Module] = [layer.down, layer.up] if isinstance(layer, LowRank) else [layer]
    matrices = []
    for part in parts:
        assert isinstance(part.weight, Tensor)
        matrices.append(part.weight.detach().flatten(1))
    assert isinstance(parts[-1].bias, Tensor)
    return matrices, parts[-1].bias.detach()


def _whole(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """The weight of a layer of one tap as one matrix `[out, in]`, and its bias."""
    matrices, bias = _matrices(layer)
    return matrices[0] if len(matrices) == 1 else matrices[1] @ matrices[0], bias


def _kernel(layer: nn.Module) -> tuple[Tensor, Tensor | None, Tensor]:
    """The kernel `[out, in, 3]` of a convolution, what follows it `[out, rank]` where that is faster, and the bias."""
    matrices, bias = _matrices(layer)
    kernel = matrices[0].view(len(matrices[0]), -1, 3)
    if len(matrices) == 1:
        return kernel, None, bias
    rank, n_in, _ = kernel.shape
    n_out = len(bias)
    # Half as many products as taps and inputs: six for four outputs.
    if rank * (1.5 * n_in + n_out) < 1.5 * n_in * n_out:
        return kernel, matrices[1], bias
    return (matrices[1] @ matrices[0]).view(n_out, n_in, 3), None, bias


def _product(bias: Tensor, rows: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """`bias + rows @ matrices[0] @ ...`."""
    for matrix in matrices[:-1]:
        rows = rows @ matrix
    return torch.addmm(bias, rows, matrices[-1])


def _groups(length: int, dilation: int) -> int:
    """Groups of four blocks, each `dilation` long, that hold `length` outputs."""
    return -(-length // (4 * dilation))


# The products are values of polynomials at 0, +-A, +-B and infinity. These places, with A * B = 1, keep the numbers
# small: in bfloat16 the error of the convolution is a third lower than at the usual 0, +-1, +-2.
_P, _Q = 0.5, 2.0
_A, _B = math.sqrt(_P), math.sqrt(_Q)


def _transformed_taps(kernel: Tensor) -> list[Tensor]:
    """Six matrices `[in, out]` for a kernel `[out, in, 3]`, in the order of `_transformed_inputs`."""
    first, second, third = (kernel[:, :, tap].T for tap in range(3))
    found = [first / (_P * _Q)]
    for place, square, scale in ((_A, _P, 2 * _P * (_P - _Q)), (_B, _Q, 2 * _Q * (_Q - _P))):
        # times `place`, which saves the second and fourth outputs a product
        even, odd = (first + square * third) * (place / scale), second * (square / scale)
        found += [even + odd, even - odd]
    return [*found, third]


def _transformed_inputs(blocks: list[Tensor]) -> list[Tensor]:
    """Six combinations of the six consecutive blocks that four outputs see."""
    found = []
    sums = []
    for place, other in ((_A, _Q), (_B, _P)):
        even = torch.sub(blocks[4], blocks[2], alpha=other)
        odd = torch.sub(blocks[3], blocks[1], alpha=other)
        sums.append(even)
        found += [torch.add(even, odd, alpha=place), torch.sub(even, odd, alpha=place)]
    edge = torch.sub(blocks[2], blocks[0], alpha=_Q)
    zero = torch.sub(sums[0], edge, alpha=_P)
    infinity = torch.sub(blocks[5], blocks[3], alpha=_P + _Q).add_(blocks[1])
    return [zero, *found, infinity]


def _gated(sequence: Tensor, layer: _Layer, terms: Tensor) -> Tensor:
    """Half of sigmoid(gate) * tanh(filter) of the dilated convolution of a padded sequence.

    Args:
        sequence: `[batch, (4 * groups + 4) * dilation, channels]`, as many zeros first as the layer looks back.
        layer: the weights.
        terms: what is added to the outputs, as in `PackedCond`.

    Returns:
        `[batch, 4 * groups * dilation, channels]`.
    """
    if layer.up is None:
        gates = _dilated(sequence, layer, terms)
    else:
        inner = _dilated(sequence, layer, None)
        gates = torch.addmm(terms, inner.flatten(0, 1), layer.up).view(*inner.shape[:2], -1)
    gate, candidate = gates.sigmoid_().chunk(2, dim=2)
    return candidate.sub_(0.5).mul(gate)


def _dilated(sequence: Tensor, layer: _Layer, terms: Tensor | None) -> Tensor:
    """The outputs of three taps on a padded sequence, `[batch, 4 * groups * dilation, out]`."""
    blocks = sequence.view(len(sequence), -1, 4, layer.dilation, sequence.shape[2])
    # Group m puts out blocks 4 m + 1 to 4 m + 4 and sees one more on each side.
    seen = [
        blocks[:, :-1, 0],
        blocks[:, :-1, 1],
        blocks[:, :-1, 2],
        blocks[:, :-1, 3],
        blocks[:, 1:, 0],
        blocks[:, 1:, 1],
    ]
    rows = [part.flatten(0, 2) for part in _transformed_inputs(seen)]
    first = _plus(terms, 0, rows[0], layer.taps[0])
    products = [torch.mm(rows[k], layer.taps[k]) for k in range(1, 5)]
    fourth = _plus(terms, 3, rows[5], layer.taps[5])
    odd_a, odd_b = products[0] - products[1], products[2] - products[3]
    even_a, even_b = products[0].add_(products[1]), products[2].add_(products[3])
    shape = (*seen[0].shape[:3], first.shape[1])
    outputs = first.new_empty(shape[0], shape[1], 4, *shape[2:])
    second = odd_a + odd_b
    third = even_a * _A if terms is None else torch.add(terms[2], even_a, alpha=_A)
    first.add_(even_a, alpha=1.0 / _A)
    fourth.add_(odd_a, alpha=_P)
    torch.add(first.view(shape), even_b.view(shape), alpha=1.0 / _B, out=outputs[:, :, 0])
    if terms is None:
        outputs[:, :, 1] = second.view(shape)
    else:
        torch.add(terms[1].view(shape), second.view(shape), out=outputs[:, :, 1])
    torch.add(third.view(shape), even_b.view(shape), alpha=_B, out=outputs[:, :, 2])
    torch.add(fourth.view(shape), odd_b.view(shape), alpha=_Q, out=outputs[:, :, 3])
    return outputs.flatten(1, 3)


def _plus(terms: Tensor | None, index: int, rows: Tensor, taps: Tensor) -> Tensor:
    return rows @ taps if terms is None else torch.addmm(terms[index], rows, taps)
