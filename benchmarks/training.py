"""Training throughput of the DiffWave preset beside lmnt's own code, at the same batch, step by step in turn.

Run from the repository root, with the `train` extra and `pip install --no-deps diffwave==0.1.7`:

    python -m benchmarks.training [--batch 4] [--rounds 5] [--threads 2]

Each contender lives in a process of its own, set up as its users run it (ours with the allocator setting of the
command line), and they take one step each in turn, so that other work on the machine meets all alike. A step of ours
is one of `train_steps` with the preset's settings: mel, loss, gradients, clipping, AdamW and the averaged weights. A
step of lmnt's is its model under its training equations with the mel given: loss, gradients, clipping, Adam. Only
lmnt's `model` and `params` are imported; the rest of it wants a GPU.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"
CONTENDERS = {"lmnt": "lmnt DiffWave, fp32", "fp32": "ours, fp32", "bf16": "ours, bf16 (the preset)"}
TARGET = 1.5


@dataclass(frozen=True)
class Timing:
    """One step: wall-clock and processor seconds, and the loss."""

    wall: float
    cpu: float
    loss: float


def lmnt_step(batch_size: int) -> Callable[[], float]:
    """Return a function that does one training step of lmnt's DiffWave (fp16 there needs a GPU) and gives the loss."""
    params = import_module("diffwave.params").params
    torch.manual_seed(0)
    model = import_module("diffwave.model").DiffWave(params)
    optimizer = torch.optim.Adam(model.parameters(), lr=params.learning_rate)
    betas = torch.tensor(params.noise_schedule)
    signal_power = torch.cumprod(1.0 - betas, 0)
    waveform = 0.1 * torch.randn(batch_size, params.crop_mel_frames * params.hop_samples)
    log_mel = torch.rand(batch_size, params.n_mels, params.crop_mel_frames)

    def step() -> float:
        for parameter in model.parameters():
            parameter.grad = None
        index = torch.randint(0, len(betas), [batch_size])
        power = signal_power[index][:, None]
        noise = torch.randn_like(waveform)
        predicted = model(power.sqrt() * waveform + (1.0 - power).sqrt() * noise, log_mel, index)
        loss = torch.nn.functional.l1_loss(predicted.squeeze(1), noise)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.max_grad_norm or 1e9)
        optimizer.step()
        return loss.item()

    return step


def our_step(batch_size: int, precision: str, run_dir: str) -> Callable[[], float]:
    """Return a function that does one step of the `diffwave-ljspeech` preset and gives the loss."""
    from audiodiff.cli.allocator import tune_allocator
    from audiodiff.training.loop import LossOutput, ModelAndLoss, train_steps
    from audiodiff_recipes.vocoder import build_model, configure

    tune_allocator()
    config = configure("diffwave-ljspeech", {"batch_size": str(batch_size), "train.precision": precision})
    model = build_model(config)
    n_samples = config.data.crop_frames * config.model.mel.hop_length
    waveform = 0.1 * torch.randn(batch_size, n_samples).clamp(-1.0, 1.0)
    bandwidth = torch.full((batch_size,), config.model.mel.sample_rate / 2)

    def loss_fn(step: int, generator: torch.Generator) -> LossOutput:
        t = 1.0 + (model.process.t_max - 1.0) * torch.rand(batch_size, generator=generator)
        noise = torch.randn(batch_size, 1, n_samples, generator=generator)
        loss = model.loss(waveform, bandwidth, t, noise)
        return LossOutput(loss.per_item.mean(), loss.terms)

    steps = train_steps(
        [ModelAndLoss("vocoder", model, loss_fn)], config.train, run_dir, resume=False, export=lambda module, step: None
    )
    return lambda: next(steps).loss


def work(name: str, batch_size: int, threads: int) -> None:
    """Be a contender: for every line on stdin do a step and print its timing."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        step = lmnt_step(batch_size) if name == "lmnt" else our_step(batch_size, name, folder)
        for _ in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            loss = step()
            print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, loss]), flush=True)
        os._exit(0)  # the loop would save its state


def race(batch_size: int, rounds: int, threads: int) -> dict[str, list[Timing]]:
    """Let the contenders take `rounds` steps each in turn, after one that is not counted."""
    timings: dict[str, list[Timing]] = {name: [] for name in CONTENDERS}
    with contextlib.ExitStack() as stack:
        processes = {}
        for name in CONTENDERS:
            arguments = ["--contender", name, "--batch", str(batch_size), "--threads", str(threads)]
            processes[name] = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", "benchmarks.training", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                )
            )
        for turn in range(rounds + 1):
            for name, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("step\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    raise SystemExit(f"{CONTENDERS[name]} failed; for lmnt: pip install --no-deps diffwave==0.1.7")
                if turn:
                    timings[name].append(Timing(*json.loads(answer)))
    return timings


def table(timings: dict[str, list[Timing]], batch_size: int, threads: int) -> str:
    """Return the result as Markdown: medians, and ratios to lmnt's code."""
    lines = [
        f"DiffWave (64 channels, 30 layers), batch {batch_size} x 15,872 samples, {threads} threads, "
        f"{len(timings['lmnt'])} steps each, torch {torch.__version__}.",
        "",
        "| code | seconds a step | steps/s | times lmnt | processor seconds a step | times lmnt |",
        "|---|---|---|---|---|---|",
    ]
    base_wall = statistics.median(t.wall for t in timings["lmnt"])
    base_cpu = statistics.median(t.cpu for t in timings["lmnt"])
    for name, title in CONTENDERS.items():
        wall = statistics.median(t.wall for t in timings[name])
        cpu = statistics.median(t.cpu for t in timings[name])
        lines.append(
            f"| {title} | {wall:.2f} | {1 / wall:.3f} | {base_wall / wall:.2f} | {cpu:.2f} | {base_cpu / cpu:.2f} |"
        )
    reached = base_wall / statistics.median(t.wall for t in timings["bf16"])
    lines += ["", f"Target: {TARGET} times lmnt's code; the preset reaches {reached:.2f}."]
    return "\n".join(lines)


def main() -> None:
    """Run the race, print the table and keep it in `benchmarks/results/training.md`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=4, help="items per step (default: 4)")
    parser.add_argument("--rounds", type=int, default=5, help="steps that are counted (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("--output", type=Path, default=RESULTS / "training.md", help="where the table goes")
    parser.add_argument("--contender", choices=tuple(CONTENDERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        work(options.contender, options.batch, options.threads)
        return
    text = table(race(options.batch, options.rounds, options.threads), options.batch, options.threads)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(
        f"# Training throughput\n\n{text}\n\nMade by `python -m benchmarks.training`.\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
