"""What edits lose of a clip that the model made: from its samples encoded again, and from the latents kept with it.

    python -m benchmarks.edit_losses [--model music] [--limit 6] [--steps 20] [--threads 1]

Makes a clip for each of a few prompts, edits it once or several times, each time both ways, and compares what no edit
was asked to change with the clip: in the log-mel of the sound, which also holds the noise that the vocoder draws anew
where a place has moved, and in the log-mel that the vocoder was given. Writes `edit_losses.md` and `edit_losses.json`
below OUTPUT.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray
from audiodiff.metrics.spectral import log_mel_l1
from audiodiff.metrics.stats import mean_interval
from audiodiff.signal.levels import decibel, shift_log_mel
from audiodiff.synthesis.clip import Clip, Sound
from audiodiff.synthesis.edit_settings import EditSettings
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.recording import samples_per_latent
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from benchmarks.vocoder_speed import RESULTS, processor, replace_text

PROMPTS = (
    "solo piano, slow",
    "funk with drums and bass, 110 bpm",
    "strings, calm",
    "acoustic guitar, folk",
    "rock band, 130 bpm",
    "dark ambient drone",
)
CLIP_SECONDS, REGION, ADDED_SECONDS = 6.0, (1.0, 2.0), 2.0
AFTER, EVERYTHING = (REGION[1] + 0.3, CLIP_SECONDS - 0.1), (0.1, CLIP_SECONDS - 0.1)
WAYS = ("samples", "latents")
MEASURES = ("sound", "mel")


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        model: name or checkpoint folder.
        limit: clips.
        steps: sampling steps; the model's recommendation when None.
        threads: of torch.
        output: folder of the results.
    """

    model: str = "music"
    limit: int = len(PROMPTS)
    steps: int | None = None
    threads: int = 1
    output: Path = RESULTS


@dataclass(frozen=True)
class Chain:
    """Edits of a clip, one after another.

    Attributes:
        name: in the table.
        edits: verb and settings of each.
        kept: what of the clip no edit was asked to change (s).
        led_by: latents that were put before it.
    """

    name: str
    edits: tuple[tuple[str, EditSettings], ...]
    kept: tuple[float, float]
    led_by: int = 0


@dataclass(frozen=True)
class Loss:
    """What a chain lost of every clip.

    Attributes:
        name: of the chain.
        found: way -> measure -> one log-mel distance (nepers) for each clip.
    """

    name: str
    found: Mapping[str, Mapping[str, Sequence[float]]]


def chains(synthesizer: LatentSynthesizer, steps: int | None) -> list[Chain]:
    """What is done to every clip; each edit has the seed 0, as it has for a user who names none."""

    def settings(seed: int = 0) -> GenerateSettings:
        return GenerateSettings(sampling=Sampling(steps=steps, seed=seed), level="limit")  # as the command has it

    per_latent, rate = samples_per_latent(synthesizer), synthesizer.sample_rate
    led_by = round(ADDED_SECONDS * rate / per_latent)
    nothing = ("vary", VarySettings(settings(), 0.0))
    reseeded = [("vary", VarySettings(settings(seed), 0.0)) for seed in (1, 2, 3, 4, 5)]
    fill, longer = InpaintSettings((REGION,), settings()), ExtendSettings(ADDED_SECONDS, settings(), trim=0.01)
    lead = ExtendSettings(led_by * per_latent / rate, settings(), before=True, trim=0.01)
    both = (("inpaint", fill), ("extend", longer), nothing, ("extend", lead), nothing)
    return [
        Chain("`vary --strength 0`", (nothing,), EVERYTHING),
        Chain("the same five times", (nothing,) * 5, EVERYTHING),
        Chain("the same with another seed", (reseeded[0],), EVERYTHING),
        Chain("the same five times, five seeds", tuple(reseeded), EVERYTHING),
        Chain("`inpaint`, then `vary --strength 0`", (("inpaint", fill), nothing), AFTER),
        Chain("`extend`, then `vary --strength 0`", (("extend", longer), nothing), EVERYTHING),
        Chain("five edits: `inpaint`, `extend`, `vary`, `extend --before`, `vary`", both, AFTER, led_by),
    ]


def edited(synthesizer: LatentSynthesizer, clip: Clip, chain: Chain, *, latents: bool) -> Clip:
    """Return what a chain makes of a clip, from the latents kept with each clip or from its samples."""
    for verb, settings in chain.edits:
        sound: Sound = (clip.waveform, clip.sample_rate, clip.latents if latents else None)
        clip = apply(verb, synthesizer, [sound], settings)
    return clip


