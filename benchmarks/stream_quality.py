"""What a limited look-ahead costs a stream of the vocoder in quality.

Run from the repository root, with the extra `eval`:

    python -m benchmarks.stream_quality --data CORPUS [--model speech RUN ...] [--clips 12] [--seconds 4]

Copies recordings of the split "test" by one-step streams of their mels that look ahead so many seconds, and by streams
that look ahead as far as the model does, and scores them as `audiodiff evaluate` does. Packets are of 0.2 s; RTF is
processor time per second of sound. A model whose network has a limit of its own (`speech-live`) has one row. Writes
`stream_quality.md` and `stream_quality.json` below OUTPUT.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from audiodiff.cli.allocator import tune_allocator
from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import evaluate, folder_clips
from audiodiff.metrics.baselines import System
from audiodiff.metrics.inputs import FloatArray, resampled
from audiodiff.metrics.scoring import MEASURES
from audiodiff.metrics.table import interval_cell, markdown_table
from audiodiff.models.vocoder import Vocoder
from audiodiff.synthesis.vocode import VocoderSynthesizer, load
from benchmarks.long_file import RESULTS, replace_text

SCORES = ("pesq_wb", "stoi", "distill_mos")


@dataclass(frozen=True)
class Config:
    """What is measured."""

    data: Path
    model: tuple[str, ...] = ("speech",)
    look_ahead: tuple[float, ...] = (0.02, 0.035, 0.05, 0.1)
    clips: int = 12
    seconds: float = 4.0
    threads: int = 1
    output: Path = RESULTS


@dataclass
class Streamed:
    """A system that copies a recording by a stream.

    Attributes:
        synth: the vocoder.
        look_ahead: seconds; None for all that count.
        worked: processor time so far (s).
        made: seconds of sound so far.
    """

    synth: VocoderSynthesizer
    look_ahead: float | None
    worked: float = field(default=0.0, init=False)
    made: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """Of its row."""
        ahead = "no limit" if self.look_ahead is None else f"{1e3 * self.look_ahead:g} ms"
        return f"{self.synth.identity.name}, {ahead}"

    def __call__(self, waveform: FloatArray, sample_rate: int) -> FloatArray:
        """Copy `[n_samples]`."""
        mel = self.synth.mel(waveform, sample_rate)
        before = time.process_time()
        packets = list(self.synth.stream([mel], steps=1, seed=0, look_ahead_seconds=self.look_ahead))
        self.worked += time.process_time() - before
        output = np.concatenate(packets)
        self.made += len(output) / self.synth.sample_rate
        return resampled(output, self.synth.sample_rate, sample_rate)[: waveform.size]


def limits_for(synth: VocoderSynthesizer, limits: Sequence[float]) -> tuple[float, ...]:
    """Return the limits that mean something to a vocoder: none to one whose network has a limit of its own."""
    model = synth.model
    return () if isinstance(model, Vocoder) and model.config.wavenet.look_ahead is not None else tuple(limits)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    config = parse(argv)
    tune_allocator()
    torch.set_num_threads(config.threads)
    try:
        clips = folder_clips(config.data, "test", limit=config.clips, max_seconds=config.seconds)
        synths = [load(name) for name in config.model]
        streams = [
            Streamed(synth, ahead) for synth in synths for ahead in (*limits_for(synth, config.look_ahead), None)
        ]
        systems: dict[str, System] = {stream.name: stream for stream in streams}
        with progress_bar("measuring", "clips x systems") as on_progress:
            found = evaluate(systems, clips, SCORES, recordings=False, on_progress=on_progress)
    except AudiodiffError as error:
        sys.exit(f"stream_quality: {error}")
    factors = {stream.name: stream.worked / stream.made for stream in streams}
    rows = {(row.group, row.system): row for row in found.rows()}
    heads = ["model, look-ahead"]
    heads += [f"{MEASURES[name].label}, {group}" for group in found.groups for name in SCORES] + ["RTF"]
    lines = []
    for name, factor in factors.items():
        cells = [
            interval_cell(rows[group, name].scores.get(score), MEASURES[score].decimals)
            for group in found.groups
            for score in SCORES
        ]
        lines.append([name, *cells, f"{factor:.3f}"])
    table = markdown_table(heads, lines)
    print(table)
    made = (
        f"`python -m benchmarks.stream_quality --data CORPUS --model {' '.join(config.model)} --clips {config.clips} "
        f"--seconds {config.seconds:g}`"
    )
    head = f"One step, {config.threads} thread(s), {len(clips)} clips, mean and 95 % interval."
    config.output.mkdir(parents=True, exist_ok=True)
    replace_text(
        config.output / "stream_quality.md", f"# The quality of a stream\n\n{head}\n\n{table}\n\nMade by {made}.\n"
    )
    record = {
        "config": {**asdict(config), "data": config.data.name, "output": ""},
        "scores": [
            {"system": name, "group": group, "rtf": factors[name]}
            | {score: rows[group, name].scores[score].mean for score in SCORES if score in rows[group, name].scores}
            for group in found.groups
            for name in factors
        ],
    }
    replace_text(config.output / "stream_quality.json", json.dumps(record, indent=2) + "\n")


def parse(argv: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", nargs="+", default=Config.model)
    parser.add_argument("--look_ahead", type=float, nargs="*", default=Config.look_ahead)
    for name in ("clips", "seconds", "threads", "output"):
        default = getattr(Config, name)
        parser.add_argument(f"--{name}", type=type(default), default=default)
    read = vars(parser.parse_args(argv))
    return Config(**{**read, "model": tuple(read["model"]), "look_ahead": tuple(read["look_ahead"])})


if __name__ == "__main__":
    main()
