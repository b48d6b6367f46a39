from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.diffusion import positional_noise
from audiodiff.errors import AudiodiffError

WHOLE = positional_noise(7, 0, -9000, 20000, channels=2)


@settings(max_examples=40, deadline=None)
@given(st.integers(-9000, 20000), st.integers(0, 9000))
def test_any_window_is_the_slice_of_the_whole(start: int, length: int) -> None:
    stop = min(start + length, 20000)
    assert torch.equal(positional_noise(7, 0, start, stop, channels=2), WHOLE[:, start + 9000 : stop + 9000])


def test_channels_do_not_depend_on_their_number() -> None:
    assert torch.equal(positional_noise(7, 0, 0, 5000, channels=1), WHOLE[:1, 9000:14000])


def test_is_standard_normal_and_independent() -> None:
    n = 200_000
    fields = torch.cat(
        [
            positional_noise(1, 0, 0, n, channels=2),
            positional_noise(1, 1, 0, n),
            positional_noise(2, 0, 0, n),
            positional_noise(1, 0, n, 2 * n),
        ]
    )
    assert fields.dtype == torch.float32
    assert fields.mean(1).abs().max() < 0.01
    assert (fields.std(1) - 1.0).abs().max() < 0.01
    assert (fields.pow(4).mean(1) - 3.0).abs().max() < 0.1
    correlation = torch.corrcoef(fields) - torch.eye(len(fields))
    assert correlation.abs().max() < 0.015


def test_seeds_of_any_size_work() -> None:
    values = [positional_noise(seed, 0, 0, 16) for seed in (0, -1, 2**40, 2**63)]
    assert len({tuple(value[0].tolist()) for value in values}) == 4


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    positional_noise(0, 0, 0, 10)
    assert torch.equal(torch.rand(3), expected)


def test_bad_windows_are_refused() -> None:
    assert positional_noise(0, 0, 5, 5).shape == (1, 0)
    with pytest.raises(AudiodiffError):
        positional_noise(0, 0, 5, 4)
    with pytest.raises(AudiodiffError):
        positional_noise(0, 0, 0, 4, channels=0)
