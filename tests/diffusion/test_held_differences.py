import math

import pytest
import torch
from torch import Tensor

from audiodiff.diffusion.held_differences import HeldDifferences
from audiodiff.errors import AudiodiffError

UP = torch.tensor([1.0, 2.0])


class Network:
    """Estimates `x + UP` towards and `x - t` away, and counts what it is asked for."""

    def __init__(self, hold: float) -> None:
        self.held = HeldDifferences[Tensor](hold)
        self.calls: list[str] = []

    def __call__(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        def both() -> tuple[Tensor, Tensor]:
            self.calls.append("both")
            return x + UP, x - t

        def towards() -> Tensor:
            self.calls.append("one")
            return x + UP

        return self.held.estimates(t, x, both, towards)


@pytest.mark.parametrize(
    ("hold", "wanted"),
    [
        (0.0, "both both both both both both both"),
        (0.05, "both both one both one both one"),
        (0.1, "both both one one both one one"),
        (0.04, "both both both both both both both"),
        (9.0, "both both one one one one one"),
    ],
)
def test_a_difference_serves_for_the_time_it_is_held(hold: float, wanted: str) -> None:
    network = Network(hold)
    for t in torch.linspace(1.0, 0.7, 7).tolist():
        network(torch.zeros(2), t)
    assert " ".join(network.calls) == wanted


def test_between_the_estimates_lies_what_lay_there_before() -> None:
    network = Network(0.1)
    for t in (1.0, 0.9):
        network(torch.zeros(2), t)
    wanted, unwanted = network(torch.full((2,), 5.0), 0.8)
    assert network.calls[-1] == "one"
    assert wanted.equal(5.0 + UP)
    assert (wanted - unwanted).allclose(UP + 0.9), "as at the time before"


def test_windows_have_differences_of_their_own() -> None:
    network = Network(9.0)
    left, right = torch.zeros(2), torch.zeros(3, 2)
    for t in (1.0, 0.9, 0.8):
        network(left, t)
        network(right, t)
        network(left + 1.0, t)
    assert network.calls == ["both"] * 6 + ["one"] * 3
    network(right, 0.7)
    assert network.calls[-1] == "both", "one of another shape is of another window"


def test_a_later_time_begins_another_run() -> None:
    network = Network(9.0)
    for t in (1.0, 0.9, 0.8, 0.95, 0.85, 0.75):
        network(torch.zeros(2), t)
    assert network.calls == ["both", "both", "one", "both", "both", "one"]


@pytest.mark.parametrize("hold", [-0.1, math.inf, math.nan])
def test_a_time_that_is_none_is_refused(hold: float) -> None:
    with pytest.raises(AudiodiffError, match="0 or more"):
        HeldDifferences(hold)
