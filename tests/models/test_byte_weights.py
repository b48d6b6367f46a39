import pytest
import torch

from audiodiff.models.byte_weights import GROUP, SMALLEST, from_bytes, n_groups, to_bytes


@pytest.mark.parametrize("shape", [(64, 70, 3), (100, 64), (33, 129), (2, 1, 5000)])
@pytest.mark.parametrize("size", [1.0, 1e-3, 300.0])
def test_a_tensor_comes_back_nearly_as_it_was_and_exactly_in_float16(shape: tuple[int, ...], size: float) -> None:
    value = size * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    packed = to_bytes(value)
    assert packed is not None
    codes, scale = packed
    assert (codes.dtype, codes.shape, scale.dtype) == (torch.int8, value.shape, torch.float16)
    assert list(scale.shape) == n_groups(list(shape))
    back = from_bytes(codes, scale)
    assert (back - value).norm() < 0.007 * value.norm()
    assert back.half().float().equal(back)


def test_each_group_has_the_scale_of_its_largest_number() -> None:
    value = torch.ones(64, 2 * GROUP)
    value[:, GROUP:] *= 1000.0
    value[:, 5] = 2.0
    packed = to_bytes(value)
    assert packed is not None
    assert (from_bytes(*packed) - value).abs()[:, :GROUP].max() < 0.01


def test_what_is_small_or_beyond_float16_stays_as_it_is() -> None:
    large = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    assert large.numel() == SMALLEST
    assert to_bytes(large) is not None
    assert to_bytes(large[:-1]) is None
    assert to_bytes(large.flatten()) is None, "a vector"
    for size in (1e8, 1e-6, torch.nan):
        assert to_bytes(size * large) is None
    zeros = to_bytes(torch.zeros(64, 64))
    assert zeros is not None
    assert from_bytes(*zeros).equal(torch.zeros(64, 64))
