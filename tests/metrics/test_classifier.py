import numpy as np
import pytest

from audiodiff.metrics.classifier import (
    choose_penalty,
    clip_features,
    confusion,
    cross_validated,
    train_classifier,
)
from tests.refusals import refused

NAMES = ("drums", "organ", "piano")


def blobs(per_class=12, dim=5, spread=1.0, seed=0):
    random = np.random.default_rng(seed)
    centres = np.eye(len(NAMES), dim) * 6.0
    features = np.concatenate([centre + spread * random.standard_normal((per_class, dim)) for centre in centres])
    return features, [name for name in NAMES for _ in range(per_class)]


def test_separate_classes_are_learned_and_new_clips_recognised():
    features, labels = blobs()
    model = train_classifier(features, labels, 1e-3)
    fresh, truth = blobs(seed=1)
    assert model.classes == NAMES
    assert model.predict(fresh) == truth
    probabilities = model.probabilities(fresh)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(fresh)))


def test_the_scale_of_a_feature_does_not_matter_and_a_constant_one_does_no_harm():
    features, labels = blobs(spread=3.0)
    scaled = features * np.array([1.0, 1e6, 1e-6, 1.0, 1.0])
    scaled = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
    plain = train_classifier(features, labels, 1e-2).probabilities(features)
    assert train_classifier(scaled, labels, 1e-2).probabilities(scaled) == pytest.approx(plain, abs=1e-4)


def test_the_fit_is_the_minimum():
    # Two points at -1 and +1: by symmetry weights -w and w per class, and penalty * w = sigmoid(-2 w).
    model = train_classifier(np.array([[-1.0], [1.0]]), ["a", "b"], 0.1)
    w = float(model.weight[0, 1])
    assert model.weight[0, 0] == pytest.approx(-w, abs=1e-6)
    assert 0.1 * w == pytest.approx(1.0 / (1.0 + np.exp(2 * w)), abs=1e-5)


def test_rare_classes_weigh_as_much_as_common_ones():
    random = np.random.default_rng(2)
    features = np.concatenate([random.standard_normal((95, 1)), random.standard_normal((5, 1)) + 2.0])
    model = train_classifier(features, ["common"] * 95 + ["rare"] * 5, 1e-3)
    assert model.predict(np.array([[1.4]])) == ["rare"]


def test_cross_validation_never_sees_a_clip_of_the_same_piece():
    # The features only name the piece, and each piece's two clips share one label: nothing can be learned.
    pieces = [f"piece {i}" for i in range(20) for _ in range(2)]
    labels = [NAMES[int(piece.split()[1]) % 2] for piece in pieces]
    features = np.repeat(np.eye(20), 2, axis=0)
    honest = cross_validated(features, labels, pieces, 1e-3, folds=20)
    leaking = cross_validated(features, labels, [str(i) for i in range(40)], 1e-3, folds=20)
    assert leaking == labels
    assert np.mean([a == b for a, b in zip(honest, labels, strict=True)]) <= 0.6
    assert all(honest)


def test_the_penalty_is_chosen_where_it_generalises():
    random = np.random.default_rng(3)
    features, labels = blobs(per_class=8, spread=2.0)
    features = np.concatenate([features, random.standard_normal((len(features), 300))], axis=1)
    groups = [str(i) for i in range(len(labels))]
    penalty, accuracy = choose_penalty(features, labels, groups, (1e-6, 1e3, 0.1))
    predicted = cross_validated(features, labels, groups, penalty)
    assert np.mean([a == b for a, b in zip(predicted, labels, strict=True)]) == accuracy
    everything = [
        np.mean([a == b for a, b in zip(cross_validated(features, labels, groups, p), labels, strict=True)])
        for p in (1e-6, 1e3, 0.1)
    ]
    assert accuracy == max(everything)


def test_the_confusion_table_counts():
    table = confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b", "c"])
    assert table.counts == ((1, 1, 0), (0, 1, 0), (0, 0, 0))
    assert table.accuracy == pytest.approx(2 / 3)
    assert table.n_clips == 3
    assert "| a | 1 | 1 | · | 1/2 |" in table.markdown()
    assert "| c | · | · | · | – |" in table.markdown()


def test_features_of_a_clip_are_mean_and_deviation_over_its_windows():
    features = clip_features([np.array([[1.0, 2.0], [3.0, 2.0]]), np.array([[5.0, 5.0]])])
    assert features.tolist() == [[2.0, 2.0, 1.0, 0.0], [5.0, 5.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train_classifier(np.ones((3, 2)), ["a", "b"], 0.1), "one label per clip"),
        (lambda: train_classifier(np.ones((2, 2)), ["a", "a"], 0.1), "two classes"),
        (lambda: train_classifier(np.ones((2, 2)), ["a", "b"], 0.0), "above 0"),
        (lambda: train_classifier(np.full((2, 2), np.nan), ["a", "b"], 0.1), "not finite"),
        (lambda: train_classifier(np.ones(2), ["a", "b"], 0.1), "expected \\[n_clips"),
        (lambda: train_classifier(np.eye(2), ["a", "b"], 0.1).predict(np.ones((1, 3))), "trained on 2"),
        (lambda: cross_validated(np.eye(2), ["a", "b"], ["x"], 0.1), "one of each per clip"),
        (lambda: cross_validated(np.eye(2), ["a", "b"], ["x", "y"], 0.1, folds=1), "2 or more"),
        (lambda: confusion(["a"], ["a", "b"], ["a", "b"]), "as many"),
        (lambda: confusion(["a"], ["z"], ["a", "b"]), "not in the table"),
    ],
)
def test_bad_input_is_refused(call, message):
    refused(message, call)
