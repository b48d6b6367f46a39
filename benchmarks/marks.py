"""The watermark measured: what it outlives, how often it is found where there is none, and what it does to the sound.

python -m benchmarks.marks --speech CORPUS/speech --music CORPUS/music --peer-clips 100

The clips are recordings, one after another and cut every 6 s; every clip is marked, changed in each way, and looked at.
False alarms are counted on the clips without a mark, by patterns of other names, each of which stands for a clip of
its own. `resemble-perth`, if it is installed, goes through the same with the first clips.
"""

import argparse
import io
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.metrics.spectral import log_mel_l1
from audiodiff.metrics.table import markdown_table
from audiodiff.signal.audio_io import AUDIO_EXTENSIONS, read_mono
from audiodiff.signal.resample import resample
from audiodiff.signal.watermark import mark_blocks, pattern
from audiodiff.signal.watermark_detector import FALSE_ALARMS, best_place, false_alarms, find_watermark, fold_windows

SECONDS = 6
CROP_SECONDS = 3
OTHER_PATTERNS = 50
RESULTS = Path(__file__).resolve().parent / "results"

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A stretch of recordings, mono `[n]`, of "speech" or "music"."""

    kind: str
    samples: Wave
    rate: int


class Engine(Protocol):
    """Puts a mark into a sound and finds it."""

    name: str

    def mark(self, clip: Clip) -> Wave:
        """Return the marked samples."""

    def found(self, samples: Wave, rate: int) -> tuple[bool, bool]:
        """Whether the mark is found, and whether its number is read."""


class Ours:
    name = "audiodiff"
    identifier = 0x3F2A91C0

    def mark(self, clip: Clip) -> Wave:
        return np.concatenate(list(mark_blocks([clip.samples[None]], clip.rate, self.identifier)), axis=1)[0]

    def found(self, samples: Wave, rate: int) -> tuple[bool, bool]:
        finding = find_watermark([samples[None]], rate)
        return finding.found, self.identifier in finding.identifiers


class Perth:
    name = "resemble-perth"

    def __init__(self) -> None:
        from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

        self._engine = PerthImplicitWatermarker()

    def mark(self, clip: Clip) -> Wave:
        return np.asarray(self._engine.apply_watermark(clip.samples, sample_rate=clip.rate), dtype=np.float32)

    def found(self, samples: Wave, rate: int) -> tuple[bool, bool]:
        return bool(np.mean(self._engine.get_watermark(samples, sample_rate=rate)) >= 0.5), False


def encoded(samples: Wave, rate: int, **options: Any) -> tuple[Wave, int]:
    import soundfile

    data = io.BytesIO()
    soundfile.write(data, samples.clip(-1.0, 1.0), rate, **options)
    data.seek(0)
    return soundfile.read(data, dtype="float32")


def resampled(samples: Wave, rate: int, to_rate: int) -> Wave:
    return resample(torch.from_numpy(samples), rate, to_rate).numpy()


def mp3(samples: Wave, rate: int, generator: np.random.Generator) -> tuple[Wave, int]:
    # libsndfile takes the share of the way from the highest to the lowest bit rate of the version of MPEG.
    level = (320 - 128) / (320 - 32) if rate >= 32000 else (160 - 128) / (160 - 8)
    return encoded(samples, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=level)


def opus(samples: Wave, rate: int, generator: np.random.Generator) -> tuple[Wave, int]:
    return encoded(resampled(samples, rate, 48000), 48000, format="OGG", subtype="OPUS", compression_level=192 / 250)


def through(to_rate: int) -> "Attack":
    def back(samples: Wave, rate: int, generator: np.random.Generator) -> tuple[Wave, int]:
        return resampled(resampled(samples, rate, to_rate), to_rate, rate), rate

    return back


def quieter(samples: Wave, rate: int, generator: np.random.Generator) -> tuple[Wave, int]:
    return samples * 10 ** (-6 / 20), rate


def cropped(samples: Wave, rate: int, generator: np.random.Generator) -> tuple[Wave, int]:
    start = int(generator.integers(len(samples) - CROP_SECONDS * rate + 1))
    return samples[start : start + CROP_SECONDS * rate], rate


def noisy(samples: Wave, rate: int, generator: np.random.Generator) -> tuple[Wave, int]:
    noise = generator.standard_normal(len(samples))
    return (samples + noise * np.sqrt(np.mean(samples**2) / 100.0)).astype(np.float32), rate


Attack = Callable[[Wave, int, np.random.Generator], tuple[Wave, int]]

ATTACKS: dict[str, Attack] = {
    "as marked": lambda samples, rate, generator: (samples, rate),
    "MP3, 128 kbit/s": mp3,
    "Opus, 64 kbit/s": opus,
    "22.05 kHz and back": through(22050),
    "16 kHz and back": through(16000),
    "6 dB quieter": quieter,
    "cut to 3 s": cropped,
    "noise, 20 dB SNR": noisy,
}


def clips_of(folder: Path, kind: str) -> Iterator[Clip]:
    """Cut the recordings of a folder, those of one rate in one subfolder after another, in a random order."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_EXTENSIONS)
    random.Random(0).shuffle(files)
    held: dict[tuple[Path, int], Wave] = {}
    for path in files:
        audio = read_mono(path)
        place = path.parent, audio.sample_rate
        sound = np.concatenate([held.get(place, np.zeros(0, np.float32)), audio.waveform[0]])
        size = SECONDS * audio.sample_rate
        while len(sound) >= size:
            if np.abs(sound[:size]).max() > 1e-3:
                yield Clip(kind, sound[:size], audio.sample_rate)
            sound = sound[size:]
        held[place] = sound


