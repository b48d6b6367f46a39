"""Score systems that copy recordings: every measure on every clip, means with intervals, speed and memory."""

import csv
import io
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.baselines import System
from audiodiff.metrics.inputs import MissingPackageError, resampled
from audiodiff.metrics.scoring import MEASURES, named_measure
from audiodiff.metrics.stats import Interval, mean_interval, paired_difference

RECORDINGS = "recordings"
"""Name of the row in which every clip is scored against itself."""

OnProgress = Callable[[float, float], None]
"""Called with (clips done times systems, all)."""


@dataclass(frozen=True)
class Clip:
    """One recording to copy: `waveform` is float32 `[n_samples]` at `sample_rate` (Hz)."""

    name: str
    waveform: npt.NDArray[np.float32]
    sample_rate: int
    group: str = "all clips"

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.waveform.size / self.sample_rate


@dataclass(frozen=True)
class ClipResult:
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
    results: tuple[ClipResult, ...]
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
        return _csv([header, *lines])

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
        return _csv([header, *lines])

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
        folder = Path(folder)
        texts = {
            "evaluation.json": json.dumps(self.to_dict(), indent=1) + "\n",
            "evaluation.csv": self.summary_csv(),
            "clips.csv": self.clips_csv(),
            "evaluation.md": self.markdown(),
        }
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


def evaluate(
    systems: Mapping[str, System],
    clips: Iterable[Clip],
    measures: Sequence[str] = tuple(MEASURES),
    *,
    recordings: bool = True,
    n_clips: int | None = None,
    details: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
) -> EvaluationReport:
    """Let every system copy every clip and score the copies.

    Measures are taken at the clip's own sample rate. A clip that a system or a measure refuses is noted in the
    report and left out there; a missing package ends the evaluation.

    Args:
        systems: name to `(waveform [n_samples], sample_rate) -> waveform [n_samples]`.
        clips: read one at a time, so a generator keeps memory small.
        measures: names of `audiodiff.metrics.scoring.MEASURES`.
        recordings: add a row for the recordings themselves.
        n_clips: number of clips if `clips` does not know its length, for the progress.
        details: what to print beside the tables.
        on_progress: called after every system and clip.

    Raises:
        AudiodiffError: unknown measure, no clip, nothing could be scored, or a package of a measure is missing.
    """
    chosen = {name: named_measure(name).function for name in dict.fromkeys(measures)}
    if not chosen:
        raise AudiodiffError(f"no measure was chosen; choose from {', '.join(MEASURES)}.")
    if RECORDINGS in systems:
        raise AudiodiffError(f"a system may not be called {RECORDINGS!r}; that is the row of the references.")
    runners: dict[str, System] = {RECORDINGS: _itself} if recordings else {}
    runners.update(systems)
    n_total = n_clips if n_clips is not None else (len(clips) if isinstance(clips, Sequence) else 0)
    results: list[ClipResult] = []
    notes: list[str] = []
    peaks: dict[str, float] = {}
    n_done = 0
    for clip_index, clip in enumerate(clips):
        if clip_index == 0:
            _warm_up(runners, clip)
        for system, function in runners.items():
            outcome = _run(system, function, clip, chosen)
            notes.extend(outcome.notes)
            if outcome.result is not None:
                results.append(outcome.result)
            if outcome.peak_memory_mib is not None:
                peaks[system] = max(outcome.peak_memory_mib, peaks.get(system, 0.0))
            n_done += 1
            if on_progress is not None:
                on_progress(n_done, max(n_total * len(runners), n_done))
    if n_done == 0:
        raise AudiodiffError("there is no clip to evaluate; give at least one recording and one system.")
    if not any(result.scores for result in results):
        raise AudiodiffError(f"nothing could be scored; the first of {len(notes)} reasons: {notes[0]}")
    return EvaluationReport(tuple(chosen), tuple(results), peaks, tuple(notes), {**(details or {}), **_machine()})


