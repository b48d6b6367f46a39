"""Attention over sequences `[batch, n, width]` and what goes with it, shared by the latent denoisers."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "CrossAttention",
    "FeedForward",
    "KeysValues",
    "Rotary",
    "SelfAttention",
    "layer_norm",
    "linear",
    "rotary_tables",
    "zero_linear",
]

_EPS = 1e-6
_MATMUL_LIMIT = 512 * 512


class Rotary(NamedTuple):
    """Cosines and signed sines of the rotation at each position, both `[n, 1, 1, head_size]`."""

    cos: Tensor
    sin: Tensor


class KeysValues(NamedTuple):
    """Keys and values of cross-attention, both `[batch, heads, n_tokens, head_size]`."""

    keys: Tensor
    values: Tensor


def rotary_tables(positions: Tensor, head_size: int, base: float) -> Rotary:
    """Rotations by `position * base^(-2 i / head_size)` (RoFormer, arXiv 2104.09864, Eq. 15).

    Pairs are (i, i + head_size / 2) and not neighbours: whole halves are what vector units like.

    Args:
        positions: float, `[n]`, in latents.
        head_size: even.
        base: longest wavelength / 2 pi, about.
    """
    exponents = torch.arange(head_size // 2, device=positions.device) * (-2.0 / head_size)
    angles = (positions[:, None] * base**exponents)[:, None, None]
    cos, sin = angles.cos(), angles.sin()
    return Rotary(torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1))


def linear(in_width: int, out_width: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer that keeps the variance of what passes through it (Xavier, biases 0)."""
    layer = nn.Linear(in_width, out_width, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def zero_linear(in_width: int, out_width: int) -> nn.Linear:
    """A linear layer that starts as the zero function."""
    layer = nn.Linear(in_width, out_width)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def layer_norm(x: Tensor) -> Tensor:
    """Zero mean and unit variance over the last axis, without parameters, in float32 at least."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return F.layer_norm(x, (int(x.shape[-1]),), eps=_EPS)


class _HeadNorm(nn.Module):
    """RMS normalisation over each head with a learned scale (arXiv 2302.05442, section 2.1: it bounds the logits).

    Args:
        shape: of the scale, `[..., heads, head_size]`.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        # One scale a head and not one for all: its gradient sums over whole rows then, ten times faster on CPUs.
        self.scale = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if torch.onnx.is_in_onnx_export():  # for ONNX, which has no such operator before version 23
            return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + _EPS) * self.scale
        return F.rms_norm(x, x.shape[-1:], eps=_EPS) * self.scale


class SelfAttention(nn.Module):
    """Every position looks at every other one; rotary positions, normalised queries and keys.

    Args:
        width: a multiple of `heads`.
        heads: number of heads; the head size must be even.
        zero: start as the zero function.
    """

    def __init__(self, width: int, heads: int, *, zero: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = linear(width, 3 * width, bias=False)
        self.norm = _HeadNorm(2, heads, width // heads)
        self.output = zero_linear(width, width) if zero else linear(width, width)

    def forward(self, x: Tensor, rotary: Rotary, mask: Tensor | None) -> Tensor:
        """Map `[batch, n, width]` to the same shape; `mask [batch, n]` is True where a position is real."""
        batch, n, width = x.shape
        projected = self.qkv(x).view(batch, n, 3, self.heads, width // self.heads)
        values = projected[:, :, 2]
        queries, keys = _rotate(self.norm(projected[:, :, :2]), rotary).to(values.dtype).unbind(2)
        found = _attend(queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), mask)
        out: Tensor = self.output(found)
        return out


class CrossAttention(nn.Module):
    """Every position looks at the tokens of another sequence; starts as the zero function.

    Args:
        width: of the sequence, a multiple of `heads`.
        heads: number of heads.
        token_width: of the tokens.
    """

    def __init__(self, width: int, heads: int, token_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = linear(width, width, bias=False)
        self.key_value = linear(token_width, 2 * width, bias=False)
        self.query_norm = _HeadNorm(heads, width // heads)
        self.key_norm = _HeadNorm(heads, width // heads)
        self.output = zero_linear(width, width)

    def project(self, tokens: Tensor) -> KeysValues:
        """What attention needs of the tokens `[batch, n_tokens, token_width]`: the same at every denoising step."""
        projected = self.key_value(tokens).unflatten(2, (2, self.heads, -1))
        values = projected[:, :, 1]
        keys = self.key_norm(projected[:, :, 0]).to(values.dtype)
        return KeysValues(keys.transpose(1, 2), values.transpose(1, 2))

    def forward(self, x: Tensor, tokens: KeysValues, mask: Tensor | None) -> Tensor:
        """Map `[batch, n, width]` to the same shape; `mask [batch, n_tokens]` is True where a token is real."""
        batch, n, width = x.shape
        queries = self.query_norm(self.query(x).view(batch, n, self.heads, width // self.heads))
        out: Tensor = self.output(_attend(queries.to(tokens.values.dtype).transpose(1, 2), *tokens, mask))
        return out


class FeedForward(nn.Module):
    """Two linear layers, gated (SwiGLU, arXiv 2002.05202) or plain with GELU.

    Args:
        width: in and out.
        expansion: hidden width of the plain kind over `width`; the gated kind has as many parameters.
        kind: "swiglu" or "gelu".
    """

    def __init__(self, width: int, expansion: float, kind: str) -> None:
        super().__init__()
        self.gated = kind == "swiglu"
        hidden = expansion * width * (2.0 / 3.0 if self.gated else 1.0)
        # Multiples of 32 keep the matrix products on their fast path.
        hidden_width = max(32, 32 * round(hidden / 32))
        self.input = linear(width, 2 * hidden_width if self.gated else hidden_width)
        self.output = linear(hidden_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., width]` to the same shape."""
        hidden: Tensor = self.input(x)
        if self.gated:
            gate, value = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * value
        else:
            hidden = F.gelu(hidden)
        out: Tensor = self.output(hidden)
        return out


def _rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """`x [batch, n, ..., heads, head_size]` turned by its positions."""
    half = x.shape[-1] // 2
    return torch.addcmul(x * rotary.cos, x.roll(half, dims=-1), rotary.sin)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """`[batch, heads, n, head_size]` three times to `[batch, n, heads * head_size]`."""
    attn_mask = None if mask is None else mask[:, None, None, :]
    attend = _matmul_attention if _matmul_is_faster(queries, keys) else F.scaled_dot_product_attention
    return attend(queries, keys, values, attn_mask=attn_mask).transpose(1, 2).flatten(2)


def _matmul_is_faster(queries: Tensor, keys: Tensor) -> bool:
    """Whether plain matrix products beat the fused kernel: in bfloat16 on a CPU.

    There the fused backward pass takes two to four times as long (torch 2.14, Zen 4; `(24, 4, 128, 64)` forwards and
    backwards: 47 ms against 17), and guided denoising of a batch of two 1.14 times. Long sequences keep it, for their
    memory; so does one item that is sampled by itself, whose last bits files depend on.
    """
    short = queries.shape[2] * keys.shape[2] <= _MATMUL_LIMIT
    return (
        short
        and queries.device.type == "cpu"
        and queries.dtype == torch.bfloat16
        and (queries.requires_grad or queries.shape[0] > 1)
    )


def _matmul_attention(queries: Tensor, keys: Tensor, values: Tensor, attn_mask: Tensor | None) -> Tensor:
    """`F.scaled_dot_product_attention`, spelt out."""
    scores: Tensor = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    weights: Tensor = scores.softmax(dim=-1).to(values.dtype)
    return weights @ values
