"""Tables and the picture of `benchmarks.edits`."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.metrics.stats import Interval, mean_interval
from benchmarks.edit_measures import LARGEST, Places, rank_correlation, rises

TOLERANCE = 0.02
"""By how much of its whole range a curve may fall from one value to the next and still be called rising."""


@dataclass
class Curves:
    """Distances against a knob, clip by clip.

    Attributes:
        knob: what is turned.
        values: where it stood.
        found: distance -> clip -> one number for each value.
    """

    knob: str
    values: tuple[float, ...]
    found: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, clip: str, distances: Sequence[Mapping[str, float]]) -> None:
        """Add a clip: for each value the distances by name."""
        for name in distances[0]:
            self.found.setdefault(name, {})[clip] = [each[name] for each in distances]

    def means(self, name: str) -> list[Interval]:
        """Mean over clips at each value, with its 95 % interval."""
        return [mean_interval(list(column)) for column in zip(*self.found[name].values(), strict=True)]

    def mean_rises(self, name: str, *, falling: bool = False) -> bool:
        """Whether the mean only rises."""
        return rises([-each.mean if falling else each.mean for each in self.means(name)])

    def share(self, name: str, tolerance: float = 0.0, *, falling: bool = False) -> float:
        """Share of clips whose curve rises."""
        curves = self.found[name].values()
        return float(np.mean([rises([-x for x in curve] if falling else curve, tolerance) for curve in curves]))

    def rank(self, name: str, *, falling: bool = False) -> float:
        """Mean rank correlation with the knob."""
        sign = -1.0 if falling else 1.0
        return sign * float(np.mean([rank_correlation(curve) for curve in self.found[name].values()]))


@dataclass(frozen=True)
class Findings:
    """All that was measured.

    Attributes:
        clips: recordings, and clips made by the model.
        varied: distance to the input against strength.
        to_first, to_second: distances of interpolations to the one end and to the other.
        joins: of fills, extensions, and controls.
        changed: samples outside of what was to be made anew that differ from the input.
        meetings: places of long clips.
        long_seconds: their length.
        seams: scores of loops and of clips that are none.
    """

    clips: tuple[int, int]
    varied: Curves
    to_first: Curves
    to_second: Curves
    joins: tuple[Places, ...]
    changed: int
    meetings: tuple[Places, ...]
    long_seconds: float
    seams: Mapping[str, Sequence[float]]


def curve_table(rows: Sequence[tuple[str, Curves, bool]]) -> str:
    """Means with intervals at each value of a knob; `(name, curves, whether they must fall)` each."""
    values = rows[0][1].values
    lines = [
        f"| {rows[0][1].knob} | {' | '.join(f'{value:g}' for value in values)} | mean | clips | rank |",
        f"| {' | '.join(['---'] * (len(values) + 4))} |",
    ]
    for title, curves, falling in rows:
        for name in curves.found:
            shown = " | ".join(f"{each.mean:.3f} ± {each.half_width:.3f}" for each in curves.means(name))
            word = "falls" if falling else "rises"
            holds = word if curves.mean_rises(name, falling=falling) else f"**not {word[:-1]}ing**"
            share = curves.share(name, TOLERANCE, falling=falling)
            rank = curves.rank(name, falling=falling)
            lines.append(f"| {title}{name} | {shown} | {holds} | {100 * share:.0f} % | {rank:.3f} |")
    return "\n".join(lines)


def place_table(rows: Sequence[Places]) -> str:
    """Abruptness of places, beside what is usual in the clips."""
    lines = [
        f"| place | count | jump: median | ≤ 1 | ≤ {LARGEST:g} | shift: median | ≤ 1 | ≤ {LARGEST:g} |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = []
        for measure in ("jump", "shift"):
            shares = [f"{100 * row.share(measure, most):.0f} %" for most in (1.0, LARGEST)]
            cells += [f"{row.median(measure):.2f}", *shares]
        lines.append(f"| {row.name} | {len(row.found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def seam_table(seams: Mapping[str, Sequence[float]]) -> str:
    """Seam scores."""
    lines = ["| clip | count | seam: median | largest | ≤ 1 | closed |", "| --- | --- | --- | --- | --- | --- |"]
    for name, scores in seams.items():
        shares = [f"{100 * np.mean([score <= most for score in scores]):.0f} %" for most in (1.0, LARGEST)]
        lines.append(f"| {name} | {len(scores)} | {np.median(scores):.2f} | {max(scores):.2f} | {' | '.join(shares)} |")
    return "\n".join(lines)


def markdown(findings: Findings, conditions: str, notes: Sequence[str] = ()) -> str:
    """Return the result as Markdown."""
    recordings, made = findings.clips
    parts = [
        f"{recordings} held-out recordings and {made} clips of the model's own; {conditions}.",
        "`vary`: distance to the input against strength (0 is the model's codec alone), mean and 95 % interval:",
        curve_table([("", findings.varied, False)]),
        "`interpolate` from one recording to another (strength 0.5):",
        curve_table([("to the first, ", findings.to_first, False), ("to the second, ", findings.to_second, True)]),
        "Joins: change of the log-mel from frame to frame (jump) and across half a second (shift), in units of the "
        "clip's own 95th percentile:",
        place_table(findings.joins),
        f"Samples that had to be kept and were changed: {findings.changed}.",
        f"Clips of {findings.long_seconds:g} s, where the windows of the denoiser meet:",
        place_table(findings.meetings),
        "Loops, the seam where the end meets the beginning in the same units:",
        seam_table(findings.seams),
        f"- A curve counts among the clips that rise if it nowhere falls by more than {100 * TOLERANCE:.0f} % of its "
        "range; rank is Spearman's correlation, mean over clips.",
        *(f"- {note}" for note in notes),
    ]
    return "\n\n".join(parts)


def draw(findings: Findings, path: Path) -> None:
    """Draw the curves of variations and of interpolations, and the joins."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 3.6), layout="constrained")
    axes = list(figure.subplots(1, 3))
    _draw_curves(axes[0], "vary", [("", findings.varied)])
    _draw_curves(
        axes[1], "interpolate", [("to the first, ", findings.to_first), ("to the second, ", findings.to_second)]
    )
    _draw_places(axes[2], [*findings.joins, *findings.meetings])
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
        temporary.replace(path)


def _draw_curves(axis: Any, title: str, rows: Sequence[tuple[str, Curves]]) -> None:
    for label, curves in rows:
        for name in curves.found:
            means = curves.means(name)
            top = max(each.mean for each in means)
            low, high = ([getattr(each, end) / top for each in means] for end in ("low", "high"))
            (line,) = axis.plot(curves.values, [each.mean / top for each in means], "o-", markersize=3)
            line.set_label(f"{label}{name}")
            axis.fill_between(curves.values, low, high, alpha=0.15, color=line.get_color())
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(rows[0][1].knob)
    axis.set_ylabel("distance, share of the largest mean")
    axis.set_ylim(bottom=0.0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)


def _draw_places(axis: Any, rows: Sequence[Places]) -> None:
    axis.boxplot([row.values("jump") for row in rows], orientation="horizontal", widths=0.6, showfliers=False)
    axis.set_yticks(range(1, len(rows) + 1), [row.name for row in rows], fontsize=7)
    axis.invert_yaxis()
    axis.axvline(1.0, color="0.4", linewidth=1, linestyle="--")
    axis.set_xlabel("jump, times what is usual in the clip")
    axis.grid(alpha=0.3, axis="x")
