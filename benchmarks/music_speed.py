"""Time for ten seconds of music beside AudioLDM's, in one process and in turn.

    python -m benchmarks.music_speed [--model music] [--seconds 10] [--steps 20] [--repeats 5] [--threads 2]

Ours is measured whole: from the text to the samples, after loading. Of AudioLDM (Liu et al. 2023, the small model, from
diffusers' classes with random weights, which makes no difference to speed) one denoising step with guidance, the
decoding of the latents and the vocoder are measured, and the step is multiplied. Its text encoder is left out, which
favours it. Both run in float32 and in bfloat16. Writes `music_speed.md` and `music_speed.json` below OUTPUT. The cores
must be free.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.cli.allocator import tune_allocator
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.table import markdown_table
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.settings import Precision
from audiodiff.torch_state import bfloat16_is_fast
from benchmarks.peers import HiFiGAN, HiFiGANConfig, count_parameters
from benchmarks.vocoder_speed import RESULTS, processor, replace_text

RIVAL = "AudioLDM-S"
RIVAL_STEPS = (200, 20, 10)
"""What its authors' command line does, what we do, and what diffusers' pipeline does when not told otherwise."""

RIVAL_RATE, RIVAL_HOP, RIVAL_MELS = 16_000, 160, 64
TARGET_SECONDS, TARGET_RATIO = 3.0, 50.0
PROMPTS = (
    "solo acoustic piano, calm, 80 bpm",
    "heavy metal band, distorted electric guitars, bass, drums, 160 bpm",
    "ambient, spacious, synth pads",
    "string ensemble, sad, slow, in D minor",
    "lo-fi hip hop, electric piano, bass, soft drums, 72 bpm",
)

AUDIOLDM_VOCODER = HiFiGANConfig(
    1024, (5, 4, 2, 2, 2), (16, 16, 8, 4, 4), (3, 7, 11), ((1, 3, 5),) * 3, paired=True, n_mels=RIVAL_MELS
)


@dataclass(frozen=True)
class Config:
    """What is measured, and how often."""

    model: str = "music"
    seconds: float = 10.0
    steps: int = 20
    guidance: float = 3.0
    repeats: int = 5
    threads: int = 2
    output: Path = RESULTS


@dataclass
class Timing:
    """Wall-clock and processor seconds of one piece of work, every counted round."""

    name: str
    run: Callable[[int], Tensor]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A line of the table: seconds of work for the audio, one value a round.

    Attributes:
        system: its name.
        parameters: of all networks that ran.
        steps: denoising steps, each with guidance.
        wall: wall-clock seconds.
        cpu: processor seconds.
        note: how it was measured.
    """

    system: str
    parameters: int
    steps: int
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    note: str

    @property
    def seconds(self) -> float:
        """Median wall-clock seconds."""
        return statistics.median(self.wall)


