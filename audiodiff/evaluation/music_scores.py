"""Scores of sets of clips of music: distances to recordings, prompts followed, health, copies."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.families import family
from audiodiff.evaluation.music_clips import Array, MusicClip, PointCache
from audiodiff.metrics.classifier import (
    Confusion,
    LinearClassifier,
    choose_penalty,
    clip_features,
    confusion,
    train_classifier,
)
from audiodiff.metrics.copies import passage_similarity
from audiodiff.metrics.distribution import (
    CopyCheck,
    copy_check,
    frechet_distance,
    judge_copies,
    kernel_distance,
    manifold_scores,
)
from audiodiff.metrics.embeddings import MusicnnVGG, open_embedding
from audiodiff.metrics.music import key, key_relation, signal_health, tempo, tempo_agrees, treble

LEARNED = ("musicnn-mtt", "musicnn-msd", "aisfx", "basic-pitch")
"""The embeddings that verdicts rest on; the log-mel is blind to phase and only a control."""

CLASSIFIER_EMBEDDINGS = ("musicnn-mtt", "musicnn-msd", "aisfx")
"""What the classifier hears: of all sets the best in cross-validation over the training pieces."""

TEMPO_TOLERANCE = 0.08
TEMPO_TRUST = 0.85
FLOOR_DRAWS = 20
NEIGHBOURS = 5
Points = Mapping[str, Sequence[Array]]
"""Embedding to one array `[n_windows, dim]` per clip."""


@dataclass(frozen=True)
class Share:
    """`right` of `n`."""

    right: int
    n: int

    @property
    def share(self) -> float:
        """Their quotient; NaN of nothing."""
        return self.right / self.n if self.n else math.nan

    def __str__(self) -> str:
        percent = f"{100 * self.share:.1f}".removesuffix(".0")
        return f"{percent} % ({self.right}/{self.n})" if self.n else "–"


@dataclass(frozen=True)
class Ears:
    """What judges clips, all of it made of training recordings.

    Attributes:
        classifier: hears families; None where the training recordings are not of two or more.
        cross_validated: its accuracy on training pieces that it had not seen, for the penalty that was chosen.
        penalty: of its weights.
        tempo_families: families whose tempo the estimator gets right on enough training recordings; recordings without
            any instrument are one, too.
        tempo_by_family: how many of those it got right.
    """

    classifier: LinearClassifier | None = None
    cross_validated: float = math.nan
    penalty: float = math.nan
    tempo_families: tuple[str, ...] = ()
    tempo_by_family: Mapping[str, Share] = field(default_factory=dict)


@dataclass(frozen=True)
class SetScores:
    """Scores of one set of clips.

    Attributes:
        name: of the system.
        n_clips: clips in it.
        frechet, kernel: embedding to distance from the held-out recordings.
        precision, recall, coverage: of the set against the held-out recordings, musicnn-msd.
        families: what was heard for what was asked; None without classifier.
        tempo: asked tempi that were heard, where one was asked for.
        tempo_chance: the same against the tempi of other clips.
        keys: asked keys and their relatives that were heard.
        tag_divergence: mean Kullback-Leibler divergence of the tag probabilities from those of the recording whose
            prompt it was; NaN where there is none.
        silent, clipped: clips that are.
        loudness, bandwidth: medians (LUFS, Hz).
        treble: median energy above 16 kHz over all energy (dB).
        line: of the clip where it is strongest, how far a band of 200 Hz above 16 kHz stands out (dB).
    """

    name: str
    n_clips: int
    frechet: Mapping[str, float] = field(default_factory=dict)
    kernel: Mapping[str, float] = field(default_factory=dict)
    precision: float = math.nan
    recall: float = math.nan
    coverage: float = math.nan
    families: Confusion | None = None
    tempo: Share = Share(0, 0)
    tempo_chance: float = math.nan
    keys: Share = Share(0, 0)
    tag_divergence: float = math.nan
    silent: Share = Share(0, 0)
    clipped: Share = Share(0, 0)
    loudness: float = math.nan
    bandwidth: float = math.nan
    treble: float = math.nan
    line: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return {
            "system": self.name,
            "clips": self.n_clips,
            "frechet": dict(self.frechet),
            "kernel": dict(self.kernel),
            "precision": number(self.precision),
            "recall": number(self.recall),
            "coverage": number(self.coverage),
            "family_accuracy": None if self.families is None else number(self.families.accuracy),
            "family_confusion": None if self.families is None else [list(row) for row in self.families.counts],
            "family_classes": None if self.families is None else list(self.families.classes),
            "tempo": number(self.tempo.share),
            "tempo_clips": self.tempo.n,
            "tempo_chance": number(self.tempo_chance),
            "keys": number(self.keys.share),
            "key_clips": self.keys.n,
            "tag_divergence": number(self.tag_divergence),
            "silent": number(self.silent.share),
            "clipped": number(self.clipped.share),
            "loudness": number(self.loudness),
            "bandwidth": number(self.bandwidth),
            "treble": number(self.treble),
            "line": number(self.line),
        }


def number(value: float) -> float | None:
    """The value, None where it is not finite, as JSON has no such numbers."""
    return value if math.isfinite(value) else None


def features(points: Points) -> npt.NDArray[np.float64]:
    """Features `[n_clips, n]` for the classifier: mean and deviation over the windows of the embeddings it hears."""
    used = [name for name in CLASSIFIER_EMBEDDINGS if name in points] or list(points)
    return np.concatenate([clip_features(points[name]) for name in used], axis=1)


UNNAMED = "recordings without an instrument"


def _tempo_family(clip: MusicClip) -> str | None:
    return family(clip.instrument) if clip.instrument else UNNAMED


def train_ears(clips: Sequence[MusicClip], points: Points) -> Ears:
    """Train the family classifier on training recordings, and find where the tempo estimator can be trusted."""
    hits: dict[str, list[bool]] = {}
    for clip in clips:
        name = _tempo_family(clip)
        if name is not None and clip.exact and math.isfinite(clip.tempo):
            found = tempo_agrees(tempo(clip.waveform, clip.sample_rate), clip.tempo, TEMPO_TOLERANCE)
            hits.setdefault(name, []).append(found)
    shares = {name: Share(sum(found), len(found)) for name, found in sorted(hits.items())}
    trusted = tuple(name for name, share in shares.items() if share.n >= 5 and share.share >= TEMPO_TRUST)
    named = [i for i, clip in enumerate(clips) if family(clip.instrument) is not None]
    labels = [str(family(clips[i].instrument)) for i in named]
    pieces = [clips[i].piece for i in named]
    pieces_of = Counter(label for label, _ in set(zip(labels, pieces, strict=True)))
    if sum(count > 1 for count in pieces_of.values()) < 2:  # cross-validation leaves a piece out
        return Ears(tempo_families=trusted, tempo_by_family=shares)
    table = features({name: [arrays[i] for i in named] for name, arrays in points.items()})
    penalty, accuracy = choose_penalty(table, labels, pieces)
    return Ears(train_classifier(table, labels, penalty), accuracy, penalty, trusted, shares)


def asks_tempo(clip: MusicClip, ears: Ears) -> bool:
    """Whether a tempo is asked for of this clip: it is known, and of a family where the estimator can tell."""
    return clip.exact and math.isfinite(clip.tempo) and _tempo_family(clip) in ears.tempo_families


@dataclass(frozen=True)
class Judge:
    """Scores sets against held-out recordings."""

    ears: Ears
    held_out: Sequence[MusicClip]
    held_out_points: Points
    cache: PointCache
    on_progress: Callable[[int, int], None] | None = None

    def score(self, name: str, clips: Sequence[MusicClip], *, same: bool = False) -> SetScores:
        """Score a set of clips, each made for the prompt of a held-out recording (`MusicClip.piece` names it).

        Args:
            name: of the system.
            clips: of the set.
            same: the set is the held-out recordings themselves, so no distances.
        """
        points = self.held_out_points if same else self.cache.all_points(clips, self.on_progress)
        frechet, kernel = ({}, {}) if same else distances(points, self.held_out_points)
        manifold = None
        if not same and "musicnn-msd" in points and min(len(clips), len(self.held_out)) > NEIGHBOURS:
            manifold = manifold_scores(
                clip_means(self.held_out_points["musicnn-msd"]), clip_means(points["musicnn-msd"]), NEIGHBOURS
            )
        health = [signal_health(clip.waveform, clip.sample_rate) for clip in clips]
        highs = [found for clip in clips if (found := treble(clip.waveform, clip.sample_rate)) is not None]
        asked = [clip for clip in clips if asks_tempo(clip, self.ears)]
        heard = [tempo(clip.waveform, clip.sample_rate) for clip in asked]
        agreed = sum(tempo_agrees(h, clip.tempo, TEMPO_TOLERANCE) for h, clip in zip(heard, asked, strict=True))
        others = [
            tempo_agrees(h, clip.tempo, TEMPO_TOLERANCE)
            for i, h in enumerate(heard)
            for j, clip in enumerate(asked)
            if i != j
        ]
        relations = [
            key_relation(key(clip.waveform, clip.sample_rate), clip.key)
            for clip in clips
            if clip.key.endswith(("major", "minor"))
        ]
        n_clips = len(clips)
        return SetScores(
            name=name,
            n_clips=n_clips,
            frechet=frechet,
            kernel=kernel,
            precision=math.nan if manifold is None else manifold.precision,
            recall=math.nan if manifold is None else manifold.recall,
            coverage=math.nan if manifold is None else manifold.coverage,
            families=self.families(clips, points),
            tempo=Share(agreed, len(asked)),
            tempo_chance=float(np.mean(others)) if others else math.nan,
            keys=Share(sum(relation in {"same", "relative"} for relation in relations), len(relations)),
            tag_divergence=self.tag_divergence(clips, points),
            silent=Share(sum(h.is_silent for h in health), n_clips),
            clipped=Share(sum(h.is_clipped for h in health), n_clips),
            loudness=float(np.median([h.loudness for h in health])),
            bandwidth=float(np.median([h.bandwidth for h in health])),
            treble=float(np.median([high.share_db for high in highs])) if highs else math.nan,
            line=max((high.line_db for high in highs), default=math.nan),
        )

    def families(self, clips: Sequence[MusicClip], points: Points) -> Confusion | None:
        """What the classifier hears in the clips whose prompt names a family."""
        if self.ears.classifier is None:
            return None
        classes = self.ears.classifier.classes
        named = [i for i, clip in enumerate(clips) if family(clip.instrument) in classes]
        if not named:
            return None
        table = features({name: [arrays[i] for i in named] for name, arrays in points.items()})
        asked = [str(family(clips[i].instrument)) for i in named]
        return confusion(asked, self.ears.classifier.predict(table), classes)

    def tag_divergence(self, clips: Sequence[MusicClip], points: Points) -> float:
        """Mean divergence of musicnn's tags of each clip from those of the recording whose prompt it had."""
        if "musicnn-mtt" not in points:
            return math.nan
        tagger = open_embedding("musicnn-mtt")
        assert isinstance(tagger, MusicnnVGG)
        origin = {clip.name: i for i, clip in enumerate(self.held_out)}
        values = []
        for clip, found in zip(clips, points["musicnn-mtt"], strict=True):
            other = origin.get(source_name(clip))
            if other is not None and source_name(clip) != clip.name:
                p = tagger.tag(self.held_out_points["musicnn-mtt"][other]).mean(axis=0)
                values.append(bernoulli_divergence(p, tagger.tag(found).mean(axis=0)))
        return float(np.mean(values)) if values else math.nan


