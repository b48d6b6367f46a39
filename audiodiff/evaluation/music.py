"""Score a music model: what it makes for the prompts of held-out recordings, beside these recordings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audiodiff.data.items import select_split
from audiodiff.data.manifest import load_items
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import SHORTEST, Array, MusicClip, PointCache, read_clip, spread
from audiodiff.evaluation.music_report import RECORDINGS, Floor, MusicReport
from audiodiff.evaluation.music_scores import (
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
from audiodiff.evaluation.music_systems import ModelParts, Workshop, generated, label, model_identity
from audiodiff.evaluation.report import Progress
from audiodiff.metrics.copies import passage_print
from audiodiff.metrics.distribution import CopyCheck
from audiodiff.metrics.embeddings import EMBEDDINGS
from audiodiff.synthesis.adapted import Adapters
from audiodiff.synthesis.settings import Sampling

HELD_OUT = ("valid", "test")
MOST_SECONDS = 60.0
PLANTED = 16


@dataclass
class Bench:
    """Everything that sets of clips are scored with; `held_out` is in the judge, `prompts` are what is asked for."""

    train: Sequence[MusicClip]
    prompts: Sequence[MusicClip]
    judge: Judge
    train_points: Mapping[str, list[Array]]
    progress: Progress
    floors: dict[int, Floor] = field(default_factory=dict)

    @property
    def cache(self) -> PointCache:
        """Where the points of clips come from."""
        return self.judge.cache

    def floor(self, n_clips: int) -> Floor:
        """Distances of that many training recordings from the held-out ones; empty without two of them."""
        n_clips = min(n_clips, len(self.train))
        if n_clips < 2:
            return {}, {}
        if n_clips not in self.floors:
            self.floors[n_clips] = real_floor(self.train_points, self.judge.held_out_points, n_clips)
        return self.floors[n_clips]

    def score(self, name: str, clips: Sequence[MusicClip]) -> SetScores:
        """Score a set of clips."""
        with self.progress(f"scoring {name}", "clips") as on_progress:
            return replace(self.judge, on_progress=on_progress).score(name, clips)

    def recordings(self) -> SetScores:
        """Score the held-out recordings themselves."""
        return self.judge.score(RECORDINGS, self.prompts, same=True)


def prepare(train: Sequence[MusicClip], held_out: Sequence[MusicClip], cache: PointCache, progress: Progress) -> Bench:
    """Embed the recordings and train what judges clips."""
    with progress("embedding recordings", "clips") as on_progress:
        every = cache.all_points([*train, *held_out], on_progress)
    train_points = {name: arrays[: len(train)] for name, arrays in every.items()}
    held_points = {name: arrays[len(train) :] for name, arrays in every.items()}
    ears = train_ears(train, train_points)
    judge = Judge(ears, held_out, held_points, cache)
    return Bench(train, asked_prompts(held_out, ears), judge, train_points, progress)


def asked_prompts(held_out: Sequence[MusicClip], ears: Ears) -> list[MusicClip]:
    """The held-out recordings with the prompts that are asked for: a tempo is added where it will be listened for."""
    return [
        replace(clip, prompt=f"{clip.prompt}, {clip.tempo:.0f} bpm".removeprefix(", "))
        if asks_tempo(clip, ears) and "bpm" not in clip.prompt
        else clip
        for clip in held_out
    ]


def copy_checks(
    bench: Bench,
    main: Sequence[MusicClip],
    planted: int,
    shop: Workshop,
    decode: Callable[[MusicClip, int], tuple[Array, int]],
) -> dict[str, CopyCheck]:
    """Compare the clips with the training recordings; known copies are that many of these through a decoder."""
    chosen = spread(bench.train, planted)
    originals = [bench.train.index(clip) for clip in chosen]
    made = shop.clips("planted copies", chosen, 1, decode)
    return copies(
        Accused(bench.cache.all_points(main), prints(main)),
        Accused(bench.train_points, prints(bench.train)),
        Accused(bench.judge.held_out_points, prints(bench.judge.held_out)),
        Accused(bench.cache.all_points(made), prints(made)),
        originals,
    )


def prints(clips: Sequence[MusicClip]) -> list[Array]:
    """What is compared of the passages of clips."""
    return [passage_print(clip.waveform, clip.sample_rate) for clip in clips]


def named_suspects(bench: Bench, checks: Mapping[str, CopyCheck], main: Sequence[MusicClip]) -> list[tuple[str, str]]:
    """Names of the clips that are taken for copies, each with the recording that it is taken for a copy of."""
    judges = list(deciding(checks).values())
    return [(main[i].name, bench.train[int(judges[0].nearest[i])].name) for i in suspects(checks)]


@dataclass(frozen=True)
class MusicEvaluation:
    """How a music model is evaluated; the options of `audiodiff evaluate` that it takes.

    Attributes:
        data: folder of recordings; a `metadata.csv` may name text, split, instrument, tempo and key.
        split: whose prompts are made; None for valid and test, or everything where there is neither.
        clips: at most so many of its recordings, evenly spread; None for all.
        train_clips: at most so many recordings of the train split, with which the floor, the classifier of families
            and the search for copies work.
        seconds: length of the clips (s).
        sampling: ways to sample, one row for each; the seed is that of the first.
        output: folder in which the clips are kept; None keeps none.
    """

    data: str
    split: str | None = None
    clips: int | None = 30
    train_clips: int | None = 100
    seconds: float = 10.0
    sampling: Sequence[Sampling] = (Sampling(),)
    output: Path | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("clips", "train_clips"):
            value = getattr(self, name)
            if value is not None and value < 2:
                raise AudiodiffError(f"{name.replace('_', ' ')} is {value}; distances between sets need 2 or more.")
        if not SHORTEST <= self.seconds <= MOST_SECONDS:
            raise AudiodiffError(f"the clips last {self.seconds:g} s; expected {SHORTEST:g} to {MOST_SECONDS:g} s.")

    def run(self, model: str, *, device: str, progress: Progress, adapters: Adapters = ()) -> MusicReport:
        """Make and score the clips.

        Raises:
            AudiodiffError: the model, the folder or a setting cannot be used.
        """
        from audiodiff.synthesis.generator import Generator
        from audiodiff.synthesis.load import load_generator

        generator = Generator(load_generator(model, device=device, adapters=adapters))
        rate = generator.sample_rate
        train, held_out, notes = self.recordings(progress)
        cache = PointCache(None, EMBEDDINGS)
        bench = prepare(train, held_out, cache, progress)
        kept = None if self.output is None else self.output / "clips"
        first = self.sampling[0]
        shop = Workshop(kept, model_identity(model, adapters), self.seconds, seed=first.seed)
        rows = [bench.recordings()]
        main: list[MusicClip] = []
        defaults = generator.defaults
        for asked in self.sampling:
            guidance = defaults.guidance if asked.guidance is None else asked.guidance
            sampling = replace(asked, steps=asked.steps or defaults.steps, guidance=guidance)
            name = label(sampling)
            with progress(f"generating, {name}", "clips") as shop.on_progress:
                clips = shop.clips(name, bench.prompts, 1, generated(generator, sampling, self.seconds))
            main = main or clips
            rows.append(bench.score(f"ours, {name}", clips))
        checks: dict[str, CopyCheck] = {}
        if len(train) > 1:
            parts = ModelParts(generator.synthesizer)
            with progress("looking for copies", "clips") as shop.on_progress:
                checks = copy_checks(
                    bench, main, PLANTED, shop, lambda c, _: (parts.reconstruct(c.waveform, c.sample_rate), rate)
                )
        return MusicReport(
            rows=rows,
            floor=bench.floor(len(main)),
            ears=bench.judge.ears,
            checks=checks,
            suspects=named_suspects(bench, checks, main),
            notes=[*notes, *cache.notes],
            conditions={
                "model": Path(model).name,
                "corpus": Path(self.data).name,
                "training_recordings": len(train),
                "held_out_recordings": len(held_out),
                "clips_per_prompt": 1,
                "seconds": self.seconds,
                "seed": first.seed,
                "sampler": first.sampler or defaults.sampler,
                "grid": first.grid or defaults.grid,
            },
        )

    def recordings(self, progress: Progress) -> tuple[list[MusicClip], list[MusicClip], list[str]]:
        """Read the training and the held-out recordings; also what is to be said of them.

        Raises:
            AudiodiffError: fewer than two are held out, or a file cannot be read.
        """
        items = load_items(self.data)
        usable = [item for item in items if item.seconds >= SHORTEST]
        if self.split == "all":
            held_out = usable
        elif self.split is not None:
            held_out = select_split(usable, self.split, self.data)
        else:
            held_out = [item for item in usable if item.split in HELD_OUT]
            held_out = held_out or [item for item in usable if item.split != "train"] or usable
        seen = any(item.split == "train" for item in held_out)
        train = spread([item for item in usable if item.split == "train" and not seen], self.train_clips)
        held_out = spread(held_out, self.clips)
        if len(held_out) < 2:
            raise AudiodiffError(
                f"recordings of {SHORTEST:g} s or more to compare with in {self.data}: {len(held_out)}; give 2 or more."
            )
        clips = []
        with progress("reading recordings", "clips") as on_progress:
            for item in (*train, *held_out):
                clips.append(read_clip(item, self.seconds))
                on_progress(len(clips), len(train) + len(held_out))
        notes = []
        if len(usable) < len(items):
            notes.append(f"recordings left out, unreadable or under {SHORTEST:g} s: {len(items) - len(usable)}.")
        if len(train) < 2:
            notes.append(
                "there is no train split beside these recordings, so distances are absolute, and families, tempo and "
                "copies are not looked for."
            )
        if not any(item.text for item in held_out):
            notes.append("no recording has a text, so the model was asked for anything.")
        return clips[: len(train)], clips[len(train) :], notes
