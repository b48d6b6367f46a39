"""How near to recordings parametric stereo comes, against an average stereo and plain mono.

    python -m benchmarks.stereo --data FOLDER [--output benchmarks/results]

FOLDER holds stereo recordings; with a metadata.csv that has splits, the numbers are learnt from the split train and
measured on the split test. Every clip is folded down to mono, and two channels are made of that again by its stereo
parameters (`audiodiff.signal.stereo`), by these as a few numbers a frame, by the average of the clips learnt from, and
by copying. Writes `stereo.md` and `stereo.json` below OUTPUT.

Measured in twelve bands equally wide on the ERB-rate scale and stretches of 0.26 s, which are not those of the
parameters, where the recording is not silent: the level difference of the channels, their coherence (the real part of
their normalised cross-spectrum) and the energy of both together.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audiodiff.cli.progress import progress_bar
from audiodiff.data.folders import folder_items
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.stats import mean_interval
from audiodiff.metrics.table import interval_cell, markdown_table
from audiodiff.models.autoencoder import StereoConfig
from audiodiff.models.autoencoder.stereo import StereoCoder
from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.levels import decibel
from audiodiff.signal.resample import resample
from audiodiff.signal.stereo import StereoSpec, analyse, mono_parameters, synthesise

RESULTS = Path(__file__).parent / "results"
RATE, HOP = 44_100, 2048
N_FFT, STEP, STRETCH = 4096, 1024, 11
N_BANDS = 12
FLOOR, SILENCE = 1e-9, 1e-7
MONO, AVERAGE, PARAMETERS = "mono", "average stereo", "parameters"

System = Callable[[Tensor], Tensor]
"""Makes a copy of a recording `[2, n_samples]` from what it keeps of it."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    data: Path
    output: Path = RESULTS
    numbers: tuple[int, ...] = (6, 12, 24)
    limit: int | None = None
    learn: int = 200
    seconds: float = 20.0


@dataclass(frozen=True)
class Row:
    """Scores of one system, one value for each clip; `by_band` are means over all clips."""

    system: str
    scores: dict[str, list[float]] = field(default_factory=dict)
    coherence_by_band: list[float] = field(default_factory=list)
    level_error_by_band: list[float] = field(default_factory=list)


def stereo_clip(path: Path, seconds: float) -> Tensor | None:
    """The first seconds of a recording of two channels, `[2, n_samples]` at `RATE`; `None` for others."""
    audio = read_audio(path)
    if len(audio.waveform) != 2:
        return None
    return resample(torch.from_numpy(audio.waveform[:, : round(seconds * audio.sample_rate)]), audio.sample_rate, RATE)


