"""Tables, verdicts and picture of the music benchmark."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.atomic import atomic_file
from audiodiff.metrics.classifier import Confusion
from audiodiff.metrics.distribution import CopyCheck
from audiodiff.metrics.table import markdown_table
from benchmarks.music_clips import RUNGS
from benchmarks.music_scores import CLASSIFIER_EMBEDDINGS, Ears, SetScores, Share, deciding, false_suspects, judged

Floor = tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]]
"""Frechet and kernel distances of random sets of training recordings, by embedding."""

RECORDINGS = "held-out recordings"
FLOOR = "training recordings, as many"
BASELINES = ("random latents", "class-mean mel")
TARGET_REAL_FAMILY, TARGET_FAMILY = 0.9, 0.8
TARGET_REAL_TEMPO, TARGET_TEMPO = 0.85, 0.7
TARGET_FRECHET, TARGET_BASELINE = 2.0, 0.5


@dataclass(frozen=True)
class Report:
    """Results of `benchmarks.music.run`.

    Attributes:
        rows: one for every set of clips; the first is the held-out recordings.
        floor: what as many training recordings as clips score.
        sweep, compared: rows of the two further tables.
        sweep_floor: the floor for their number of clips.
        ears: the classifier and its figures.
        checks: the nearest-neighbour check by embedding.
        suspects: pairs of a generated clip and the training clip that it is taken for a copy of.
        notes: what could not be measured.
        conditions: what was measured, where and how.
    """

    rows: Sequence[SetScores]
    floor: Floor
    sweep: Sequence[SetScores]
    compared: Sequence[SetScores]
    sweep_floor: Floor
    ears: Ears
    checks: Mapping[str, CopyCheck]
    suspects: Sequence[tuple[str, str]]
    notes: Sequence[str]
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ours(self) -> SetScores | None:
        """The row that is judged: the first of the model's."""
        return next((row for row in self.rows if row.name.startswith("ours, ")), None)

    def row(self, name: str) -> SetScores | None:
        """The row of a system."""
        return next((row for row in self.rows if row.name == name), None)

    @property
    def embeddings(self) -> list[str]:
        """Those that were there."""
        return list(self.floor[0])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "conditions": dict(self.conditions),
            "notes": list(self.notes),
            "classifier": {
                "classes": list(self.ears.classifier.classes),
                "penalty": self.ears.penalty,
                "cross_validated_accuracy": self.ears.cross_validated,
                "tempo_families": list(self.ears.tempo_families),
                "tempo_by_family_training": {
                    name: [share.right, share.n] for name, share in self.ears.tempo_by_family.items()
                },
            },
            "floor": _floor_dict(self.floor),
            "sweep_floor": _floor_dict(self.sweep_floor),
            "systems": [row.to_dict() for row in self.rows],
            "sweep": [row.to_dict() for row in self.sweep],
            "compared": [row.to_dict() for row in self.compared],
            "copies": {
                name: {
                    "threshold": check.threshold,
                    "sees": check.sees,
                    "known_copies_found": check.found,
                    "held_out_taken_for_copies": check.false_alarms,
                    "generated_taken_for_copies": len(check.suspects) / max(len(check.similarity), 1),
                    "highest_generated": float(check.similarity.max()),
                    "highest_held_out": float(check.held_out.max()),
                    "median_generated": float(np.median(check.similarity)),
                    "median_held_out": float(np.median(check.held_out)),
                    "median_copies": float(np.median(check.copies)),
                }
                for name, check in self.checks.items()
            },
            "suspects": [list(pair) for pair in self.suspects],
            "verdicts": verdicts(self),
        }


def _floor_dict(floor: Floor) -> dict[str, dict[str, list[float]]]:
    return {
        kind: {name: [float(np.mean(found)), float(np.std(found))] for name, found in distances.items()}
        for kind, distances in zip(("frechet", "kernel"), floor, strict=True)
    }


def distance_table(rows: Sequence[SetScores], floor: Floor, heading: str = "") -> str:
    """Frechet distances by embedding, each as a multiple of the floor, and coverage."""
    names = list(floor[0])
    means = {name: float(np.mean(found)) for name, found in floor[0].items()}
    heads = [heading, *(f"{name} ↓" for name in names), "coverage ↑"]
    spread = [f"1 ± {np.std(floor[0][name]) / means[name]:.2f} ({means[name]:.3g})" for name in names]
    lines = [[FLOOR, *spread, "–"]]
    for row in rows:
        if row.frechet:
            cells = [f"{row.frechet[name] / means[name]:.2f}" for name in names]
            lines.append([row.name, *cells, _two(row.coverage)])
    return markdown_table(heads, lines)


