"""How soon a stream of the vocoder sounds, how fast it goes on, and what it holds in memory.

Run from the repository root:

    python -m benchmarks.streaming [--model speech RUN ...] [--seconds 20] [--minutes 60] [--threads 1]

Models stand one below the other in the tables, in packets of 0.2 s and of one frame. The mel of the bundled clip,
repeated, is at hand as a whole, as that of a spoken sentence is. The first packet is timed from the call of `stream` to
the first samples, the others from packet to packet, all of several runs; jitter is the 99th percentile against the
median. All times are processor time, which other work on the machine changes little; with one thread and nothing
else to do the clock shows the same. The look-ahead is how much mel has to arrive after a sample before it is final, the
delay the same with the packet that it leaves in. What limiting it changes is said by the error against the one-shot
output and by the distance of the log-mels to those that went in. Memory is that of the process while an hour is
streamed by the first model. Writes `streaming.md` and `streaming.json` below OUTPUT.
"""

import argparse
import itertools
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.cli.allocator import tune_allocator
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.table import markdown_table
from audiodiff.models.vocoder import Vocoder
from audiodiff.signal.audio_io import read_mono
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.vocode import STREAM_SECONDS, VocoderSynthesizer, load
from benchmarks.long_file import EXAMPLE, RESULTS, replace_text

STEPS = (1, 2, 4)
TARGET_MS = {1: 50.0, 4: 120.0}
LOOK_AHEADS = (0.04, 0.1, 0.2, None)


@dataclass(frozen=True)
class Config:
    """What is measured."""

    model: tuple[str, ...] = ("speech",)
    seconds: float = 20.0
    minutes: float = 60.0
    runs: int = 7
    threads: int = 1
    output: Path = RESULTS


@dataclass(frozen=True)
class Speed:
    """Times of a stream.

    Attributes:
        model: its name.
        steps: sampling steps.
        packet: seconds of sound that are made at a time.
        first_ms: median processor time of the first packet.
        packet_ms: of the others.
        jitter_ms: how much longer the 99th percentile of them takes.
        factor: processor seconds per second of audio, first packet included.
        look_ahead: seconds of mel that have to arrive after a sample before it is final.
        delay: the same with the packet itself.
    """

    model: str
    steps: int
    packet: float
    first_ms: float
    packet_ms: float
    jitter_ms: float
    factor: float
    look_ahead: float
    delay: float


@dataclass(frozen=True)
class Limited:
    """What a limited look-ahead changes.

    Attributes:
        model: its name.
        steps: sampling steps.
        look_ahead: seconds; `None` for all that count.
        error_db: of the samples against the one-shot output.
        mel_distance: mean absolute difference of the log-mel to the one that went in.
        factor: processor seconds per second of audio.
    """

    model: str
    steps: int
    look_ahead: float | None
    error_db: float
    mel_distance: float
    factor: float


def speed(synth: VocoderSynthesizer, mel: NDArray[np.float32], steps: int, packet: float, runs: int) -> Speed:
    """Time a stream of a mel that is at hand, in packets of so many seconds."""
    seconds = mel.shape[-1] * synth.mel_spec.hop_length / synth.sample_rate
    first, others, factors = [], [], []
    frames_taken = 0

    def one_by_one() -> Iterator[NDArray[np.float32]]:
        nonlocal frames_taken
        for index in range(mel.shape[-1]):
            frames_taken = index + 1
            yield mel[:, index : index + 1]

    first_packet = next(synth.stream(one_by_one(), steps=steps, block_seconds=packet))
    delay = frames_taken * synth.mel_spec.hop_length / synth.sample_rate
    for _ in range(runs):
        began = last = time.process_time()
        for index, _ in enumerate(synth.stream([mel], steps=steps, block_seconds=packet)):
            now = time.process_time()
            (others if index else first).append(now - last)
            last = now
        factors.append((last - began) / seconds)
    middle = float(np.median(others))
    return Speed(
        synth.identity.name,
        steps,
        packet,
        1e3 * float(np.median(first)),
        1e3 * middle,
        1e3 * (float(np.quantile(others, 0.99)) - middle),
        float(np.median(factors)),
        delay - len(first_packet) / synth.sample_rate,
        delay,
    )


def limited(synth: VocoderSynthesizer, mel: NDArray[np.float32], steps: int, look_ahead: float | None) -> Limited:
    """Compare a stream that looks ahead so far with the one-shot output, in full precision."""
    settings = VocodeSettings(Sampling(steps=steps, precision="fp32"), level="keep")
    whole = synth.vocode_mel(mel, settings=settings)
    before = time.process_time()
    found = np.concatenate(list(synth.stream([mel], settings=settings, look_ahead_seconds=look_ahead)))
    elapsed = time.process_time() - before
    error = float(np.square(found - whole).sum() / np.square(whole).sum())
    distance = float(np.abs(synth.mel(found, synth.sample_rate)[:, : mel.shape[1]] - mel).mean())
    factor = elapsed * synth.sample_rate / len(whole)
    return Limited(synth.identity.name, steps, look_ahead, 10.0 * math.log10(max(error, 1e-20)), distance, factor)