def distances(synthesizer: LatentSynthesizer, first: Clip, last: Clip, chain: Chain) -> dict[str, float]:
    """Mean difference of the log-mel of what was kept (nepers), over all channels, by measure."""
    rate, per_latent = synthesizer.sample_rate, samples_per_latent(synthesizer)
    low, high = (round(edge * rate) for edge in chain.kept)
    moved = chain.led_by * per_latent
    before, after = np.atleast_2d(first.waveform)[:, low:high], np.atleast_2d(last.waveform)[:, low + moved :]
    heard = float(np.mean([log_mel_l1(a, b[: high - low], rate) for a, b in zip(before, after, strict=True)]))
    mels = [
        decoded(synthesizer, clip, low // per_latent + place, high // per_latent + place)
        for clip, place in ((first, 0), (last, chain.led_by))
    ]
    return {"sound": heard, "mel": float(np.abs(mels[0] - mels[1]).mean())}


def decoded(synthesizer: LatentSynthesizer, clip: Clip, start: int, stop: int) -> FloatArray:
    """The log-mel that the latents of a clip are decoded to, `[n_mels, n_frames]`, at the clip's level."""
    assert clip.latents is not None
    values = torch.from_numpy(clip.latents.values.astype(np.float32))
    per_latent = synthesizer.model.autoencoder.frames_per_latent
    mel = synthesizer.mel(values)[:, start * per_latent : stop * per_latent]
    found: FloatArray = shift_log_mel(mel, synthesizer.model.mel_spec, -decibel(clip.latents.gain)).numpy()
    return found


def measure(config: Config, synthesizer: LatentSynthesizer) -> list[Loss]:
    """Make the clips, edit them, and compare."""
    done = chains(synthesizer, config.steps)
    found: list[dict[str, dict[str, list[float]]]] = [
        {way: {name: [] for name in MEASURES} for way in WAYS} for _ in done
    ]
    for prompt in PROMPTS[: config.limit]:
        settings = GenerateSettings(sampling=Sampling(steps=config.steps), prompt=prompt, seconds=CLIP_SECONDS)
        clip = apply("generate", synthesizer, [], settings)
        for chain, row in zip(done, found, strict=True):
            for way in WAYS:
                last = edited(synthesizer, clip, chain, latents=way == "latents")
                for name, value in distances(synthesizer, clip, last, chain).items():
                    row[way][name].append(value)
        print(f"edit_losses: {prompt}", file=sys.stderr)
    return [Loss(chain.name, row) for chain, row in zip(done, found, strict=True)]


def table(losses: Sequence[Loss]) -> str:
    """The means as Markdown."""
    lines = [
        "| edits | sound, from its samples | sound, from its latents | mel, from its samples | mel, from its latents |",
        "| --- | --- | --- | --- | --- |",
    ]
    for loss in losses:
        cells = [f"{mean_interval(list(loss.found[way][name])).mean:.3f}" for name in MEASURES for way in WAYS]
        lines.append(f"| {loss.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(config: Config) -> list[Loss]:
    """Measure, print and keep the result.

    Raises:
        AudiodiffError: a number is out of range, or there is no such model.
    """
    if not 1 <= config.limit <= len(PROMPTS) or config.threads < 1:
        raise AudiodiffError(f"--limit must be 1 to {len(PROMPTS)}, and --threads 1 or more.")
    torch.set_num_threads(config.threads)
    began, synthesizer = time.process_time(), load_generator(config.model, device="cpu")
    losses = measure(config, synthesizer)
    name, steps = Path(config.model).name, config.steps or synthesizer.defaults.steps
    said = (
        f"What edits lose of {config.limit} clips of {CLIP_SECONDS:g} s that the model {name} made ({steps} steps): "
        "log-mel distance to the clip (nepers, mean) of what no edit was asked to change, of the sound and of the mel "
        "that the vocoder was given. Edits start from the clip's samples, encoded again, or from the latents kept with "
        "it."
    )
    made = f"python -m benchmarks.edit_losses --model {name} --limit {config.limit}"
    made += "" if config.steps is None else f" --steps {config.steps}"
    note = "- where a place has moved or the seed is another, the vocoder draws other noise: that is all that is left."
    text = f"{said}\n\n{table(losses)}"
    print(text)
    replace_text(config.output / "edit_losses.md", f"# What edits lose\n\n{text}\n\n{note}\n\nMade by `{made}`.\n")
    record = {
        "model": name,
        "steps": steps,
        "limit": config.limit,
        "threads": config.threads,
        "processor": processor(),
        "processor_seconds": time.process_time() - began,
        "losses": [asdict(loss) for loss in losses],
    }
    replace_text(config.output / "edit_losses.json", json.dumps(record, indent=2) + "\n")
    return losses


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=Config.model, help="name or checkpoint folder (default: music)")
    parser.add_argument("--limit", type=int, default=Config.limit, help=f"clips (default: {Config.limit})")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument("--threads", type=int, default=Config.threads, help="threads (default: 1)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    return Config(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    try:
        main(parse())
    except AudiodiffError as error:
        sys.exit(f"edit_losses: {error}")