def kernel_table(rows: Sequence[SetScores], floor: Floor) -> str:
    """Unbiased kernel distances times 1000."""
    names = list(floor[1])
    heads = ["", *(f"{name} ↓" for name in names)]
    middle = [f"{1e3 * np.mean(floor[1][name]):.1f} ± {1e3 * np.std(floor[1][name]):.1f}" for name in names]
    lines = [[FLOOR, *middle]]
    lines += [[row.name, *(f"{1e3 * row.kernel[name]:.1f}" for name in names)] for row in rows if row.kernel]
    return markdown_table(heads, lines)


def prompt_table(rows: Sequence[SetScores], heading: str = "") -> str:
    """What was heard of what was asked, and the state of the signal."""
    heads = [
        heading,
        "clips",
        "family ↑",
        "tempo ↑",
        "tempo of others",
        "key or relative ↑",
        "tag divergence ↓",
        "silent ↓",
        "clipped ↓",
        "loudness",
        "bandwidth",
        "above 16 kHz",
        "strongest line ↓",
    ]
    lines = [
        [
            row.name,
            str(row.n_clips),
            str(_family_share(row)),
            str(row.tempo),
            _percent(row.tempo_chance),
            str(row.keys),
            "–" if math.isnan(row.tag_divergence) else f"{row.tag_divergence:.3f}",
            str(row.silent),
            str(row.clipped),
            f"{row.loudness:.1f} LUFS",
            f"{row.bandwidth / 1000:.1f} kHz",
            "–" if math.isnan(row.treble) else f"{row.treble:.0f} dB",
            "–" if math.isnan(row.line) else f"{row.line:.1f} dB",
        ]
        for row in rows
    ]
    return markdown_table(heads, lines)


def sweep_table(rows: Sequence[SetScores], floor: Floor) -> str:
    """Few columns for many rows: mean multiple of the floor over the learned embeddings, prompts followed."""
    heads = ["", "clips", "distance, times the floor ↓", "family ↑", "tempo ↑", "tag divergence ↓"]
    lines = [
        [
            row.name,
            str(row.n_clips),
            _two(mean_ratio(row, floor)),
            str(_family_share(row)),
            str(row.tempo),
            "–" if math.isnan(row.tag_divergence) else f"{row.tag_divergence:.3f}",
        ]
        for row in rows
    ]
    return markdown_table(heads, lines)


def mean_ratio(row: SetScores, floor: Floor) -> float:
    """Geometric mean over the learned embeddings of the Frechet distance over the floor's."""
    ratios = [row.frechet[name] / float(np.mean(floor[0][name])) for name in judged(row.frechet)]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else math.nan


def copy_table(checks: Mapping[str, CopyCheck]) -> str:
    """The nearest-neighbour check."""
    heads = ["", "known copies", "held-out recordings", "generated"]
    heads += ["taken for copies: known, held-out, generated", "traced", "sees"]
    lines = []
    for name, check in checks.items():
        taken = [(values >= check.threshold).mean() for values in (check.copies, check.held_out, check.similarity)]
        lines.append(
            [
                name,
                *(f"{np.median(x):.2f} (to {x.max():.2f})" for x in (check.copies, check.held_out, check.similarity)),
                ", ".join(f"{100 * share:.0f} %" for share in taken),
                f"{100 * check.found:.0f} %",
                "yes" if check.sees else "no",
            ]
        )
    return markdown_table(heads, lines)


