"""A corpus of a few seconds: gliding tones with harmonics and pauses."""

from pathlib import Path

import numpy as np
import soundfile


def write_corpus(folder: Path, n_train: int = 5, n_valid: int = 2) -> Path:
    folder.mkdir(parents=True)
    dice = np.random.default_rng(0)
    rows = ["file_name,split,license"]
    for index in range(n_train + n_valid):
        rate = 16000 if index % 2 else 22050
        seconds = np.arange(int(rate * dice.uniform(0.8, 1.5))) / rate
        pitch = 2 * np.pi * np.cumsum(120 + 60 * np.sin(3 * seconds + index)) / rate
        voice = sum(np.sin(k * pitch) / k for k in range(1, 12)) * (np.sin(9 * seconds) > -0.5)
        soundfile.write(folder / f"clip{index}.wav", 0.1 * voice + 0.001 * dice.normal(size=len(seconds)), rate)
        rows.append(f"clip{index}.wav,{'train' if index < n_train else 'valid'},CC0-1.0")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def tiny_changes(tmp_path: Path, run: str, steps: int = 3) -> dict[str, str]:
    return {
        "data.folder": str(tmp_path / "corpus"),
        "data.cache": str(tmp_path / "cache"),
        "output": str(tmp_path / run),
        "train.steps": str(steps),
        "crop_frames": "16",
        "validation.seconds": "0.5",
    }
