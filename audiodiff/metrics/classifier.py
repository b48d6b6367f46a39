"""A linear classifier of clips: trained on recordings, checked on others, then asked about generated ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import optional_package
from audiodiff.metrics.table import markdown_table

Points = npt.NDArray[np.floating[Any]]
Vector = npt.NDArray[np.float64]
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class LinearClassifier:
    """Softmax regression on standardised features.

    Attributes:
        classes: names, in the order of the columns.
        mean: `[n_features]`, subtracted.
        scale: `[n_features]`, divided by.
        weight: `[n_features, n_classes]`.
        bias: `[n_classes]`.
    """

    classes: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def probabilities(self, features: Points) -> npt.NDArray[np.float64]:
        """Return `[n_clips, n_classes]` for features `[n_clips, n_features]`."""
        array = _checked(features)
        if array.shape[1] != len(self.mean):
            raise AudiodiffError(
                f"the clips have {array.shape[1]} features; this classifier was trained on {len(self.mean)}."
            )
        logits = (array - self.mean) / self.scale @ self.weight + self.bias
        values = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: npt.NDArray[np.float64] = values / values.sum(axis=1, keepdims=True)
        return result

    def predict(self, features: Points) -> list[str]:
        """Return the most probable class of each clip."""
        return [self.classes[i] for i in self.probabilities(features).argmax(axis=1)]


def train_classifier(features: Points, labels: Sequence[str], penalty: float) -> LinearClassifier:
    """Fit softmax regression: mean cross-entropy, classes weighted alike, plus penalty * |weight|^2 / 2.

    Args:
        features: `[n_clips, n_features]`.
        labels: one class per clip, two classes or more.
        penalty: above 0; on weights of standardised features.

    Raises:
        AudiodiffError: sizes that do not fit, one class alone, or a penalty that is not positive.
    """
    array = _checked(features)
    if len(labels) != len(array):
        raise AudiodiffError(f"there are {len(array)} clips and {len(labels)} labels; give one label per clip.")
    if penalty <= 0.0:
        raise AudiodiffError(f"the penalty is {penalty}; it must be above 0.")
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise AudiodiffError("a classifier needs clips of two classes or more.")
    mean, scale = array.mean(axis=0), array.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    # The best weights are sums of the clips' features, so they are sought in the space that the clips span.
    left, strength, basis = np.linalg.svd((array - mean) / scale, full_matrices=False)
    x = left * strength
    truth = np.zeros((len(array), len(classes)))
    truth[np.arange(len(array)), [classes.index(label) for label in labels]] = 1.0
    counts = truth.sum(axis=0)
    share = (truth / (len(classes) * counts)).sum(axis=1, keepdims=True)  # of each clip; every class has as much

    def loss(flat: Vector) -> tuple[float, Vector]:
        weight, bias = flat[: -len(classes)].reshape(x.shape[1], -1), flat[-len(classes) :]
        logits = x @ weight + bias
        logits = logits - logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = share * (np.exp(log_p) - truth)
        gradient = np.concatenate([(x.T @ error + penalty * weight).ravel(), error.sum(axis=0)])
        return float(-(share * truth * log_p).sum() + 0.5 * penalty * (weight**2).sum()), gradient

    begin = np.zeros((x.shape[1] + 1) * len(classes))
    options = {"gtol": 1e-7, "ftol": 0.0, "maxcor": 20, "maxiter": 500}
    optimize = optional_package("scipy.optimize", "scipy")
    found = optimize.minimize(loss, begin, jac=True, method="L-BFGS-B", options=options).x
    weight = basis.T @ found[: -len(classes)].reshape(x.shape[1], -1)
    return LinearClassifier(classes, mean, scale, weight, found[-len(classes) :])


def cross_validated(
    features: Points, labels: Sequence[str], groups: Sequence[str], penalty: float, *, folds: int = 5, seed: int = 0
) -> list[str]:
    """Predict every clip by a classifier that saw no clip of its group (such as its piece).

    Groups are dealt to the folds class by class, the largest first, so that every fold has something of every class.
    """
    array = _checked(features)
    fold = _folds(labels, groups, folds, seed)
    predicted = [""] * len(labels)
    for number in range(folds):
        inside = np.flatnonzero(fold != number)
        outside = np.flatnonzero(fold == number)
        if not len(outside):
            continue
        model = train_classifier(array[inside], [labels[int(i)] for i in inside], penalty)
        for index, name in zip(outside, model.predict(array[outside]), strict=True):
            predicted[index] = name
    return predicted


def choose_penalty(
    features: Points,
    labels: Sequence[str],
    groups: Sequence[str],
    penalties: Sequence[float] = PENALTIES,
    *,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the penalty with the best cross-validated accuracy, the larger of equals, and that accuracy."""
    scored = []
    for penalty in penalties:
        predicted = cross_validated(features, labels, groups, penalty, folds=folds, seed=seed)
        right = sum(a == b for a, b in zip(labels, predicted, strict=True))
        scored.append((right / len(labels), penalty))
    accuracy, penalty = max(scored)
    return penalty, accuracy


