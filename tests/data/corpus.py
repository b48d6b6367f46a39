"""Tiny folders and corpora laid out like the real ones."""

import csv
from pathlib import Path

import numpy as np

from audiodiff.signal.audio_io import write_audio
from tests.signal.signals import noise, tone


def clip(path: Path, seconds: float = 0.2, sample_rate: int = 16000, seed: int = 0, amplitude: float = 0.2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = noise(max(round(seconds * sample_rate), 1), seed, amplitude / 4).numpy()
    write_audio(path, np.clip(samples, -1, 1), sample_rate)
    return path


def sine(path: Path, frequency: float, seconds: float, sample_rate: int, amplitude: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, tone(frequency, sample_rate, seconds, amplitude).numpy(), sample_rate, "FLOAT")
    return path


def table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
