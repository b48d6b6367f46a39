"""A run small enough to be killed often: two models, dropout, bf16.

`python -m tests.training.toy_run WHOLE KILLED STEPS` trains the run WHOLE in one life and the run KILLED in many, each
ended by SIGKILL at a random moment. The lives are forks of one process, so torch is imported only once.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, train_steps
from audiodiff.training.progress import follow
from audiodiff.training.state import load_state


def toy_models(dropout: float = 0.1) -> list[ModelAndLoss]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 3, padding=1), nn.Dropout(dropout), nn.SiLU(), nn.Conv1d(16, 1, 3, padding=1)
    )
    critic = nn.Conv1d(1, 1, 5)

    def model_loss(step: int, generator: torch.Generator) -> LossOutput:
        x = torch.randn(4, 1, 64, generator=generator)
        y = model(x)
        error = (y - x.roll(1, -1)).square().mean()
        return LossOutput(error + 0.01 * critic(y).square().mean(), {"error": error})

    def critic_loss(step: int, generator: torch.Generator) -> LossOutput:
        x = torch.randn(4, 1, 64, generator=generator)
        return LossOutput((critic(model(x)) - 1.0).square().mean() + critic(x).square().mean(), {})

    return [ModelAndLoss("model", model, model_loss), ModelAndLoss("critic", critic, critic_loss, learning_rate=1e-3)]


def toy_config(steps: int) -> TrainConfig:
    return TrainConfig(
        steps=steps,
        batch_size=4,
        warmup_steps=5,
        ema_half_life=40.0,
        save_every_seconds=0.0,
        precision="bf16",
        log_every=5,
    )


def run_toy(run_dir: str, steps: int, seconds_per_step: float) -> None:
    """Train to the end, or until killed; leaves `final.safetensors` with all weights and the averages."""
    torch.set_num_threads(1)
    models = toy_models()
    folder = Path(run_dir)

    def export(module: nn.Module, step: int) -> None:
        if step == steps:
            save_file(module.state_dict(), str(folder / "average.safetensors"))

    all_steps = train_steps(models, toy_config(steps), folder, resume=True, export=export)
    for _ in follow(all_steps, folder, total=steps, log_every=5):
        time.sleep(seconds_per_step)
    weights = {f"{p.name}/{name}": value for p in models for name, value in p.module.state_dict().items()}
    save_file(weights, str(folder / "final.safetensors"))


def in_a_life(run_dir: Path, steps: int, seconds_per_step: float) -> int:
    """Train in a forked process and return its id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run_toy(str(run_dir), steps, seconds_per_step)
            status = 0
        finally:
            os._exit(status)
    return pid


def train_in_many_lives(run_dir: Path, steps: int, dice: random.Random) -> int:
    """Kill the run again and again until one life reaches the end; return the number of lives."""
    lives = 0
    while True:
        pointer = run_dir / "state" / "current"
        before = pointer.read_text() if pointer.exists() else ""
        pid = in_a_life(run_dir, steps, 0.002)
        lives += 1
        # Wait until it has got somewhere; the kill then falls into a step, a save or an export.
        while (pointer.read_text() if pointer.exists() else "") == before:
            time.sleep(0.001)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                assert status == 0
                return lives
        time.sleep(dice.uniform(0.0, 0.08))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        load_state(run_dir)  # whatever the moment was
        if status == 0:
            return lives


def main() -> None:
    # The first step of an optimizer imports a good part of torch: once here, not once a life.
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.AdamW([weight], fused=True).step()
    whole, killed, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    assert os.waitpid(in_a_life(whole, steps, 0.0), 0)[1] == 0
    print(train_in_many_lives(killed, steps, random.Random(1)))


if __name__ == "__main__":
    main()
