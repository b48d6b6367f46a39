"""Tables and the picture of `benchmarks.edits`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.atomic import atomic_file
from audiodiff.metrics.stats import Interval, mean_interval
from benchmarks.edit_measures import LARGEST, AbruptnessSample, Likeness, rank_correlation, rises

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


OTHER_BEATS = "the loops' other beats"
"""Name of the places that a seam is compared with."""


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
        references: clips beside recordings, and clips beside none; empty for a model that takes no reference.
        embedding: whose distance they were measured by.
    """

    clips: tuple[int, int]
    varied: Curves
    to_first: Curves
    to_second: Curves
    joins: tuple[AbruptnessSample, ...]
    changed: int
    meetings: tuple[AbruptnessSample, ...]
    long_seconds: float
    seams: Mapping[str, Sequence[float]]
    references: tuple[Likeness, ...] = ()
    embedding: str = ""


def curve_table(columns: Sequence[tuple[str, Curves, bool]]) -> str:
    """Means with intervals at each value of a knob; `(title, curves, whether they must fall)` each."""
    knob, values = columns[0][1].knob, columns[0][1].values
    names = [(title, curves, name, falling) for title, curves, falling in columns for name in curves.found]
    lines = [
        f"| {knob} | {' | '.join(title + name for title, _, name, _ in names)} |",
        f"| {' | '.join(['---'] * (len(names) + 1))} |",
    ]
    means = [curves.means(name) for _, curves, name, _ in names]
    for index, value in enumerate(values):
        lines.append(f"| {value:g} | {' | '.join(_interval(column[index]) for column in means)} |")
    words, shares, ranks = [], [], []
    for _, curves, name, falling in names:
        way = "fall" if falling else "ris"
        holds = curves.mean_rises(name, falling=falling)
        words.append(f"{way}{'s' if falling else 'es'}" if holds else f"**not always {way}ing**")
        shares.append(f"{100 * curves.share(name, TOLERANCE, falling=falling):.0f} %")
        ranks.append(f"{curves.rank(name, falling=falling):.3f}")
    lines.append(f"| the mean | {' | '.join(words)} |")
    lines.append(f"| clips that do so | {' | '.join(shares)} |")
    lines.append(f"| rank correlation | {' | '.join(ranks)} |")
    return "\n".join(lines)


def _interval(value: Interval) -> str:
    """A mean with half its interval, if there is one."""
    spread = f" ± {value.half_width:.3f}" if np.isfinite(value.half_width) else ""
    return f"{value.mean:.3f}{spread}"


def abruptness_table(rows: Sequence[AbruptnessSample]) -> str:
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


def likeness_table(rows: Sequence[Likeness]) -> str:
    """Clips and the recordings that they were made beside."""
    lines = [
        "| clip | count | to its own recording | to the others | nearest to its own |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        count = len(row.distances)
        lines.append(f"| {row.name} | {count} | {row.own:.3f} | {row.others:.3f} | {row.nearest} of {count} |")
    return "\n".join(lines)


def summary(findings: Findings) -> str:
    """One line for each verb: what was measured, the result, and that of controls."""
    places = {row.name: row for row in (*findings.joins, *findings.meetings)}

    def told(name: str) -> str:
        row = places.get(name)
        if row is None:
            return "–"
        return ", ".join(f"{way} {row.median(way):.2f} ({_percent(row.share(way))})" for way in ("jump", "shift"))

    def seam(name: str) -> str:
        scores = findings.seams.get(name, ())
        return f"{np.median(scores):.2f} ({_percent(np.mean([x <= 1.0 for x in scores]))})" if scores else "–"

    def curve(curves: Curves, *, falling: bool = False) -> str:
        return "; ".join(
            f"{name}: {'falls' if falling else 'rises'} in {_percent(curves.share(name, TOLERANCE, falling=falling))}, "
            f"rank correlation {curves.rank(name, falling=falling):.2f}"
            for name in curves.found
        )

    def near(row: Likeness) -> str:
        return f"{row.nearest} of {len(row.distances)} ({row.own:.3f}, others {row.others:.3f})"

    untouched, pasted = told("the same places, nothing changed"), told("another clip pasted in")
    filled, put_after = told("inpaint, recordings"), told("another clip put after")
    lines = [
        "| verb | of the clips | beside it |",
        "| --- | --- | --- |",
        f"| `vary`, distance to the input against strength | {curve(findings.varied)} | – |",
        f"| `interpolate`, distance to the first end | {curve(findings.to_first)} | – |",
        f"| `interpolate`, distance to the second end | {curve(findings.to_second, falling=True)} | – |",
        f"| `inpaint`, joins in recordings | {filled} | untouched: {untouched}; pasted: {pasted} |",
        f"| `extend`, joins to recordings | {told('extend, recordings')} | another clip: {put_after} |",
        f"| `generate`, {findings.long_seconds:g} s, where windows meet | {told('where windows meet')} "
        f"| between: {told('between')} |",
        f"| `generate --loop`, seam | {seam('--loop')} | other beats: {seam(OTHER_BEATS)}; without --loop: "
        f"{seam('the same without --loop')} |",
    ]
    if findings.references:
        like, unlike = findings.references
        what = f"`generate --reference`, nearest to its own recording by {findings.embedding} (distance)"
        lines.append(f"| {what} | {near(like)} | without it: {near(unlike)} |")
    text = (
        f"{findings.clips[0]} held-out recordings and {findings.clips[1]} clips of the model's own. Joins and seams "
        "are changes of the log-mel in units of the clip's own 95th percentile, as medians; in brackets how many are "
        f"at most 1. Samples outside of what was to be made anew that were changed: {findings.changed}."
    )
    return "\n".join([text, "", *lines])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


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
        abruptness_table(findings.joins),
        f"Samples that had to be kept and were changed: {findings.changed}.",
        f"Clips of {findings.long_seconds:g} s, where the windows of the denoiser meet:",
        abruptness_table(findings.meetings),
        "Loops, the seam where the end meets the beginning in the same units:",
        seam_table(findings.seams),
        *_referring(findings),
        f"- A clip counts if its curve nowhere goes back by more than {100 * TOLERANCE:.0f} % of its range; the rank "
        "correlation is Spearman's, mean over clips.",
        *(f"- {note}" for note in notes),
    ]
    return "\n\n".join(parts)


def _referring(findings: Findings) -> list[str]:
    if not findings.references:
        return []
    told = "Clips without a prompt beside the first half of a recording; distance to the second halves of all, by "
    return [f"{told}{findings.embedding}:", likeness_table(findings.references)]


def draw(findings: Findings, path: Path) -> None:
    """Draw the curves of variations and of interpolations, and the joins."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 3.6), layout="constrained")
    axes = list(figure.subplots(1, 3))
    _draw_curves(axes[0], "vary", [("", findings.varied)])
    _draw_curves(
        axes[1], "interpolate", [("to the first, ", findings.to_first), ("to the second, ", findings.to_second)]
    )
    _draw_abruptness(axes[2], [*findings.joins, *findings.meetings])
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=100, metadata={"Software": None})


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


def _draw_abruptness(axis: Any, rows: Sequence[AbruptnessSample]) -> None:
    axis.boxplot([row.values("jump") for row in rows], orientation="horizontal", widths=0.6, showfliers=False)
    axis.set_yticks(range(1, len(rows) + 1), [row.name for row in rows], fontsize=7)
    axis.invert_yaxis()
    axis.axvline(1.0, color="0.4", linewidth=1, linestyle="--")
    axis.set_xlabel("jump, times what is usual in the clip")
    axis.grid(alpha=0.3, axis="x")
