"""The tables and the picture of `benchmarks.objectives`, from what it has measured."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from audiodiff.atomic import atomic_file
from audiodiff.metrics.scoring import MEASURES
from audiodiff.metrics.table import markdown_table

COLOURS = {"regression": "C0", "gan": "C3", "diffusion, 1 step": "C2", "diffusion, 4 steps": "C4"}
"""Of the curves, by system."""


def table(result: Mapping[str, Any]) -> str:
    """The results in Markdown: the runs, and what they make of the clips of each group."""
    runs, rows = result["runs"], result["rows"]
    minutes = sum(run["core_minutes"] for run in runs) / len(runs)
    parts = [
        f"A network of {runs[0]['parameters'] / 1e6:.1f} M parameters, {minutes:.1f} minutes of one processor core for "
        f"each run, means with 95 % intervals over clips; seed {runs[0]['seed']}.",
        *(_scores(rows, group) for group in dict.fromkeys(row["group"] for row in rows)),
        "Training, with copies of "
        f"{result['curve_clips']} validation clips at every checkpoint; the largest fall is from one checkpoint to the "
        "next:",
        _training(runs),
    ]
    return "\n\n".join(parts) + "\n"


def _scores(rows: Sequence[Mapping[str, Any]], group: str) -> str:
    found = [row for row in rows if row["group"] == group]
    names = list(dict.fromkeys(name for row in found for name in row["scores"]))
    heads = [f"{MEASURES[name].label} {'↑' if MEASURES[name].higher_is_better else '↓'}" for name in names]
    lines = []
    for row in found:
        cells = [_cell(row["scores"].get(name), MEASURES[name].decimals) for name in names]
        factor = row["cpu_factor"]
        lines.append([row["system"], *cells, "–" if factor is None else f"{factor:.3f}"])
    title = f"**{group}** ({found[0]['clips']} clips, {found[0]['seconds']:.0f} s)"
    return title + "\n\n" + markdown_table(["", *heads, "processor s per s ↓"], lines)


def _cell(score: Sequence[float] | None, decimals: int) -> str:
    return "–" if score is None else f"{score[0]:.{decimals}f} ± {score[1]:.{decimals}f}"


def _training(runs: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for run in runs:
        for system, points in run["curves"].items():
            pesq = [point["pesq_wb"] for point in points]
            lines.append(
                [
                    system,
                    str(run["seed"]),
                    str(run["steps"]),
                    f"{run['core_minutes']:.1f}",
                    *(f"{value:.2f}" for value in (pesq[len(pesq) // 2], pesq[-1], largest_fall(pesq))),
                    f"{points[-1]['mr_stft']:.3f}",
                ]
            )
    heads = ["", "seed", "training steps", "core minutes", "PESQ-WB half-way", "at the end", "largest fall", "MR-STFT"]
    return markdown_table(heads, lines)


def largest_fall(values: Sequence[float]) -> float:
    """The most that a value lies below the one before it; 0 of values that never fall."""
    return max((max(0.0, before - after) for before, after in pairwise(values)), default=0.0)


def loss_curve(run: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Core minutes and the magnitude distance of the training estimates, the loss that all objectives have."""
    per_step = run["core_minutes"] / run["steps"]
    lines = [line for line in run["log"] if "magnitude" in line]
    return [line["step"] * per_step for line in lines], [line["magnitude"] for line in lines]


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw the curves: two measures of validation clips, and the loss, against processor time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 3.8), layout="constrained")
    quality, distance, loss = figure.subplots(1, 3)
    first = result["runs"][0]["seed"]
    for run in result["runs"]:
        style = "-" if run["seed"] == first else "--"
        for system, points in run["curves"].items():
            label = system if run["seed"] == first else None
            minutes = [point["core_minutes"] for point in points]
            for axis, name in ((quality, "pesq_wb"), (distance, "mr_stft")):
                values = [point[name] for point in points]
                axis.plot(minutes, values, style, marker="o", markersize=3, color=COLOURS[system], label=label)
        label = run["objective"] if run["seed"] == first else None
        loss.plot(*loss_curve(run), style, linewidth=1, color=COLOURS.get(run["objective"], "C2"), label=label)
    for axis, title in (
        (quality, "PESQ-WB of validation clips"),
        (distance, "MR-STFT of validation clips"),
        (loss, "magnitude distance in training"),
    ):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("core minutes")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=120, metadata={"Software": None})