class AudioLDM(nn.Module):
    """Networks of the small AudioLDM as diffusers builds them, with random weights."""

    def __init__(
        self,
        widths: tuple[int, ...] = (128, 256, 384, 640),
        vae_width: int = 128,
        vocoder: HiFiGANConfig = AUDIOLDM_VOCODER,
    ) -> None:
        super().__init__()
        from diffusers import AutoencoderKL, UNet2DConditionModel

        depth = len(widths)
        attention = [f"CrossAttn{way}Block2D" for way in ("Down", "Up")]
        self.unet = UNet2DConditionModel(
            sample_size=128,
            in_channels=8,
            out_channels=8,
            down_block_types=("DownBlock2D", *[attention[0]] * (depth - 1)),
            up_block_types=(*[attention[1]] * (depth - 1), "UpBlock2D"),
            block_out_channels=widths,
            layers_per_block=2,
            cross_attention_dim=list(widths),
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=512,
            class_embeddings_concat=True,
        )
        self.vae = AutoencoderKL(
            in_channels=1,
            out_channels=1,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(vae_width, 2 * vae_width, 4 * vae_width),
            layers_per_block=2,
            latent_channels=8,
        )
        self.vocoder = HiFiGAN(vocoder)

    def latents(self, seconds: float) -> Tensor:
        """Noise of the shape that makes so many seconds: `[1, 8, n_frames / 4, 16]`."""
        n_frames = -(-round(seconds * RIVAL_RATE / RIVAL_HOP) // 4) * 4
        return torch.randn(1, 8, n_frames // 4, RIVAL_MELS // 4)

    def step(self, latents: Tensor, guidance: float = 2.5) -> Tensor:
        """One step with guidance: the network on a pair, and their blend."""
        prompt = torch.randn(2, 512)
        pair: Tensor = self.unet(torch.cat([latents] * 2), 500, None, class_labels=prompt).sample
        without, wanted = pair.chunk(2)
        return without + guidance * (wanted - without)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to log-mels `[1, 1, n_frames, 64]`."""
        mel: Tensor = self.vae.decode(latents).sample
        return mel

    def generator_parameters(self) -> int:
        """Parameters that take part in making a clip (the encoder of the autoencoder does not)."""
        decoder = count_parameters(self.vae.decoder) + count_parameters(self.vae.post_quant_conv)
        return count_parameters(self.unet) + decoder + count_parameters(self.vocoder)


def our_work(model: Generator, config: Config, precision: Precision) -> Timing:
    """The whole of ours, another prompt and seed every round."""

    def run(turn: int) -> Tensor:
        prompt = PROMPTS[turn % len(PROMPTS)]
        samples = model.generate(
            prompt,
            seconds=config.seconds,
            seed=turn,
            steps=config.steps,
            guidance=config.guidance,
            precision=precision,
        )
        return torch.from_numpy(samples)

    return Timing(f"ours, {precision}", run)


def rival_work(rival: AudioLDM, seconds: float, precision: Precision = "fp32") -> list[Timing]:
    """The parts of AudioLDM's work, in float32 or under autocast to bfloat16."""
    latents = rival.latents(seconds)
    mel = torch.randn(1, RIVAL_MELS, latents.shape[2] * 4)
    lowered = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    return [
        Timing("step", lowered(lambda turn: rival.step(latents))),
        Timing("decoder", lowered(lambda turn: rival.decode(latents))),
        Timing("vocoder", lowered(lambda turn: rival.vocoder(mel))),
    ]


def race(timings: Sequence[Timing], repeats: int) -> None:
    """Do every piece of work once a round, after one round that is not counted."""
    for turn in range(repeats + 1):
        for timing in timings:
            with torch.no_grad():
                wall, cpu = time.perf_counter(), time.process_time()
                timing.run(turn)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                timing.wall.append(wall)
                timing.cpu.append(cpu)


def rows(
    ours: Sequence[Timing], parts: Mapping[str, Sequence[Timing]], config: Config, sizes: tuple[int, int]
) -> list[Row]:
    """The table's lines: ours, then AudioLDM by its name in each precision, at each number of steps."""
    whole = "whole, from text to samples"
    table = [Row(each.name, sizes[0], config.steps, tuple(each.wall), tuple(each.cpu), whole) for each in ours]
    for (name, (step, decoder, vocoder)), count in itertools.product(parts.items(), RIVAL_STEPS):
        wall, cpu = (
            tuple(count * a + b + c for a, b, c in zip(*values, strict=True))
            for values in ((step.wall, decoder.wall, vocoder.wall), (step.cpu, decoder.cpu, vocoder.cpu))
        )
        note = f"one step ({statistics.median(step.wall):.2f} s) times {count}, decoder, vocoder; no text encoder"
        table.append(Row(name, sizes[1], count, wall, cpu, note))
    return table


def markdown(table: Sequence[Row], seconds: float) -> str:
    """The lines as Markdown."""
    rival = _rival(table)
    heads = [
        "system",
        "parameters",
        "steps",
        f"time for {seconds:g} s, median (min–max)",
        "times real time",
        f"times faster than {RIVAL}, {rival.steps} steps",
        "how it was measured",
    ]
    lines = [
        [
            row.system,
            f"{row.parameters / 1e6:.1f} M",
            str(row.steps),
            f"{row.seconds:.2f} s ({min(row.wall):.2f}–{max(row.wall):.2f})",
            f"{seconds / row.seconds:.2f}",
            f"{rival.seconds / row.seconds:.1f}",
            row.note,
        ]
        for row in table
    ]
    return markdown_table(heads, lines)


def verdicts(table: Sequence[Row]) -> list[str]:
    """Whether the targets hold."""
    ours, rival = table[0], _rival(table)
    ratio = rival.seconds / ours.seconds
    return [
        f"- {TARGET_SECONDS:g} s or less: {ours.seconds:.2f} s, {_word(ours.seconds <= TARGET_SECONDS)}.",
        f"- {TARGET_RATIO:g} times faster than {RIVAL} with the {rival.steps} steps of its authors' command line or "
        f"more: {ratio:.1f} times, {_word(ratio >= TARGET_RATIO)}.",
    ]


def _rival(table: Sequence[Row]) -> Row:
    return next(row for row in table if row.system == RIVAL)


def _word(holds: bool) -> str:
    return "**holds**" if holds else "**missed**"


def our_parameters(model: LatentSynthesizer) -> int:
    """Parameters that take part in making a clip: decoder, denoiser, vocoder, text encoder left out as for AudioLDM."""
    vocoder = model.vocoder.model
    size = count_parameters(model.model.network) + count_parameters(model.model.autoencoder.decoder)
    return size + (count_parameters(vocoder) if isinstance(vocoder, nn.Module) else 0)


def main(config: Config, rival: AudioLDM | None = None) -> list[Row]:
    """Run the race, print the table and the verdicts, and keep them."""
    if config.repeats < 1 or config.threads < 1:
        raise AudiodiffError("repeats and threads must be 1 or more.")
    tuned = tune_allocator()
    torch.set_num_threads(config.threads)
    torch.manual_seed(0)
    load_before = os.getloadavg()[0]
    model = Generator(load_generator(config.model, device="cpu"))
    rival = (rival or AudioLDM()).eval()
    precisions: dict[Precision, None] = dict.fromkeys((model.defaults.precision, "fp32"))
    ours = [our_work(model, config, precision) for precision in precisions]
    parts = {RIVAL: rival_work(rival, config.seconds)}
    if bfloat16_is_fast("cpu"):
        parts[f"{RIVAL}, bf16"] = rival_work(rival, config.seconds, "bf16")
    race([*ours, *itertools.chain(*parts.values())], config.repeats)
    table = rows(ours, parts, config, (our_parameters(model.synthesizer), rival.generator_parameters()))
    name = Path(config.model).name
    conditions: dict[str, Any] = {
        "model": name,
        "audio_seconds": config.seconds,
        "guidance": config.guidance,
        "repeats": config.repeats,
        "threads": config.threads,
        "processor": processor(),
        "torch": torch.__version__,
        "allocator_tuned": tuned,
        "load_average_before": round(load_before, 2),
    }
    text = "\n".join(
        [
            f"{config.seconds:g} s of audio after loading, guidance {config.guidance:g}, {config.repeats} rounds, "
            f"{config.threads} threads, {processor()}, torch {torch.__version__}, load average before the run "
            f"{load_before:.2f}. AudioLDM makes 16 kHz, ours {model.sample_rate / 1000:g} kHz.",
            "",
            markdown(table, config.seconds),
            "",
            *verdicts(table),
        ]
    )
    print(text)
    made = f"python -m benchmarks.music_speed --model {name} --seconds {config.seconds:g} --steps {config.steps}"
    replace_text(config.output / "music_speed.md", f"# Speed of music generation\n\n{text}\n\nMade by `{made}`.\n")
    record = {
        "conditions": conditions,
        "parts_of_audioldm": {
            name: {part.name: statistics.median(part.wall) for part in each} for name, each in parts.items()
        },
        "systems": [
            {
                "system": row.system,
                "parameters": row.parameters,
                "steps": row.steps,
                "seconds": row.seconds,
                "seconds_min": min(row.wall),
                "seconds_max": max(row.wall),
                "processor_seconds": statistics.median(row.cpu),
                "times_faster_than_audioldm": _rival(table).seconds / row.seconds,
                "note": row.note,
            }
            for row in table
        ],
    }
    replace_text(config.output / "music_speed.json", json.dumps(record, indent=2) + "\n")
    return table


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=Config.model, help="name or checkpoint folder (default: music)")
    parser.add_argument("--seconds", type=float, default=Config.seconds, help="audio of a run (default: 10)")
    parser.add_argument("--steps", type=int, default=Config.steps, help="our sampling steps (default: 20)")
    parser.add_argument("--guidance", type=float, default=Config.guidance, help="our guidance (default: 3)")
    parser.add_argument("--repeats", type=int, default=Config.repeats, help="rounds that are counted (default: 5)")
    parser.add_argument("--threads", type=int, default=Config.threads, help="threads (default: 2)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    args = parser.parse_args(arguments)
    return Config(args.model, args.seconds, args.steps, args.guidance, args.repeats, args.threads, args.output)


if __name__ == "__main__":
    try:
        main(parse())
    except AudiodiffError as error:
        sys.exit(f"music_speed: {error}")
