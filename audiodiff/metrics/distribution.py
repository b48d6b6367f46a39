"""How far apart two sets of points are, and whether one holds copies from the other.

A point is an embedding of a window or a clip (`metrics.embeddings`); a set is an array `[n_points, dim]`. All sums
are in float64. Distances mean nothing alone: print the distance between two sets of recordings next to them, with as
many clips in each.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError

Points = npt.NDArray[np.floating[Any]]
Kernel = Literal["polynomial", "gaussian"]


def frechet_distance(first: Points, second: Points) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets (Heusel et al. 2017, "FID"; of audio "FAD").

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). With S = R'R the trace of the root is the sum of the singular values
    of R1 R2', which squares nothing: singular covariances lose no digits, and no complex root has to be cut off. Few
    points make the distance too large: see `small_sample_note`.

    Raises:
        AudiodiffError: a set of fewer than two points, points that are not finite, or two different dimensions.
    """
    a, b = _checked_pair(first, second, least=2)
    difference = a.mean(axis=0) - b.mean(axis=0)
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    distance = float(difference @ difference + (root_a**2).sum() + (root_b**2).sum() - 2.0 * shared)
    return max(distance, 0.0)  # rounding leaves about -1e-14 of the variance for equal sets


def kernel_distance(
    first: Points,
    second: Points,
    *,
    kernel: Kernel = "polynomial",
    first_groups: npt.ArrayLike | None = None,
    second_groups: npt.ArrayLike | None = None,
) -> float:
    """Unbiased squared maximum mean discrepancy: 0 on average for equal distributions, whatever the sample size.

    Args:
        first: the set that is judged.
        second: the reference.
        kernel: "polynomial", (x.y / dim + 1)^3 (Binkowski et al. 2018, "KID"); or "gaussian" with the median distance
            within the reference as its width (Chung et al. 2025, "KAD").
        first_groups: `[n]`, one label per point, such as its clip; pairs of one group are left out of the mean, since
            windows of one clip are no independent draws and would make the distance too large.
        second_groups: the same for the reference.

    Returns:
        The distance; slightly below 0 is possible.

    Raises:
        AudiodiffError: bad sets, labels that do not fit, an unknown kernel, or all points of a set in one group.
    """
    if kernel not in get_args(Kernel):
        raise AudiodiffError(f"there is no kernel {kernel!r}; choose from {', '.join(get_args(Kernel))}.")
    a, b = _checked_pair(first, second, least=2)
    pairs_a, pairs_b = _pairs(len(a), first_groups, "first"), _pairs(len(b), second_groups, "second")
    if kernel == "polynomial":
        within_a, within_b, between = ((x @ y.T / a.shape[1] + 1.0) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    else:
        squares = _squared_distances(b, b)
        width = float(np.median(squares[pairs_b]))
        if width <= 0.0:
            raise AudiodiffError("at least half of the reference points are equal, so a gaussian kernel has no width.")
        within_a, within_b, between = (
            np.exp(-d / (2.0 * width)) for d in (_squared_distances(a, a), squares, _squared_distances(a, b))
        )
    return float(within_a[pairs_a].mean() + within_b[pairs_b].mean() - 2.0 * between.mean())


@dataclass(frozen=True)
class ManifoldScores:
    """Shares, 0 to 1, of points that lie near enough to the other set (Kynkaanniemi et al. 2019, Naeem et al. 2020).

    Attributes:
        precision: of the generated points, those within the k-th neighbour's distance of some real point.
        recall: of the real points, those within the k-th neighbour's distance of some generated point.
        coverage: of the real points, those with a generated point within their own k-th neighbour's distance.
    """

    precision: float
    recall: float
    coverage: float


def manifold_scores(real: Points, generated: Points, neighbours: int = 5) -> ManifoldScores:
    """Precision, recall and coverage with balls that reach to the k-th nearest neighbour in the same set.

    Raises:
        AudiodiffError: bad sets, or not more points than neighbours.
    """
    if neighbours < 1:
        raise AudiodiffError(f"neighbours is {neighbours}; expected 1 or more.")
    a, b = _checked_pair(real, generated, least=neighbours + 1)
    radius_a, radius_b = _radii(a, neighbours), _radii(b, neighbours)
    between = _squared_distances(a, b)
    in_real = between <= radius_a[:, None]
    return ManifoldScores(
        precision=float(in_real.any(axis=0).mean()),
        recall=float((between <= radius_b[None, :]).any(axis=1).mean()),
        coverage=float(in_real.any(axis=1).mean()),
    )


@dataclass(frozen=True)
class CopyCheck:
    """Whether generated clips are copies of training clips.

    Attributes:
        similarity: `[n]`, of each generated clip to its nearest training clip, -1 to 1.
        nearest: `[n]`, index of that training clip.
        held_out: `[m]`, the same of recordings that are not in the training set: what no copy looks like.
        held_out_nearest: `[m]`, index of the training clip nearest to each of them.
        copies: `[k]`, of known copies to their originals: what a copy looks like.
        threshold: similarity from which a clip counts as a copy, so that 95 % of the known copies do.
        found: share of the known copies whose nearest training clip is their original.
    """

    similarity: npt.NDArray[np.float64]
    nearest: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.float64]
    held_out_nearest: npt.NDArray[np.int64]
    copies: npt.NDArray[np.float64]
    threshold: float
    found: float

    @property
    def suspects(self) -> list[int]:
        """Indices of the generated clips that are as near to a training clip as copies are."""
        return [int(i) for i in np.flatnonzero(self.similarity >= self.threshold)]

    @property
    def false_alarms(self) -> float:
        """Share of the held-out recordings that the threshold takes for copies."""
        return float((self.held_out >= self.threshold).mean())

    @property
    def sees(self) -> bool:
        """Whether the check tells copies from others: nine in ten known copies are traced, one in ten others accused.

        One that does not see says nothing about the generated clips, for or against.
        """
        return self.found >= 0.9 and self.false_alarms <= 0.1


