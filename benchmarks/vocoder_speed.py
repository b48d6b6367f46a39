"""Real-time factors of our vocoder and of others, from mel to waveform, in one process and in turn.

Run from the repository root; with `pip install --no-deps diffwave==0.1.7` lmnt's own code is measured:

    python -m benchmarks.vocoder_speed [--model speech] [--seconds 4] [--repeats 5] [--threads 2]

Every system turns the mel of the same speech into samples once a round; the figures are medians over the rounds, so
that other work on the machine meets all alike. The other networks have random weights (`benchmarks/peers.py`), which
makes no difference to speed. Where a whole run would take minutes, one network call on about a second is measured
and multiplied; the row says so. The cores must be free: threads that have to share one wait for each other at every
operation, which costs more than the work itself. Writes `vocoder_speed.md` and `vocoder_speed.json` below OUTPUT.
"""

import argparse
import functools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from audiodiff.atomic import atomic_file
from audiodiff.cli.allocator import tune_allocator
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.table import markdown_table
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.vocoder.lmnt import diffwave_config
from audiodiff.signal.audio_io import read_mono
from audiodiff.signal.mel import PRESETS, log_mel
from audiodiff.signal.resample import resample
from audiodiff.signal.spectral import griffin_lim_from_mel
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.vocode import (
    SAMPLES_CALL_SECONDS,
    SAMPLES_WINDOW_SECONDS,
    VocoderSynthesizer,
    load,
)
from audiodiff.torch_state import bfloat16_is_fast
from benchmarks.peers import (
    FASTDIFF_BETAS,
    HIFIGAN_V1,
    HIFIGAN_V3,
    HOP_LENGTH,
    PUBLISHED_PARAMETERS,
    FastDiff,
    HiFiGAN,
    Vocos,
    count_parameters,
    lmnt_diffwave,
)

EXAMPLE = Path(__file__).resolve().parents[1] / "audiodiff" / "assets" / "example.flac"
RESULTS = Path(__file__).parent / "results"
SAMPLE_RATE = 22_050
RIVAL = "DiffWave-6"
RIVAL_CALLS = 6
RIVAL_SECONDS = 1.0
OUR_STEPS = (1, 2, 4, 8)
OWN_PRECISION = "the model's own precision"
TARGET_STEPS, TARGET_RTF, TARGET_RATIO = 4, 0.03, 150.0


@dataclass(frozen=True)
class Config:
    """What is measured, and how often."""

    model: str = "speech"
    seconds: float = 4.0
    repeats: int = 5
    threads: int = 2
    output: Path = RESULTS


@dataclass(frozen=True)
class Contender:
    """A system in the race.

    Attributes:
        name: of its row.
        run: makes `seconds` of audio, or one network call of it; returns the samples.
        seconds: audio of one run.
        steps: sampling steps; 0 for systems without.
        calls: how many runs make that audio.
        parameters: of the network; None without one.
        published: parameters that its authors state.
        note: how it was measured, if not plainly.
    """

    name: str
    run: Callable[[], Tensor]
    seconds: float
    steps: int = 0
    calls: int = 1
    parameters: int | None = None
    published: int | None = None
    note: str = ""


@dataclass
class Result:
    """Wall-clock and processor seconds of every counted run."""

    contender: Contender
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def factors(self) -> list[float]:
        """Real-time factors of the runs: seconds of work per second of audio."""
        return [seconds * self.contender.calls / self.contender.seconds for seconds in self.wall]

    @property
    def real_time_factor(self) -> float:
        """Their median."""
        return statistics.median(self.factors)

    def to_dict(self, rival: float) -> dict[str, Any]:
        """Return the row as JSON values."""
        audio = self.contender.seconds / self.contender.calls
        return {
            "system": self.contender.name,
            "parameters": self.contender.parameters,
            "published_parameters": self.contender.published,
            "steps": self.contender.steps or None,
            "real_time_factor": self.real_time_factor,
            "real_time_factor_min": min(self.factors),
            "real_time_factor_max": max(self.factors),
            "processor_seconds_per_second": statistics.median(self.cpu) / audio,
            "times_real_time": 1.0 / self.real_time_factor,
            "times_faster_than_diffwave_6": rival / self.real_time_factor,
            "audio_seconds": self.contender.seconds,
            "runs_per_audio": self.contender.calls,
            "note": self.contender.note,
        }


