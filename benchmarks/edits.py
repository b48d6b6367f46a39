"""Whether edits do what they say: variations grow with their strength, joins and seams do not stand out.

    python -m benchmarks.edits --data CORPUS [--model music] [--limit 12] [--steps 20] [--threads 2]

Takes clips of the test split of CORPUS (a folder with a `metadata.csv`), from the middle of each, and half as many that
the model makes for their prompts. Measures `vary` against its strength, the joins of `inpaint` and `extend` beside the
recordings' own changes and beside plain cuts, `generate` longer than the model was trained for where its windows meet,
the seams of loops, and `interpolate` against its position. Writes `edits.md`, `edits_summary.md`, `edits.json` and
`edits.png` below OUTPUT. Needs the extra `eval` for the picture, and `pip install --no-deps aisfx` for one of the two
distances.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiodiff.cli.allocator import tune_allocator
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import corpus_clips
from audiodiff.metrics.embeddings import open_embedding
from audiodiff.metrics.inputs import FloatArray, MissingPackageError, resampled
from audiodiff.metrics.spectral import log_mel_l1
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.loop import seam_score
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from audiodiff.synthesis.windowed import window_starts
from benchmarks.edit_measures import Abruptness, AbruptnessSample, Likeness, abruptness, beat_scores, pasted
from benchmarks.edit_report import (
    OTHER_BEATS,
    Curves,
    Findings,
    abruptness_table,
    draw,
    likeness_table,
    markdown,
    seam_table,
    summary,
)
from benchmarks.vocoder_speed import RESULTS, processor, replace_text

STRENGTHS = tuple(round(0.1 * k, 1) for k in range(11))
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
CLIP_SECONDS, REGION, ADDED_SECONDS = 6.0, (2.0, 4.0), 2.0
EMBEDDING = "aisfx"
LOOP_SECONDS = 4.0


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        data: the corpus.
        model: name or checkpoint folder.
        limit: recordings; half as many clips are generated, as many pairs interpolated.
        steps: sampling steps; the model's recommendation when None.
        seconds: of the long clips.
        long_clips, loops: how many.
        threads: of torch.
        output: folder of the results.
    """

    data: Path
    model: str = "music"
    limit: int = 12
    steps: int | None = None
    seconds: float = 30.0
    long_clips: int = 6
    loops: int = 8
    threads: int = 2
    output: Path = RESULTS


@dataclass(frozen=True)
class Source:
    """A clip to edit, `[n_samples]` at the model's rate; `recorded` or made by the model."""

    name: str
    waveform: FloatArray
    prompt: str
    recorded: bool


class Bench:
    """The model, and the distances."""

    def __init__(self, config: Config, synthesizer: LatentSynthesizer) -> None:
        """Open what is needed; a distance whose package is missing is left out."""
        self.config, self.synthesizer = config, synthesizer
        self.rate, self.spec = synthesizer.sample_rate, synthesizer.model.mel_spec
        self.notes: list[str] = []
        try:
            self._embedding = open_embedding(EMBEDDING)
        except MissingPackageError as error:
            self._embedding = open_embedding("log-mel")
            self.notes.append(str(error))

    @property
    def embedding(self) -> str:
        """Name of the distance by the embedding."""
        return self._embedding.name

    def settings(self, seed: int, **changes: Any) -> GenerateSettings:
        """Settings of one clip."""
        return GenerateSettings(sampling=Sampling(seed=seed, steps=self.config.steps), mono=True, **changes)

    def sources(self) -> list[Source]:
        """Recordings, from the middle of each, and clips made for the prompts of every second one."""
        found = []
        for clip in corpus_clips(self.config.data, ["test"], self.config.limit):
            waveform = resampled(clip.waveform, clip.sample_rate, self.rate)
            n_samples = round(CLIP_SECONDS * self.rate)
            if len(waveform) < n_samples:
                continue
            start = (len(waveform) - n_samples) // 2
            found.append(Source(clip.name, np.array(waveform[start : start + n_samples]), clip.prompt, True))
        if len(found) < 2:
            raise AudiodiffError(f"{self.config.data} has fewer than 2 test clips of {CLIP_SECONDS:g} s or more.")
        for index, source in enumerate(found[::2]):
            settings = self.settings(100 + index, prompt=source.prompt, seconds=CLIP_SECONDS)
            made = apply("generate", self.synthesizer, [], settings)
            found.append(Source(f"made for {source.name}", made.waveform, source.prompt, False))
        return found

    def distances(self, wanted: FloatArray, found: FloatArray) -> dict[str, float]:
        """Log-mel L1, and the distance by the embedding."""
        return {"log-mel": log_mel_l1(wanted, found, self.rate), self.embedding: self.apart(wanted, found)}

    def apart(self, wanted: FloatArray, found: FloatArray) -> float:
        """One minus the cosine of the mean points of the embedding; the clips may differ in length."""
        points = [self._embedding.embed(x, self.rate).mean(axis=0).astype(float) for x in (wanted, found)]
        return 1.0 - float(points[0] @ points[1] / (np.linalg.norm(points[0]) * np.linalg.norm(points[1])))