def energies(waveform: Tensor) -> Tensor:
    """Energy of left and right and their common energy, `[3, N_BANDS, n_stretches]`."""
    window = torch.hann_window(N_FFT)
    x = torch.stft(waveform, N_FFT, STEP, window=window, return_complex=True, pad_mode="constant")
    x = x / float(window.square().sum().sqrt())
    scale = torch.log1p(0.00437 * torch.linspace(0.0, RATE / 2, N_FFT // 2 + 1))
    bands = (scale / scale[-1] * N_BANDS).long().clamp_max(N_BANDS - 1)
    values = torch.stack([*x.abs().square(), (x[0] * x[1].conj()).real])
    sums = torch.zeros(3, N_BANDS, values.shape[-1]).index_add_(1, bands, values)
    means = sums / torch.bincount(bands, minlength=N_BANDS)[:, None]
    whole = means.shape[-1] // STRETCH * STRETCH
    return means[..., :whole].unflatten(-1, (-1, STRETCH)).mean(dim=-1)


def level_and_coherence(found: Tensor) -> tuple[Tensor, Tensor]:
    """Level difference (dB) and coherence of `energies`; silence counts as mono."""
    left, right, common = found + FLOOR
    return 10.0 * torch.log10(left / right), common / (left * right).sqrt()


def compare(recording: Tensor, made: Tensor) -> tuple[dict[str, float], Tensor] | None:
    """Scores of a copy, and its coherence and level error in each band, `[2, N_BANDS]`; `None` of silence."""
    wanted, found = energies(recording), energies(made)
    heard = wanted[0] + wanted[1] > SILENCE
    if not bool(heard.any()):
        return None
    (level, coherence), (level_made, coherence_made) = level_and_coherence(wanted), level_and_coherence(found)
    energy = 10.0 * torch.log10((found[0] + found[1] + FLOOR) / (wanted[0] + wanted[1] + FLOOR))
    fold = recording.mean(dim=0)
    scores = {
        "level": float((level_made - level).abs()[heard].mean()),
        "coherence": float((coherence_made - coherence).abs()[heard].mean()),
        "coherence_bias": float((coherence_made - coherence)[heard].mean()),
        "energy": float(energy[heard].mean()),
        "fold_down_db": decibel(max(float((made.mean(dim=0) - fold).abs().max() / fold.abs().max()), 1e-10)),
    }
    by_band = torch.stack([coherence_made, (level_made - level).abs()])
    return scores, by_band.masked_fill(~heard, torch.nan).nanmean(dim=-1)


def systems(config: Config, paths: Sequence[Path]) -> dict[str, System]:
    """Every row of the table: from a recording `[2, n_samples]` to its copy."""
    spec = StereoSpec(RATE, HOP)
    clips = (stereo_clip(path, config.seconds) for path in paths)
    learnt = [analyse(clip, spec) for clip in clips if clip is not None]
    if not learnt:
        raise AudiodiffError(f"no clip of {config.data} has two channels; give a folder of stereo recordings.")
    coders = {numbers: StereoCoder(StereoConfig(spec.n_bands, numbers)) for numbers in config.numbers}
    for coder in coders.values():
        coder.fit(learnt)
    average = max(coders.items())[1]

    def by(parameters: System) -> System:
        return lambda recording: synthesise(recording.mean(dim=0), parameters(analyse(recording, spec)), spec)

    def coded(coder: StereoCoder) -> System:
        return by(lambda parameters: coder.decode(coder.encode(parameters[None]))[0])

    return {
        PARAMETERS: by(lambda parameters: parameters),
        **{f"{numbers} numbers": coded(coder) for numbers, coder in coders.items()},
        AVERAGE: by(lambda parameters: average.decode(torch.zeros(1, max(coders), 1))[0]),
        MONO: by(lambda parameters: mono_parameters(spec, 1)),
    }


def measure(
    paths: Sequence[Path],
    made_by: dict[str, System],
    seconds: float,
    on_clip: Callable[[float, float], None] | None = None,
) -> tuple[list[Row], int]:
    """Score every system on every stereo clip; also returns how many there were."""
    all_of_it: dict[str, System] = {"recording": lambda recording: recording, **made_by}
    rows = {name: Row(name) for name in all_of_it}
    bands: dict[str, list[Tensor]] = {name: [] for name in rows}
    for number, path in enumerate(paths):
        recording = stereo_clip(path, seconds)
        for name, system in all_of_it.items() if recording is not None else ():
            started = time.process_time()
            made = system(recording)
            spent = (time.process_time() - started) / (made.shape[-1] / RATE)
            compared = compare(recording, made)
            if compared is None:
                break
            for score, value in {**compared[0], "seconds": spent}.items():
                rows[name].scores.setdefault(score, []).append(value)
            bands[name].append(compared[1])
        if on_clip is not None:
            on_clip(number + 1, len(paths))
    count = len(bands["recording"])
    if not count:
        raise AudiodiffError("no clip of two channels is heard; give a folder of stereo recordings.")
    for name, values in bands.items():
        coherence, level = torch.stack(values).nanmean(dim=0).tolist()
        rows[name].coherence_by_band.extend(coherence)
        rows[name].level_error_by_band.extend(level)
    return list(rows.values()), count


def report(rows: Sequence[Row], count: int, config: Config) -> str:
    """The page."""
    tops = [(1.0 + 0.00437 * RATE / 2) ** (band / N_BANDS) for band in range(N_BANDS + 1)]
    edges = [(top - 1.0) / 0.00437 for top in tops]
    heads = ["", "level difference, error (dB) ↓", "coherence, error ↓", "coherence, bias", "energy (dB)",
             "fold-down, error (dB) ↓", "processor s per s ↓"]  # fmt: skip
    decimals = {"level": 2, "coherence": 3, "coherence_bias": 3, "energy": 2}
    lines = []
    for row in rows[1:]:
        cells = [interval_cell(mean_interval(row.scores[score]), places) for score, places in decimals.items()]
        lines.append([row.system, *cells, f"{max(row.scores['fold_down_db']):.0f}",
                      f"{np.mean(row.scores['seconds']):.3f}"])  # fmt: skip
    bands = [
        [f"{low:.0f}–{high:.0f}", *(f"{row.coherence_by_band[band]:.2f}" for row in rows),
         *(f"{row.level_error_by_band[band]:.1f}" for row in rows[1:])]
        for band, (low, high) in enumerate(pairwise(edges))
    ]  # fmt: skip
    names = [row.system for row in rows]
    return (
        "# Stereo\n\n"
        f"{count} stereo recordings of {config.data.resolve().name}, {config.seconds:g} s of each at most, folded down "
        "and made stereo again by their parameters (level difference and coherence in 20 bands, 21.5 times a second), "
        "by a few numbers a frame that stand for these, by an average of other recordings, and not at all. Means over "
        "clips with 95 % intervals; the error of the fold-down is the largest, relative to the peak.\n\n"
        f"{markdown_table(heads, lines)}\n\n"
        "## By band\n\n"
        + markdown_table(
            ["Hz", *(f"coherence, {name}" for name in names), *(f"level error (dB), {name}" for name in names[1:])],
            bands,
        )
        + "\n"
    )


def main(config: Config) -> list[Row]:
    """Measure, and write the files."""
    items = folder_items(config.data)
    tests = [item.path for item in items if item.split == "test"] or [item.path for item in items]
    learnt = [item.path for item in items if item.split == "train"] or [item.path for item in items]
    made_by = systems(config, learnt[:: max(len(learnt) // config.learn, 1)])
    with progress_bar("measuring", "clips") as on_clip:
        rows, count = measure(tests[: config.limit], made_by, config.seconds, on_clip)
    config.output.mkdir(parents=True, exist_ok=True)
    record = {"clips": count, "learn": config.learn, "seconds": config.seconds, "rows": [asdict(row) for row in rows]}
    (config.output / "stereo.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (config.output / "stereo.md").write_text(report(rows, count, config), encoding="utf-8")
    return rows


def _arguments(argv: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of stereo recordings")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--numbers", type=int, nargs="+", default=Config.numbers)
    parser.add_argument("--limit", type=int, help="at most so many clips")
    parser.add_argument("--learn", type=int, default=Config.learn, help="clips that the numbers are learnt from")
    parser.add_argument("--seconds", type=float, default=Config.seconds, help="the first so many seconds of each clip")
    args = parser.parse_args(argv)
    return Config(args.data, args.output, tuple(args.numbers), args.limit, args.learn, args.seconds)


if __name__ == "__main__":
    main(_arguments(sys.argv[1:]))
