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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.copies import PASSAGE_SECONDS, passage_print
from audiodiff.metrics.distribution import CopyCheck
from benchmarks.music_clips import MEL, RUNGS, Array, MusicClip, PointCache, corpus_clips, through_griffin_lim
from benchmarks.music_report import Report, draw, markdown, readme
from benchmarks.music_scores import (
    EMBEDDINGS,
    Accused,
    Ears,
    Judge,
    SetScores,
    asks_tempo,
    copies,
    deciding,
    real_floor,
    suspects,
    train_ears,
)
from benchmarks.music_systems import Model, Settings, Workshop, class_means, generated, model_identity, parts_of
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


@dataclass
class Bench:
    """Everything that the systems are scored with."""

    config: Config
    cache: PointCache
    train: list[MusicClip]
    prompts: list[MusicClip]
    judge: Judge
    train_points: Mapping[str, list[Any]]
    floors: dict[int, tuple[dict[str, list[float]], dict[str, list[float]]]] = field(default_factory=dict)

    def floor(self, n_clips: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Distances of that many training recordings from the held-out ones."""
        n_clips = min(n_clips, len(self.train))
        if n_clips not in self.floors:
            self.floors[n_clips] = real_floor(self.train_points, self.judge.held_out_points, n_clips)
        return self.floors[n_clips]


def asked_prompts(held_out: Sequence[MusicClip], ears: Ears) -> list[MusicClip]:
    """The held-out recordings with the prompts that are asked for: a tempo is added where it will be listened for."""
    return [
        replace(clip, prompt=f"{clip.prompt}, {clip.tempo:.0f} bpm")
        if asks_tempo(clip, ears) and "bpm" not in clip.prompt
        else clip
        for clip in held_out
    ]


def prepare(config: Config) -> Bench:
    """Read the corpus, embed it, train the classifier.

    Raises:
        AudiodiffError: the corpus has no train, or no valid and test clips.
    """
    cache = PointCache(config.cache or config.work / "points", EMBEDDINGS)
    train = corpus_clips(config.data, ("train",), config.train_clips)
    held_out = corpus_clips(config.data, ("valid", "test"), config.clips)
    with progress_bar("embedding recordings", "clips") as on_progress:
        every = cache.all_points([*train, *held_out], on_progress)
    train_points = {name: arrays[: len(train)] for name, arrays in every.items()}
    held_points = {name: arrays[len(train) :] for name, arrays in every.items()}
    ears = train_ears(train, train_points)
    return Bench(
        config, cache, train, asked_prompts(held_out, ears), Judge(ears, held_out, held_points, cache), train_points
    )


def score(bench: Bench, name: str, clips: Sequence[MusicClip]) -> SetScores:
    """Score a set with a progress bar."""
    with progress_bar(name, "clips") as on_progress:
        return replace(bench.judge, on_progress=on_progress).score(name, clips)


def rung_rows(bench: Bench) -> list[SetScores]:
    """Degraded copies of the held-out recordings."""
    rows = []
    for name, degrade in RUNGS.items():
        clips = [
            # Griffin-Lim works at the rate of its mel; all others keep the clip's.
            replace(clip, name=f"{clip.name}@{name}", waveform=degrade(clip, seed))
            for seed, clip in enumerate(bench.judge.held_out)
        ]
        rows.append(score(bench, name, clips))
    return rows


def model_rows(bench: Bench, model: Model, shop: Workshop) -> tuple[list[SetScores], list[MusicClip]]:
    """The ceiling, ours at each guidance, and the baselines; also the clips that the verdicts are about."""
    config, judge = bench.config, bench.judge
    rows: list[SetScores] = []
    parts = parts_of(model)
    held_out = list(judge.held_out)
    if parts is not None:
        ceilings = {
            "vocoder on real mels": parts.vocode,
            "autoencoder and vocoder on real mels": parts.reconstruct,
        }
        for name, copy in ceilings.items():
            clips = shop.clips(
                name, held_out, 1, lambda c, _, f=copy: (f(c.waveform, c.sample_rate), model.sample_rate)
            )
            rows.append(score(bench, name, clips))
    main: list[MusicClip] = []
    for scale in config.guidance:
        settings = Settings(config.steps, scale)
        with progress_bar(f"generating, {settings.label()}", "clips") as on_progress:
            shop.on_progress = on_progress
            clips = shop.clips(
                settings.label(), bench.prompts, config.seeds, generated(model, settings, config.seconds)
            )
        main = main or clips
        rows.append(score(bench, f"ours, {settings.label()}", clips))
    shop.on_progress = None
    if parts is not None:
        clips = shop.clips(
            "random latents", held_out, 1, lambda _, seed: (parts.random(config.seconds, seed), model.sample_rate)
        )
        rows.append(score(bench, "random latents", clips))
    return rows, main


def class_mean_row(bench: Bench, shop: Workshop) -> SetScores:
    """The mean mel of the asked family, through Griffin-Lim."""
    make = class_means(bench.train, MEL.sample_rate)
    return score(bench, "class-mean mel", shop.clips("class-mean mel", list(bench.judge.held_out), 1, make))


def sweep_rows(bench: Bench, model: Model, shop: Workshop) -> list[SetScores]:
    """Every number of steps with every solver, on fewer prompts."""
    config = bench.config
    prompts = spread(bench.prompts, config.sweep_clips)
    rows = []
    for sampler in config.sweep_samplers:
        for steps in config.sweep_steps:
            settings = Settings(steps, config.guidance[0], sampler)
            clips = shop.clips(settings.label(), prompts, 1, generated(model, settings, config.seconds))
            rows.append(score(bench, f"{sampler}, {steps} steps", clips))
    return rows


def compare_rows(bench: Bench) -> list[SetScores]:
    """Other models, each as it recommends."""
    config = bench.config
    prompts = spread(bench.prompts, config.sweep_clips)
    rows = []
    for name, place in config.compare:
        other = open_model(place)
        shop = Workshop(config.work / "clips", model_identity(place), config.seconds)
        settings = Settings(config.steps, config.guidance[0])
        rows.append(
            score(bench, name, shop.clips(settings.label(), prompts, 1, generated(other, settings, config.seconds)))
        )
    return rows


def spread(clips: Sequence[MusicClip], count: int) -> list[MusicClip]:
    """That many of the clips, evenly from the whole list."""
    count = min(count, len(clips))
    return [clips[i * len(clips) // count] for i in range(count)]


def copy_checks(bench: Bench, model: Model, shop: Workshop, main: Sequence[MusicClip]) -> dict[str, CopyCheck]:
    """Compare the clips with the training recordings; known copies are such recordings through the model's decoder."""
    chosen = spread(bench.train, PLANTED_COPIES)
    originals = [bench.train.index(clip) for clip in chosen]
    parts = parts_of(model)

    def make(clip: MusicClip, _: int) -> tuple[Any, int]:
        if parts is None:
            return through_griffin_lim(clip.waveform, clip.sample_rate), clip.sample_rate
        return parts.reconstruct(clip.waveform, clip.sample_rate), model.sample_rate

    planted = shop.clips("planted copies", chosen, 1, make)
    return copies(
        Accused(bench.cache.all_points(main), prints(main)),
        Accused(bench.train_points, prints(bench.train)),
        Accused(bench.judge.held_out_points, prints(bench.judge.held_out)),
        Accused(bench.cache.all_points(planted), prints(planted)),
        originals,
    )


def prints(clips: Sequence[MusicClip]) -> list[Array]:
    """What is compared of the passages of clips."""
    return [passage_print(clip.waveform, clip.sample_rate) for clip in clips]


def open_model(name: str) -> Model:
    """Load a model that generates.

    Raises:
        AudiodiffError: there is none of that name, or it does not generate.
    """
    from audiodiff.synthesis.generator import Generator
    from audiodiff.synthesis.load import load_generator

    return Generator(load_generator(name, device="cpu"))


def run(config: Config, model: Model | None = None, identity: str | None = None) -> Report:
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
    bench = prepare(config)
    rows = [replace(bench.judge, on_progress=None).score("held-out recordings", bench.prompts, same=True)]
    main: list[MusicClip] = []
    checks: dict[str, CopyCheck] = {}
    sweep: list[SetScores] = []
    compared: list[SetScores] = []
    shop = Workshop(config.work / "clips", "recordings", config.seconds)
    if config.model is not None:
        model = model or open_model(config.model)
        own = Workshop(config.work / "clips", identity or model_identity(config.model), config.seconds)
        found, main = model_rows(bench, model, own)
        rows += [*found, class_mean_row(bench, shop)]
        if config.seconds >= PASSAGE_SECONDS:
            checks = copy_checks(bench, model, own, main)
        sweep, compared = sweep_rows(bench, model, own), compare_rows(bench)
    else:
        rows.append(class_mean_row(bench, shop))
    if config.rungs:
        rows += rung_rows(bench)
    n_main = len(main) or len(bench.prompts)
    small = min(config.sweep_clips, len(bench.prompts))
    accused, judges = suspects(checks), list(deciding(checks).values())
    return Report(
        rows=rows,
        floor=bench.floor(n_main),
        sweep=sweep,
        compared=compared,
        sweep_floor=bench.floor(small) if sweep or compared else ({}, {}),
        ears=bench.judge.ears,
        checks=checks,
        suspects=[(main[i].name, bench.train[int(judges[0].nearest[i])].name) for i in accused],
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
    text = markdown(report)
    print(text)
    replace_text(folder / "music.json", json.dumps(report.to_dict(), indent=2) + "\n")
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
