"""Memory and speed of the command line on an hour of speech, and what cutting into windows changes.

    python -m benchmarks.long_file [--minutes 60] [--model speech] [--threads 2]

Makes a WAV of that length from the bundled clip, repeated with changing gain, and runs `audiodiff vocode` on it in a
process of its own, whose peak of resident memory the system reports. Then vocodes a minute in one piece and in
windows, with the same seed, and takes the largest difference of a sample. Writes `long_file.md` and `long_file.json`
below OUTPUT.
"""

import argparse
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import soundfile

from audiodiff.atomic import atomic_file

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "audiodiff" / "assets" / "example.flac"
RESULTS = Path(__file__).parent / "results"
TARGET_GIB = 1.5
TARGET_DIFFERENCE = 1e-4
COMPARED_WINDOWS = (20.0, 7.3)
"""Seconds of new audio per window: both cut the compared minute, the second at no round place."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    minutes: float = 60.0
    model: str = "speech"
    steps: int | None = None
    threads: int = 2
    output: Path = RESULTS
    compared_seconds: float = 60.0
    windows: tuple[float, ...] = COMPARED_WINDOWS


@dataclass(frozen=True)
class Run:
    """One run of the command.

    Attributes:
        audio_seconds: length of the output.
        wall_seconds: of the whole command, start of Python and loading included.
        stated_factor: real-time factor that the command prints, loading not counted.
        peak_gib: largest resident memory, in GiB.
    """

    audio_seconds: float
    wall_seconds: float
    stated_factor: float
    peak_gib: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of the whole command per second of audio."""
        return self.wall_seconds / self.audio_seconds


@dataclass(frozen=True)
class Comparison:
    """The largest difference of a sample between windows of `window_seconds` and one piece."""

    precision: str
    window_seconds: float
    difference: float
    peak: float


def gain(repetition: int) -> float:
    """Return the gain of a repetition of the clip: -12 to 0 dB, in waves that never meet the clip's length."""
    return float(10.0 ** ((-6.0 + 6.0 * math.sin(0.7 * repetition)) / 20.0))


def write_long_wav(path: Path, seconds: float) -> int:
    """Write `seconds` of the clip, repeated with changing gain, as 16-bit WAV; return the number of samples."""
    clip, rate = soundfile.read(EXAMPLE, dtype="float32")
    n_samples = round(seconds * int(rate))
    left = n_samples
    repetition = 0
    with soundfile.SoundFile(path, "w", samplerate=rate, channels=1, subtype="PCM_16") as file:
        while left > 0:
            part = clip[:left] * gain(repetition)
            file.write(part)
            left -= len(part)
            repetition += 1
    return n_samples


def vocode_in_process(source: Path, target: Path, config: Config) -> Run:
    """Run `audiodiff vocode` by itself and return what it took.

    Must come before this process grows: until a child has started its own program, its peak counts the memory that
    it shares with its parent.
    """
    command = [sys.executable, "-m", "audiodiff", "vocode", str(source), "-o", str(target), "--model", config.model]
    command += [] if config.steps is None else ["--steps", str(config.steps)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(config.threads), "PYTHONPATH": os.pathsep.join(paths)}
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"long_file: {' '.join(command)} failed:\n{done.stderr.strip()}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    stated = re.search(r"real-time factor ([0-9.]+[0-9])", done.stdout)
    info, given = soundfile.info(target), soundfile.info(source)
    if info.samplerate == given.samplerate and info.frames != given.frames:
        raise SystemExit(f"long_file: {given.frames} samples went in, {info.frames} came out.")
    return Run(
        audio_seconds=info.frames / info.samplerate,
        wall_seconds=wall,
        stated_factor=math.nan if stated is None else float(stated.group(1)),
        peak_gib=peak_bytes / 2**30,
    )


