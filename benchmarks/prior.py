"""What a prior does: how much takes of one idea resemble each other, how ideas differ, and what it costs.

    python -m benchmarks.prior --model MODEL --data CORPUS --work FOLDER [--prompts 24] [--ideas 3] [--takes 3]
        [--seconds 6]

MODEL has a prior. CORPUS has a `metadata.csv` with the columns file_name, text, split and instrument; its train split
teaches the classifier of instruments, and the prompts are those of recordings of its valid and test splits. For each of
them as many clips are made without the prior as with it, from the same seeds. Clips and points are kept below WORK, and
a second run goes on where the first one stopped. Writes `prior.json` and `prior.md` below OUTPUT. Needs
`pip install --no-deps musicnn aisfx`.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music import HELD_OUT
from audiodiff.evaluation.music_clips import Array, MusicClip, PointCache, corpus_clips, spread
from audiodiff.evaluation.music_scores import (
    CLASSIFIER_EMBEDDINGS,
    Judge,
    SetScores,
    clip_means,
    source_name,
    train_ears,
)
from audiodiff.evaluation.music_systems import Workshop, model_identity
from audiodiff.metrics.table import markdown_table
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator
from benchmarks.vocoder_speed import RESULTS

EMBEDDINGS = ("musicnn-msd", "aisfx", "log-mel")
"""That takes are told apart by: tags of music, timbre, and spectra."""

WITHOUT, WITH = "no prior", "prior"


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        model: name or checkpoint folder of a model with a prior.
        data: the corpus.
        work: folder of kept clips and points.
        output: folder of the results.
        prompts: of held-out recordings.
        ideas: of each prompt.
        takes: of each idea.
        seconds: length of a take (s).
    """

    model: str
    data: Path
    work: Path
    output: Path = RESULTS
    prompts: int = 24
    ideas: int = 3
    takes: int = 3
    seconds: float = 6.0


@dataclass(frozen=True)
class Likeness:
    """Mean distances of two clips of one prompt, by embedding.

    Attributes:
        without: both without the prior.
        within: both of one idea.
        between: of two ideas.
    """

    without: float
    within: float
    between: float


def idea_of(clip: MusicClip, takes: int) -> int:
    """The idea of a clip that was made with a prior: seeds are counted through the takes of all ideas."""
    return int(clip.name.rpartition("@")[2]) // takes


def likeness(
    without: Sequence[MusicClip], made: Sequence[MusicClip], takes: int, cache: PointCache
) -> dict[str, Likeness]:
    """Compare the clips of each prompt.

    Args:
        without: clips without the prior.
        made: clips with it.
        takes: of each idea.
        cache: makes the points of clips.
    """
    plain, ideas = (
        {name: clip_means(points) for name, points in cache.all_points(clips).items() if name in EMBEDDINGS}
        for clips in (without, made)
    )

    def mean(clips: Sequence[MusicClip], means: npt.NDArray[np.float64], same_idea: bool | None) -> float:
        found = [
            float(np.linalg.norm(means[i] - means[j]))
            for i, j in combinations(range(len(clips)), 2)
            if source_name(clips[i]) == source_name(clips[j])
            and (same_idea is None or (idea_of(clips[i], takes) == idea_of(clips[j], takes)) is same_idea)
        ]
        return float(np.mean(found)) if found else math.nan

    return {
        name: Likeness(mean(without, plain[name], None), mean(made, ideas[name], True), mean(made, ideas[name], False))
        for name in plain
    }


