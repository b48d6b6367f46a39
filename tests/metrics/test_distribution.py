import math

import numpy as np
import pytest

from audiodiff.metrics.distribution import (
    copy_check,
    frechet_distance,
    kernel_distance,
    manifold_scores,
)
from tests.refusals import refused


def whitened(n_points, dim, seed=0):
    """Points with mean exactly 0 and covariance exactly the identity."""
    points = np.random.default_rng(seed).standard_normal((n_points, dim))
    points -= points.mean(axis=0)
    return points @ np.linalg.inv(np.linalg.cholesky(np.cov(points, rowvar=False))).T


def rotation(dim, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def test_gaussians_of_known_frechet_distance():
    # Covariances that commute: |m|^2 + sum (sqrt(a) - sqrt(b))^2 over their common axes.
    a, b = np.array([4.0, 1.0, 0.25]), np.array([1.0, 9.0, 0.25])
    turn, mean = rotation(3, 1), np.array([1.0, -2.0, 0.5])
    first = whitened(200, 3, 1) * np.sqrt(a) @ turn.T
    second = whitened(300, 3, 2) * np.sqrt(b) @ turn.T + mean
    expected = mean @ mean + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-10)


def test_covariances_that_do_not_commute():
    # Two axes at 45 degrees; tr (S1 S2)^(1/2) of 2 x 2 matrices is sqrt(tr(S1 S2) + 2 sqrt(det S1 det S2)).
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)
    s1, s2 = np.diag([4.0, 1.0]), turn @ np.diag([9.0, 0.5]) @ turn.T
    first = whitened(100, 2, 3) @ np.linalg.cholesky(s1).T
    second = whitened(100, 2, 4) @ np.linalg.cholesky(s2).T
    root = math.sqrt(np.trace(s1 @ s2) + 2 * math.sqrt(np.linalg.det(s1) * np.linalg.det(s2)))
    assert frechet_distance(first, second) == pytest.approx(np.trace(s1) + np.trace(s2) - 2 * root, rel=1e-10)


def test_singular_covariances_give_a_finite_distance_and_a_note():
    few = np.random.default_rng(5).standard_normal((4, 30))
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(few, few + 2.0) == pytest.approx(30 * 4.0, rel=1e-9)


@pytest.mark.parametrize("kernel", ["polynomial", "gaussian"])
def test_the_kernel_distance_is_unbiased_and_the_frechet_distance_is_not(kernel):
    random = np.random.default_rng(6)
    draws = [(random.standard_normal((20, 8)), random.standard_normal((30, 8))) for _ in range(200)]
    distances = np.array([kernel_distance(a, b, kernel=kernel) for a, b in draws])
    assert abs(distances.mean()) < 3 * distances.std() / math.sqrt(len(distances))
    assert min(frechet_distance(a, b) for a, b in draws) > 0.5
    moved = np.mean([kernel_distance(a + 0.7, b, kernel=kernel) for a, b in draws])
    assert moved > 10 * abs(distances.mean())


def test_the_polynomial_kernel_by_hand():
    a, b = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    within_a, within_b = (1 * 2 + 1) ** 3, (0 * 3 + 1) ** 3
    between = (1 + 4**3 + 1 + 7**3) / 4
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * between)


def test_windows_of_one_clip_do_not_count_as_draws_of_their_own():
    random = np.random.default_rng(7)

    def clips():
        centres = random.standard_normal((15, 1, 6))
        return (centres + 0.05 * random.standard_normal((15, 4, 6))).reshape(60, 6)

    groups = np.repeat(np.arange(15), 4)
    pairs = [(clips(), clips()) for _ in range(100)]
    apart = np.array([kernel_distance(a, b, first_groups=groups, second_groups=groups) for a, b in pairs])
    naive = np.mean([kernel_distance(a, b) for a, b in pairs])
    assert abs(apart.mean()) < 3 * apart.std() / 10
    assert naive > 5 * abs(apart.mean())