def compare(config: Config, source: Path) -> list[Comparison]:
    """Vocode `source` in one piece and in windows, in both precisions."""
    import torch

    from audiodiff.cli.allocator import tune_allocator
    from audiodiff.synthesis.settings import Sampling, VocodeSettings
    from audiodiff.synthesis.vocode import load
    from audiodiff.torch_state import bfloat16_is_fast

    tune_allocator()
    torch.set_num_threads(config.threads)
    synthesizer = load(config.model, device="cpu")
    samples, rate = soundfile.read(source, dtype="float32")
    mel = synthesizer.mel(torch.from_numpy(samples), rate)
    own = synthesizer.defaults.precision
    found = []
    for precision in dict.fromkeys((own, "fp32", *(("bf16",) if bfloat16_is_fast("cpu") else ()))):

        def vocode(window_seconds: float, precision: Any = precision) -> torch.Tensor:
            sampling = Sampling(steps=config.steps, precision=precision)
            settings = VocodeSettings(sampling, window_seconds=window_seconds)
            return synthesizer.vocode_mel(mel, settings=settings)

        whole = vocode(math.inf)
        for window_seconds in config.windows:
            difference = float((vocode(window_seconds) - whole).abs().max())
            name = precision + (" (the model's own precision)" if precision == own else "")
            found.append(Comparison(name, window_seconds, difference, float(whole.abs().max())))
    return found


def report(config: Config, run: Run, comparisons: Sequence[Comparison], start: Run) -> str:
    """Return the result as Markdown."""

    def verdict(holds: bool) -> str:
        return f"**{'holds' if holds else 'missed'}**"

    lines = [
        f"`audiodiff vocode` on {run.audio_seconds / 60:.4g} min of speech, {config.threads} threads.",
        "",
        "| input | peak memory (GiB) | whole command (s) | RTF, whole command | RTF, as printed |",
        "|---|---|---|---|---|",
        *(
            f"| {row.audio_seconds:.4g} s | {row.peak_gib:.3f} | {row.wall_seconds:.1f} | {row.real_time_factor:.4f} "
            f"| {row.stated_factor:.4f} |"
            for row in (start, run)
        ),
        "",
        f"- Peak memory {run.peak_gib:.3f} GiB (target: below {TARGET_GIB}): {verdict(run.peak_gib < TARGET_GIB)}.",
        "",
        f"Windows against one piece, {config.compared_seconds:g} s, same seed:",
        "",
        "| precision | window (s) | largest difference | largest sample | target 1e-4 |",
        "|---|---|---|---|---|",
        *(
            f"| {row.precision} | {row.window_seconds:g} | {row.difference:.1e} | {row.peak:.2f} "
            f"| {verdict(row.difference <= TARGET_DIFFERENCE)} |"
            for row in comparisons
        ),
    ]
    return "\n".join(lines)


def replace_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(config: Config) -> tuple[Run, list[Comparison]]:
    """Measure, print and keep the result."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long, short = folder / "long.wav", folder / "short.wav"
        write_long_wav(short, min(10.0, 60.0 * config.minutes))
        start = vocode_in_process(short, folder / "out.wav", config)
        write_long_wav(long, 60.0 * config.minutes)
        run = vocode_in_process(long, folder / "out.wav", config)
        write_long_wav(short, config.compared_seconds)
        comparisons = compare(config, short)
    text = report(config, run, comparisons, start)
    print(text)
    made = f"python -m benchmarks.long_file --minutes {config.minutes:g}"
    replace_text(config.output / "long_file.md", f"# A long file\n\n{text}\n\nMade by `{made}`.\n")
    record = {
        "minutes": config.minutes,
        "model": Path(config.model).name,
        "steps": config.steps,
        "threads": config.threads,
        "short": {**asdict(start), "real_time_factor": start.real_time_factor},
        "long": {**asdict(run), "real_time_factor": run.real_time_factor},
        "windows": [asdict(comparison) for comparison in comparisons],
    }
    replace_text(config.output / "long_file.json", json.dumps(record, indent=2) + "\n")
    return run, comparisons


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=Config.minutes, help="length of the file (default: 60)")
    parser.add_argument("--model", default=Config.model, help="name or checkpoint folder (default: speech)")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument("--threads", type=int, default=Config.threads, help="threads (default: 2)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    args = parser.parse_args(arguments)
    return Config(args.minutes, args.model, args.steps, args.threads, args.output)


if __name__ == "__main__":
    try:
        main(parse())
    except ValueError as error:  # AudiodiffError is one; naming it would load the package before the child has run
        sys.exit(f"long_file: {error}")
