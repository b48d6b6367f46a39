import itertools
import json
from pathlib import Path

import pytest
import torch

from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.vocode import VocoderSynthesizer
from benchmarks import streaming
from benchmarks.streaming import Limited, Speed, main, report
from tests.models.vocoder.cases import ANCHORED, LIVE, make


def identity(name: str) -> ModelRecord:
    return ModelRecord(name, weights_sha256="")


def test_targets_are_judged_by_the_first_packet() -> None:
    def judged(one: float, four: float) -> list[bool]:
        speeds = [
            Speed("speech", steps, packet, ms, 9.0, 1.0, 0.05, 0.9, 1.1)
            for steps, ms in ((1, one), (2, 500.0), (4, four))
            for packet in (0.2, 0.0116)  # only the usual packets are judged
        ]
        text = report(speeds, [Limited("speech", 1, None, -100.0, 0.1, 0.05)], [(6.0, 500.0), (60.0, 501.0)], 1)
        assert "501 MiB after 60 min" in text
        return ["**met**" in line for line in text.splitlines() if "**" in line]

    assert judged(49.0, 119.0) == [True, True]
    assert judged(51.0, 121.0) == [False, False]


@pytest.mark.slow
def test_it_measures_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "tune_allocator", lambda: False)
    models = {"speech": ANCHORED, "live": LIVE}
    monkeypatch.setattr(
        streaming,
        "load",
        lambda name, device: VocoderSynthesizer(make(models[name]), name=name, identity=identity(name)),
    )
    threads = torch.get_num_threads()
    main(
        [
            "--model",
            "speech",
            "live",
            "--seconds",
            "3",
            "--minutes",
            "0.1",
            "--runs",
            "1",
            "--threads",
            str(threads),
            "--output",
            str(tmp_path),
        ]
    )
    found = json.loads((tmp_path / "streaming.json").read_text("utf-8"))
    rows = [(each["model"], each["steps"], round(each["packet"], 3)) for each in found["speed"]]
    assert rows == list(itertools.product(("speech", "live"), (1, 2, 4), (0.2, 0.012)))
    live = [each for each in found["speed"] if each["model"] == "live" and each["steps"] == 1]
    assert [round(each["look_ahead"] * 22050) for each in live] == [640, 640]
    assert [round(each["delay"] * 22050) for each in live] == [20 * 256, 4 * 256]
    limits = [each["look_ahead"] for each in found["limited"] if (each["model"], each["steps"]) == ("live", 1)]
    assert limits == [None]
    assert len(found["memory"]) == 10
    exact = [each["error_db"] for each in found["limited"] if each["look_ahead"] is None]
    assert max(exact) < -80.0
    text = (tmp_path / "streaming.md").read_text("utf-8")
    assert "first packet" in text
    assert "--model speech live" in text