@dataclass(frozen=True)
class Confusion:
    """How often clips of one class were taken for another.

    Attributes:
        classes: names.
        counts: `[n_classes, n_classes]`, rows what was requested, columns what was recognised.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def n_clips(self) -> int:
        """All clips."""
        return sum(map(sum, self.counts))

    @property
    def accuracy(self) -> float:
        """Share of clips on the diagonal; NaN without clips."""
        right = sum(row[i] for i, row in enumerate(self.counts))
        return right / self.n_clips if self.n_clips else float("nan")

    def markdown(self) -> str:
        """The table, zeros as dots."""
        lines = []
        for i, (name, row) in enumerate(zip(self.classes, self.counts, strict=True)):
            share = f"{row[i]}/{sum(row)}" if sum(row) else "–"
            lines.append([name, *(str(count) if count else "·" for count in row), share])
        return markdown_table(["asked \\ heard", *self.classes, "right"], lines)


def confusion(asked: Sequence[str], heard: Sequence[str], classes: Sequence[str]) -> Confusion:
    """Count what was recognised for what was requested.

    Raises:
        AudiodiffError: the two differ in length, or a class is not among `classes`.
    """
    if len(asked) != len(heard):
        raise AudiodiffError(f"{len(asked)} clips were asked for and {len(heard)} heard; the two must be as many.")
    unknown = sorted((set(asked) | set(heard)) - set(classes))
    if unknown:
        raise AudiodiffError(f"the classes {', '.join(unknown)} are not in the table: {', '.join(classes)}.")
    counts = [[0] * len(classes) for _ in classes]
    for a, b in zip(asked, heard, strict=True):
        counts[list(classes).index(a)][list(classes).index(b)] += 1
    return Confusion(tuple(classes), tuple(map(tuple, counts)))


def clip_features(windows: Sequence[Points]) -> npt.NDArray[np.float64]:
    """Mean and deviation over the windows of each clip: `[n_clips, 2 * dim]` from arrays `[n_windows, dim]`."""
    return np.stack(
        [np.concatenate([points.mean(axis=0), points.std(axis=0)]) for points in map(np.asarray, windows)]
    ).astype(np.float64)


def _folds(labels: Sequence[str], groups: Sequence[str], folds: int, seed: int) -> npt.NDArray[np.int64]:
    if len(groups) != len(labels):
        raise AudiodiffError(f"there are {len(labels)} labels and {len(groups)} groups; give one of each per clip.")
    if folds < 2:
        raise AudiodiffError(f"folds is {folds}; cross-validation needs 2 or more.")
    random = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    fold = np.zeros(len(labels), np.int64)
    for name in sorted(set(labels)):
        own = [group for group, indices in members.items() if labels[indices[0]] == name]
        own = [own[i] for i in random.permutation(len(own))]
        own.sort(key=lambda group: -len(members[group]))
        sizes = np.zeros(folds, np.int64)
        start = int(random.integers(folds))
        for group in own:
            order = (np.arange(folds) + start) % folds
            target = int(order[sizes[order].argmin()])
            fold[members[group]] = target
            sizes[target] += len(members[group])
    return fold


def _checked(features: Points) -> npt.NDArray[np.float64]:
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise AudiodiffError(f"the features have shape {array.shape}; expected [n_clips, n_features].")
    if not np.isfinite(array).all():
        raise AudiodiffError("a feature is not finite; leave out the clips that an embedding could not take.")
    return array
