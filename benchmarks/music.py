"""The quality tables and the picture of the music model: what it makes for held-out prompts against real recordings.

    python -m benchmarks.music --model music --data CORPUS --work FOLDER [--clips N] [--seeds 1] [--steps 20]
        [--guidance 3,1] [--sweep-steps 5,10,20,50] [--sweep-samplers dpmpp_2m,heun,euler] [--compare NAME=MODEL ...]

CORPUS has a `metadata.csv` with the columns file_name, text, split, instrument, tempo, tempo_source and key. Its train
split teaches the family classifier; every clip is made for the prompt of a recording of its valid and test splits.
Without a model (`--model none`) only recordings and degraded copies of them are scored: what the measures can tell.

Clips and points are kept below WORK, and a second run goes on where the first one stopped. Writes `music.json`,
`music.md` (everything), `readme.md` and `music.png` below OUTPUT/music. The measures take about 2 s of one core per
clip of 10 s. Needs the extra `eval` for the picture and `pip install --no-deps musicnn aisfx basic-pitch` with
onnxruntime for the embeddings; those that are missing are left out.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music import HELD_OUT, Bench, copy_checks, named_suspects, prepare
from audiodiff.evaluation.music_clips import Array, MusicClip, PointCache, corpus_clips, spread
from audiodiff.evaluation.music_report import MusicReport, markdown
from audiodiff.evaluation.music_scores import SetScores
from audiodiff.evaluation.music_systems import Model, Workshop, generated, label, model_identity, parts_of
from audiodiff.metrics.copies import PASSAGE_SECONDS
from audiodiff.metrics.distribution import CopyCheck
from audiodiff.metrics.embeddings import EMBEDDINGS
from audiodiff.synthesis.settings import Sampling
from benchmarks.music_report import draw, readme, verdicts
from benchmarks.music_rungs import MEL, RUNGS, class_means, through_griffin_lim
from benchmarks.vocoder_speed import RESULTS, processor, replace_text

PLANTED_COPIES = 40
PACKAGES = ("torch", "numpy", "musicnn", "aisfx", "basic-pitch", "onnxruntime", "librosa")


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        data: the corpus.
        work: folder of kept clips and points.
        model: name or checkpoint folder; None for recordings alone.
        clips: held-out prompts; all if None.
        seeds: clips for each prompt.
        seconds: length of a clip.
        steps: sampling steps of the main rows; the model's recommendation if None.
        guidance: scales of the main rows; the first is the one that is judged.
        sweep_steps, sweep_samplers: the table of solvers has every pair.
        compare: names and models of the table of other models, at their own recommendations.
        sweep_clips: prompts of these two tables.
        train_clips: training recordings; all if None.
        rungs: whether degraded recordings are scored too.
        threads: of torch.
        cache: folder of the points; below `work` if None.
        output: folder of the results.
    """

    data: Path
    work: Path
    model: str | None = "music"
    clips: int | None = None
    seeds: int = 1
    seconds: float = 10.0
    steps: int | None = 20
    guidance: tuple[float, ...] = (3.0, 1.0)
    sweep_steps: tuple[int, ...] = ()
    sweep_samplers: tuple[str, ...] = ()
    compare: tuple[tuple[str, str], ...] = ()
    sweep_clips: int = 32
    train_clips: int | None = None
    rungs: bool = True
    threads: int = 2
    cache: Path | None = None
    output: Path = RESULTS


def read_corpus(config: Config) -> Bench:
    """Read the corpus, embed it, train the classifier.

    Raises:
        AudiodiffError: the corpus has no train, or no valid and test clips.
    """
    cache = PointCache(config.cache or config.work / "points", EMBEDDINGS)
    train = corpus_clips(config.data, ("train",), config.train_clips)
    return prepare(train, corpus_clips(config.data, HELD_OUT, config.clips), cache, progress_bar)


def rung_rows(bench: Bench) -> list[SetScores]:
    """Degraded copies of the held-out recordings."""
    rows = []
    for name, degrade in RUNGS.items():
        clips = [
            # Griffin-Lim works at the rate of its mel; all others keep the clip's.
            replace(clip, name=f"{clip.name}@{name}", waveform=degrade(clip, seed))
            for seed, clip in enumerate(bench.judge.held_out)
        ]
        rows.append(bench.score(name, clips))
    return rows


