"""What a training step costs here, and what that says of 1, 8 and 256 GPUs; written to `scaling.md`.

Run from the repository root, alone on the machine:

    python -m benchmarks.scaling [--rounds 5]

The first table is measured, on one thread in float32: the machine's largest matrix product and copy (the roofline of
Williams, Waterman & Patterson, Communications of the ACM 52(4), 2009), and steps of forward, backward and AdamW of the
shipped vocoder and music denoiser at the batch of their presets. Floating point operations are those that
`torch.utils.flop_counter` finds (matrix products, convolutions and attention), bytes those of the inputs and outputs of
every operation, an upper limit that knows of no cache.

The second table is computed. Operations of the denoiser with 10^9 parameters are counted on fake tensors, which hold
no numbers. Everything that the arithmetic assumes of a GPU stands in `GPU`; nothing in that table was run.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

from audiodiff.metrics.table import markdown_table
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.condition import Condition
from audiodiff.nn.transformer import DiT, DiTConfig
from audiodiff_recipes import latent, vocoder
from benchmarks.vocoder_speed import processor, replace_text

RESULTS = Path(__file__).parent / "results"
LARGE = DiTConfig(channels=64, width=1536, depth=24, heads=24, text_width=1024, numbers=0, expansion=4.0)
"""A denoiser of about 10^9 parameters."""
LARGE_LATENTS = 645  # 30 s at 21.5 latents a second
LARGE_BATCH = 16  # items on a GPU
TEXT_TOKENS = 64


@dataclass(frozen=True)
class Gpu:
    """What is assumed of a GPU and of what joins many (NVIDIA's data sheet of the H100 SXM).

    Attributes:
        flops: of dense matrix products in bfloat16, a second.
        bandwidth: of its memory (bytes a second).
        share: of `flops` that a large denoiser reaches, as training frameworks report for transformers of this size.
        small_share: the same of a network with a few million parameters, whose kernels are short.
        node: GPUs that NVLink joins.
        link: bytes a second and direction, to the others of a node.
        network: bytes a second and direction, for each GPU, between nodes (400 Gbit/s).
        hidden: share of the exchange of gradients that the backward pass covers.
    """

    flops: float = 989e12
    bandwidth: float = 3.35e12
    share: float = 0.35
    small_share: float = 0.05
    node: int = 8
    link: float = 450e9
    network: float = 50e9
    hidden: float = 0.5


GPU = Gpu()


@dataclass(frozen=True)
class Cost:
    """A training step.

    Attributes:
        name: of the model.
        parameters: that learn.
        items: in its batch.
        seconds: of sound in the batch.
        flops: floating point operations.
        bytes: moved at most.
        measured: seconds on one thread here; NaN if it was not run.
    """

    name: str
    parameters: int
    items: int
    seconds: float
    flops: float
    bytes: float
    measured: float = math.nan


class _Traffic(TorchDispatchMode):
    """Counts the bytes that every operation reads and writes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not getattr(func, "is_view", False):
            parts = tree_flatten((args, kwargs, result))[0]
            self.bytes += sum(part.numel() * part.element_size() for part in parts if isinstance(part, Tensor))
        return result


def counted(step: Callable[[], object]) -> tuple[float, float]:
    """Return the operations and the bytes of one call."""
    with FlopCounterMode(display=False) as flops:
        step()
    with _Traffic() as traffic:
        step()
    return float(flops.get_total_flops()), float(traffic.bytes)


def train_step(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Return a function that does one step of AdamW."""
    optimizer = torch.optim.AdamW([weight for weight in module.parameters() if weight.requires_grad], 1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss())
        optimizer.step()

    return step


def timed(step: Callable[[], object], rounds: int) -> float:
    """Return the fewest processor seconds of a call, after one that is not counted."""
    step()
    times = []
    for _ in range(rounds):
        began = time.process_time()
        step()
        times.append(time.process_time() - began)
    return min(times)


def vocoder_cost(rounds: int) -> Cost:
    """Measure a step of the preset `speech`."""
    config = vocoder.RECIPE.preset("speech")
    model = vocoder.build_model(config)
    batch, n_samples = config.train.batch_size, config.data.crop_frames * config.model.mel.hop_length
    rate = config.model.mel.sample_rate
    waveform, noise = 0.1 * torch.randn(batch, n_samples), torch.randn(batch, 1, n_samples)
    bandwidth, t = torch.full((batch,), rate / 2), 0.9 * torch.rand(batch) * model.process.t_max
    step = train_step(model, lambda: model.loss(waveform, bandwidth, t, noise).per_item.mean())  # noqa: PLW0108
    return _cost("vocoder `speech`", model, batch, batch * n_samples / rate, step, rounds)


def denoiser_cost(rounds: int) -> Cost:
    """Measure a step of the preset `music`, with crops of ten seconds."""
    config = latent.RECIPE.preset("music")
    model, batch, n_latents = MelLatent(config.model), config.train.batch_size, max(config.data.crop_latents)
    model.autoencoder.requires_grad_(False)
    network = model.config.dit
    channels = model.autoencoder.latent_channels
    latents, noise = torch.randn(batch, channels, n_latents), torch.randn(batch, channels, n_latents)
    cond = _condition(batch, config.model.text_width, len(config.model.numbers), len(config.model.classes))
    t = 0.9 * torch.rand(batch)
    step = train_step(model, lambda: model.loss(latents, cond, t, noise).per_item.mean())  # noqa: PLW0108
    seconds = batch * n_latents / config.model.autoencoder.latents_per_second
    return _cost(f"denoiser `music`, {network.depth} blocks of {network.width}", model, batch, seconds, step, rounds)


def large_cost() -> Cost:
    """Count a step of the large denoiser, without computing it."""
    with FakeTensorMode():
        model = DiT(LARGE)
        x, level = torch.empty(LARGE_BATCH, LARGE.channels, LARGE_LATENTS), torch.empty(LARGE_BATCH)
        cond = _condition(LARGE_BATCH, LARGE.text_width, 0, 0)
        flops, traffic = counted(train_step(model, lambda: model(x, level, cond).square().mean()))
    seconds = LARGE_BATCH * LARGE_LATENTS / 21.53
    return Cost("denoiser of 10^9", _learnt(model), LARGE_BATCH, seconds, flops, traffic)


def _condition(batch: int, text_width: int, numbers: int, classes: int) -> Condition:
    return Condition(
        torch.zeros(batch, TEXT_TOKENS, text_width),
        torch.ones(batch, TEXT_TOKENS, dtype=torch.bool),
        torch.zeros(batch, numbers),
        torch.zeros(batch, classes, dtype=torch.long),
        torch.zeros(batch, 0),
        torch.zeros(batch, 1, 0),
        torch.zeros(batch, 24, 0),
        torch.zeros(batch, 0),
    )


def _learnt(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


def _cost(name: str, model: nn.Module, items: int, seconds: float, step: Callable[[], None], rounds: int) -> Cost:
    flops, traffic = counted(step)
    return Cost(name, _learnt(model), items, seconds, flops, traffic, timed(step, rounds))


def peak_flops(rounds: int, size: int = 1536) -> float:
    """Floating point operations a second of a large matrix product in float32."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    return 2.0 * size**3 / timed(lambda: left @ right, rounds)


def peak_bandwidth(rounds: int, size: int = 2**26) -> float:
    """Bytes a second that a large copy reads and writes."""
    source, target = torch.zeros(size), torch.zeros(size)
    return 2.0 * 4 * size / timed(lambda: target.copy_(source), rounds)


def step_seconds(cost: Cost, gpus: int, share: float, gpu: Gpu = GPU) -> float:
    """Seconds of a step in which each of `gpus` takes the batch of `cost`, by the assumptions of `gpu`.

    Gradients are averaged in float32 by a ring: each GPU sends and receives 2 (n - 1) / n times their bytes (Patarasuk
    & Yuan, Journal of Parallel and Distributed Computing 69(2), 2009).
    """
    compute = cost.flops / (share * gpu.flops)
    if gpus == 1:
        return compute
    exchanged = 2.0 * (gpus - 1) / gpus * 4.0 * cost.parameters
    speed = gpu.link if gpus <= gpu.node else gpu.network
    return compute + max(exchanged / speed - gpu.hidden * compute, 0.0)


def measured_table(costs: Sequence[Cost], peak: float, bandwidth: float) -> str:
    """The first table."""
    rows = [
        [
            cost.name,
            f"{cost.parameters / 1e6:.1f} M",
            f"{cost.items} x {cost.seconds / cost.items:.1f} s",
            f"{cost.flops / 1e9:,.0f}",
            f"{cost.flops / cost.bytes:.1f}",
            f"{cost.measured:.2f}",
            f"{cost.flops / cost.measured / 1e9:.0f} ({100 * cost.flops / cost.measured / peak:.0f} %)",
            f"{100 * min(cost.flops / cost.bytes * bandwidth / peak, 1.0):.0f} %",
            f"{cost.seconds / cost.measured:.1f}",
        ]
        for cost in costs
    ]
    head = ["step of", "parameters", "batch", "GFLOP", "FLOP/byte", "s", "GFLOP/s", "roof", "s of sound a second"]
    return markdown_table(head, rows)


def computed_table(costs: Sequence[tuple[Cost, float]], counts: Sequence[int] = (1, 8, 256)) -> str:
    """The second table."""
    rows = []
    for cost, share in costs:
        for gpus in counts:
            seconds = step_seconds(cost, gpus, share)
            hours = gpus * cost.seconds / seconds / 3600.0
            alone = step_seconds(cost, 1, share)
            rows.append(
                [cost.name, str(gpus), f"{1000 * seconds:,.1f}", f"{hours:,.2f}", f"{100 * alone / seconds:.0f} %"]
            )
    return markdown_table(["step of", "GPUs", "ms", "hours of sound a second", "of linear"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compute and write."""
    parser = argparse.ArgumentParser(description="Cost of training steps, here and on GPUs.")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each model")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    peak, bandwidth = peak_flops(options.rounds), peak_bandwidth(options.rounds)
    small = [vocoder_cost(options.rounds), denoiser_cost(options.rounds)]
    large = large_cost()
    shares = [(small[0], GPU.small_share), (small[1], GPU.small_share), (large, GPU.share)]
    here = f"{peak / 1e9:.0f} GFLOP/s in a matrix product and {bandwidth / 1e9:.1f} GB/s in a copy"
    there = f"{LARGE_BATCH} items of {LARGE_LATENTS} latents (30 s), {large.flops / 1e12:,.0f} TFLOP a step"
    text = f"""# What training costs

Measured on one thread in float32, {processor()}, torch {torch.__version__}: {here},
so what does fewer than {peak / bandwidth:.0f} operations a byte waits for memory.

{measured_table(small, peak, bandwidth)}

Computed for GPUs, each with the batch above; of the denoiser with {large.parameters / 1e9:.2f} x 10^9 parameters
{there}:

{computed_table(shares)}
"""
    replace_text(options.output / "scaling.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
