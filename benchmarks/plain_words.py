"""Prompts in plain words: is the scene that a prompt names heard in the clip, as it is heard in recordings?

    python -m benchmarks.plain_words --data CORPUS [CORPUS ...] --work FOLDER [--seeds 3] [--seconds 10]

A CORPUS has a `metadata.csv` whose captions name scenes or moods, such as what `audiodiff prepare game-music` and
`audiodiff caption` write. Recordings whose captions or title name one of `SCENES`, and no other, teach a linear
classifier of scenes on the embeddings of two music taggers (musicnn). It is checked on recordings of pieces that it did
not learn from, and then asked about clips that were generated from prompts in other words than those of captions; one
of them, in `CAPTIONS`, is what `audiodiff caption` says, too.

Clips and points are kept below WORK, and a second run goes on where the first one stopped. Writes `plain_words.json`
and `plain_words.md` below OUTPUT. Needs `pip install --no-deps musicnn`.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiodiff.cli.progress import progress_bar
from audiodiff.data.items import AudioItem
from audiodiff.data.manifest import load_items
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import SHORTEST, Array, MusicClip, PointCache, piece_of, read_clip, spread
from audiodiff.evaluation.music_scores import Points, Share, features
from audiodiff.evaluation.music_systems import Workshop, model_identity
from audiodiff.metrics.classifier import Confusion, choose_penalty, confusion, cross_validated, train_classifier
from audiodiff.metrics.embeddings import MusicnnVGG, open_embedding
from audiodiff.metrics.table import markdown_table
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator
from benchmarks.vocoder_speed import RESULTS, processor

TAGGERS = ("musicnn-mtt", "musicnn-msd")
LEAST_PIECES = 5
"""A scene with recordings of fewer pieces than that cannot be cross-validated."""


@dataclass(frozen=True)
class Scene:
    """What people want music for.

    Attributes:
        captions: pattern of what captions and titles of recordings for it say.
        prompts: ways to ask for it.
    """

    captions: str
    prompts: tuple[str, str, str]


SCENES: Mapping[str, Scene] = {
    "sad rainy scene": Scene(
        r"\b(sad|sadness|tears|mournful|lament|sorrows?|sorrowful|melanchol\w+|farewell|rainy)\b",
        (
            "sad rainy scene",
            "it rains and somebody I loved is gone",
            "the last page of a sad letter, tears, nobody speaks",
        ),
    ),
    "boss fight": Scene(
        r"\b(boss|battles?|combat|fight|fights)\b",
        ("boss fight", "the final enemy is huge and furious", "fighting a monster with my last bit of health"),
    ),
    "studying": Scene(
        r"\b(lo-?fi|stud(y|ying) to|for studying)\b",
        ("homework beats", "lazy beats while I read late at night", "coffee, headphones, a slow hip hop groove"),
    ),
    "village": Scene(
        r"\b(village|tavern|town|towns)\b",
        (
            "walking around a friendly little village",
            "an inn where travellers rest and sing",
            "a market square on a nice morning in an old town",
        ),
    ),
    "dark place": Scene(
        r"\b(caves?|dungeons?|horror|crypt|haunted)\b",
        ("creeping through a dark dungeon", "something is behind you in the basement", "horror movie corridor"),
    ),
    "space": Scene(
        r"\b(space|stars|galaxy|nebula|orbit)\b",
        ("drifting between stars", "looking at planet Earth from a spaceship", "calm space travel, no hurry"),
    ),
    "chase": Scene(
        r"\b(racing|race|chase|action scene)\b",
        ("car chase", "fast racing on a neon highway", "running from the police over the roofs"),
    ),
    "dancing": Scene(
        r"\b(dance|dancing|club|party|techno|trance|house)\b",
        ("everybody on the dance floor", "Saturday night at the club", "techno for a rave"),
    ),
    "good mood": Scene(
        r"\b(happy|cheerful|feel-good|joyful)\b",
        ("I am in a great mood today", "a sunny happy little song for children", "funny puppy video"),
    ),
    "menu": Scene(
        r"\b(menu|title screen)\b",
        ("quiet music behind the settings menu", "press start to begin", "waiting screen, soft and unobtrusive"),
    ),
}

CAPTIONS = ("boss fight",)
"""Prompts that `audiodiff caption` writes, so that a model may have been trained with them."""

PAIR = ("sad rainy scene", "boss fight")
"""Scenes that are told apart by themselves, too."""

TAGS: Mapping[str, tuple[str, ...]] = {
    "musicnn-mtt": ("slow", "quiet", "soft", "fast", "loud", "metal"),
    "musicnn-msd": ("sad", "Mellow", "beautiful", "rock", "metal"),
}
"""Tags of each tagger that tell the pair apart."""


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        data: the corpora of recordings.
        work: folder of kept clips and points.
        output: folder of the results.
        model: name or checkpoint folder.
        seeds: clips of each prompt, with the seeds 0, 1, ...
        seconds: length of a clip (s).
        recordings: at most so many recordings for each scene, of as many pieces as there are.
    """

    data: tuple[Path, ...]
    work: Path
    output: Path = RESULTS
    model: str = "music"
    seeds: int = 3
    seconds: float = 10.0
    recordings: int = 40