def model_rows(config: Config, bench: Bench, model: Model, shop: Workshop) -> tuple[list[SetScores], list[MusicClip]]:
    """The ceiling, ours at each guidance, and the baselines; also the clips that the verdicts are about."""
    rows: list[SetScores] = []
    parts = parts_of(model)
    held_out = list(bench.judge.held_out)
    if parts is not None:
        ceilings = {
            "vocoder on real mels": parts.vocode,
            "autoencoder and vocoder on real mels": parts.reconstruct,
        }
        for name, copy in ceilings.items():
            clips = shop.clips(
                name, held_out, 1, lambda c, _, f=copy: (f(c.waveform, c.sample_rate), model.sample_rate)
            )
            rows.append(bench.score(name, clips))
    main: list[MusicClip] = []
    for scale in config.guidance:
        sampling = Sampling(steps=config.steps, guidance=scale)
        with progress_bar(f"generating, {label(sampling)}", "clips") as on_progress:
            shop.on_progress = on_progress
            clips = shop.clips(label(sampling), bench.prompts, config.seeds, generated(model, sampling, config.seconds))
        main = main or clips
        rows.append(bench.score(f"ours, {label(sampling)}", clips))
    shop.on_progress = None
    if parts is not None:
        clips = shop.clips(
            "random latents", held_out, 1, lambda _, seed: (parts.random(config.seconds, seed), model.sample_rate)
        )
        rows.append(bench.score("random latents", clips))
    return rows, main


def class_mean_row(bench: Bench, shop: Workshop) -> SetScores:
    """The mean mel of the asked family, through Griffin-Lim."""
    make = class_means(bench.train, MEL.sample_rate)
    return bench.score("class-mean mel", shop.clips("class-mean mel", list(bench.judge.held_out), 1, make))


def sweep_rows(config: Config, bench: Bench, model: Model, shop: Workshop) -> list[SetScores]:
    """Every number of steps with every solver, on fewer prompts."""
    prompts = spread(bench.prompts, config.sweep_clips)
    rows = []
    for sampler in config.sweep_samplers:
        for steps in config.sweep_steps:
            sampling = Sampling(steps=steps, sampler=sampler, guidance=config.guidance[0])
            clips = shop.clips(label(sampling), prompts, 1, generated(model, sampling, config.seconds))
            rows.append(bench.score(f"{sampler}, {steps} steps", clips))
    return rows


def compare_rows(config: Config, bench: Bench) -> list[SetScores]:
    """Other models, each as it recommends."""
    prompts = spread(bench.prompts, config.sweep_clips)
    rows = []
    for name, place in config.compare:
        other = open_model(place)
        shop = Workshop(config.work / "clips", model_identity(place), config.seconds)
        sampling = Sampling(steps=config.steps, guidance=config.guidance[0])
        rows.append(
            bench.score(name, shop.clips(label(sampling), prompts, 1, generated(other, sampling, config.seconds)))
        )
    return rows


def planted(model: Model) -> Callable[[MusicClip, int], tuple[Array, int]]:
    """What makes known copies: the model's decoder, or Griffin-Lim for a model that does not show its own."""
    parts = parts_of(model)

    def make(clip: MusicClip, _: int) -> tuple[Array, int]:
        if parts is None:
            return through_griffin_lim(clip.waveform, clip.sample_rate), clip.sample_rate
        return parts.reconstruct(clip.waveform, clip.sample_rate), model.sample_rate

    return make


def open_model(name: str) -> Model:
    """Load a model that generates.

    Raises:
        AudiodiffError: there is none of that name, or it does not generate.
    """
    from audiodiff.synthesis.generator import Generator
    from audiodiff.synthesis.load import load_generator

    return Generator(load_generator(name, device="cpu"))


