"""What an evaluation has found: scores of systems on clips, their means with intervals, as Markdown, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.scoring import MEASURES
from audiodiff.metrics.stats import Interval, mean_interval, paired_difference
from audiodiff.metrics.table import interval_cell, markdown_table

RECORDINGS = "recordings"
"""Name of the row in which every clip is scored against itself."""


@dataclass(frozen=True)
class ClipScores:
    """Scores of one system on one clip.

    Attributes:
        system: name of the system.
        clip: name of the clip.
        group: group of the clip.
        seconds: duration of the clip.
        compute_seconds: wall time that the system took.
        cpu_seconds: processor time that the system took, over all threads.
        scores: measure to value; a measure that could not score this clip is missing.
    """

    system: str
    clip: str
    group: str
    seconds: float
    compute_seconds: float
    cpu_seconds: float
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One line of the table: a system on a group of clips.

    Attributes:
        system: name of the system.
        group: name of the group.
        n_clips: clips of the group.
        seconds: their length together.
        scores: measure to mean with 95 % interval; a measure without any score is missing.
        real_time_factor: wall seconds per second of audio; None for the recordings.
        cpu_factor: processor seconds per second of audio; None for the recordings.
        peak_memory_mib: most memory the process held while the system ran; None for the recordings or if the
            operating system does not say.
    """

    system: str
    group: str
    n_clips: int
    seconds: float
    scores: Mapping[str, Interval]
    real_time_factor: float | None
    cpu_factor: float | None
    peak_memory_mib: float | None