def varied(bench: Bench, sources: Sequence[Source]) -> Curves:
    """Distance of variations to what they are variations of; strength 0 is the codec alone."""
    curves = Curves("strength", STRENGTHS)
    for index, source in enumerate(sources):
        found = []
        for strength in STRENGTHS:
            sampling = bench.settings(index, level="none")
            clip = apply("vary", bench.synthesizer, [(source.waveform, bench.rate)], VarySettings(sampling, strength))
            found.append(bench.distances(source.waveform, clip.waveform))
        curves.add(source.name, found)
    return curves


def between(bench: Bench, sources: Sequence[Source]) -> tuple[Curves, Curves]:
    """Distance of clips on the way from one recording to another, to the first and to the second."""
    first, second = Curves("position", POSITIONS), Curves("position", POSITIONS)
    for index, (a, b) in enumerate(pairwise(sources)):
        found: list[list[dict[str, float]]] = [[], []]
        for position in POSITIONS:
            settings = InterpolateSettings(position, bench.settings(index, level="none"))
            ends = (a.waveform, bench.rate), (b.waveform, bench.rate)
            clip = apply("interpolate", bench.synthesizer, [*ends], settings)
            for kept, source in zip(found, (a, b), strict=True):
                kept.append(bench.distances(source.waveform, clip.waveform))
        first.add(f"{a.name} to {b.name}", found[0])
        second.add(f"{a.name} to {b.name}", found[1])
    return first, second


def joins(bench: Bench, sources: Sequence[Source]) -> tuple[list[AbruptnessSample], int]:
    """The joins of fills and of extensions; also how many samples that had to be kept were changed."""
    rate, spec = bench.rate, bench.spec
    start, stop = (round(edge * rate) for edge in REGION)
    fade = round(InpaintSettings((REGION,)).crossfade * rate)
    end = round(REGION[1] * rate)  # what is extended ends here, so that it has a continuation of its own
    found: dict[str, list[Abruptness]] = {}
    changed = 0

    def measure(name: str, waveform: FloatArray, places: tuple[int, int], reference: FloatArray) -> None:
        found.setdefault(name, []).append(abruptness(waveform, spec, places, reference))

    for index, source in enumerate(sources):
        clip, other = source.waveform, sources[index - 1].waveform
        kind = "recordings" if source.recorded else "made clips"
        edges = (start, start + fade), (stop - fade, stop)
        filled = apply(
            "inpaint",
            bench.synthesizer,
            [(clip, rate)],
            InpaintSettings((REGION,), bench.settings(index, level="none")),
        ).waveform
        coded = apply(
            "inpaint",
            bench.synthesizer,
            [(clip, rate)],
            InpaintSettings((REGION,), bench.settings(index, level="none"), 0.0),
        ).waveform
        changed += int((filled[:start] != clip[:start]).sum() + (filled[stop:] != clip[stop:]).sum())
        for places in edges:
            measure(f"inpaint, {kind}", filled, places, clip)
            measure("the same places, nothing changed", clip, places, clip)
            measure("the codec's copy filled in (inpaint, strength 0)", coded, places, clip)
            measure("another clip pasted in", pasted(clip, other, start, stop), places, clip)
        settings = ExtendSettings(ADDED_SECONDS, bench.settings(index, level="none"))
        longer = apply("extend", bench.synthesizer, [(clip[:end], rate)], settings).waveform
        changed += int((longer[:end] != clip[:end]).sum())
        measure(f"extend, {kind}", longer, (end, end + fade), clip)
        measure("the same places, nothing changed", clip, (end, end + fade), clip)
        measure("another clip put after", pasted(clip, other, end, len(clip)), (end, end + fade), clip)
    return [AbruptnessSample(name, tuple(values)) for name, values in sorted(found.items())], changed


