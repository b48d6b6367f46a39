import pytest
import torch
from torch.nn import functional as F

from audiodiff.nn.convolution import TimeConv, circular_pad


def randomised(groups: int = 1, stride: int = 1) -> TimeConv:
    torch.manual_seed(0)
    conv = TimeConv(6, 12, 5, stride=stride, groups=groups)
    torch.nn.init.normal_(conv.bias)
    return conv


@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_the_textbook_convolution(groups: int, stride: int) -> None:
    conv, x = randomised(groups, stride), torch.randn(2, 8, 6)
    expected = F.conv1d(x.transpose(1, 2), conv.weight, conv.bias, stride, padding=2, groups=groups).transpose(1, 2)
    torch.testing.assert_close(conv(x, None, False), expected)
    assert conv(x, None, False).shape == (2, 8 // stride, 12)


def test_padding_is_as_good_as_the_end() -> None:
    conv, x = randomised(), torch.randn(2, 9, 6)
    real = torch.arange(9).expand(2, 9) < 6
    torch.testing.assert_close(conv(x, real, False)[:, :6], conv(x[:, :6], None, False))
    assert not torch.allclose(conv(x, None, False)[:, 5], conv(x, real, False)[:, 5], atol=1e-3)


def test_a_turned_circle_gives_a_turned_circle() -> None:
    conv, x = randomised(), torch.randn(2, 8, 6)
    torch.testing.assert_close(conv(x.roll(3, dims=1), None, True), conv(x, None, True).roll(3, dims=1))
    halving = randomised(stride=2)
    torch.testing.assert_close(halving(x.roll(4, dims=1), None, True), halving(x, None, True).roll(2, dims=1))
    assert not torch.allclose(conv(x, None, True)[:, 0], conv(x, None, False)[:, 0], atol=1e-3)


def test_it_starts_as_zero_when_told() -> None:
    x = torch.randn(2, 8, 6)
    assert not TimeConv(6, 6, 3, zero=True)(x, None, False).any()
    assert TimeConv(6, 6, 3)(x, None, False).any()


def test_circular_padding_goes_round_as_often_as_it_must() -> None:
    x = torch.arange(3.0).view(1, 3, 1)
    assert circular_pad(x, 2, 1).flatten().tolist() == [1, 2, 0, 1, 2, 0]
    assert circular_pad(x[:, :1], 2, 2).flatten().tolist() == [0, 0, 0, 0, 0]
