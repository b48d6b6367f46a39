import itertools

import pytest
import torch
from torch import Tensor

from audiodiff.synthesis.windowed import PositionConditions, window_starts, windowed, with_conditions
from tests.refusals import refused


@pytest.mark.parametrize(("length", "window", "overlap"), [(10, 10, 3), (11, 10, 3), (100, 10, 3), (1000, 215, 71)])
def test_windows_cover_everything_and_share_enough(length: int, window: int, overlap: int) -> None:
    starts = window_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(length - window, 0)
    for one, other in itertools.pairwise(starts):
        assert one < other <= one + window - overlap


def test_windows_that_would_not_move_on_are_refused() -> None:
    refused("overlap by 10", lambda: window_starts(20, 10, 10))


def test_what_all_windows_agree_on_is_left_alone() -> None:
    x = torch.randn(1, 3, 50)
    denoise = windowed(lambda x, t, conditions: 2.0 * x, 16, 5)
    torch.testing.assert_close(denoise(x, torch.ones(1), PositionConditions(x[0, 0])), 2.0 * x)


def test_windows_see_no_more_than_they_may_and_join_without_a_step() -> None:
    seen: list[int] = []

    def number(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        seen.append(x.shape[-1])
        return torch.full_like(x, float(len(seen)))

    joined = windowed(number, 20, 10)(torch.zeros(1, 1, 50), torch.ones(1), PositionConditions(torch.zeros(50)))[0, 0]
    assert seen == [20] * 4
    assert joined[0] == 1.0
    assert joined[-1] == 4.0
    steps = joined.diff()
    assert float(steps.min()) >= 0.0
    assert float(steps.max()) < 0.2  # a hard cut would be 1


def test_a_short_state_is_one_call() -> None:
    calls = []
    windowed(lambda x, t, conditions: calls.append(x.shape[-1]) or x, 20, 5)(
        torch.zeros(1, 1, 20), torch.ones(1), PositionConditions(torch.zeros(20))
    )
    assert calls == [20]


def test_every_window_is_told_of_its_own_places() -> None:
    x = torch.randn(1, 2, 50)

    def same_place(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        assert torch.equal(x[0, 0], conditions.beats)
        assert conditions.inpaint_condition is not None
        assert torch.equal(x[0], conditions.inpaint_condition)
        return x

    for length in (50, 20, 7):
        state = x[..., :length]
        conditions = PositionConditions(state[0, 0], state[0])
        with_conditions(windowed(same_place, 20, 10), conditions)(state, torch.ones(1))


def test_places_turn_and_repeat_together() -> None:
    conditions = PositionConditions(torch.arange(4.0), torch.arange(8.0).reshape(2, 4))
    turned, twice = conditions.roll(1), conditions.repeat(2)
    assert turned.inpaint_condition is not None
    assert twice.inpaint_condition is not None
    assert turned.beats.tolist() == [3.0, 0.0, 1.0, 2.0]
    assert turned.inpaint_condition[1].tolist() == [7.0, 4.0, 5.0, 6.0]
    assert twice.beats.tolist() == [0.0, 1.0, 2.0, 3.0] * 2
    assert twice.inpaint_condition[1].tolist() == [4.0, 5.0, 6.0, 7.0] * 2
    assert PositionConditions(torch.arange(4.0)).roll(1).inpaint_condition is None


@pytest.mark.parametrize(("length", "calls"), [(20, [20]), (22, [22]), (23, [20, 20])])
def test_a_state_a_little_longer_than_a_window_is_denoised_as_one(length: int, calls: list[int]) -> None:
    seen: list[int] = []
    denoise = windowed(lambda x, t, conditions: seen.append(x.shape[-1]) or x, 20, 5, tolerance=2)
    denoise(torch.zeros(1, 1, length), torch.ones(1), PositionConditions(torch.zeros(length)))
    assert seen == calls