def copy_check(
    generated: Points, train: Points, held_out: Points, copies: Points, originals: npt.ArrayLike
) -> CopyCheck:
    """Compare each generated clip with every training clip by the cosine of standardised points, one per clip.

    Args:
        generated: `[n, dim]`.
        train: `[n_train, dim]`.
        held_out: `[m, dim]`, recordings of other pieces.
        copies: `[k, dim]`, training clips that were changed as much as a copying model would change them (through its
            vocoder, a little noise).
        originals: `[k]`, index of the training clip that each was made from.

    Raises:
        AudiodiffError: bad sets, or `originals` does not fit.
    """
    reference, others = _checked_pair(train, generated, least=2, least_second=1)
    planted = _checked_pair(train, copies, least=2, least_second=1)[1]
    known = _checked_pair(train, held_out, least=2, least_second=1)[1]
    mean, scale = reference.mean(axis=0), reference.std(axis=0)
    scale = np.where(scale > 1e-9 * max(float(scale.max()), 1e-300), scale, 1.0)

    def cosines(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return _unit((points - mean) / scale) @ _unit((reference - mean) / scale).T

    return judge_copies(cosines(others), cosines(known), cosines(planted), originals)


def judge_copies(
    generated: npt.NDArray[np.float64],
    held_out: npt.NDArray[np.float64],
    copies: npt.NDArray[np.float64],
    originals: npt.ArrayLike,
) -> CopyCheck:
    """The check from similarities to every training clip: `[n, n_train]`, `[m, n_train]` and `[k, n_train]`.

    Raises:
        AudiodiffError: `originals` does not fit.
    """
    made_from = np.asarray(originals, dtype=np.int64)
    n_copies, n_train = copies.shape
    if made_from.shape != (n_copies,) or made_from.min() < 0 or made_from.max() >= n_train:
        raise AudiodiffError(
            f"originals has shape {made_from.shape}; expected one index of a training clip for each of the "
            f"{n_copies} copies."
        )
    to_originals = copies[np.arange(n_copies), made_from]
    return CopyCheck(
        similarity=generated.max(axis=1),
        nearest=generated.argmax(axis=1),
        held_out=held_out.max(axis=1),
        held_out_nearest=held_out.argmax(axis=1),
        copies=to_originals,
        threshold=float(np.quantile(to_originals, 0.05)),
        found=float((copies.argmax(axis=1) == made_from).mean()),
    )


def _covariance_root(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A matrix R with R'R the covariance, `[min(n_points, dim), dim]`."""
    # numpy's stubs know only the result of mode="reduced".
    root: npt.NDArray[np.float64] = np.linalg.qr(points - points.mean(axis=0)).R
    return root / math.sqrt(len(points) - 1)


def _unit(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    unit: npt.NDArray[np.float64] = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    return unit


def _squared_distances(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    squares: npt.NDArray[np.float64] = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2.0 * a @ b.T
    return np.maximum(squares, 0.0)


def _radii(points: npt.NDArray[np.float64], neighbours: int) -> npt.NDArray[np.float64]:
    """Squared distance of each point to its k-th neighbour."""
    squares = _squared_distances(points, points)
    np.fill_diagonal(squares, math.inf)
    radii: npt.NDArray[np.float64] = np.partition(squares, neighbours - 1, axis=1)[:, neighbours - 1]
    return radii


def _pairs(n_points: int, groups: npt.ArrayLike | None, name: str) -> npt.NDArray[np.bool_]:
    labels = np.arange(n_points) if groups is None else np.asarray(groups)
    if labels.shape != (n_points,):
        raise AudiodiffError(
            f"the {name} set has {n_points} points but groups of shape {labels.shape}; give one per point."
        )
    pairs: npt.NDArray[np.bool_] = labels[:, None] != labels[None, :]
    if not pairs.any():
        raise AudiodiffError(f"all points of the {name} set are of one group; a kernel distance needs two or more.")
    return pairs


def _checked_pair(
    first: Points, second: Points, *, least: int, least_second: int | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    arrays = []
    for points, needed in ((first, least), (second, least if least_second is None else least_second)):
        array = np.asarray(points, dtype=np.float64)
        if array.ndim != 2 or array.shape[0] < needed:
            raise AudiodiffError(
                f"a set of points has shape {array.shape}; expected [n_points, dim] with {needed} points or more."
            )
        if not np.isfinite(array).all():
            raise AudiodiffError("a point is not finite; leave out the clips that an embedding could not take.")
        arrays.append(array)
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise AudiodiffError(
            f"the sets have {arrays[0].shape[1]} and {arrays[1].shape[1]} dimensions; both must be of one embedding."
        )
    return arrays[0], arrays[1]