@dataclass(frozen=True)
class EvaluationReport:
    """Results of `evaluate`.

    Attributes:
        measures: names of the measures, in the order of the columns.
        results: one for every system and clip that worked.
        peak_memory_mib: system to the most memory that the process held while it ran.
        notes: one sentence for everything that could not be run or scored.
        details: what was evaluated, where and how.
    """

    measures: tuple[str, ...]
    results: tuple[ClipScores, ...]
    peak_memory_mib: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems in the order they were given."""
        return tuple(dict.fromkeys(result.system for result in self.results))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups in the order they were met."""
        return tuple(dict.fromkeys(result.group for result in self.results))

    def row(self, system: str, group: str) -> Row:
        """Summarise a system on a group.

        Raises:
            AudiodiffError: there is no result for the two.
        """
        chosen = [result for result in self.results if result.system == system and result.group == group]
        if not chosen:
            raise AudiodiffError(f"there is no result of {system!r} on {group!r} in this report.")
        scores = {}
        for measure in self.measures:
            values = [result.scores[measure] for result in chosen if measure in result.scores]
            if values:
                scores[measure] = mean_interval(values)
        seconds = sum(result.seconds for result in chosen)
        timed = system != RECORDINGS
        return Row(
            system=system,
            group=group,
            n_clips=len(chosen),
            seconds=seconds,
            scores=scores,
            real_time_factor=sum(result.compute_seconds for result in chosen) / seconds if timed else None,
            cpu_factor=sum(result.cpu_seconds for result in chosen) / seconds if timed else None,
            peak_memory_mib=self.peak_memory_mib.get(system) if timed else None,
        )

    def rows(self) -> list[Row]:
        """All rows, group by group."""
        found = {(result.group, result.system) for result in self.results}
        return [self.row(system, group) for group in self.groups for system in self.systems if (group, system) in found]

    def difference(self, system: str, other: str, measure: str, group: str) -> Interval:
        """Mean of `system - other` over the clips that both were scored on, with its 95 % interval.

        Raises:
            AudiodiffError: there is no such clip.
        """
        values: dict[str, dict[str, float]] = {system: {}, other: {}}
        for result in self.results:
            if result.system in values and result.group == group and measure in result.scores:
                values[result.system][result.clip] = result.scores[measure]
        common = [clip for clip in values[system] if clip in values[other]]
        return paired_difference([values[system][c] for c in common], [values[other][c] for c in common])

    def markdown(self) -> str:
        """The tables of all groups, the definitions of the measures and the notes, as Markdown."""
        parts = []
        for group in self.groups:
            rows = [row for row in self.rows() if row.group == group]
            parts.append(
                f"### {group}: {rows[0].n_clips} clips, {rows[0].seconds:.0f} s\n\n{_markdown_table(self, rows)}"
            )
        definitions = [f"- {MEASURES[name].label}: {MEASURES[name].definition}." for name in self.measures]
        definitions.append(
            "- RTF: wall seconds per second of audio; CPU: processor seconds, over all threads, per second of audio; "
            "MiB: most memory of the whole process (measures included) while the system ran."
        )
        parts.append(
            "Mean ± half a 95 % t interval over clips; ↑ higher is better, ↓ lower.\n\n" + "\n".join(definitions)
        )
        if self.details:
            parts.append("\n".join(f"- {key}: {value}" for key, value in self.details.items()))
        if self.notes:
            parts.append("Notes:\n\n" + "\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def summary_csv(self) -> str:
        """The rows as CSV: for every measure its mean, the ends of its interval and the number of clips scored."""
        header = ["group", "system", "n_clips", "seconds", "real_time_factor", "cpu_factor", "peak_memory_mib"]
        header += [f"{measure}{part}" for measure in self.measures for part in ("", "_low", "_high", "_n")]
        lines: list[list[Any]] = []
        for row in self.rows():
            line: list[Any] = [row.group, row.system, row.n_clips, f"{row.seconds:.3f}"]
            line += [_number(x) for x in (row.real_time_factor, row.cpu_factor, row.peak_memory_mib)]
            for measure in self.measures:
                interval = row.scores.get(measure)
                line += (
                    ["", "", "", 0]
                    if interval is None
                    else [_number(interval.mean), _number(interval.low), _number(interval.high), interval.n]
                )
            lines.append(line)
        return csv_text([header, *lines])

    def clips_csv(self) -> str:
        """Every score of every clip as CSV."""
        header = ["group", "clip", "system", "seconds", "compute_seconds", "cpu_seconds", *self.measures]
        lines = [
            [
                result.group,
                result.clip,
                result.system,
                f"{result.seconds:.3f}",
                f"{result.compute_seconds:.4f}",
                f"{result.cpu_seconds:.4f}",
                *(_number(result.scores.get(measure)) for measure in self.measures),
            ]
            for result in self.results
        ]
        return csv_text([header, *lines])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values (an interval of one clip has null ends)."""
        return {
            "details": dict(self.details),
            "measures": {
                name: {
                    "label": MEASURES[name].label,
                    "higher_is_better": MEASURES[name].higher_is_better,
                    "definition": MEASURES[name].definition,
                }
                for name in self.measures
            },
            "rows": [
                {
                    "group": row.group,
                    "system": row.system,
                    "n_clips": row.n_clips,
                    "seconds": row.seconds,
                    "real_time_factor": row.real_time_factor,
                    "cpu_factor": row.cpu_factor,
                    "peak_memory_mib": row.peak_memory_mib,
                    "scores": {
                        name: {
                            "mean": interval.mean,
                            "low": interval.low if math.isfinite(interval.low) else None,
                            "high": interval.high if math.isfinite(interval.high) else None,
                            "n": interval.n,
                        }
                        for name, interval in row.scores.items()
                    },
                }
                for row in self.rows()
            ],
            "clips": [
                {
                    "group": result.group,
                    "clip": result.clip,
                    "system": result.system,
                    "seconds": result.seconds,
                    "compute_seconds": result.compute_seconds,
                    "cpu_seconds": result.cpu_seconds,
                    "scores": dict(result.scores),
                }
                for result in self.results
            ],
            "notes": list(self.notes),
        }

    def write(self, folder: str | Path) -> list[Path]:
        """Write `evaluation.json`, `evaluation.csv` (rows), `clips.csv` and `evaluation.md`, each atomically.

        Raises:
            AudiodiffError: the folder cannot be made or written to.
        """
        texts = {
            "evaluation.json": json.dumps(self.to_dict(), indent=1) + "\n",
            "evaluation.csv": self.summary_csv(),
            "clips.csv": self.clips_csv(),
            "evaluation.md": self.markdown(),
        }
        return write_texts(folder, texts)


Progress = Callable[[str, str], AbstractContextManager[Callable[[float, float], None]]]
"""`(label, unit) ->` a context whose value is called with (done, all), as `audiodiff.cli.progress.progress_bar`."""


def write_texts(folder: str | Path, texts: Mapping[str, str]) -> list[Path]:
    """Write the files of a report, each atomically, and return their paths.

    Raises:
        AudiodiffError: the folder cannot be made or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with atomic_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise AudiodiffError(
            f"the report cannot be written to {folder} ({error.strerror or error}); choose another folder."
        ) from error
    return [folder / name for name in texts]


def _markdown_table(report: EvaluationReport, rows: Sequence[Row]) -> str:
    heads = ["system"]
    for name in report.measures:
        heads.append(f"{MEASURES[name].label} {'↑' if MEASURES[name].higher_is_better else '↓'}")
        if name == "distill_mos":
            heads.append("DistillMOS − recording")
    heads += ["RTF ↓", "CPU ↓", "MiB ↓"]
    lines = []
    for row in rows:
        cells = [row.system]
        for name in report.measures:
            cells.append(interval_cell(row.scores.get(name), MEASURES[name].decimals))
            if name == "distill_mos":
                recordings = [r for r in rows if r.system == RECORDINGS and name in r.scores]
                compared = recordings and row.system != RECORDINGS and name in row.scores
                difference = report.difference(row.system, RECORDINGS, name, row.group) if compared else None
                cells.append(interval_cell(difference, MEASURES[name].decimals))
        cells.append("–" if row.real_time_factor is None else f"{row.real_time_factor:.4f}")
        cells.append("–" if row.cpu_factor is None else f"{row.cpu_factor:.4f}")
        cells.append("–" if row.peak_memory_mib is None else f"{row.peak_memory_mib:.0f}")
        lines.append(cells)
    return markdown_table(heads, lines)


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def csv_text(lines: Iterable[Sequence[Any]]) -> str:
    """Lines of cells as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
