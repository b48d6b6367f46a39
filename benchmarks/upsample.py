"""How near to the recording an upsampled copy comes, against sinc interpolation and the low-passed recording.

    python -m benchmarks.upsample --data CORPUS [--model upsample-speech] [--output benchmarks/results]

Every clip of the test split is brought to the model's rate and a peak of 0.95, reduced to its low rate, and made wide
again. Writes `upsample.md` and `upsample.json` below OUTPUT: log-spectral distance (LSD) over the whole band and over
the band above half the low rate, and with the extra `eval` PESQ-WB (and, with `--mos`, DistillMOS); means over clips
with 95 % intervals, for speakers of the training set and others apart.

LSD is the root mean square over frequency of the difference of the log power spectra in dB, averaged over frames: FFT
and Hann window of 2048 samples, hop 512, power clamped at 1e-8. What papers on bandwidth extension give in units of
log10 power is a tenth of it. The clamp is what sinc interpolation is measured against where it leaves nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import EvaluationClip, folder_clips
from audiodiff.metrics.spectral import log_spectral_distance
from audiodiff.metrics.stats import mean_interval, paired_difference
from audiodiff.metrics.table import interval_cell, markdown_table
from audiodiff.signal.resample import resample
from audiodiff.synthesis.settings import Sampling
from audiodiff.synthesis.upsample import UpsamplerSynthesizer, load_upsampler
from audiodiff.synthesis.upsample_settings import UpsampleSettings

RESULTS = Path(__file__).parent / "results"
RECORDING = "recording"
SINC, LOW_PASSED, TRUE_BANDS = "sinc interpolation", "low-passed recording", "true bands, decoded"
AUGMENTATION = "augmentation"
SHORTEST = 0.5

Samples = npt.NDArray[np.float32]
System = Callable[[Samples], Samples]
"""Makes a copy of a recording `[n_samples]` at the model's rate from what its low rate holds."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    data: Path
    model: str = "upsample-speech"
    output: Path = RESULTS
    split: str = "test"
    limit: int | None = None
    seconds: float | None = None
    steps: tuple[int, ...] = (1, 4, 8, 16)
    augmentations: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5)
    speech: bool = True
    mos: bool = False


@dataclass(frozen=True)
class Row:
    """Scores of one system in one group: by measure, one value for each clip."""

    system: str
    group: str
    scores: dict[str, list[float]] = field(default_factory=dict)
    compute_seconds: float = 0.0


def low_passed(waveform: Samples, sample_rate: int, hz: float) -> Samples:
    """The recording without what it has from `hz` up, by the spectrum of the whole clip."""
    spectrum = np.fft.rfft(waveform.astype(np.float64))
    spectrum[np.arange(len(spectrum)) * sample_rate / len(waveform) >= hz] = 0.0
    return np.fft.irfft(spectrum, n=len(waveform)).astype(np.float32)


def systems(synthesizer: UpsamplerSynthesizer, config: Config) -> dict[str, System]:
    """Every row of the table."""
    rate, low_rate, model = synthesizer.sample_rate, synthesizer.low_rate, synthesizer.model

    def narrow(waveform: Samples) -> torch.Tensor:
        return resample(torch.from_numpy(waveform), rate, low_rate)

    def sinc(waveform: Samples) -> Samples:
        return resample(narrow(waveform), low_rate, rate)[: len(waveform)].numpy()

    def true_bands(waveform: Samples) -> Samples:
        gain = model.config.level / float(np.sqrt(np.square(waveform).mean()))
        sound = gain * torch.from_numpy(waveform)[None]
        with torch.no_grad():
            return (model.decode(model.encode(sound), model.narrow(sound)) / gain)[0].numpy()

    def ours(settings: UpsampleSettings) -> System:
        def copy(waveform: Samples) -> Samples:
            made: torch.Tensor = synthesizer.upsample(narrow(waveform), low_rate, settings=settings)
            return made[: len(waveform)].numpy()

        return copy

    found: dict[str, System] = {
        RECORDING: lambda waveform: waveform,
        SINC: sinc,
        LOW_PASSED: lambda waveform: low_passed(waveform, rate, low_rate / 2),
        TRUE_BANDS: true_bands,
    }
    for steps in config.steps:
        found[f"ours, {steps} step{'' if steps == 1 else 's'}"] = ours(UpsampleSettings(Sampling(steps=steps)))
    for augmentation in config.augmentations:
        found[f"ours, {synthesizer.defaults.steps} steps, {AUGMENTATION} {augmentation:g}"] = ours(
            UpsampleSettings(augmentation=augmentation)
        )
    return found


def low_rate_clips(clips: Sequence[EvaluationClip], rate: int) -> list[EvaluationClip]:
    """The clips at the model's rate, those too short to be scored left out."""
    found = []
    for clip in clips:
        waveform = resample(torch.from_numpy(clip.waveform), clip.sample_rate, rate).numpy()
        if len(waveform) >= SHORTEST * rate:
            found.append(EvaluationClip(clip.name, waveform, rate, clip.group))
    if not found:
        raise AudiodiffError(f"no clip has {SHORTEST:g} s or more; give a folder of recordings.")
    return found