def run(config: Config, model: Model | None = None, identity: str | None = None) -> MusicReport:
    """Measure everything.

    Args:
        config: what.
        model: instead of loading `config.model`.
        identity: what tells its clips from another model's; the hash of its files if None.
    """
    if config.seeds < 1 or config.sweep_clips < 1 or not config.guidance:
        raise AudiodiffError("seeds and sweep-clips must be 1 or more, and there must be a guidance.")
    torch.set_num_threads(config.threads)
    load_before = os.getloadavg()[0]
    bench = read_corpus(config)
    rows = [bench.recordings()]
    main: list[MusicClip] = []
    checks: dict[str, CopyCheck] = {}
    sweep: list[SetScores] = []
    compared: list[SetScores] = []
    shop = Workshop(config.work / "clips", "recordings", config.seconds)
    if config.model is not None:
        model = model or open_model(config.model)
        own = Workshop(config.work / "clips", identity or model_identity(config.model), config.seconds)
        found, main = model_rows(config, bench, model, own)
        rows += [*found, class_mean_row(bench, shop)]
        if config.seconds >= PASSAGE_SECONDS:
            checks = copy_checks(bench, main, PLANTED_COPIES, own, planted(model))
        sweep, compared = sweep_rows(config, bench, model, own), compare_rows(config, bench)
    else:
        rows.append(class_mean_row(bench, shop))
    if config.rungs:
        rows += rung_rows(bench)
    n_main = len(main) or len(bench.prompts)
    small = min(config.sweep_clips, len(bench.prompts))
    return MusicReport(
        rows=rows,
        floor=bench.floor(n_main),
        sweep=sweep,
        compared=compared,
        sweep_floor=bench.floor(small) if sweep or compared else ({}, {}),
        ears=bench.judge.ears,
        checks=checks,
        suspects=named_suspects(bench, checks, main),
        notes=bench.cache.notes,
        conditions={
            "model": None if config.model is None else Path(config.model).name,
            "corpus": config.data.name,
            "training_recordings": len(bench.train),
            "held_out_recordings": len(bench.prompts),
            "clips_per_prompt": config.seeds,
            "seconds": config.seconds,
            "steps": config.steps,
            "threads": config.threads,
            "seeds": f"0 to {config.seeds - 1}",
            "processor": processor(),
            "load_average_before": round(load_before, 2),
            "versions": versions(),
        },
    )


def versions() -> dict[str, str]:
    """Versions of the packages that decide the figures."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main(config: Config) -> Path:
    """Measure, write and print; returns the folder with the results."""
    report = run(config)
    folder = config.output / "music"
    folder.mkdir(parents=True, exist_ok=True)
    targets = verdicts(report)
    text = markdown(report, targets or ["- none without a model."])
    print(text)
    replace_text(folder / "music.json", json.dumps({**report.to_dict(), "verdicts": targets}, indent=2) + "\n")
    replace_text(folder / "music.md", text)
    replace_text(folder / "readme.md", readme(report))
    draw(report, folder / "music.png")
    return folder


def _pair(text: str) -> tuple[str, str]:
    name, separator, place = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=MODEL")
    return name, place


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="corpus folder")
    parser.add_argument("--work", type=Path, required=True, help="folder of kept clips and points")
    parser.add_argument("--model", default="music", help='name or checkpoint folder (default: music); "none"')
    parser.add_argument("--clips", type=int, help="held-out prompts (default: all)")
    parser.add_argument("--seeds", type=int, default=Config.seeds, help="clips for each prompt (default: 1)")
    parser.add_argument("--seconds", type=float, default=Config.seconds, help="of a clip (default: 10)")
    parser.add_argument("--steps", type=int, default=Config.steps, help="sampling steps (default: 20)")
    parser.add_argument(
        "--guidance", type=lambda text: tuple(float(part) for part in text.split(",")), default=Config.guidance
    )
    parser.add_argument("--sweep-steps", type=_numbers, default=(), help="for example 5,10,20,50")
    parser.add_argument("--sweep-samplers", type=lambda text: tuple(text.split(",")), default=())
    parser.add_argument("--sweep-clips", type=int, default=Config.sweep_clips, help="prompts of a sweep (default: 32)")
    parser.add_argument("--compare", type=_pair, nargs="*", default=[], metavar="NAME=MODEL")
    parser.add_argument("--no-rungs", action="store_true", help="leave out degraded recordings")
    parser.add_argument("--threads", type=int, default=Config.threads, help="threads (default: 2)")
    parser.add_argument("--cache", type=Path, help="folder of the points (default: below WORK)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    args = parser.parse_args(arguments)
    return Config(
        data=args.data,
        work=args.work,
        model=None if args.model == "none" else args.model,
        clips=args.clips,
        seeds=args.seeds,
        seconds=args.seconds,
        steps=args.steps,
        guidance=args.guidance,
        sweep_steps=args.sweep_steps,
        sweep_samplers=args.sweep_samplers,
        compare=tuple(args.compare),
        sweep_clips=args.sweep_clips,
        rungs=not args.no_rungs,
        threads=args.threads,
        cache=args.cache,
        output=args.output,
    )


if __name__ == "__main__":
    try:
        print(f"results in {main(parse())}")
    except AudiodiffError as error:
        sys.exit(f"music: {error}")