def report(found: dict[str, Likeness], scores: Sequence[SetScores], config: Config) -> str:
    """The tables as Markdown."""
    lines = [
        [name, "1.00", f"{each.within / each.without:.2f}", f"{each.between / each.without:.2f}"]
        for name, each in found.items()
    ]
    judged = [name for name in scores[0].frechet if name in EMBEDDINGS]
    heads = ["clips", "instruments heard ↑", "divergence of tags ↓", *(f"Frechet, {name} ↓" for name in judged)]
    rows = [
        [
            each.name,
            "–" if each.families is None else f"{100.0 * each.families.accuracy:.0f} %",
            "–" if math.isnan(each.tag_divergence) else f"{each.tag_divergence:.4f}",
            *(f"{each.frechet[name]:.3g}" for name in judged),
        ]
        for each in scores
    ]
    return (
        "# Prior\n\n"
        f"{config.ideas} ideas of each of {config.prompts} prompts and {config.takes} takes of {config.seconds:g} s of "
        "each idea, against as many clips without the prior from the same seeds: the mean distance of two clips of a "
        "prompt, where that without the prior is 1.\n\n"
        + markdown_table(["distance by", "no prior", "within an idea ↓", "between ideas"], lines)
        + "\n\nWhat becomes of the prompts, and of the distance to held-out recordings:\n\n"
        + markdown_table(heads, rows)
        + "\n\nMade by `python -m benchmarks.prior --model MODEL --data CORPUS --work FOLDER "
        f"--prompts {config.prompts} --ideas {config.ideas} --takes {config.takes} --seconds {config.seconds:g}`.\n"
    )


def main(config: Config, generator: Generator | None = None) -> dict[str, Likeness]:
    """Make what is missing, measure, and write the files.

    Raises:
        AudiodiffError: the corpus has no held-out prompts, there are too few ideas or takes, or the model has no prior.
    """
    if config.ideas < 2 or config.takes < 2:
        raise AudiodiffError(f"ideas is {config.ideas} and takes {config.takes}; distances need 2 or more of each.")
    torch.set_num_threads(1)
    music = generator or Generator(load_generator(config.model, device="cpu"))
    if music.synthesizer.model.prior is None:
        raise AudiodiffError(f"{config.model} has no prior; train one with `audiodiff train music-prior --init MODEL`.")
    cache = PointCache(config.work / "points", {*EMBEDDINGS, *CLASSIFIER_EMBEDDINGS})
    train, held_out = corpus_clips(config.data, ("train",)), corpus_clips(config.data, HELD_OUT)
    sources = spread([clip for clip in held_out if clip.prompt], config.prompts)
    if not sources:
        raise AudiodiffError(f"{config.data} has no held-out recordings with captions; its column split names them.")
    judge = Judge(train_ears(train, cache.all_points(train)), held_out, cache.all_points(held_out), cache)
    shop = Workshop(config.work / "clips", model_identity(config.model), config.seconds)
    sets = {}
    for name in (WITHOUT, WITH):

        def make(asked: MusicClip, seed: int, name: str = name) -> tuple[Array, int]:
            idea = seed // config.takes if name == WITH else None
            made = music.generate(asked.prompt, seconds=config.seconds, seed=seed, idea=idea, mono=True)
            return made, music.sample_rate

        with progress_bar(name, "clips") as shop.on_progress:
            system = f"{name}, {config.takes} takes" if name == WITH else name
            sets[name] = shop.clips(system, sources, config.ideas * config.takes, make)
    found = likeness(sets[WITHOUT], sets[WITH], config.takes, cache)
    scores = [judge.score(name, clips) for name, clips in sets.items()]
    config.output.mkdir(parents=True, exist_ok=True)
    asked = {"prompts": len(sources), "ideas": config.ideas, "takes": config.takes, "seconds": config.seconds}
    record = {
        **asked,
        "distances": {name: asdict(each) for name, each in found.items()},
        "sets": [each.to_dict() for each in scores],
    }
    (config.output / "prior.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (config.output / "prior.md").write_text(report(found, scores, config), encoding="utf-8")
    return found


def _arguments(argv: Sequence[str]) -> Config:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="name or checkpoint folder of a model with a prior")
    parser.add_argument("--data", type=Path, required=True, help="corpus with held-out recordings")
    parser.add_argument("--work", type=Path, required=True, help="folder of kept clips and points")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--prompts", type=int, default=Config.prompts)
    parser.add_argument("--ideas", type=int, default=Config.ideas)
    parser.add_argument("--takes", type=int, default=Config.takes)
    parser.add_argument("--seconds", type=float, default=Config.seconds)
    return Config(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    main(_arguments(sys.argv[1:]))