def verdicts(report: Report) -> list[str]:
    """One line for each target: whether it holds, with the figures."""
    lines = []
    real, ours = report.row(RECORDINGS), report.ours
    if real is not None and real.families is not None:
        share = real.families.accuracy
        lines.append(
            f"- the family classifier is right on {_family_share(real)} of held-out recordings "
            f"(90 % or more: {_word(share >= TARGET_REAL_FAMILY)}) and cross-validated on "
            f"{_percent(report.ears.cross_validated)} of training recordings."
        )
        if ours is not None and ours.families is not None:
            good = ours.families.accuracy >= TARGET_FAMILY
            lines.append(f"- and on {_family_share(ours)} of generated clips (80 % or more: {_word(good)}).")
    if real is not None and real.tempo.n:
        good = real.tempo.share >= TARGET_REAL_TEMPO
        lines.append(
            f"- the tempo estimator is within 8 % (or its double or half) on {real.tempo} of held-out recordings "
            f"(85 % or more: {_word(good)}); against the tempi of other clips {_percent(real.tempo_chance)}."
        )
        if ours is not None:
            good = ours.tempo.share >= TARGET_TEMPO
            lines.append(f"- and on {ours.tempo} of generated clips (70 % or more: {_word(good)}).")
    if ours is not None:
        lines += _distance_verdicts(report, ours)
        if report.checks:
            seeing = list(deciding(report.checks))
            n_held_out = len(next(iter(report.checks.values())).held_out)
            lines.append(
                f"- copies: {len(report.suspects)} of {ours.n_clips} clips are as near to one training clip as known "
                f"copies are, by {' and '.join(seeing) or 'no check, as none of them sees'} "
                f"(none: {_word(bool(seeing) and not report.suspects)}); of the held-out recordings, which are none, "
                f"{len(false_suspects(report.checks))} of {n_held_out}."
            )
        lines.append(f"- silent clips: {ours.silent}; clipped clips: {ours.clipped}.")
    return lines


def _distance_verdicts(report: Report, ours: SetScores) -> list[str]:
    means = {name: float(np.mean(found)) for name, found in report.floor[0].items()}
    names = judged(means)
    ratios = {name: ours.frechet[name] / means[name] for name in names}
    shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    good = all(ratio <= TARGET_FRECHET for ratio in ratios.values())
    lines = [
        f"- Frechet distance to the held-out recordings over that of as many training recordings: {shown} "
        f"(2 or less in each: {_word(good)})."
    ]
    for name in BASELINES:
        baseline = report.row(name)
        if baseline is not None:
            parts = {e: ours.frechet[e] / baseline.frechet[e] for e in names}
            shown = ", ".join(f"{e} {part:.2f}" for e, part in parts.items())
            good = all(part < TARGET_BASELINE for part in parts.values())
            lines.append(f"- over that of {name}: {shown} (below half in each: {_word(good)}).")
    return lines


def markdown(report: Report) -> str:
    """Everything."""
    conditions = report.conditions
    ears = report.ears
    parts = [
        "# Quality of music generation",
        _summary(report),
        "## Distance to held-out recordings",
        "Frechet distance of all windows' embeddings, as a multiple of what as many training recordings score (mean of "
        "20 random draws; its own value in brackets). Coverage by the nearest 5 clips, musicnn-msd.",
        distance_table(report.rows, report.floor),
        "Unbiased kernel distance, times 1000:",
        kernel_table(report.rows, report.floor),
        "## Prompts followed and state of the signal",
        prompt_table(report.rows),
    ]
    for title, row in (("held-out recordings", report.row(RECORDINGS)), ("generated", report.ours)):
        if row is not None and row.families is not None:
            parts += [f"Families heard, {title}:", row.families.markdown()]
    if report.checks:
        parts += [
            "## Copies",
            "Similarity to the nearest training recording (median, highest): the best correlation of any 3 s of the "
            "mel with any 3 s of the recording's, and the cosine of the embeddings of whole clips. A known copy is a "
            "training recording through autoencoder and vocoder, and its similarity is to the original. A check sees "
            "if it traces nine in ten known copies and accuses no more than one in ten held-out recordings; one that "
            "does not says nothing. The verdict rests on the passages if they see.",
            copy_table(report.checks),
        ]
        parts += [f"- {clip} is as near to {original} as a copy." for clip, original in report.suspects]
    if report.sweep:
        parts += ["## Steps and solvers", sweep_table(report.sweep, report.sweep_floor)]
    if report.compared:
        parts += ["## Other models", sweep_table(report.compared, report.sweep_floor)]
    parts += ["## Targets", "\n".join(verdicts(report)) or "- none without a model."]
    trusted = ", ".join(ears.tempo_families) or "no family"
    heard = ", ".join(name for name in CLASSIFIER_EMBEDDINGS if name in report.embeddings) or "all embeddings"
    remarks = [
        f"- Classifier: softmax regression on mean and deviation of {heard}, penalty {ears.penalty:g} by "
        "cross-validation over pieces.",
        f"- Tempo is asked for in {trusted}: where the estimator is right on 85 % of training recordings. On them: "
        + ", ".join(f"{name} {share}" for name, share in ears.tempo_by_family.items())
        + ".",
        *(f"- {note}" for note in report.notes),
        "- Conditions: " + ", ".join(f"{key} {value}" for key, value in conditions.items() if key != "versions") + ".",
        "- Versions: " + ", ".join(f"{k} {v}" for k, v in dict(conditions.get("versions", {})).items()) + ".",
    ]
    return "\n\n".join([*parts, "\n".join(remarks)]) + "\n"