def test_coverage_sees_a_missing_half_and_precision_sees_strangers():
    random = np.random.default_rng(8)
    real = np.concatenate([random.standard_normal((100, 4)), random.standard_normal((100, 4)) + 20.0])
    half = random.standard_normal((200, 4))
    scores = manifold_scores(real, half)
    assert scores.precision > 0.9
    assert scores.recall == pytest.approx(0.5, abs=0.08)
    assert scores.coverage == pytest.approx(0.5, abs=0.08)
    strangers = np.concatenate([half[:100], random.standard_normal((100, 4)) - 20.0])
    assert manifold_scores(real, strangers).precision == pytest.approx(0.5, abs=0.08)
    assert manifold_scores(real, real).coverage == 1.0


def test_recall_asks_the_generated_points_and_coverage_the_real_ones():
    # A few wide strays: every real point lies in one of their balls, hardly one of them in a real point's.
    random = np.random.default_rng(11)
    real, wide = random.standard_normal((100, 4)), 15.0 * random.standard_normal((40, 4))
    scores = manifold_scores(real, wide)
    assert scores.recall > 0.9
    assert scores.coverage < 0.2
    assert scores.precision < 0.2


def copies_of(train, which, random):
    return train[which] + 0.1 * random.standard_normal((len(which), train.shape[1]))


def test_a_planted_copy_is_found_and_the_rest_is_not_accused():
    random = np.random.default_rng(9)
    train = random.standard_normal((80, 24)) * 5.0 + 100.0
    held_out = random.standard_normal((30, 24)) * 5.0 + 100.0
    generated = random.standard_normal((20, 24)) * 5.0 + 100.0
    generated[13] = copies_of(train, [42], random)[0]
    which = list(range(0, 80, 4))
    check = copy_check(generated, train, held_out, copies_of(train, which, random), which)
    assert check.suspects == [13]
    assert check.nearest[13] == 42
    assert check.found == 1.0
    assert check.false_alarms == 0.0
    assert (check.copies >= check.threshold).mean() == pytest.approx(0.95, abs=0.05)
    assert check.held_out.max() < 0.9 < check.threshold
    assert check.held_out_nearest.shape == (30,)


def test_a_blind_check_says_so():
    # Copies so far from their originals that anything looks like one.
    random = np.random.default_rng(10)
    train, held_out = random.standard_normal((50, 6)), random.standard_normal((40, 6))
    far = random.standard_normal((20, 6))
    check = copy_check(held_out, train, held_out, far, list(range(20)))
    assert check.false_alarms > 0.9
    assert check.found < 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frechet_distance(np.zeros((1, 3)), np.zeros((5, 3))), "2 points or more"),
        (lambda: frechet_distance(np.zeros(3), np.zeros((5, 3))), "expected \\[n_points, dim\\]"),
        (lambda: frechet_distance(np.zeros((5, 2)), np.zeros((5, 3))), "one embedding"),
        (lambda: frechet_distance(np.full((5, 3), np.nan), np.zeros((5, 3))), "not finite"),
        (lambda: kernel_distance(np.zeros((5, 3)), np.zeros((5, 3)), kernel="cosine"), "no kernel"),
        (lambda: kernel_distance(np.ones((5, 3)), np.ones((5, 3)), kernel="gaussian"), "no width"),
        (lambda: kernel_distance(np.ones((5, 3)), np.ones((5, 3)), first_groups=[1] * 5), "one group"),
        (lambda: kernel_distance(np.ones((5, 3)), np.ones((5, 3)), first_groups=[1] * 4), "give one per point"),
        (lambda: manifold_scores(np.ones((5, 3)), np.ones((6, 3))), "6 points or more"),
        (lambda: manifold_scores(np.ones((5, 3)), np.ones((6, 3)), 0), "neighbours"),
        (lambda: copy_check(*[np.ones((5, 3))] * 4, [0, 1]), "one index"),
        (lambda: copy_check(*[np.ones((5, 3))] * 4, [0, 1, 2, 3, 5]), "one index"),
    ],
)
def test_bad_sets_are_refused(call, message):
    refused(message, call)