def memory(synth: VocoderSynthesizer, mel: NDArray[np.float32], minutes: float) -> list[tuple[float, float]]:
    """Stream so many minutes at one step: (minutes done, resident MiB) ten times on the way."""
    wanted, found, made = 60.0 * minutes * synth.sample_rate, [], 0
    for packet in synth.stream(itertools.repeat(mel), steps=1):
        made += len(packet)
        if made >= (len(found) + 1) * wanted / 10:
            found.append((made / synth.sample_rate / 60.0, resident_mib()))
            if len(found) == 10:
                break
    return found


def resident_mib() -> float:
    """Resident memory of this process now (MiB)."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def report(
    speeds: Sequence[Speed], limits: Sequence[Limited], held: Sequence[tuple[float, float]], threads: int
) -> str:
    """The tables in Markdown."""
    rows = []
    for each in speeds:
        target = TARGET_MS.get(each.steps) if each.packet == STREAM_SECONDS else None
        met = "–" if target is None else f"{target:g}: **{'met' if each.first_ms <= target else 'missed'}**"
        rows.append(
            [
                each.model,
                str(each.steps),
                f"{1e3 * each.packet:.0f}",
                f"{each.first_ms:.0f}",
                met,
                f"{each.packet_ms:.0f}",
                f"{each.jitter_ms:.0f}",
                f"{each.factor:.3f}",
                f"{1e3 * each.look_ahead:.0f}",
                f"{1e3 * each.delay:.0f}",
            ]
        )
    heads = ["model", "steps", "packets of, ms", "first packet, ms", "target, ms", "packet, ms", "jitter, ms", "RTF"]
    heads += ["look-ahead, ms", "delay, ms"]
    text = [f"{threads} thread(s), processor time.", "", markdown_table(heads, rows)]
    rows = [
        [
            each.model,
            str(each.steps),
            "all" if each.look_ahead is None else f"{each.look_ahead:g}",
            f"{each.error_db:.0f}",
            f"{each.mel_distance:.4f}",
            f"{each.factor:.3f}",
        ]
        for each in limits
    ]
    heads = ["model", "steps", "look-ahead, s", "error against one shot, dB", "log-mel distance", "RTF"]
    text += ["", "Limited look-ahead, fp32:", "", markdown_table(heads, rows)]
    if held:
        (first, before), (last, after) = held[0], held[-1]
        text += ["", f"Memory: {before:.0f} MiB after {first:.0f} min, {after:.0f} MiB after {last:.0f} min."]
    return "\n".join(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in asdict(Config()).items():
        several = isinstance(default, tuple)
        kind = type(default[0]) if several else type(default)
        parser.add_argument(f"--{name}", type=kind, nargs="+" if several else None, default=default)
    config = Config(**vars(parser.parse_args(argv)))
    tune_allocator()
    torch.set_num_threads(config.threads)
    try:
        synths = [load(name, device="cpu") for name in config.model]
    except AudiodiffError as error:
        sys.exit(f"streaming: {error}")
    clip = read_mono(EXAMPLE)
    speeds, limits, held = list[Speed](), list[Limited](), list[tuple[float, float]]()
    for synth in synths:
        mel = synth.mel(np.asarray(clip.waveform[0]), clip.sample_rate)
        frame = synth.mel_spec.hop_length / synth.sample_rate
        mel = np.tile(mel, math.ceil(config.seconds / frame / mel.shape[-1]))
        list(synth.stream([mel[:, :300]], steps=1))  # packs the weights
        one_step = isinstance(synth.model, Vocoder) and synth.model.config.one_step
        for steps in STEPS[:1] if one_step else STEPS:
            own = [speed(synth, mel, steps, packet, config.runs) for packet in (STREAM_SECONDS, frame)]
            speeds += own
            limits += [
                limited(synth, mel, steps, ahead)
                for ahead in LOOK_AHEADS
                if ahead is None or ahead < own[0].look_ahead - frame
            ]
        if config.minutes > 0.0 and synth is synths[0]:
            held = memory(synth, mel, config.minutes)
    text = report(speeds, limits, held, config.threads)
    print(text)
    made = "python -m benchmarks.streaming"
    if config.model != Config.model:
        made += f" --model {' '.join(synth.identity.name for synth in synths)}"
    made += f" --minutes {config.minutes:g} --threads {config.threads}"
    config.output.mkdir(parents=True, exist_ok=True)
    replace_text(config.output / "streaming.md", f"# A stream of the vocoder\n\n{text}\n\nMade by `{made}`.\n")
    record = {
        "config": {**asdict(config), "model": [synth.identity.name for synth in synths], "output": ""},
        "machine": {"processor": platform.machine(), "torch": torch.__version__},
        "speed": [asdict(each) for each in speeds],
        "limited": [asdict(each) for each in limits],
        "memory": held,
    }
    replace_text(config.output / "streaming.json", json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