def meetings(bench: Bench, prompts: Sequence[str]) -> list[AbruptnessSample]:
    """Long clips where one window of the denoiser begins or ends, and halfway between these places."""
    synthesizer, seconds = bench.synthesizer, bench.config.seconds
    window = synthesizer.window_latents
    per_latent = bench.spec.hop_length * synthesizer.model.autoencoder.frames_per_latent
    starts = window_starts(synthesizer.n_latents(seconds), window, window // 3)
    edges = sorted({*starts[1:], *(start + window for start in starts[:-1])})
    middles = [(a + b) // 2 for a, b in pairwise(edges)]
    found: dict[str, list[Abruptness]] = {"where windows meet": [], "between": []}
    for index, prompt in enumerate(prompts):
        clip = apply("generate", synthesizer, [], bench.settings(200 + index, prompt=prompt, seconds=seconds)).waveform
        for name, places in (("where windows meet", edges), ("between", middles)):
            for place in places:
                at = place * per_latent
                found[name].append(abruptness(clip, bench.spec, (at, at)))
    return [AbruptnessSample(name, tuple(values)) for name, values in found.items() if values]


def seams(bench: Bench, prompts: Sequence[str]) -> dict[str, list[float]]:
    """Seam scores of loops, and of clips of the same prompts and seeds that were not made to loop.

    A seam is on a beat, where most changes are: the other beats of the loops are scored as if they were seams, too.
    """
    found: dict[str, list[float]] = {"--loop": [], OTHER_BEATS: [], "the same without --loop": []}
    for index, prompt in enumerate(prompts):
        for name, loop in (("--loop", True), ("the same without --loop", False)):
            settings = bench.settings(300 + index, prompt=prompt, seconds=LOOP_SECONDS, loop=loop)
            clip = apply("generate", bench.synthesizer, [], settings)
            score = seam_score(torch.from_numpy(clip.waveform), bench.spec).ratio
            found[name].append(score if clip.seam is None else clip.seam)
            if loop:
                tempo = bench.synthesizer.resolve(settings).tempo
                found[OTHER_BEATS] += beat_scores(clip.waveform, bench.spec, tempo)
    return {name: scores for name, scores in found.items() if scores}


def references(bench: Bench, recordings: Sequence[Source]) -> list[Likeness]:
    """How near clips made beside the first half of each recording, without a prompt, are to the second halves.

    Nothing for a model that takes no reference.
    """
    if not bench.synthesizer.model.config.known:
        return []
    half = round(CLIP_SECONDS / 2 * bench.rate)
    targets = [source.waveform[half:] for source in recordings]
    found = []
    for name, referred in (("--reference", True), ("the same without --reference", False)):
        rows = []
        for index, source in enumerate(recordings):
            reference = [(source.waveform[:half], bench.rate)] if referred else []
            settings = bench.settings(400 + index, seconds=CLIP_SECONDS)
            clip = apply("generate", bench.synthesizer, reference, settings).waveform
            rows.append(tuple(bench.apart(target, clip) for target in targets))
        found.append(Likeness(name, tuple(rows)))
    return found


def spread(prompts: Sequence[str], count: int) -> list[str]:
    """`count` prompts out of a list, evenly; fewer where there are fewer."""
    count = min(count, len(prompts))
    return [prompts[k * len(prompts) // count] for k in range(count)]


def main(config: Config) -> Findings:
    """Measure, print and keep the result."""
    if config.limit < 2 or config.threads < 1:
        raise AudiodiffError("--limit must be 2 or more, and --threads 1 or more.")
    tune_allocator()
    torch.set_num_threads(config.threads)
    began, load = time.perf_counter(), os.getloadavg()[0]
    bench = Bench(config, load_generator(config.model, device="cpu"))

    def say(what: str, table: str = "") -> None:
        print(f"edits: {what}, {time.perf_counter() - began:.0f} s", *filter(None, [table]), sep="\n", file=sys.stderr)

    sources = bench.sources()
    recordings = [source for source in sources if source.recorded]
    prompts = [source.prompt for source in recordings]
    say(f"{len(sources)} clips")
    found_joins, changed = joins(bench, sources)
    say("joins", abruptness_table(found_joins))
    found_meetings = meetings(bench, spread(prompts, config.long_clips))
    say("windows", abruptness_table(found_meetings))
    found_seams = seams(bench, spread(prompts, config.loops))
    say("loops", seam_table(found_seams))
    found_references = references(bench, recordings)
    say("references", likeness_table(found_references))
    pairs = between(bench, recordings[: config.limit // 2 + 1])
    say("interpolations")
    findings = Findings(
        clips=(len(recordings), len(sources) - len(recordings)),
        varied=varied(bench, sources),
        to_first=pairs[0],
        to_second=pairs[1],
        joins=tuple(found_joins),
        changed=changed,
        meetings=tuple(found_meetings),
        long_seconds=config.seconds,
        seams=found_seams,
        references=tuple(found_references),
        embedding=bench.embedding,
    )
    say("variations")
    elapsed = time.perf_counter() - began
    steps = config.steps or bench.synthesizer.defaults.steps
    name = Path(config.model).name
    conditions = f"model {name}, {steps} steps, clips of {CLIP_SECONDS:g} s; {elapsed / 60:.1f} min on {processor()}"
    text = markdown(findings, conditions, bench.notes)
    print(text)
    made = f"python -m benchmarks.edits --data CORPUS --model {name} --limit {config.limit}"
    made += f" --long-clips {config.long_clips} --loops {config.loops}"
    replace_text(config.output / "edits.md", f"# Edits\n\n{text}\n\nMade by `{made}`.\n")
    replace_text(config.output / "edits_summary.md", f"{summary(findings)}\n\nMade by `{made}`.\n")
    record = {
        "model": name,
        "steps": steps,
        "limit": config.limit,
        "threads": config.threads,
        "load_average": load,
        "elapsed_seconds": elapsed,
        "notes": bench.notes,
        **asdict(findings),
    }
    replace_text(config.output / "edits.json", json.dumps(record, indent=2) + "\n")
    draw(findings, config.output / "edits.png")
    return findings


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a metadata.csv")
    parser.add_argument("--model", default=Config.model, help="name or checkpoint folder (default: music)")
    parser.add_argument("--limit", type=int, default=Config.limit, help="recordings (default: 12)")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument("--seconds", type=float, default=Config.seconds, help="of the long clips (default: 30)")
    parser.add_argument("--long-clips", type=int, default=Config.long_clips, help="how many (default: 6)")
    parser.add_argument("--loops", type=int, default=Config.loops, help="how many (default: 8)")
    parser.add_argument("--threads", type=int, default=Config.threads, help="threads (default: 2)")
    parser.add_argument("--output", type=Path, default=Config.output, help="folder of the results")
    return Config(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    try:
        main(parse())
    except AudiodiffError as error:
        sys.exit(f"edits: {error}")
