"""What an evaluation of a music model has found, as Markdown, CSV and JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.evaluation.music_scores import (
    CLASSIFIER_EMBEDDINGS,
    Ears,
    SetScores,
    Share,
    deciding,
    false_suspects,
    judged,
    number,
)
from audiodiff.evaluation.report import csv_text, write_texts
from audiodiff.metrics.distribution import CopyCheck
from audiodiff.metrics.table import markdown_table

Floor = tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]]
"""Frechet and kernel distances of random sets of training recordings, by embedding."""

RECORDINGS = "held-out recordings"
FLOOR = "training recordings, as many"


@dataclass(frozen=True)
class MusicReport:
    """Scores of sets of clips.

    Attributes:
        rows: one for every set of clips; the first is the held-out recordings.
        floor: what as many training recordings as clips score; empty without training recordings.
        sweep, compared: rows of the two further tables.
        sweep_floor: the floor for their number of clips.
        ears: the classifier and its figures.
        checks: the nearest-neighbour check by embedding.
        suspects: pairs of a generated clip and the training clip that it is taken for a copy of.
        notes: what could not be measured.
        conditions: what was measured, where and how.
    """

    rows: Sequence[SetScores]
    floor: Floor = ({}, {})
    sweep: Sequence[SetScores] = ()
    compared: Sequence[SetScores] = ()
    sweep_floor: Floor = ({}, {})
    ears: Ears = field(default_factory=Ears)
    checks: Mapping[str, CopyCheck] = field(default_factory=dict)
    suspects: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
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
        return list(next((row.frechet for row in self.rows if row.frechet), {}))

    def markdown(self) -> str:
        """Everything as Markdown."""
        return markdown(self)

    def write(self, folder: str | Path) -> list[Path]:
        """Write `evaluation.json`, `evaluation.csv` (rows) and `evaluation.md`, each atomically.

        Raises:
            AudiodiffError: the folder cannot be made or written to.
        """
        record = json.dumps(self.to_dict(), indent=1) + "\n"
        texts = {"evaluation.json": record, "evaluation.csv": rows_csv(self), "evaluation.md": self.markdown()}
        return write_texts(folder, texts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "conditions": dict(self.conditions),
            "notes": list(self.notes),
            "classifier": {
                "classes": [] if self.ears.classifier is None else list(self.ears.classifier.classes),
                "penalty": number(self.ears.penalty),
                "cross_validated_accuracy": number(self.ears.cross_validated),
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
        }


def _floor_dict(floor: Floor) -> dict[str, dict[str, list[float]]]:
    return {
        kind: {name: [float(np.mean(found)), float(np.std(found))] for name, found in distances.items()}
        for kind, distances in zip(("frechet", "kernel"), floor, strict=True)
    }


def distance_table(rows: Sequence[SetScores], floor: Floor, heading: str = "") -> str:
    """Frechet distances by embedding, each as a multiple of the floor where there is one, and coverage."""
    names = list(floor[0]) or list(next((row.frechet for row in rows if row.frechet), {}))
    means = {name: float(np.mean(found)) for name, found in floor[0].items()}
    heads = [heading, *(f"{name} ↓" for name in names), "coverage ↑"]
    spread = [f"1 ± {np.std(floor[0][name]) / means[name]:.2f} ({means[name]:.3g})" for name in means]
    lines = [[FLOOR, *spread, "–"]] if means else []
    for row in rows:
        if row.frechet:
            cells = [f"{row.frechet[n] / means[n]:.2f}" if means else f"{row.frechet[n]:.3g}" for n in names]
            lines.append([row.name, *cells, _two(row.coverage)])
    return markdown_table(heads, lines, drop_empty=True)


def kernel_table(rows: Sequence[SetScores], floor: Floor) -> str:
    """Unbiased kernel distances times 1000."""
    names = list(next((row.kernel for row in rows if row.kernel), floor[1]))
    heads = ["", *(f"{name} ↓" for name in names)]
    lines = (
        [[FLOOR, *(f"{1e3 * np.mean(v):.1f} ± {1e3 * np.std(v):.1f}" for v in floor[1].values())]] if floor[1] else []
    )
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
            str(family_share(row)),
            str(row.tempo),
            percent(row.tempo_chance),
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
    return markdown_table(heads, lines, drop_empty=True)


def sweep_table(rows: Sequence[SetScores], floor: Floor) -> str:
    """Few columns for many rows: mean multiple of the floor over the learned embeddings, prompts followed."""
    heads = ["", "clips", "distance, times the floor ↓", "family ↑", "tempo ↑", "tag divergence ↓"]
    lines = [
        [
            row.name,
            str(row.n_clips),
            _two(mean_ratio(row, floor)),
            str(family_share(row)),
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


def markdown(report: MusicReport, targets: Sequence[str] = ()) -> str:
    """Everything, with a line for each target if there are any."""
    conditions = report.conditions
    ears = report.ears
    multiple = ""
    if report.floor[0]:
        multiple = (
            ", as a multiple of what as many training recordings score (mean of 20 random draws; its own value in "
        )
        multiple += "brackets)"
    parts = [
        "# Quality of music generation",
        summary(report),
        "## Distance to held-out recordings",
        f"Frechet distance of all windows' embeddings{multiple}. Coverage by the nearest 5 clips, musicnn-msd.",
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
            f"{copy_finding(report)}.",
        ]
        parts += [f"- {clip} is as near to {original} as a copy." for clip, original in report.suspects]
    if report.sweep:
        parts += ["## Steps and solvers", sweep_table(report.sweep, report.sweep_floor)]
    if report.compared:
        parts += ["## Other models", sweep_table(report.compared, report.sweep_floor)]
    if targets:
        parts += ["## Targets", "\n".join(targets)]
    heard = ", ".join(name for name in CLASSIFIER_EMBEDDINGS if name in report.embeddings) or "all embeddings"
    remarks = []
    if ears.classifier is not None:
        remarks.append(
            f"- Classifier: softmax regression on mean and deviation of {heard}, penalty {ears.penalty:g} by "
            f"cross-validation over pieces, right on {percent(ears.cross_validated)} of them."
        )
    if ears.tempo_by_family:
        trusted = ", ".join(ears.tempo_families) or "no family"
        found = ", ".join(f"{name} {share}" for name, share in ears.tempo_by_family.items())
        remarks.append(
            f"- Tempo is asked for in {trusted}: where the estimator is right on 85 % of training recordings. On them: "
            f"{found}."
        )
    plain = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in conditions.items() if key != "versions")
    remarks += [*(f"- {note}" for note in report.notes), f"- Conditions: {plain}."]
    if "versions" in conditions:
        remarks.append("- Versions: " + ", ".join(f"{k} {v}" for k, v in conditions["versions"].items()) + ".")
    return "\n\n".join([*parts, "\n".join(remarks)]) + "\n"


def summary(report: MusicReport) -> str:
    """One line: what was measured."""
    conditions = report.conditions
    model = "recordings alone" if conditions.get("model") is None else f"model {conditions['model']}"
    return (
        f"{model}, corpus {conditions.get('corpus')}: {conditions.get('training_recordings')} training recordings, "
        f"{conditions.get('held_out_recordings')} held-out prompts, {conditions.get('clips_per_prompt')} clip(s) of "
        f"{conditions.get('seconds'):g} s for each."
    )


def copy_finding(report: MusicReport) -> str:
    """How many clips are taken for copies, and of recordings that are none."""
    seeing = list(deciding(report.checks))
    n_generated, n_held_out = (len(x) for c in list(report.checks.values())[:1] for x in (c.similarity, c.held_out))
    return (
        f"{len(report.suspects)} of {n_generated} clips are as near to one training clip as known copies are, by "
        f"{' and '.join(seeing) or 'no check, as none of them sees'}; of the held-out recordings, which are none, "
        f"{len(false_suspects(report.checks))} of {n_held_out}"
    )


def rows_csv(report: MusicReport) -> str:
    """One line for each set of clips."""
    nested = ("family_confusion", "family_classes", "frechet", "kernel")
    tables = [row.to_dict() for row in report.rows]
    plain = [name for name in tables[0] if name not in nested]
    spread = [(kind, name) for kind in ("frechet", "kernel") for name in report.embeddings]
    lines = [[*(t[name] for name in plain), *(t[kind].get(name) for kind, name in spread)] for t in tables]
    return csv_text([[*plain, *(f"{kind}_{name}" for kind, name in spread)], *lines])


def family_share(row: SetScores) -> Share:
    """Clips whose family was heard."""
    table = row.families
    return Share(0, 0) if table is None else Share(sum(r[i] for i, r in enumerate(table.counts)), table.n_clips)


def _two(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def percent(value: float) -> str:
    """A share in percent."""
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"
