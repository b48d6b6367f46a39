import math

import pytest
import torch
from torch.nn import functional as F

from audiodiff.nn import attention
from audiodiff.nn.attention import (
    CrossAttention,
    FeedForward,
    SelfAttention,
    rotary_tables,
)


def self_attention() -> SelfAttention:
    torch.manual_seed(0)
    module = SelfAttention(16, 2)
    torch.nn.init.normal_(module.norm.scale, 1.5, 0.5)
    return module


def test_the_published_rotation_with_half_split_pairs() -> None:
    x = torch.randn(1, 5, 2, 8, generator=torch.Generator().manual_seed(0))
    tables = rotary_tables(torch.arange(5.0), 8, 100.0)
    turned = attention._rotate(x[:, :, None], tables)[:, :, 0]
    for position in range(5):
        for pair in range(4):
            angle = position * 100.0 ** (-2.0 * pair / 8)
            a, b = x[0, position, :, pair], x[0, position, :, pair + 4]
            torch.testing.assert_close(turned[0, position, :, pair], a * math.cos(angle) - b * math.sin(angle))
            torch.testing.assert_close(turned[0, position, :, pair + 4], b * math.cos(angle) + a * math.sin(angle))


def test_self_attention_knows_distances_and_not_places() -> None:
    module = self_attention()
    x = torch.randn(1, 7, 16)
    out = module(x, rotary_tables(torch.arange(7.0), 8, 10000.0), None)
    moved = module(x, rotary_tables(torch.arange(7.0) + 300.0, 8, 10000.0), None)
    torch.testing.assert_close(moved, out, rtol=1e-4, atol=1e-4)
    stretched = module(x, rotary_tables(2.0 * torch.arange(7.0), 8, 10000.0), None)
    assert not torch.allclose(stretched, out, atol=1e-3)


def test_large_queries_and_keys_do_not_sharpen_attention() -> None:
    module = self_attention()
    tables = rotary_tables(torch.arange(7.0), 8, 10000.0)
    x = torch.randn(1, 7, 16)
    out = module(x, tables, None)
    with torch.no_grad():
        module.qkv.weight[:32] *= 100.0
    torch.testing.assert_close(module(x, tables, None), out, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_plain_products_compute_what_the_fused_kernel_does(masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(2, 3, n, 8, generator=generator) for n in (5, 7, 7))
    mask = (torch.arange(7) < torch.tensor([[7], [4]]))[:, None, None] if masked else None
    torch.testing.assert_close(
        attention._matmul_attention(queries, keys, values, mask),
        F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask),
    )


def test_plain_products_are_for_bfloat16_on_short_sequences_and_not_for_one_item_sampled_alone() -> None:
    queries = torch.randn(1, 1, 8, 4, dtype=torch.bfloat16, requires_grad=True)
    keys = torch.randn(1, 1, 8, 4)
    assert attention._matmul_is_faster(queries, keys)
    assert not attention._matmul_is_faster(queries.detach(), keys)
    assert attention._matmul_is_faster(queries.detach().repeat(2, 1, 1, 1), keys)
    assert not attention._matmul_is_faster(queries.float(), keys)
    assert not attention._matmul_is_faster(queries, keys.expand(1, 1, 8, 4).repeat(1, 1, 10_000, 1))


def test_cross_attention_starts_as_zero_and_weights_scale_what_it_finds() -> None:
    torch.manual_seed(0)
    module = CrossAttention(16, 2, 12)
    x, tokens, mask = torch.randn(1, 5, 16), torch.randn(1, 3, 12), torch.ones(1, 3, dtype=torch.bool)
    assert not module(x, module.project(tokens), mask).any()
    torch.nn.init.normal_(module.output.weight)
    found = module(x, module.project(tokens), mask)
    # Keys are normalised, so a prompt weight moves the values alone.
    torch.testing.assert_close(module(x, module.project(2.0 * tokens), mask), 2.0 * found, rtol=1e-4, atol=1e-5)


def test_the_gated_feed_forward_has_as_many_parameters_as_the_plain_one() -> None:
    plain, gated = (
        sum(p.numel() for p in FeedForward(256, 4.0, kind).parameters() if p.ndim == 2) for kind in ("gelu", "swiglu")
    )
    assert gated == pytest.approx(plain, rel=0.05)