def measure(
    clips: Sequence[EvaluationClip],
    made_by: dict[str, System],
    above_hz: float,
    *,
    speech: bool,
    mos: bool = False,
    on_progress: Callable[[float, float], None] | None = None,
) -> list[Row]:
    """Score every system on every clip."""
    rows = {(name, clip.group): Row(name, clip.group) for name in made_by for clip in clips}
    spent = dict.fromkeys(rows, 0.0)
    for index, clip in enumerate(clips):
        for place, (name, system) in enumerate(made_by.items()):
            started = time.process_time()
            copy = system(clip.waveform)
            spent[name, clip.group] += time.process_time() - started
            scores = rows[name, clip.group].scores
            rate = clip.sample_rate
            scores.setdefault("lsd", []).append(log_spectral_distance(clip.waveform, copy, rate))
            scores.setdefault("lsd_above", []).append(
                log_spectral_distance(clip.waveform, copy, rate, from_hz=above_hz)
            )
            if speech and AUGMENTATION not in name:  # costly, and there the distances tell all
                from audiodiff.metrics.speech import distill_mos, pesq_wb

                scores.setdefault("pesq_wb", []).append(pesq_wb(clip.waveform, copy, rate))
                if mos:
                    scores.setdefault("distill_mos", []).append(distill_mos(copy, rate))
            if on_progress is not None:
                on_progress(index * len(made_by) + place + 1, len(clips) * len(made_by))
    return [Row(row.system, row.group, row.scores, spent[key]) for key, row in rows.items()]


LABELS = {
    "lsd": "LSD, whole band (dB) ↓",
    "lsd_above": "LSD above {hz:g} Hz (dB) ↓",
    "pesq_wb": "PESQ-WB ↑",
    "distill_mos": "DistillMOS ↑",
}


def report(
    rows: Sequence[Row], clips: Sequence[EvaluationClip], synthesizer: UpsamplerSynthesizer, config: Config
) -> str:
    """The tables, and what the differences to sinc interpolation are."""
    above_hz = synthesizer.low_rate / 2
    defaults = synthesizer.defaults
    lines = [
        "# Upsampling",
        "",
        f"Model {Path(config.model).name}: {synthesizer.low_rate} to {synthesizer.sample_rate} Hz, {defaults.sampler} "
        f"on the {defaults.grid} grid, augmentation {synthesizer.augmentation:g} and {defaults.steps} steps where the "
        f"row does not say otherwise, seed 0. Split {config.split} of {config.data.name}"
        + ("" if config.seconds is None else f", first {config.seconds:g} s of each clip")
        + ("" if config.limit is None else f", {config.limit} clips of each group at most")
        + ". Means over clips with 95 % intervals. LSD: root mean square over frequency of the difference of log power "
        "spectra (dB), mean over frames; FFT and Hann window 2048, hop 512, power clamped at 1e-8, clips at peak 0.95. "
        f"The row `{TRUE_BANDS}` is decoded from the recording's own bands: what the fine structure alone costs.",
    ]
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        names = list(members[0].scores)
        seconds = sum(clip.seconds for clip in clips if clip.group == group)
        heads = ["", *(LABELS[name].format(hz=above_hz) for name in names), "processor s per s ↓"]
        lines += ["", f"**{group}** ({len(members[0].scores['lsd'])} clips, {seconds:.0f} s)", ""]
        cells = [
            [interval_cell(mean_interval(row.scores[name]) if name in row.scores else None, 2) for name in names]
            for row in members
        ]
        lines.append(
            markdown_table(
                heads,
                (
                    [row.system, *scores, f"{row.compute_seconds / seconds:.3f}"]
                    for row, scores in zip(members, cells, strict=True)
                ),
            )
        )
        sinc = next(row for row in members if row.system == SINC)
        lines.append("")
        for row in members:
            if row.system.startswith("ours") and AUGMENTATION not in row.system:
                gain = paired_difference(row.scores["lsd_above"], sinc.scores["lsd_above"])
                lines.append(
                    f"- LSD above {above_hz:g} Hz, {row.system} − {SINC}: {gain.mean:+.1f} dB "
                    f"({gain.low:+.1f} to {gain.high:+.1f})."
                )
    return "\n".join(lines) + "\n"


def main(config: Config) -> list[Row]:
    """Measure, and write the files."""
    synthesizer = load_upsampler(config.model, device="cpu")
    given = folder_clips(config.data, config.split, limit=config.limit, max_seconds=config.seconds)
    clips = low_rate_clips(given, synthesizer.sample_rate)
    with progress_bar("measuring", "clips x systems") as on_progress:
        rows = measure(
            clips,
            systems(synthesizer, config),
            synthesizer.low_rate / 2,
            speech=config.speech,
            mos=config.mos,
            on_progress=on_progress,
        )
    config.output.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "model": Path(config.model).name,
        "weights_sha256": synthesizer.identity.weights_sha256,
        "defaults": {**asdict(synthesizer.defaults), "augmentation": synthesizer.augmentation},
        "clips": [[clip.name, clip.group] for clip in clips],
        "rows": [asdict(row) for row in rows],
    }
    (config.output / "upsample.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (config.output / "upsample.md").write_text(report(rows, clips, synthesizer, config), encoding="utf-8")
    return rows


def _arguments(argv: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a metadata.csv that has splits")
    parser.add_argument("--model", default="upsample-speech", help="name or checkpoint folder")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, help="at most so many clips of each group")
    parser.add_argument("--seconds", type=float, help="the first so many seconds of each clip")
    parser.add_argument("--no-speech", action="store_true", help="leave PESQ out (it needs the extra eval)")
    parser.add_argument("--mos", action="store_true", help="DistillMOS as well, which takes longest")
    args = parser.parse_args(argv)
    return Config(
        args.data,
        args.model,
        args.output,
        args.split,
        args.limit,
        args.seconds,
        speech=not args.no_speech,
        mos=args.mos,
    )


if __name__ == "__main__":
    main(_arguments(sys.argv[1:]))