def chosen(folders: Sequence[tuple[Path, str]], count: int) -> list[Clip]:
    """Take clips of all folders in turn until there are enough."""
    sources = [clips_of(folder, kind) for folder, kind in folders]
    clips: list[Clip] = []
    while sources and len(clips) < count:
        for source in list(sources):
            clip = next(source, None)
            if clip is None:
                sources.remove(source)
            elif len(clips) < count:
                clips.append(clip)
    return clips


def measure(engine: Engine, clips: Sequence[Clip], n_heard: int) -> dict[str, Any]:
    """Return how often the mark was found after each attack, by kind, and how the marked clips sound."""
    found: dict[str, dict[str, list[int]]] = {}
    pesq_scores, distances, plain_hits, working, sounding = [], [], 0, 0.0, 0.0
    for index, clip in enumerate(clips):
        generator = np.random.default_rng(index)
        started = time.process_time()
        marked = engine.mark(clip)
        working, sounding = working + time.process_time() - started, sounding + len(clip.samples) / clip.rate
        for name, attack in ATTACKS.items():
            is_found, is_read = engine.found(*attack(marked, clip.rate, generator))
            counts = found.setdefault(clip.kind, {}).setdefault(name, [0, 0, 0])
            found[clip.kind][name] = [counts[0] + is_found, counts[1] + is_read, counts[2] + 1]
        plain_hits += engine.found(clip.samples, clip.rate)[0]
        size = min(len(marked), len(clip.samples))
        if clip.kind == "speech" and len(pesq_scores) < n_heard:
            pesq_scores.append(pesq_wb(clip.samples[:size], marked[:size], clip.rate))
        if clip.kind == "music" and len(distances) < n_heard:
            distances.append(log_mel_l1(clip.samples[:size], marked[:size], clip.rate) * 20 / np.log(10))
        if sys.stderr.isatty():
            print(f"{engine.name}: {index + 1} of {len(clips)}", end="\r", file=sys.stderr)
    return {
        "clips": len(clips),
        "found": found,
        "plain_hits": plain_hits,
        "pesq": pesq_scores,
        "log_mel_db": distances,
        "seconds_per_second": working / sounding,
    }


