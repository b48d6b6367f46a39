"""Verdicts, short tables and picture of the music benchmark."""

from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.atomic import atomic_file
from audiodiff.evaluation.music_report import (
    RECORDINGS,
    MusicReport,
    copy_finding,
    distance_table,
    family_share,
    mean_ratio,
    percent,
    prompt_table,
    summary,
    sweep_table,
)
from audiodiff.evaluation.music_scores import SetScores, deciding, judged
from audiodiff.metrics.classifier import Confusion
from benchmarks.music_rungs import RUNGS

BASELINES = ("random latents", "class-mean mel")
TARGET_REAL_FAMILY, TARGET_FAMILY = 0.9, 0.8
TARGET_REAL_TEMPO, TARGET_TEMPO = 0.85, 0.7
TARGET_FRECHET, TARGET_BASELINE = 2.0, 0.5


def verdicts(report: MusicReport) -> list[str]:
    """One line for each target: whether it holds, with the figures."""
    lines = []
    real, ours = report.row(RECORDINGS), report.ours
    if real is not None and real.families is not None:
        share = real.families.accuracy
        lines.append(
            f"- the family classifier is right on {family_share(real)} of held-out recordings "
            f"(90 % or more: {_word(share >= TARGET_REAL_FAMILY)}) and cross-validated on "
            f"{percent(report.ears.cross_validated)} of training recordings."
        )
        if ours is not None and ours.families is not None:
            good = ours.families.accuracy >= TARGET_FAMILY
            lines.append(f"- and on {family_share(ours)} of generated clips (80 % or more: {_word(good)}).")
    if real is not None and real.tempo.n:
        good = real.tempo.share >= TARGET_REAL_TEMPO
        lines.append(
            f"- the tempo estimator is within 8 % (or its double or half) on {real.tempo} of held-out recordings "
            f"(85 % or more: {_word(good)}); against the tempi of other clips {percent(real.tempo_chance)}."
        )
        if ours is not None:
            good = ours.tempo.share >= TARGET_TEMPO
            lines.append(f"- and on {ours.tempo} of generated clips (70 % or more: {_word(good)}).")
    if ours is not None:
        lines += _distance_verdicts(report, ours)
        if report.checks:
            good = bool(deciding(report.checks)) and not report.suspects
            lines.append(f"- copies: {copy_finding(report)} (none: {_word(good)}).")
        lines.append(f"- silent clips: {ours.silent}; clipped clips: {ours.clipped}.")
    return lines


def _distance_verdicts(report: MusicReport, ours: SetScores) -> list[str]:
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


def readme(report: MusicReport) -> str:
    """The README's tables: fewer columns, no remarks."""
    made = [row for row in report.rows if row.name not in RUNGS]
    parts = [
        "# Quality of music generation",
        summary(report),
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


def draw(report: MusicReport, path: Path) -> None:
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


def _draw_distances(report: MusicReport, axis: Any) -> None:
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


def _draw_sweep(report: MusicReport, axis: Any) -> None:
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


def _word(holds: bool) -> str:
    return "**holds**" if holds else "**missed**"
