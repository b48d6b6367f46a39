import math

import numpy as np
import pytest

from audiodiff.metrics.stats import Interval, mean_interval, paired_difference
from tests.refusals import refused

pytest.importorskip("scipy")


def test_the_t_interval_of_a_textbook_sample():
    # n = 5, mean 3, standard deviation sqrt(2.5); t(0.975, 4) = 2.776445.
    interval = mean_interval([1, 2, 3, 4, 5])
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert (interval.mean, interval.n) == (3.0, 5)
    assert interval.low == pytest.approx(3 - half, abs=1e-5)
    assert interval.high == pytest.approx(3 + half, abs=1e-5)
    assert interval.half_width == pytest.approx(half, abs=1e-5)


@pytest.mark.parametrize("method", ["t", "bootstrap"])
def test_a_95_percent_interval_holds_the_true_mean_about_95_times_in_100(method):
    random = np.random.default_rng(0)
    trials = 60 if method == "bootstrap" else 1000
    hits = sum(not mean_interval(list(random.normal(2.0, 1.0, 30)), method=method).excludes(2.0) for _ in range(trials))
    assert 0.86 * trials <= hits <= 0.995 * trials


def test_the_bootstrap_repeats_and_agrees_with_t_on_many_values():
    values = list(np.random.default_rng(1).normal(0, 1, 400))
    first, again = (mean_interval(values, method="bootstrap", seed=3) for _ in range(2))
    assert first == again
    assert first != mean_interval(values, method="bootstrap", seed=4)
    assert first.half_width == pytest.approx(mean_interval(values).half_width, rel=0.05)


def test_pairing_sees_what_the_means_hide():
    random = np.random.default_rng(2)
    clips = random.normal(3.0, 1.0, 20)
    better = clips + 0.1 + random.normal(0, 0.02, 20)
    assert mean_interval(list(better)).overlaps(mean_interval(list(clips)))
    difference = paired_difference(list(better), list(clips))
    assert difference.excludes(0.0)
    assert difference.mean == pytest.approx(0.1, abs=0.02)


def test_one_value_has_no_interval():
    interval = mean_interval([2.0])
    assert (interval.mean, interval.low, interval.high, interval.n) == (2.0, -math.inf, math.inf, 1)


@pytest.mark.parametrize(
    ("values", "message"), [([], "at least one"), ([1.0, math.nan], "not finite"), ([1.0, math.inf], "not finite")]
)
def test_bad_values_are_refused(values, message):
    refused(message, lambda: mean_interval(values))


def test_other_bad_arguments_are_refused():
    refused("confidence", lambda: mean_interval([1.0, 2.0], confidence=95))
    refused("same clips", lambda: paired_difference([1.0], [1.0, 2.0]))


def test_overlap_is_symmetric():
    first, second, third = Interval(1, 0, 2, 3), Interval(3, 2, 4, 3), Interval(5, 4.5, 6, 3)
    assert first.overlaps(second)
    assert second.overlaps(first)
    assert not first.overlaps(third)
    assert not third.overlaps(first)