def pesq_wb(plain: Wave, marked: Wave, rate: int) -> float:
    from pesq import pesq

    return float(pesq(16000, resampled(plain, rate, 16000), resampled(marked, rate, 16000), "wb"))


@lru_cache(maxsize=1)
def other_patterns() -> tuple[Any, ...]:
    return tuple(pattern(f"another {index}") for index in range(OTHER_PATTERNS))


def count_false_alarms(clips: Sequence[Clip]) -> tuple[int, int]:
    """How often one of the other patterns is found, and how often it was looked for."""
    alarms = trials = 0
    for clip in clips:
        (folded,) = fold_windows([clip.samples[None]], clip.rate)
        chances = [false_alarms(best_place(folded, other)[0]) for other in other_patterns()]
        alarms, trials = alarms + sum(chance < FALSE_ALARMS for chance in chances), trials + len(chances)
    return alarms, trials


def report(results: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    engines = results["engines"]
    rows = []
    for name in ATTACKS:
        row = [name]
        for engine in engines.values():
            for kind in ("speech", "music"):
                hits, _, count = engine["found"].get(kind, {}).get(name, (0, 0, 0))
                row.append(share(hits, count))
        ours = engines["audiodiff"]["found"]
        read = sum(kind[name][1] for kind in ours.values()), sum(kind[name][2] for kind in ours.values())
        rows.append([*row, share(*read)])
    heads = [f"{name}, {kind}" for name in engines for kind in ("speech", "music")]
    alarms, trials = results["alarms"], results["trials"]
    heard = [
        [
            name,
            str(engine["clips"]),
            f"{np.mean(engine['pesq']):.2f} (lowest {min(engine['pesq']):.2f}, {len(engine['pesq'])} clips)",
            f"{np.mean(engine['log_mel_db']):.2f} dB ({len(engine['log_mel_db'])} clips)",
            f"{100 * engine['seconds_per_second']:.1f} %",
            f"{engine['plain_hits']} of {engine['clips']}",
        ]
        for name, engine in engines.items()
    ]
    text = [
        "# The watermark",
        "",
        f"Clips of {SECONDS} s in which the mark was found:",
        "",
        markdown_table(["", *heads, "audiodiff, identifier read"], rows),
        "",
        f"False alarms of audiodiff: {alarms} in {trials} trials ({alarms / trials:.1e}), allowed are "
        f"{FALSE_ALARMS:.0e}.",
        "",
        "Marked against plain:",
        "",
        markdown_table(
            ["", "clips", "PESQ-WB of speech ↑", "log-mel distance of music ↓", "work per s", "found in plain clips"],
            heard,
        ),
    ]
    return "\n".join(text) + "\n"


def share(hits: int, count: int) -> str:
    return f"{100 * hits / count:.1f} % ({hits}/{count})" if count else "–"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write `marks.json` and `marks.md`."""
    parser = argparse.ArgumentParser(description="Measure the watermark.")
    parser.add_argument("--speech", type=Path, action="append", default=[], help="folder of recordings of speech")
    parser.add_argument("--music", type=Path, action="append", default=[], help="folder of recordings of music")
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--heard", type=int, default=200, help="clips of each kind that are compared by ear models")
    parser.add_argument("--peer-clips", type=int, default=0, help="clips for resemble-perth")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    folders = [(folder, "speech") for folder in options.speech] + [(folder, "music") for folder in options.music]
    torch.set_num_threads(1)
    # The peer is opened first: what it lacks should not be found out after an hour.
    peer = Perth() if options.peer_clips and find_spec("perth") else None
    clips = chosen(folders, options.clips)
    engines: dict[str, Any] = {"audiodiff": measure(Ours(), clips, options.heard)}
    if peer is not None:
        engines["resemble-perth"] = measure(peer, clips[: options.peer_clips], options.heard)
    alarms, trials = count_false_alarms(clips)
    results = {"seconds": SECONDS, "engines": engines, "alarms": alarms, "trials": trials}
    (options.output / "marks.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (options.output / "marks.md").write_text(report(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
