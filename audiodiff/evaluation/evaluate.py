"""Score systems that copy recordings: every measure on every clip, means with intervals, speed and memory."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.report import RECORDINGS, ClipScores, EvaluationReport, Progress
from audiodiff.metrics.baselines import System
from audiodiff.metrics.inputs import MissingPackageError, resampled
from audiodiff.metrics.scoring import MEASURES, named_measure
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.settings import Sampling

OnProgress = Callable[[float, float], None]
"""Called with (clips done times systems, all)."""


@dataclass(frozen=True)
class EvaluationClip:
    """One recording to copy: `waveform` is float32 `[n_samples]` at `sample_rate` (Hz)."""

    name: str
    waveform: npt.NDArray[np.float32]
    sample_rate: int
    group: str = "all clips"

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.waveform.size / self.sample_rate


def evaluate(
    systems: Mapping[str, System],
    clips: Iterable[EvaluationClip],
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
        details: what to print next to the tables.
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
    results: list[ClipScores] = []
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


@dataclass(frozen=True)
class VocoderEvaluation:
    """How a vocoder is evaluated; the options of `audiodiff evaluate` that it takes.

    Attributes:
        data: folder of recordings.
        split: of them; "all" for every one; None for test, or every one where there are no splits.
        clips: at most so many of each group, evenly spread; None for all.
        seconds: only the first so many seconds of each; None for all.
        sampling: ways to sample, one row for each number of steps; a vocoder takes no guidance.
        keep_level: do not scale the clips to a peak of 0.95.
        measures: names of `audiodiff.metrics.scoring.MEASURES`.
        baselines: add Griffin-Lim, WORLD and Opus.
    """

    data: str
    split: str | None = None
    clips: int | None = None
    seconds: float | None = None
    sampling: Sequence[Sampling] = (Sampling(),)
    keep_level: bool = False
    measures: Sequence[str] = tuple(MEASURES)
    baselines: bool = False

    def run(self, model: str, *, device: str, progress: Progress, adapters: Adapters = ()) -> EvaluationReport:
        """Let the vocoder copy the recordings, and score the copies.

        Raises:
            AudiodiffError: the model, the folder or a setting cannot be used, or a package of a measure is missing.
        """
        from audiodiff.data.manifest import load_items
        from audiodiff.metrics.baselines import baselines, opus_available
        from audiodiff.synthesis.load import load_vocoder

        for name in self.measures:
            named_measure(name)
        first = self.sampling[0]
        if first.guidance is not None:
            raise AudiodiffError("a vocoder takes no guidance; leave it out.")
        split = self.split or ("test" if any(item.split for item in load_items(self.data)) else "all")
        peak = None if self.keep_level else 0.95
        clips = folder_clips(
            self.data, None if split == "all" else split, limit=self.clips, max_seconds=self.seconds, peak=peak
        )
        synthesizer = load_vocoder(model, device=device, adapters=adapters)
        defaults = synthesizer.defaults
        used = [each.resolve(defaults) for each in self.sampling]
        systems = {
            f"{Path(model).name or model}, {steps} step{'' if steps == 1 else 's'}": vocoder_system(
                synthesizer, steps=steps, sampler=first.sampler, grid=first.grid, seed=first.seed
            )
            for steps in (each.steps for each in used)
        }
        details = {
            "model": " with ".join([model, *map(str, adapters)]),
            "sampler": ", ".join(dict.fromkeys(f"{each.sampler}, {each.grid} grid" for each in used))
            + f", seed {first.seed}",
            "clips": f"split {split} of {Path(self.data).name}, "
            + ("own level" if self.keep_level else "scaled to peak 0.95")
            + ("" if self.seconds is None else f", first {self.seconds:g} s"),
        }
        if self.baselines:
            systems.update(baselines(synthesizer.mel_spec))
            if not opus_available():
                details["left out"] = "Opus, which the installed soundfile cannot write at a chosen bitrate"
        with progress("evaluating", "clips x systems") as on_progress:
            return evaluate(systems, clips, self.measures, details=details, on_progress=on_progress)


def folder_clips(
    folder: str | Path,
    split: str | None = "test",
    *,
    limit: int | None = None,
    max_seconds: float | None = None,
    peak: float | None = 0.95,
) -> list[EvaluationClip]:
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
            group = EvaluationClip.group
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
            clips.append(EvaluationClip(name, waveform.astype(np.float32, copy=False), audio.sample_rate, group))
    return clips


def _itself(waveform: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float32]:
    return waveform


def _warm_up(runners: Mapping[str, System], clip: EvaluationClip) -> None:
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

    result: ClipScores | None
    notes: tuple[str, ...]
    peak_memory_mib: float | None = None


def _run(
    system: str, function: System, clip: EvaluationClip, measures: Mapping[str, Callable[[Any, Any, int], float]]
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
    result = ClipScores(system, clip.name, clip.group, clip.seconds, wall, cpu, scores)
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