def readme(report: Report) -> str:
    """The README's tables: fewer columns, no remarks."""
    made = [row for row in report.rows if row.name not in RUNGS]
    parts = [
        "# Quality of music generation",
        _summary(report),
        "Frechet distance to held-out recordings, as a multiple of what as many training recordings score:",
        distance_table(report.rows, report.floor),
        "Of what was asked for, heard:",
        prompt_table(made),
    ]
    for title, row in (("held-out recordings", report.row(RECORDINGS)), ("generated", report.ours)):
        if row is not None and row.families is not None:
            parts += [f"Families, {title}:", row.families.markdown()]
    if report.sweep:
        parts += ["Steps and solvers:", sweep_table(report.sweep, report.sweep_floor)]
    if report.compared:
        parts += ["At equal training compute:", sweep_table(report.compared, report.sweep_floor)]
    return "\n\n".join(parts) + "\n"


def _summary(report: Report) -> str:
    conditions = report.conditions
    model = "recordings alone" if conditions.get("model") is None else f"model {conditions['model']}"
    return (
        f"{model}, corpus {conditions.get('corpus')}: {conditions.get('training_recordings')} training recordings, "
        f"{conditions.get('held_out_recordings')} held-out prompts, {conditions.get('clips_per_prompt')} clip(s) of "
        f"{conditions.get('seconds'):g} s for each."
    )


def draw(report: Report, path: Path) -> None:
    """Draw distances, confusion tables and, if there is one, the sweep."""
    from matplotlib.figure import Figure

    confusions = [
        (title, row.families)
        for title, row in (("held-out recordings", report.row(RECORDINGS)), ("generated", report.ours))
        if row is not None and row.families is not None
    ]
    panels = 1 + len(confusions) + bool(report.sweep)
    figure = Figure(figsize=(5.2 * panels, 5.0), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    _draw_distances(report, axes.pop(0))
    for title, table in confusions:
        _draw_confusion(table, title, axes.pop(0))
    if report.sweep:
        _draw_sweep(report, axes.pop(0))
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=110, metadata={"Software": None})


def _draw_distances(report: Report, axis: Any) -> None:
    rows = [row for row in report.rows if row.frechet]
    for index, name in enumerate(report.embeddings):
        floor = float(np.mean(report.floor[0][name]))
        places = np.arange(len(rows)) + 0.12 * (index - (len(report.embeddings) - 1) / 2)
        axis.plot([row.frechet[name] / floor for row in rows], places, "o", markersize=5, label=name)
    axis.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.axvline(1.0, color="0.4", linewidth=1)
    axis.axvline(TARGET_FRECHET, color="0.4", linewidth=1, linestyle="--")
    axis.set_xlabel("Frechet distance, times the training recordings'")
    axis.grid(alpha=0.3, axis="x", which="both")
    axis.legend(fontsize=7)


def _draw_confusion(table: Confusion, title: str, axis: Any) -> None:
    counts = np.array(table.counts, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    axis.imshow(shares, vmin=0.0, vmax=1.0, cmap="Blues")
    names = list(table.classes)
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[i, j] > 0.6 else "black"
        axis.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_title(f"{title}: {100 * table.accuracy:.0f} % right", fontsize=10)
    axis.set_xlabel("heard")
    axis.set_ylabel("asked")


def _draw_sweep(report: Report, axis: Any) -> None:
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in report.sweep:
        sampler, _, steps = row.name.partition(", ")
        lines.setdefault(sampler, []).append((int(steps.split()[0]), mean_ratio(row, report.sweep_floor)))
    for sampler, points in lines.items():
        axis.plot(*zip(*sorted(points), strict=True), "o-", label=sampler)
    axis.set_xscale("log", base=2)
    steps = sorted({step for points in lines.values() for step, _ in points})
    axis.set_xticks(steps, [str(step) for step in steps])
    axis.axhline(1.0, color="0.4", linewidth=1)
    axis.set_xlabel("steps")
    axis.set_ylabel("Frechet distance, times the training recordings'")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _family_share(row: SetScores) -> Share:
    table = row.families
    return Share(0, 0) if table is None else Share(sum(r[i] for i, r in enumerate(table.counts)), table.n_clips)


def _two(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _word(holds: bool) -> str:
    return "**holds**" if holds else "**missed**"