def scene_of(item: AudioItem) -> str | None:
    """The one scene that the captions and the title of a recording name; None if that is none or several."""
    said = [item.text, item.extra.get("title", "")]
    said += [value for name, value in item.extra.items() if re.fullmatch(r"text\d+", name)]
    text = " | ".join(said).lower().replace("_", " ")
    found = [name for name, scene in SCENES.items() if re.search(scene.captions, text)]
    return found[0] if len(found) == 1 else None


def find_recordings(items: Sequence[AudioItem], most: int) -> dict[str, list[AudioItem]]:
    """Recordings for each scene that has enough pieces: about as many of each, at most so many in all."""
    pieces: dict[str, dict[str, list[AudioItem]]] = {name: defaultdict(list) for name in SCENES}
    for item in items:
        name = scene_of(item)
        if name is not None and item.seconds >= SHORTEST:
            pieces[name][_piece(item)].append(item)
    found = {}
    for name, groups in pieces.items():
        if len(groups) < LEAST_PIECES:
            continue
        each = -(-most // len(groups))
        # of a piece those that are far apart, and of too many pieces some from all over the list
        found[name] = spread([item for group in groups.values() for item in spread(group, each)], most)
    return found


def _piece(item: AudioItem) -> str:
    source = item.extra.get("source", "")
    return piece_of(item) if not source or source.startswith("procedurally composed") else source


@dataclass(frozen=True)
class Recognised:
    """What a classifier hears in clips of known scenes.

    Attributes:
        recordings: by classifiers that learnt from other pieces.
        clips: generated ones.
        penalty: of the classifier's weights.
    """

    recordings: Confusion
    clips: Confusion
    penalty: float


def listen(
    recordings: tuple[Points, Sequence[str], Sequence[str]], clips: tuple[Points, Sequence[str]], names: Sequence[str]
) -> Recognised:
    """Teach a classifier some scenes from recordings, and ask it about others and about clips.

    Args:
        recordings: their points, scenes and pieces.
        clips: their points and scenes.
        names: scenes that it is to know; others are left out.

    Raises:
        AudiodiffError: there are recordings of fewer than two of these scenes.
    """
    points, scenes, pieces = recordings
    known = [i for i, scene in enumerate(scenes) if scene in names]
    asked = [i for i, scene in enumerate(clips[1]) if scene in names]
    labels, groups = [scenes[i] for i in known], [pieces[i] for i in known]
    table = features({name: [arrays[i] for i in known] for name, arrays in points.items()})
    penalty, _ = choose_penalty(table, labels, groups)
    classifier = train_classifier(table, labels, penalty)
    found = classifier.predict(features({name: [arrays[i] for i in asked] for name, arrays in clips[0].items()}))
    return Recognised(
        confusion(labels, cross_validated(table, labels, groups, penalty), classifier.classes),
        confusion([clips[1][i] for i in asked], found, classifier.classes),
        penalty,
    )


def tags(points: Points, scenes: Sequence[str], of: str) -> dict[str, float]:
    """Mean probability of each of `TAGS` in the clips of a scene."""
    found = {}
    for name, chosen in TAGS.items():
        tagger = open_embedding(name)
        assert isinstance(tagger, MusicnnVGG)
        each = [
            tagger.tag(array).mean(axis=0) for array, scene in zip(points[name], scenes, strict=True) if scene == of
        ]
        mean = np.mean(each, axis=0)
        found |= {f"{tag} ({name[8:]})": float(mean[tagger.tags.index(tag)]) for tag in chosen}
    return found


def share_right(counts: Confusion, name: str) -> Share:
    """Of the clips of a scene those in which it is heard."""
    if name not in counts.classes:
        return Share(0, 0)
    place = counts.classes.index(name)
    return Share(counts.counts[place][place], sum(counts.counts[place]))


def total(counts: Confusion) -> Share:
    """Of all clips those in which their scene is heard."""
    return Share(sum(row[i] for i, row in enumerate(counts.counts)), counts.n_clips)


@dataclass(frozen=True)
class PlainWords:
    """Everything that was found.

    Attributes:
        every: what is heard where all scenes are possible.
        pair: what is heard where only those of `PAIR` are.
        unseen: the same without the clips for prompts of `CAPTIONS`.
        tags: recordings or clips -> scene of `PAIR` -> tag -> mean probability.
        pieces: scene -> pieces that its recordings are of.
    """

    every: Recognised
    pair: Recognised
    unseen: Recognised
    tags: Mapping[str, Mapping[str, Mapping[str, float]]]
    pieces: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            kind: {
                "classes": heard.clips.classes,
                "recordings": heard.recordings.counts,
                "clips": heard.clips.counts,
                "penalty": heard.penalty,
            }
            for kind, heard in (("every", self.every), ("pair", self.pair), ("unseen", self.unseen))
        } | {"tags": self.tags, "pieces": dict(self.pieces)}