def source_name(clip: MusicClip) -> str:
    """Name of the held-out recording whose prompt a clip was made for (names are `RECORDING` or `RECORDING@...`)."""
    return clip.name.partition("@")[0]


def bernoulli_divergence(p: npt.NDArray[np.floating[Any]], q: npt.NDArray[np.floating[Any]]) -> float:
    """Kullback-Leibler divergence of independent yes-no tags, q from p, in nats per tag."""
    p, q = (np.clip(np.asarray(x, np.float64), 1e-4, 1.0 - 1e-4) for x in (p, q))
    return float((p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q))).mean())


def clip_means(arrays: Sequence[Array]) -> npt.NDArray[np.float64]:
    """Mean over the windows of each clip: `[n_clips, dim]`."""
    return np.stack([np.asarray(points, np.float64).mean(axis=0) for points in arrays])


def distances(points: Points, reference: Points) -> tuple[dict[str, float], dict[str, float]]:
    """Frechet and kernel distances of all windows, by embedding; windows of one clip are no pairs of the kernel's."""
    frechet, kernel = {}, {}
    for name in points:
        ours, theirs = np.concatenate(list(points[name])), np.concatenate(list(reference[name]))
        frechet[name] = frechet_distance(ours, theirs)
        # On a common scale, so that the polynomial kernel weighs every dimension alike.
        mean, scale = theirs.mean(axis=0), theirs.std(axis=0) + 1e-6
        kernel[name] = kernel_distance(
            (ours - mean) / scale,
            (theirs - mean) / scale,
            kernel="gaussian",
            first_groups=_groups(points[name]),
            second_groups=_groups(reference[name]),
        )
    return frechet, kernel


