from pathlib import Path

import pytest

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.synthesis.speaker import load_speaker
from benchmarks.few_steps import measure, runs_of
from tests.models.voice.cases import make
from tests.refusals import refused


def test_named_grids_run_at_every_number_of_steps_and_times_at_their_own() -> None:
    assert runs_of(["uniform", "1,0.5,0.2"], (4, 2)) == [(2, "uniform"), (3, "1,0.5,0.2"), (4, "uniform")]
    refused("is unknown", lambda: runs_of(["magic"], (2,)))


def test_more_steps_come_closer_to_many(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make(), {"vocoder": "speech", "sampling": {"vocoder_steps": 1}})
    heard = []

    def mos(waveform: object, sample_rate: int) -> float:
        heard.append(sample_rate)
        return 3.0

    rows = measure(
        load_speaker(tmp_path, device="cpu"), ["Hello."], [(2, "uniform"), (2, "1,0.5"), (32, "uniform")], mos
    )
    assert [row[:2] for row in rows] == [["2", "uniform"], ["2", "1,0.5"], ["32", "uniform"]]
    far = [float(row[2].split()[0]) for row in rows]
    assert far[0] == pytest.approx(far[1])
    assert far[2] < 0.5 * far[0]
    assert [row[3] for row in rows] == ["3.000 ± 0.000"] * 3
    assert heard == [22_050] * 3
