import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audiodiff.cli.main import UNFORESEEN
from audiodiff.data.shards import LatentDataset
from audiodiff.signal.audio_io import audio_info
from audiodiff.synthesis.load import load
from audiodiff.synthesis.provenance import ProvenanceRecord
from audiodiff.text.library import search_prompts
from benchmarks.hostile import ACCEPTED, LARGE, MOST_BYTES, REFUSED, SLOW, TRACEBACK, Answer, judge, table
from benchmarks.hostile_inputs import damaged_bytes, damaged_json
from benchmarks.hostile_originals import Originals

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("status", "told", "slow", "peak", "expected"),
    [
        (0, "fine\n", False, 1, ACCEPTED),
        (2 << 8, "audiodiff: x is empty; give another.\n", False, 1, REFUSED),
        (1 << 8, "2 clips, 1 problem\n", False, 1, REFUSED),
        (2 << 8, "Traceback (most recent call last):\nKeyError\n", False, 1, TRACEBACK),
        (2 << 8, f"audiodiff: KeyError: x; {UNFORESEEN}, ...\n", False, 1, TRACEBACK),
        (2 << 8, "audiodiff: a remark.\naudiodiff: x is damaged.\n", False, 1, REFUSED),
        (2 << 8, "audiodiff: x is damaged.\n[1, 2]\n", False, 1, TRACEBACK),
        (3 << 8, "", False, 1, TRACEBACK),
        (signal.SIGSEGV, "", False, 1, TRACEBACK),
        (signal.SIGKILL, "", True, 1, SLOW),
        (0, "fine\n", False, MOST_BYTES + 1, LARGE),
    ],
)
def test_an_ending_is_judged(status: int, told: str, slow: bool, peak: int, expected: str) -> None:
    assert judge(status, told, slow, peak) == expected


def test_the_table_counts_every_kind_and_all() -> None:
    outcomes = (ACCEPTED, REFUSED, REFUSED, SLOW)
    answers = [Answer("a", number, outcome, "", 1.0, 1) for number, outcome in enumerate(outcomes)]
    lines = table([*answers, Answer("b", 0, TRACEBACK, "", 1.0, 1)]).splitlines()
    assert lines[2:] == [
        "| a | 4 | 1 | 2 | 0 | 1 | 0 |",
        "| b | 1 | 0 | 0 | 1 | 0 | 0 |",
        "| all | 5 | 1 | 2 | 1 | 1 | 0 |",
    ]


def test_damage_follows_from_the_seed() -> None:
    document = {"kind": "vocoder", "model": {"layers": 3, "rates": [1, 2.5]}, "note": None}
    made = [[damaged_json(document, random.Random(seed)) for seed in range(200)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 150
    assert damaged_bytes(b"abc" * 50, random.Random(1)) == damaged_bytes(b"abc" * 50, random.Random(1))


@pytest.mark.slow
def test_a_short_run_finds_no_fault(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.hostile", "--inputs", "60", "--output", str(tmp_path / "hostile.md")]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        "| all | 60 |" in (tmp_path / "hostile.md").read_text() or "| all | 5" in (tmp_path / "hostile.md").read_text()
    )


def test_what_is_damaged_is_read_when_it_is_whole(tmp_path: Path) -> None:
    originals = Originals(tmp_path / "originals")
    for kind in ("vocoder", "upsampler", "mel_latent"):
        load(originals.folder / kind)
    assert len(LatentDataset(originals.folder / "shards")) == 3
    assert [saved.name for saved in search_prompts(path=originals.prompts)] == ["one", "two"]
    assert ProvenanceRecord.from_dict(originals.record()).verb == "vocode"
    for name, content in originals.sounds.items():
        (tmp_path / f"a.{name}").write_bytes(content)
        assert audio_info(tmp_path / f"a.{name}").sample_rate == 22_050