def report(found: PlainWords, config: Config) -> str:
    """The tables as Markdown."""
    every, pair = found.every, found.pair
    rows = [
        [
            name,
            "; ".join(scene.prompts),
            str(found.pieces.get(name, 0)),
            str(share_right(every.recordings, name)),
            str(share_right(every.clips, name)),
        ]
        for name, scene in SCENES.items()
    ]
    n_scenes = len(every.clips.classes)
    rows.append(["all", "", "", str(total(every.recordings)), str(total(every.clips))])
    sides = [
        [f"{kind}, {name}", *(f"{value:.3f}" for value in found.tags[kind][name].values())]
        for kind in found.tags
        for name in PAIR
    ]
    tag_names = list(found.tags["clips"][PAIR[0]])
    return (
        "# Prompts in plain words\n\n"
        f"{len(SCENES) * 3} prompts, {config.seeds} clips of {config.seconds:g} s each. A linear classifier of scenes "
        "on what two music taggers hear (musicnn), taught by recordings whose captions or titles name one scene; "
        "recordings are judged by classifiers that learnt from other pieces. "
        f"Chance is {100 / n_scenes:.0f} %.\n\n"
        + markdown_table(["scene", "prompts", "pieces", "heard in recordings ↑", "heard in clips ↑"], rows)
        + f"\n\nWhere only the two can be: {PAIR[0]} and {PAIR[1]}, chance 50 %.\n\n"
        + markdown_table(
            ["", *(f"{name} ↑" for name in PAIR), "both ↑"],
            [
                [kind, *(str(share_right(counts, name)) for name in PAIR), str(total(counts))]
                for kind, counts in (
                    ("recordings", pair.recordings),
                    ("clips", pair.clips),
                    ("clips, prompts that are no caption", found.unseen.clips),
                )
            ],
        )
        + "\n\nMean probability that the taggers give to tags of these two:\n\n"
        + markdown_table(["", *tag_names], sides)
        + "\n\n## What is heard in clips\n\n"
        + every.clips.markdown()
        + "\n\n- Made by `python -m benchmarks.plain_words --data CORPUS ... --work FOLDER --seeds "
        f"{config.seeds} --seconds {config.seconds:g}`; corpora: {', '.join(place.name for place in config.data)}; "
        f"model {Path(config.model).name}; processor {processor()}; penalty {every.penalty:g} and {pair.penalty:g}.\n"
    )


