import itertools

import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.windowed import window_starts, windowed, with_beats


@pytest.mark.parametrize(("length", "window", "overlap"), [(10, 10, 3), (11, 10, 3), (100, 10, 3), (1000, 215, 71)])
def test_windows_cover_everything_and_share_enough(length: int, window: int, overlap: int) -> None:
    starts = window_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(length - window, 0)
    for one, other in itertools.pairwise(starts):
        assert one < other <= one + window - overlap


def test_windows_that_would_not_move_on_are_refused() -> None:
    with pytest.raises(AudiodiffError, match="overlap by 10"):
        window_starts(20, 10, 10)


def test_what_all_windows_agree_on_is_left_alone() -> None:
    x = torch.randn(1, 3, 50)
    denoise = windowed(lambda x, t, beats: 2.0 * x, 16, 5)
    torch.testing.assert_close(denoise(x, torch.ones(1), x[0, 0]), 2.0 * x)


def test_windows_see_no_more_than_they_may_and_join_without_a_step() -> None:
    seen: list[int] = []

    def number(x: Tensor, t: Tensor, beats: Tensor) -> Tensor:
        seen.append(x.shape[-1])
        return torch.full_like(x, float(len(seen)))

    joined = windowed(number, 20, 10)(torch.zeros(1, 1, 50), torch.ones(1), torch.zeros(50))[0, 0]
    assert seen == [20] * 4
    assert joined[0] == 1.0
    assert joined[-1] == 4.0
    steps = joined.diff()
    assert float(steps.min()) >= 0.0
    assert float(steps.max()) < 0.2  # a hard cut would be 1


def test_a_short_state_is_one_call() -> None:
    calls = []
    windowed(lambda x, t, beats: calls.append(x.shape[-1]) or x, 20, 5)(
        torch.zeros(1, 1, 20), torch.ones(1), torch.zeros(20)
    )
    assert calls == [20]


def test_every_window_is_told_its_own_beats() -> None:
    x = torch.randn(1, 1, 50)

    def same_place(x: Tensor, t: Tensor, beats: Tensor) -> Tensor:
        assert torch.equal(x[0, 0], beats)
        return x

    for length in (50, 20, 7):
        state = x[..., :length]
        with_beats(windowed(same_place, 20, 10), state[0, 0])(state, torch.ones(1))