def speech(seconds: float) -> Tensor:
    """Return the bundled clip at 22.05 kHz, repeated or cut to whole hops of about `seconds`."""
    audio = read_mono(EXAMPLE)
    waveform = resample(torch.from_numpy(audio.waveform), audio.sample_rate, SAMPLE_RATE).reshape(-1)
    n_samples = max(1, round(seconds * SAMPLE_RATE / HOP_LENGTH)) * HOP_LENGTH
    return waveform.repeat(-(-n_samples // len(waveform)))[:n_samples]


def synthesis(
    synthesizer: VocoderSynthesizer,
    mel: Tensor,
    steps: int,
    precision: Literal["fp32", "bf16"],
    sampler: str | None = None,
) -> Callable[[], Tensor]:
    """Return a run of one of our models from its mel, as `vocode_mel` does it."""
    settings = VocodeSettings(Sampling(steps=steps, sampler=sampler, precision=precision))
    return lambda: synthesizer.vocode_mel(mel, settings=settings)


def our_contenders(config: Config) -> list[Contender]:
    """The given model at every number of steps, in both precisions."""
    synthesizer = load(config.model, device="cpu")
    waveform = speech(config.seconds)
    mel = synthesizer.mel(waveform, SAMPLE_RATE)
    seconds = mel.shape[-1] * synthesizer.mel_spec.hop_length / synthesizer.sample_rate
    if not isinstance(synthesizer.model, torch.nn.Module):
        raise AudiodiffError(f"{config.model} is not a vocoder of this package.")
    size = count_parameters(synthesizer.model)
    rows = []
    for precision in ("bf16", "fp32"):
        note = OWN_PRECISION if precision == synthesizer.defaults.precision else ""
        for steps in OUR_STEPS:
            run = synthesis(synthesizer, mel, steps, precision)
            rows.append(Contender(our_name(precision), run, seconds, steps, 1, size, None, note))
    return rows


def our_name(precision: str) -> str:
    """Name of our model's rows."""
    return f"ours, {precision}"


def diffwave_contenders(seconds: float) -> list[Contender]:
    """DiffWave with 6 steps: lmnt's code where it is installed, and the same architecture through our hot path."""
    waveform = speech(min(seconds, RIVAL_SECONDS))
    short = len(waveform) / SAMPLE_RATE
    model = Vocoder(diffwave_config()).eval()
    size, published = count_parameters(model), PUBLISHED_PARAMETERS["DiffWave"]
    synthesizer = VocoderSynthesizer(model, window_seconds=SAMPLES_WINDOW_SECONDS, call_seconds=SAMPLES_CALL_SECONDS)
    mel = synthesizer.mel(waveform, SAMPLE_RATE)
    theirs = lmnt_diffwave()
    rows = []
    if theirs is not None:
        noise, step = torch.randn(1, len(waveform)), torch.tensor([10.45])
        call = f"lmnt's code: one network call on {short:.2f} s, times {RIVAL_CALLS}"
        rows.append(
            Contender(
                RIVAL,
                lambda: theirs(noise, mel[None], step)[0, 0],
                short,
                RIVAL_CALLS,
                RIVAL_CALLS,
                count_parameters(theirs),
                published,
                call,
            )
        )
        rows.append(replace(rows[0], name=f"{RIVAL}, bf16", run=torch.autocast("cpu", torch.bfloat16)(rows[0].run)))
    for precision in ("fp32", "bf16"):
        run = synthesis(synthesizer, mel, RIVAL_CALLS, precision, "ddpm")
        name, note = f"DiffWave, our code, {precision}", f"whole run on {short:.2f} s"
        if theirs is None and precision == "fp32":
            name, note = RIVAL, f"our code, which is faster than lmnt's (not installed); {note}"
        rows.append(Contender(name, run, short, RIVAL_CALLS, 1, size, published, note))
    return rows


def other_contenders(seconds: float) -> list[Contender]:
    """GAN vocoders and FastDiff, in float32 and under autocast to bfloat16, and Griffin-Lim."""
    spec = PRESETS["hifigan-22k"]
    waveform = speech(seconds)
    long = len(waveform) / SAMPLE_RATE
    mel = log_mel(waveform, spec)[None]
    v1, v3 = HiFiGAN(HIFIGAN_V1).eval(), HiFiGAN(HIFIGAN_V3).eval()
    vocos, fastdiff = Vocos().eval(), FastDiff().eval()
    wide = torch.nn.functional.interpolate(mel.transpose(1, 2), size=vocos.n_mels).transpose(1, 2).contiguous()
    fast_steps = len(FASTDIFF_BETAS)
    networks: tuple[tuple[str, torch.nn.Module, Callable[[], Tensor], int, str], ...] = (
        ("HiFi-GAN V1", v1, lambda: v1(mel)[0], 0, ""),
        ("HiFi-GAN V3", v3, lambda: v3(mel)[0], 0, ""),
        ("Vocos", vocos, lambda: vocos(wide)[0], 0, "mel-24k shape, run at 22.05 kHz"),
        ("FastDiff", fastdiff, lambda: fastdiff.sample(mel)[0], fast_steps, ""),
    )
    rows = [
        Contender(
            f"{name}, {precision}", wrapped, long, steps, 1, count_parameters(network), PUBLISHED_PARAMETERS[name], note
        )
        for name, network, run, steps, note in networks
        for precision, wrapped in (("fp32", run), ("bf16", torch.autocast("cpu", torch.bfloat16)(run)))
    ]
    for iterations in (32, 200):
        invert = functools.partial(griffin_lim_from_mel, mel[0], spec, iterations)
        note = "pseudo-inverse mel, momentum 0.99; no network"
        rows.append(Contender(f"Griffin-Lim {iterations}", invert, long, note=note))
    return rows


def race(contenders: Sequence[Contender], repeats: int) -> list[Result]:
    """Let every contender run once a round, after one round that is not counted."""
    results = [Result(contender) for contender in contenders]
    for turn in range(repeats + 1):
        for result in results:
            with torch.no_grad():
                wall, cpu = time.perf_counter(), time.process_time()
                samples = result.contender.run()
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            expected = round(result.contender.seconds * SAMPLE_RATE)
            if abs(samples.shape[-1] - expected) > HOP_LENGTH:
                raise RuntimeError(f"{result.contender.name} made {samples.shape[-1]} samples, not {expected}")
            if turn:
                result.wall.append(wall)
                result.cpu.append(cpu)
    return results


def rival_factor(results: Sequence[Result]) -> float:
    """Return the real-time factor of DiffWave with 6 steps."""
    return next(result for result in results if result.contender.name == RIVAL).real_time_factor


def verdicts(results: Sequence[Result]) -> list[str]:
    """Return one line for each precision of ours: whether the targets hold."""
    rival = rival_factor(results)
    lines = []
    for precision in ("bf16", "fp32"):
        found = [r for r in results if (r.contender.name, r.contender.steps) == (our_name(precision), TARGET_STEPS)]
        for result in found:
            factor, ratio = result.real_time_factor, rival / result.real_time_factor
            own = f" ({OWN_PRECISION})" if result.contender.note == OWN_PRECISION else ""
            lines.append(
                f"- {our_name(precision)}, {TARGET_STEPS} steps{own}: real-time factor {factor:.4f} "
                f"(target: at most {TARGET_RTF}), **{'holds' if factor <= TARGET_RTF else 'missed'}**; "
                f"{ratio:.0f} times faster than {RIVAL} (target: at least {TARGET_RATIO:.0f}), "
                f"**{'holds' if ratio >= TARGET_RATIO else 'missed'}**."
            )
    return lines


def millions(result: Result) -> str:
    """Return the parameters of a row, with what is published beside them."""
    count, published = result.contender.parameters, result.contender.published
    if count is None:
        return "–"
    own = f"{count / 1e6:.2f} M"
    return own if published is None else f"{own} (published: {published / 1e6:.2f} M)"


def table(results: Sequence[Result]) -> str:
    """Return the rows as Markdown, in the order of the race."""
    rival = rival_factor(results)
    heads = ["system", "parameters", "steps", "RTF, median (min–max)", "times real time"]
    heads += [f"times faster than {RIVAL}", "how it was measured"]
    lines = []
    for result in results:
        contender, factors, middle = result.contender, result.factors, result.real_time_factor
        lines.append(
            [
                contender.name,
                millions(result),
                str(contender.steps or "–"),
                f"{middle:.4f} ({min(factors):.4f}–{max(factors):.4f})",
                f"{1.0 / middle:.1f}",
                f"{rival / middle:.1f}",
                contender.note,
            ]
        )
    return markdown_table(heads, lines)


def processor() -> str:
    """Return the name of the processor as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def replace_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(config: Config) -> list[Result]:
    """Run the race, print the table and the verdicts, and keep them."""
    if config.repeats < 1 or config.threads < 1 or not config.seconds > 0.0:
        raise AudiodiffError("repeats and threads must be 1 or more, and seconds more than 0.")
    tuned = tune_allocator()
    torch.set_num_threads(config.threads)
    torch.manual_seed(0)
    load_before = os.getloadavg()[0]
    contenders = [
        *our_contenders(config),
        *diffwave_contenders(config.seconds),
        *other_contenders(config.seconds),
    ]
    if not bfloat16_is_fast("cpu"):  # emulated, it would take hours and tell nothing
        contenders = [each for each in contenders if not each.name.endswith("bf16")]
    results = race(contenders, config.repeats)
    conditions = {
        "model": Path(config.model).name,
        "audio_seconds": config.seconds,
        "repeats": config.repeats,
        "threads": config.threads,
        "processor": processor(),
        "torch": torch.__version__,
        "allocator_tuned": tuned,
        "load_average_before": round(load_before, 2),
    }
    text = "\n".join(
        [
            f"RTF = seconds of work per second of audio at 22.05 kHz, from mel to waveform; {config.seconds:g} s of "
            f"speech, {config.repeats} rounds, {config.threads} threads, {processor()}, torch {torch.__version__}, "
            f"load average before the run {load_before:.2f}, all systems "
            + ("with" if tuned else "without")
            + " the allocator setting of our command line.",
            "",
            table(results),
            "",
            *verdicts(results),
        ]
    )
    print(text)
    made = f"python -m benchmarks.vocoder_speed --model {Path(config.model).name} --seconds {config.seconds:g}"
    replace_text(config.output / "vocoder_speed.md", f"# Speed of vocoders\n\n{text}\n\nMade by `{made}`.\n")
    rival = rival_factor(results)
    record = {"conditions": conditions, "systems": [result.to_dict(rival) for result in results]}
    replace_text(config.output / "vocoder_speed.json", json.dumps(record, indent=2) + "\n")
    return results


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=Config.model, help="name or checkpoint folder (default: speech)")
    parser.add_argument("--seconds", type=float, default=Config.seconds, help="audio of a run (default: 4)")
    parser.add_argument("--repeats", type=int, default=Config.repeats, help="rounds that are counted (default: 5)")
    parser.add_argument("--threads", type=int, default=Config.threads, help="threads (default: 2)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    args = parser.parse_args(arguments)
    return Config(args.model, args.seconds, args.repeats, args.threads, args.output)


if __name__ == "__main__":
    try:
        main(parse())
    except AudiodiffError as error:
        sys.exit(f"vocoder_speed: {error}")
