import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.stereo import AVERAGE, MONO, PARAMETERS, Config, compare, main
from tests.refusals import refused

RATE = 44_100


def pairs(count: int, n_samples: int = 2 * RATE) -> list[np.ndarray]:
    """Noises whose width and balance differ from one to the next."""
    dice = np.random.default_rng(0)
    found = []
    for number in range(count):
        common, other = 0.1 * dice.normal(size=(2, n_samples))
        width = (number + 1) / (count + 1)
        found.append(np.stack([common, (0.3 + width) * (np.sqrt(1 - width**2) * common + width * other)]))
    return found


def test_a_copy_is_perfect_and_mono_is_not() -> None:
    sound = torch.from_numpy(pairs(2)[1]).float()
    same = compare(sound, sound)
    mono = compare(sound, sound.mean(dim=0).expand(2, -1))
    assert same is not None
    assert mono is not None
    assert {**same[0], "fold_down_db": 0.0} == pytest.approx(dict.fromkeys(same[0], 0.0), abs=1e-6)
    assert mono[0]["coherence_bias"] > 0.1
    assert mono[0]["level"] > 0.1
    assert compare(torch.zeros(2, RATE), torch.zeros(2, RATE)) is None


@pytest.mark.slow
def test_the_table_says_that_parameters_are_nearer_than_an_average(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    refused("no clip of .* has two channels", lambda: main(Config(mono_corpus(tmp_path / "mono"), tmp_path)))
    for number, sound in enumerate(pairs(4)):
        soundfile.write(folder / f"{number}.wav", sound.T, RATE)
    rows = {row.system: row for row in main(Config(folder, tmp_path / "out", numbers=(3, 8)))}
    assert list(rows) == ["recording", PARAMETERS, "3 numbers", "8 numbers", AVERAGE, MONO]
    errors = {name: np.mean(row.scores["coherence"]) for name, row in rows.items()}
    assert errors[PARAMETERS] < errors["8 numbers"] < errors[AVERAGE] < errors[MONO]
    assert max(rows[PARAMETERS].scores["fold_down_db"]) < -120.0
    assert abs(np.mean(rows[PARAMETERS].scores["energy"])) < 0.3
    assert len(rows[MONO].coherence_by_band) == 12
    text = (tmp_path / "out" / "stereo.md").read_text(encoding="utf-8")
    assert "| average stereo |" in text
    assert json.loads((tmp_path / "out" / "stereo.json").read_text(encoding="utf-8"))["clips"] == 4


def mono_corpus(folder: Path) -> Path:
    folder.mkdir()
    soundfile.write(folder / "mono.wav", pairs(1)[0][0], RATE)
    return folder
