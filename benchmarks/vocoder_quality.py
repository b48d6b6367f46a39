"""The quality table and pictures of the README, from a model and a folder of recordings.

    python benchmarks/vocoder_quality.py --model speech --data CORPUS --output benchmarks/results

Copies the test split through the vocoder at 1, 2, 4, 8 and 16 steps and through the baselines (Griffin-Lim 32 and 200
from the same mel, WORLD, Opus), scores everything, and writes below OUTPUT/vocoder_quality:
`evaluation.json`, `evaluation.csv`, `clips.csv`, `evaluation.md` (all measures), `readme.md` (the README's columns and
the comparisons with Griffin-Lim and between step counts), `mels.png` and `steps.png`. Needs the extra `eval`.

On one core the measures take about 0.35 s per second of audio and system, and the baselines together 1 s per second
of audio: `--limit 16` makes it a short run.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiodiff.atomic import atomic_file
from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import EvaluationClip, evaluate, folder_clips, vocoder_system
from audiodiff.evaluation.report import RECORDINGS, EvaluationReport
from audiodiff.metrics.baselines import System, baselines
from audiodiff.metrics.scoring import MEASURES
from audiodiff.metrics.table import interval_cell, markdown_table
from audiodiff.signal.mel import PRESETS, log_mel

README_MEASURES = ("pesq_wb", "stoi", "distill_mos", "mr_stft", "periodicity_rmse")
RIVAL = "Griffin-Lim 200"
PICTURE_MEL = PRESETS["hifigan-22k"]


@dataclass(frozen=True)
class Config:
    """What is measured."""

    model: str
    data: Path
    output: Path
    steps: tuple[int, ...] = (1, 2, 4, 8, 16)
    split: str = "test"
    limit: int | None = None
    seconds: float | None = None
    measures: tuple[str, ...] = tuple(MEASURES)
    picture_steps: int = 8


def system_name(steps: int) -> str:
    """Name of the model's row."""
    return f"ours, {steps} step{'' if steps == 1 else 's'}"


def measure(config: Config) -> tuple[EvaluationReport, list[EvaluationClip], dict[str, System]]:
    """Score the model and the baselines."""
    from audiodiff.synthesis.vocode import load

    clips = folder_clips(config.data, config.split, limit=config.limit, max_seconds=config.seconds)
    synthesizer = load(config.model)
    systems: dict[str, System] = {
        system_name(steps): vocoder_system(synthesizer, steps=steps) for steps in config.steps
    }
    systems.update(baselines(synthesizer.mel_spec))
    details = {
        "model": config.model,
        "sampler": f"{synthesizer.defaults.sampler}, {synthesizer.defaults.grid} grid, seed 0",
        "clips": f"split {config.split} of {config.data.name}, scaled to peak 0.95"
        + ("" if config.seconds is None else f", first {config.seconds:g} s")
        + ("" if config.limit is None else f", {config.limit} of each group at most"),
    }
    with progress_bar("measuring", "clips x systems") as on_progress:
        report = evaluate(systems, clips, config.measures, details=details, on_progress=on_progress)
    return report, clips, systems


