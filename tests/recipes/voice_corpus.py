"""A corpus of a few seconds: buzzing with pauses, and what it is said to say."""

from pathlib import Path

import numpy as np
import soundfile

TEXTS = ("One two three.", "Two, three one!", "Three one two?", "One, one two.", "Two two three.", "Three, two one.")


def write_voices(folder: Path) -> Path:
    """Clips of two speakers with texts, one without, and one in another language."""
    folder.mkdir(parents=True)
    dice = np.random.default_rng(0)
    rows = ["file_name,text,speaker,split,license"]
    texts = [*TEXTS, "", "Guten Morgen, meine Damen und Herren, wie geht es Ihnen heute?"]
    for index, text in enumerate(texts):
        time = np.arange(22_050 + 2_000 * index) / 22_050
        tone = sum(np.sin(2 * np.pi * (150 + 20 * (index % 2)) * k * time) / k for k in range(1, 20))
        sound = 0.1 * tone * (np.sin(9 * time) > -0.7) + 0.003 * dice.normal(size=len(time))
        soundfile.write(folder / f"clip{index}.wav", sound, 22_050)
        quoted = f'"{text}"' if text else ""
        rows.append(
            f"clip{index}.wav,{quoted},{'ann' if index % 2 else 'bob'},{'valid' if index == 5 else 'train'},CC0-1.0"
        )
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder
