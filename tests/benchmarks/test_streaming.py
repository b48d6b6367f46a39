import json
from pathlib import Path

import pytest
import torch

from audiodiff.synthesis.vocode import VocoderSynthesizer
from benchmarks import streaming
from benchmarks.streaming import Limited, Speed, main, report
from tests.models.vocoder.cases import ANCHORED, make


def test_targets_are_judged_by_the_first_packet() -> None:
    def judged(one: float, four: float) -> list[bool]:
        speeds = [Speed(steps, ms, 9.0, 1.0, 0.05, 1.0) for steps, ms in ((1, one), (2, 500.0), (4, four))]
        text = report(speeds, [Limited(1, None, -100.0, 0.1, 0.05)], [(6.0, 500.0), (60.0, 501.0)], 1)
        assert "501 MiB after 60 min" in text
        return ["**met**" in line for line in text.splitlines() if "**" in line]

    assert judged(49.0, 119.0) == [True, True]
    assert judged(51.0, 121.0) == [False, False]


@pytest.mark.slow
def test_it_measures_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "tune_allocator", lambda: False)
    monkeypatch.setattr(streaming, "load", lambda name, device: VocoderSynthesizer(make(ANCHORED)))
    threads = torch.get_num_threads()
    main(["--seconds", "3", "--minutes", "0.1", "--runs", "1", "--threads", str(threads), "--output", str(tmp_path)])
    found = json.loads((tmp_path / "streaming.json").read_text("utf-8"))
    assert [each["steps"] for each in found["speed"]] == [1, 2, 4]
    assert len(found["memory"]) == 10
    exact = [each["error_db"] for each in found["limited"] if each["look_ahead"] is None]
    assert max(exact) < -80.0
    assert "first packet" in (tmp_path / "streaming.md").read_text("utf-8")