def measure(config: Config, generator: Generator | None = None) -> PlainWords:
    """Read the recordings, make what clips are missing, and listen to both.

    Raises:
        AudiodiffError: the corpora have too few recordings of the scenes, or the model cannot be used.
    """
    torch.set_num_threads(1)
    cache = PointCache(config.work / "points", TAGGERS)
    if len(cache.names) < len(TAGGERS):
        raise AudiodiffError(cache.notes[0])
    chosen = find_recordings([item for place in config.data for item in load_items(place)], config.recordings)
    missing = [name for name in PAIR if name not in chosen]
    if missing:
        raise AudiodiffError(
            f"recordings whose captions name the {missing[0]} are of fewer than {LEAST_PIECES} pieces; add a corpus, "
            "such as what `audiodiff prepare game-music` and `audiodiff caption` make."
        )
    items = [(name, item) for name, found in chosen.items() for item in found]
    with progress_bar("embedding recordings", "clips") as on_progress:
        heard = cache.all_points([read_clip(item, config.seconds) for _, item in items], on_progress)
    scenes, pieces = [name for name, _ in items], [_piece(item) for _, item in items]

    music = generator or Generator(load_generator(config.model, device="cpu"))
    shop = Workshop(config.work / "clips", model_identity(config.model), config.seconds)

    def make(asked: MusicClip, seed: int) -> tuple[Array, int]:
        return music.generate(asked.prompt, seconds=config.seconds, seed=seed, mono=True), music.sample_rate

    nothing = np.zeros(0, np.float32)
    sources = [
        MusicClip(f"{name.replace(' ', '-')}-{number}", nothing, music.sample_rate, prompt, piece=name)
        for name, scene in SCENES.items()
        for number, prompt in enumerate(scene.prompts)
    ]
    with progress_bar("generating", "clips") as shop.on_progress:
        clips = shop.clips("plain words", sources, config.seeds, make)
    with progress_bar("embedding clips", "clips") as on_progress:
        points = cache.all_points(clips, on_progress)
    asked = [clip.piece for clip in clips]
    new = [i for i, clip in enumerate(clips) if clip.prompt not in CAPTIONS]
    unseen = {name: [arrays[i] for i in new] for name, arrays in points.items()}, [asked[i] for i in new]
    sides = {"recordings": (heard, scenes), "clips": (points, asked)}
    return PlainWords(
        listen((heard, scenes, pieces), (points, asked), list(chosen)),
        listen((heard, scenes, pieces), (points, asked), PAIR),
        listen((heard, scenes, pieces), unseen, PAIR),
        {kind: {name: tags(*side, name) for name in PAIR} for kind, side in sides.items()},
        {name: len({_piece(item) for item in found}) for name, found in chosen.items()},
    )


def main(config: Config, generator: Generator | None = None) -> PlainWords:
    """Measure, write the files and print the tables."""
    found = measure(config, generator)
    config.output.mkdir(parents=True, exist_ok=True)
    text = report(found, config)
    print(text)
    record = {"prompts": {name: scene.prompts for name, scene in SCENES.items()}, **found.to_dict()}
    (config.output / "plain_words.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (config.output / "plain_words.md").write_text(text, encoding="utf-8")
    return found


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of recordings with captions")
    parser.add_argument("--work", type=Path, required=True, help="folder of kept clips and points")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    parser.add_argument("--model", default=Config.model, help="name or checkpoint folder (default: music)")
    parser.add_argument("--seeds", type=int, default=Config.seeds, help="clips of each prompt (default: 3)")
    parser.add_argument("--seconds", type=float, default=Config.seconds, help="of a clip (default: 10)")
    parser.add_argument(
        "--recordings", type=int, default=Config.recordings, help="at most, for each scene (default: 40)"
    )
    args = parser.parse_args(arguments)
    return Config(**{**vars(args), "data": tuple(args.data)})


if __name__ == "__main__":
    try:
        main(parse())
    except AudiodiffError as error:
        sys.exit(f"plain_words: {error}")
