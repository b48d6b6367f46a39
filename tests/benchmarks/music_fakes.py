"""A corpus of tones and noises, and models that obey their prompts, do not, or copy."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 22_050
SECONDS = 4.0
Array = npt.NDArray[np.float32]


def piano(seed: int, bpm: float, seconds: float = SECONDS, rate: int = RATE) -> Array:
    """Decaying tones, two to a beat."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    wave = np.zeros_like(t)
    step = 30.0 / bpm
    for i in range(int(seconds / step)):
        note = 220.0 * 2.0 ** (random.choice([0, 4, 7, 12]) / 12)
        since = np.maximum(t - i * step, 0.0)
        loud = 1.0 if i % 2 == 0 else 0.5
        wave += loud * np.where(t >= i * step, np.exp(-8.0 * since) * np.sin(2 * np.pi * note * since), 0.0)
    return (0.3 * wave + 0.003 * random.standard_normal(t.size)).astype(np.float32)


def drums(seed: int, bpm: float, seconds: float = SECONDS, rate: int = RATE) -> Array:
    """Bursts of noise, two to a beat."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    wave = np.zeros_like(t)
    step = 30.0 / bpm
    for i in range(int(seconds / step)):
        since = np.maximum(t - i * step, 0.0)
        loud = 1.0 if i % 2 == 0 else 0.5
        wave += loud * np.where(t >= i * step, np.exp(-20.0 * since), 0.0) * random.standard_normal(t.size)
    return (0.2 * wave + 0.003 * random.standard_normal(t.size)).astype(np.float32)


MAKERS = {"solo acoustic piano": piano, "solo drum kit": drums}


def write_corpus(folder: Path, train: int = 8, held_out: int = 3) -> Path:
    """Write so many clips of each of the two instruments."""
    (folder / "clips").mkdir(parents=True)
    rows = []
    for number, (instrument, make) in enumerate(MAKERS.items()):
        for i in range(train + held_out):
            split = "train" if i < train else ("valid", "test")[i % 2]
            bpm = 70.0 + 7.0 * i
            name = f"clips/{instrument.split()[-1]}{i}_0.wav"
            soundfile.write(folder / name, make(100 * number + i, bpm), RATE)
            rows.append([name, f"{instrument}, lively", instrument, bpm, "exact", "A minor", split, "made here"])
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "text", "instrument", "tempo", "tempo_source", "key", "split", "source"])
        writer.writerows(rows)
    return folder


def asked_tempo(prompt: str) -> float:
    """The tempo in a prompt."""
    return float(prompt.split(" bpm", maxsplit=1)[0].rsplit(maxsplit=1)[-1]) if "bpm" in prompt else 100.0


class Obedient:
    """Plays what it is asked for, at the tempo it is asked for."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.calls: list[tuple[str, int | None, int | None, float | None, str | None]] = []

    def generate(
        self,
        prompt: str = "",
        *,
        seconds: float | None = None,
        seed: int | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        guidance: float | None = None,
    ) -> Array:
        self.calls.append((prompt, seed, steps, guidance, sampler))
        return self.play(prompt, 10_000 + (seed or 0) + len(prompt), seconds or SECONDS)

    def play(self, prompt: str, seed: int, seconds: float) -> Array:
        make = next(make for name, make in MAKERS.items() if name in prompt)
        return make(seed, asked_tempo(prompt), seconds)

    def reconstruct(self, waveform: Array, sample_rate: int) -> Array:
        noise = np.random.default_rng(len(waveform)).standard_normal(waveform.size)
        return (waveform + 2e-4 * noise).astype(np.float32)

    def vocode(self, waveform: Array, sample_rate: int) -> Array:
        return np.array(waveform)

    def random(self, seconds: float, seed: int) -> Array:
        return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


class Stubborn(Obedient):
    """Plays drums at 83 beats per minute whatever it is asked for."""

    def play(self, prompt: str, seed: int, seconds: float) -> Array:
        return drums(seed, 83.0, seconds)


class Copying(Obedient):
    """Plays a training clip of the corpus with a little noise."""

    def play(self, prompt: str, seed: int, seconds: float) -> Array:
        instrument = next(number for number, name in enumerate(MAKERS) if name in prompt)
        make = list(MAKERS.values())[instrument]
        return self.reconstruct(make(100 * instrument + 2, 70.0 + 7.0 * 2, seconds), RATE)