class Synthesizer(Protocol):
    """The part of `audiodiff.synthesis.vocode.VocoderSynthesizer` that an evaluation needs."""

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms that come out (Hz)."""
        ...

    def vocode(
        self,
        waveform: npt.NDArray[np.float32],
        sample_rate: int,
        *,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """Copy a waveform `[n_samples]` through its mel."""
        ...


def vocoder_system(
    synthesizer: Synthesizer,
    *,
    steps: int | None = None,
    sampler: str | None = None,
    grid: str | None = None,
    seed: int = 0,
) -> System:
    """Make a system of a vocoder: up to the model's rate, its mel, the vocoder, and back to the clip's rate."""

    def run(waveform: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float32]:
        output = synthesizer.vocode(waveform, sample_rate, steps=steps, sampler=sampler, grid=grid, seed=seed)
        return resampled(output, synthesizer.sample_rate, sample_rate)[: waveform.size]

    return run


def folder_clips(
    folder: str | Path,
    split: str | None = "test",
    *,
    limit: int | None = None,
    max_seconds: float | None = None,
    peak: float | None = 0.95,
) -> list[Clip]:
    """Read the clips of a split of a folder of audio, grouped by whether the train split has their speaker.

    Args:
        folder: as `audiodiff.data.manifest.load_items` takes it; splits and speakers are those of its `metadata.csv`
            or manifest. Without them there is one group.
        split: the split, None for every clip.
        limit: at most so many clips of each group, evenly spread over the names.
        max_seconds: only the first so many seconds of each clip.
        peak: scale every clip to this peak; None leaves the level alone.

    Raises:
        AudiodiffError: no such folder or split, a limit below 1, or none of the clips can be read.
    """
    from audiodiff.data.items import AudioItem
    from audiodiff.data.manifest import load_items
    from audiodiff.signal.audio_io import read_mono

    if limit is not None and limit < 1:
        raise AudiodiffError(f"the limit is {limit} clips; it must be 1 or more.")
    if max_seconds is not None and not max_seconds > 0:
        raise AudiodiffError(f"the length is limited to {max_seconds} s; it must be more than 0.")
    items = load_items(folder, split)
    known = {item.speaker for item in load_items(folder) if item.split == "train"} if split != "train" else set()
    grouped: dict[str, list[AudioItem]] = {}
    for item in sorted(items, key=lambda item: item.path):
        if not known or not item.speaker:
            group = Clip.group
        else:
            group = "known speakers" if item.speaker in known else "unseen speakers"
        if item.n_samples:
            grouped.setdefault(group, []).append(item)
    if not grouped:
        raise AudiodiffError(f"none of the {len(items)} clips of {folder} can be read; run `audiodiff check {folder}`.")
    clips = []
    for group in sorted(grouped):
        members = grouped[group]
        count = min(limit or len(members), len(members))
        for item in (members[index * len(members) // count] for index in range(count)):
            audio = read_mono(item.path)
            n_samples = audio.waveform.shape[-1] if max_seconds is None else round(max_seconds * audio.sample_rate)
            waveform = audio.waveform[0, :n_samples]
            loudest = float(np.abs(waveform).max(initial=0.0))
            if peak is not None and loudest > 0:
                waveform = waveform * np.float32(peak / loudest)
            inside = item.path.is_relative_to(folder)  # a manifest may name files anywhere
            name = (item.path.relative_to(folder) if inside else item.path).as_posix()
            clips.append(Clip(name, waveform.astype(np.float32, copy=False), audio.sample_rate, group))
    return clips


def _itself(waveform: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float32]:
    return waveform


def _warm_up(runners: Mapping[str, System], clip: Clip) -> None:
    """Run every system once on a second of audio: loading and first-call costs are not the system's speed."""
    for function in runners.values():
        try:
            function(clip.waveform[: clip.sample_rate].copy(), clip.sample_rate)
        except MissingPackageError:
            raise
        except AudiodiffError:
            continue  # reported when the clip itself is run


@dataclass(frozen=True)
class _Outcome:
    """What became of one system on one clip."""

    result: ClipResult | None
    notes: tuple[str, ...]
    peak_memory_mib: float | None = None


def _run(
    system: str, function: System, clip: Clip, measures: Mapping[str, Callable[[Any, Any, int], float]]
) -> _Outcome:
    _reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        estimate = function(clip.waveform.copy(), clip.sample_rate)
    except MissingPackageError:
        raise
    except AudiodiffError as error:
        return _Outcome(None, (f"{clip.name}: {system} could not run: {error}",))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _peak_memory_mib()
    scores, notes = {}, []
    for name, measure in measures.items():
        try:
            scores[name] = measure(clip.waveform, estimate, clip.sample_rate)
        except MissingPackageError:
            raise
        except AudiodiffError as error:
            notes.append(f"{clip.name}: {system} has no {MEASURES[name].label}: {error}")
    result = ClipResult(system, clip.name, clip.group, clip.seconds, wall, cpu, scores)
    return _Outcome(result, tuple(notes), peak)


def _reset_peak_memory() -> None:
    """Make Linux forget the highest memory so far; elsewhere the peak is that of the whole process."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_memory_mib() -> float | None:
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20) if sys.platform == "darwin" else used / 1024


def _machine() -> dict[str, str]:
    import torch

    from audiodiff._version import __version__

    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {torch.get_num_threads()} torch threads",
        "software": f"audiodiff {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }


def _markdown_table(report: EvaluationReport, rows: Sequence[Row]) -> str:
    heads = ["system"]
    for name in report.measures:
        heads.append(f"{MEASURES[name].label} {'↑' if MEASURES[name].higher_is_better else '↓'}")
        if name == "distill_mos":
            heads.append("DistillMOS − recording")
    heads += ["RTF ↓", "CPU ↓", "MiB ↓"]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        cells = [row.system]
        for name in report.measures:
            cells.append(_cell(row.scores.get(name), MEASURES[name].decimals))
            if name == "distill_mos":
                recordings = [r for r in rows if r.system == RECORDINGS and name in r.scores]
                compared = recordings and row.system != RECORDINGS and name in row.scores
                difference = report.difference(row.system, RECORDINGS, name, row.group) if compared else None
                cells.append(_cell(difference, MEASURES[name].decimals))
        cells.append("–" if row.real_time_factor is None else f"{row.real_time_factor:.4f}")
        cells.append("–" if row.cpu_factor is None else f"{row.cpu_factor:.4f}")
        cells.append("–" if row.peak_memory_mib is None else f"{row.peak_memory_mib:.0f}")
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(interval: Interval | None, decimals: int) -> str:
    if interval is None:
        return "–"
    if not math.isfinite(interval.half_width):
        return f"{interval.mean:.{decimals}f}"
    return f"{interval.mean:.{decimals}f} ± {interval.half_width:.{decimals}f}"


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _csv(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
