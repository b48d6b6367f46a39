from dataclasses import dataclass

import pytest

from audiodiff.bounds import check_bounds
from tests.refusals import refused


@dataclass(frozen=True)
class Shape:
    layers: int = 4
    rates: tuple[float, ...] = (0.5, 1.0)
    limit: float | None = None


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (Shape(layers=0), "net.layers is 0; expected 1 to 100"),
        (Shape(layers=10**9), "net.layers is 1000000000; expected 1 to 100"),
        (Shape(layers=10**30), r"net.layers is 1e\+30; expected 1 to 100"),
        (Shape(rates=(0.5, float("nan"))), "net.rates is nan; expected 0 to 1"),
        (Shape(rates=(float("inf"),)), "net.rates is inf"),
        (Shape(limit=-1.0), "net.limit is -1.0"),
    ],
)
def test_numbers_out_of_bounds_are_refused(shape: Shape, words: str) -> None:
    refused(words, lambda: check_bounds(shape, "net", layers=(1, 100), rates=(0, 1), limit=(0, 9)))


def test_numbers_within_pass() -> None:
    check_bounds(Shape(layers=100, rates=(0.0, 1.0)), "net", layers=(1, 100), rates=(0, 1), limit=(0, 9))