def _groups(arrays: Sequence[Array]) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(arrays)), [len(points) for points in arrays])


def real_floor(
    train: Points, reference: Points, n_clips: int, draws: int = FLOOR_DRAWS, seed: int = 0
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Distances of random sets of `n_clips` training recordings from the held-out ones: what real music scores.

    Raises:
        AudiodiffError: there are not more training recordings than that.
    """
    total = len(next(iter(train.values())))
    if total < n_clips:
        raise AudiodiffError(f"the floor needs {n_clips} training recordings and there are {total}; use fewer clips.")
    random = np.random.default_rng(seed)
    frechet: dict[str, list[float]] = {name: [] for name in train}
    kernel: dict[str, list[float]] = {name: [] for name in train}
    for _ in range(draws):
        chosen = random.choice(total, n_clips, replace=False)
        found = distances({name: [arrays[i] for i in chosen] for name, arrays in train.items()}, reference)
        for name in train:
            frechet[name].append(found[0][name])
            kernel[name].append(found[1][name])
    return frechet, kernel


def judged(names: Iterable[str]) -> list[str]:
    """The embeddings among these that verdicts rest on: the learned ones, or all where none of them is there."""
    names = list(names)
    return [name for name in names if name in LEARNED] or names


PASSAGES = "passages of 3 s"
"""Name of the check that compares passages rather than embeddings."""


@dataclass(frozen=True)
class Accused:
    """Clips to be checked for copies, as embeddings and as passages."""

    points: Points
    prints: Sequence[Array]


def copies(
    generated: Accused, train: Accused, held_out: Accused, planted: Accused, originals: Sequence[int]
) -> dict[str, CopyCheck]:
    """The nearest-neighbour checks: by passages, then by each embedding's mean and deviation over the windows."""
    tables = [passage_similarity(accused.prints, train.prints) for accused in (generated, held_out, planted)]
    checks = {PASSAGES: judge_copies(tables[0], tables[1], tables[2], originals)}
    for name in judged(generated.points):
        sets = [clip_features(accused.points[name]) for accused in (generated, train, held_out, planted)]
        checks[name] = copy_check(sets[0], sets[1], sets[2], sets[3], originals)
    return checks


def deciding(checks: Mapping[str, CopyCheck]) -> dict[str, CopyCheck]:
    """The checks that the verdict rests on: passages, or where those are blind, all embeddings that are not."""
    seeing = {name: check for name, check in checks.items() if check.sees}
    return {PASSAGES: seeing[PASSAGES]} if PASSAGES in seeing else seeing


def suspects(checks: Mapping[str, CopyCheck]) -> list[int]:
    """Generated clips that all deciding checks take for a copy of the same training clip."""
    return _agreed([(check.similarity >= check.threshold, check.nearest) for check in deciding(checks).values()])


def false_suspects(checks: Mapping[str, CopyCheck]) -> list[int]:
    """The same of the held-out recordings, which are no copies: how far the checks can be trusted."""
    return _agreed([(check.held_out >= check.threshold, check.held_out_nearest) for check in deciding(checks).values()])


def _agreed(votes: Sequence[tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]]) -> list[int]:
    if not votes:
        return []
    accused = np.all([near for near, _ in votes], axis=0)
    nearest = np.stack([index for _, index in votes])
    return [int(i) for i in np.flatnonzero(accused & (nearest == nearest[0]).all(axis=0))]
