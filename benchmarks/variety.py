"""How far the takes of a prompt differ with `--variety`, and whether the instruments that it asks for are still heard.

    python -m benchmarks.variety --data CORPUS --work FOLDER [--takes 4] [--seconds 6] [--varieties 0,0.5,1]

CORPUS has a `metadata.csv` with the columns file_name, text, split and instrument; its train split teaches the
classifier of instruments. Clips and points are kept below WORK, and a second run goes on where the first one stopped.
Writes `variety.json` and `variety.md` below OUTPUT. Needs `pip install --no-deps musicnn aisfx`.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import Array, MusicClip, PointCache, corpus_clips
from audiodiff.evaluation.music_scores import CLASSIFIER_EMBEDDINGS, Ears, features, train_ears
from audiodiff.evaluation.music_systems import Workshop, model_identity
from audiodiff.metrics.table import markdown_table
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator
from benchmarks.vocoder_speed import RESULTS

EMBEDDINGS = ("musicnn-msd", "aisfx", "log-mel")
"""That takes are told apart by: tags of music, timbre, and spectra."""

PROMPTS = {
    "drums": "rock drum groove, solo drum kit",
    "metal and rock": "heavy metal, distorted electric guitars, bass and drum kit, aggressive",
    "piano": "solo acoustic piano, calm",
    "strings": "cinematic strings, string ensemble, violin and cello",
}
"""Family that is to be heard -> prompt."""


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        data: the corpus.
        work: folder of kept clips and points.
        output: folder of the results.
        model: name or checkpoint folder.
        takes: of each prompt, with the seeds 0, 1, ...
        seconds: length of a take (s).
        varieties: that are compared; the first is the unit of the distances.
    """

    data: Path
    work: Path
    output: Path = RESULTS
    model: str = "music"
    takes: int = 4
    seconds: float = 6.0
    varieties: tuple[float, ...] = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Row:
    """The takes of all prompts at one variety.

    Attributes:
        variety: that was asked for.
        distances: embedding -> prompt -> mean distance of two takes.
        heard: prompt -> takes in which its family is the most probable one.
        probability: prompt -> mean probability of its family.
    """

    variety: float
    distances: Mapping[str, Mapping[str, float]]
    heard: Mapping[str, int]
    probability: Mapping[str, float]


def measure(takes: Mapping[str, Sequence[MusicClip]], variety: float, ears: Ears, cache: PointCache) -> Row:
    """Score the takes of each family at one variety."""
    assert ears.classifier is not None
    distances: dict[str, dict[str, float]] = {name: {} for name in EMBEDDINGS}
    heard, probability = {}, {}
    for family, clips in takes.items():
        points = cache.all_points(clips)
        for name in EMBEDDINGS:
            means = [each.mean(axis=0) for each in points[name]]
            distances[name][family] = float(np.mean([np.linalg.norm(a - b) for a, b in combinations(means, 2)]))
        found = ears.classifier.probabilities(features(points))
        place = ears.classifier.classes.index(family)
        heard[family] = int((found.argmax(axis=1) == place).sum())
        probability[family] = float(found[:, place].mean())
    return Row(variety, distances, heard, probability)


def report(rows: Sequence[Row], config: Config) -> str:
    """The tables as Markdown."""
    first = rows[0]

    def cell(row: Row, name: str) -> str:
        ratios = [row.distances[name][family] / first.distances[name][family] for family in PROMPTS]
        return f"{np.mean(ratios):.2f}"

    heads = ["variety", *(f"distance, {name} ↑" for name in EMBEDDINGS), "instruments heard ↑", "their probability ↑"]
    total = config.takes * len(PROMPTS)
    lines = [
        [f"{row.variety:g}", *(cell(row, name) for name in EMBEDDINGS), f"{sum(row.heard.values())} of {total}",
         f"{np.mean(list(row.probability.values())):.2f}"]
        for row in rows
    ]  # fmt: skip
    detail = [
        [prompt, *(f"{row.distances['musicnn-msd'][family] / first.distances['musicnn-msd'][family]:.2f}, "
                   f"{row.heard[family]} of {config.takes}" for row in rows)]
        for family, prompt in PROMPTS.items()
    ]  # fmt: skip
    return (
        "# Variety\n\n"
        f"{config.takes} takes of {config.seconds:g} s of each of {len(PROMPTS)} prompts: the mean distance of two "
        f"takes of a prompt, where that at variety {first.variety:g} is 1, and whether a classifier that was trained "
        "on recordings hears the instruments that were asked for.\n\n"
        f"{markdown_table(heads, lines)}\n\n"
        "## By prompt\n\nDistance by musicnn-msd, and takes in which the instruments are heard.\n\n"
        + markdown_table(["prompt", *(f"variety {row.variety:g}" for row in rows)], detail)
        + f"\n\nMade by `python -m benchmarks.variety --data CORPUS --work FOLDER --takes {config.takes} "
        f"--seconds {config.seconds:g}`.\n"
    )


def main(config: Config, generator: Generator | None = None) -> list[Row]:
    """Make what is missing, measure, and write the files.

    Raises:
        AudiodiffError: the corpus teaches no classifier, there are too few takes, or the model cannot be used.
    """
    if config.takes < 2:
        raise AudiodiffError(f"takes is {config.takes}; a distance needs 2 or more.")
    torch.set_num_threads(1)
    cache = PointCache(config.work / "points", {*EMBEDDINGS, *CLASSIFIER_EMBEDDINGS})
    train = corpus_clips(config.data, ("train",))
    ears = train_ears(train, cache.all_points(train))
    if ears.classifier is None or not {*PROMPTS} <= {*ears.classifier.classes}:
        raise AudiodiffError(f"{config.data} has too few recordings of {', '.join(PROMPTS)} to know them by.")
    music = generator or Generator(load_generator(config.model, device="cpu"))
    shop = Workshop(config.work / "clips", model_identity(config.model), config.seconds)
    rows = []
    for variety in config.varieties:

        def make(asked: MusicClip, seed: int, variety: float = variety) -> tuple[Array, int]:
            made = music.generate(asked.prompt, seconds=config.seconds, seed=seed, variety=variety, mono=True)
            return made, music.sample_rate

        takes = {}
        with progress_bar(f"variety {variety:g}", "clips") as shop.on_progress:
            for family, prompt in PROMPTS.items():
                source = MusicClip(family, np.zeros(0, np.float32), music.sample_rate, prompt, piece=family)
                takes[family] = shop.clips(f"variety {variety:g}", [source], config.takes, make)
        rows.append(measure(takes, variety, ears, cache))
    config.output.mkdir(parents=True, exist_ok=True)
    asked = {"takes": config.takes, "seconds": config.seconds, "prompts": PROMPTS}
    record = {**asked, "rows": [asdict(row) for row in rows]}
    (config.output / "variety.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (config.output / "variety.md").write_text(report(rows, config), encoding="utf-8")
    return rows


def _arguments(argv: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="corpus that teaches the classifier")
    parser.add_argument("--work", type=Path, required=True, help="folder of kept clips and points")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--model", default=Config.model)
    parser.add_argument("--takes", type=int, default=Config.takes)
    parser.add_argument("--seconds", type=float, default=Config.seconds)
    parser.add_argument("--varieties", type=lambda text: tuple(map(float, text.split(","))), default=Config.varieties)
    args = parser.parse_args(argv)
    return Config(**vars(args))


if __name__ == "__main__":
    main(_arguments(sys.argv[1:]))