def readme(report: EvaluationReport, steps: Sequence[int]) -> str:
    """The README's tables: few columns, none of speed (`vocoder_speed` has that), then the differences that matter."""
    names = [name for name in README_MEASURES if name in report.measures]
    parts = []
    for group in report.groups:
        rows = [row for row in report.rows() if row.group == group]
        heads = [f"{MEASURES[name].label} {'↑' if MEASURES[name].higher_is_better else '↓'}" for name in names]
        lines = []
        for row in rows:
            cells = [interval_cell(row.scores.get(name), MEASURES[name].decimals) for name in names]
            lines.append([row.system, *cells])
        title = f"**{group}** ({rows[0].n_clips} clips, {rows[0].seconds:.0f} s)"
        parts.append(title + "\n\n" + markdown_table(["", *heads], lines))
        parts.append("\n".join(_comparisons(report, steps, group)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _comparisons(report: EvaluationReport, steps: Sequence[int], group: str) -> list[str]:
    found = {row.system: row for row in report.rows() if row.group == group}
    lines = []
    for name in ("pesq_wb", "distill_mos"):
        if name not in report.measures:
            continue
        label = MEASURES[name].label
        for index, count in enumerate(steps):
            ours = found.get(system_name(count))
            if ours is None or name not in ours.scores:
                continue
            rival = found.get(RIVAL)
            if rival is not None and name in rival.scores:
                difference = report.difference(ours.system, RIVAL, name, group)
                apart = "overlap" if ours.scores[name].overlaps(rival.scores[name]) else "do not overlap"
                lines.append(
                    f"- {label}: {ours.system} − {RIVAL} = {difference.mean:+.2f} "
                    f"({difference.low:+.2f} to {difference.high:+.2f}); the two intervals {apart}."
                )
            if index > 0:
                fewer = system_name(steps[index - 1])
                gain = report.difference(ours.system, fewer, name, group)
                worse = " (worse)" if gain.high < 0 else ""
                lines.append(
                    f"- {label}: {ours.system} − {fewer} = {gain.mean:+.3f} "
                    f"({gain.low:+.3f} to {gain.high:+.3f}){worse}."
                )
    return lines


def draw_mels(clip: EvaluationClip, copies: dict[str, Any], path: Path) -> None:
    """Draw the log-mels of a recording and its copies below each other."""
    import torch
    from matplotlib.figure import Figure

    from audiodiff.metrics.inputs import resampled

    spec = PICTURE_MEL
    figure = Figure(figsize=(9, 2.2 * len(copies)), layout="constrained")
    axes = figure.subplots(len(copies), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, waveform) in zip(axes, copies.items(), strict=True):
        samples = torch.from_numpy(resampled(waveform, clip.sample_rate, spec.sample_rate).copy())
        mel = log_mel(samples, spec).numpy() * (20 / np.log(10))
        extent = (0.0, mel.shape[1] * spec.hop_length / spec.sample_rate, 0.0, float(spec.n_mels))
        picture = axis.imshow(mel, origin="lower", aspect="auto", extent=extent, vmin=-90, vmax=10, cmap="magma")
        axis.set_title(name, loc="left", fontsize=10)
        axis.set_ylabel("mel band")
    axes[-1].set_xlim(0.0, max(waveform.size for waveform in copies.values()) / clip.sample_rate)
    axes[-1].set_xlabel("seconds")
    figure.colorbar(picture, ax=list(axes), label="dB", shrink=0.6)
    _save(figure, path)


def draw_steps(report: EvaluationReport, steps: Sequence[int], path: Path) -> None:
    """Draw PESQ-WB and DistillMOS against the number of steps, with the baselines as level lines."""
    from matplotlib.figure import Figure

    names = [name for name in ("pesq_wb", "distill_mos") if name in report.measures]
    if not names:
        return
    figure = Figure(figsize=(5.2 * len(names), 3.8), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    levels = {RECORDINGS: "-", RIVAL: "--", "WORLD": ":", "Opus 12 kbit/s": "-."}
    for axis, name in zip(axes, names, strict=True):
        for index, group in enumerate(report.groups):
            found = {row.system: row for row in report.rows() if row.group == group}
            points = [(n, found[system_name(n)].scores[name]) for n in steps if name in found[system_name(n)].scores]
            colour = f"C{index}"
            axis.errorbar(
                [n for n, _ in points],
                [score.mean for _, score in points],
                [score.half_width if np.isfinite(score.half_width) else 0.0 for _, score in points],
                fmt="o-",
                capsize=3,
                color=colour,
                label=f"ours, {group}",
            )
            for system, style in levels.items():
                if system in found and name in found[system].scores:
                    level = found[system].scores[name].mean
                    axis.axhline(
                        level, linestyle=style, color=colour, alpha=0.6, linewidth=1, label=f"{system}, {group}"
                    )
        axis.set_xscale("log", base=2)
        axis.set_xticks(list(steps), [str(n) for n in steps])
        axis.set_xlabel("steps")
        axis.set_title(f"{MEASURES[name].label}, mean and 95 % interval", fontsize=10)
        axis.grid(alpha=0.3)
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=120, metadata={"Software": None})


def main(config: Config) -> Path:
    """Measure, write and print; returns the folder with the results."""
    report, clips, systems = measure(config)
    folder = config.output / "vocoder_quality"
    report.write(folder)
    text = readme(report, config.steps)
    with atomic_file(folder / "readme.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    # A full-band clip shows more than one that ends at 8 kHz.
    clip = next((clip for clip in clips if clip.sample_rate >= PICTURE_MEL.sample_rate), clips[0])
    picked = min(config.steps, key=lambda n: abs(n - config.picture_steps))
    copies = {"recording": clip.waveform}
    for name in (system_name(picked), RIVAL):
        copies[name] = systems[name](clip.waveform, clip.sample_rate)
    draw_mels(clip, copies, folder / "mels.png")
    draw_steps(report, config.steps, folder / "steps.png")
    print(text)
    return folder


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="speech")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--steps", type=lambda text: tuple(int(n) for n in text.split(",")), default=Config.steps)
    parser.add_argument("--split", default=Config.split)
    parser.add_argument("--limit", type=int, help="clips of each group")
    parser.add_argument("--seconds", type=float, help="seconds of each clip")
    parser.add_argument("--measures", type=lambda text: tuple(text.split(",")), default=Config.measures)
    args = parser.parse_args(arguments)
    return Config(args.model, args.data, args.output, args.steps, args.split, args.limit, args.seconds, args.measures)


if __name__ == "__main__":
    try:
        print(f"results in {main(parse())}")
    except AudiodiffError as error:
        sys.exit(f"vocoder_quality: {error}")
