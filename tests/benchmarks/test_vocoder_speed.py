import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from audiodiff.torch_state import bfloat16_is_fast
from benchmarks import vocoder_speed
from benchmarks.vocoder_speed import Config, Contender, Result, main, parse, race, table, verdicts
from tests.refusals import refused


@pytest.fixture(autouse=True)
def _same_process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    monkeypatch.setattr(vocoder_speed, "tune_allocator", lambda: False)
    yield
    torch.set_num_threads(threads)


def result(name: str, wall: list[float], *, steps: int = 4, calls: int = 1, note: str = "") -> Result:
    contender = Contender(name, lambda: torch.zeros(22_050), 1.0, steps, calls, 1_000_000, None, note)
    return Result(contender, wall, wall)


def test_factors_are_medians_of_all_runs_that_make_the_audio() -> None:
    row = result("x", [0.5, 0.1, 0.3], calls=6).to_dict(rival=3.6)
    assert row["real_time_factor"] == pytest.approx(1.8)
    assert (row["real_time_factor_min"], row["real_time_factor_max"]) == pytest.approx((0.6, 3.0))
    assert row["times_real_time"] == pytest.approx(1 / 1.8)
    assert row["times_faster_than_diffwave_6"] == pytest.approx(2.0)


def test_verdicts_hold_and_miss_each_target_by_itself() -> None:
    rival = result("DiffWave-6", [1.0], steps=6, calls=6)
    rows = [rival, result("ours, bf16", [0.029]), result("ours, fp32", [0.05]), result("ours, fp32", [9.0], steps=8)]
    quick, slow = verdicts(rows)
    assert quick.count("**holds**") == 2
    assert "207 times" in quick
    assert slow.count("**missed**") == 2
    rival.wall[0] = 0.5
    assert [verdicts(rows)[0].count(word) for word in ("**holds**", "**missed**")] == [1, 1]


def test_contenders_run_in_turn_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> torch.Tensor:
            order.append(name)
            return torch.zeros(22_050)

        return Contender(name, run, 1.0)

    results = race([contender("a"), contender("b")], repeats=2)
    assert "".join(order) == "ababab"
    assert [len(r.wall) for r in results] == [2, 2]
    with pytest.raises(RuntimeError, match="made 100 samples"):
        race([Contender("short", lambda: torch.zeros(100), 1.0)], repeats=1)


@pytest.mark.slow
def test_the_whole_race_on_a_tiny_model(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = main(Config(str(checkpoint), seconds=0.1, repeats=1, threads=1, output=tmp_path))
    text = (tmp_path / "vocoder_speed.md").read_text(encoding="utf-8")
    assert table(results) in text
    assert table(results) in capsys.readouterr().out
    names = [r.contender.name for r in results]
    assert names.count("DiffWave-6") == 1
    kinds = ("fp32", "bf16") if bfloat16_is_fast("cpu") else ("fp32",)
    peers = {f"{name}, {kind}" for name in ("HiFi-GAN V1", "HiFi-GAN V3", "Vocos", "FastDiff") for kind in kinds}
    assert {*peers, "Griffin-Lim 32", "Griffin-Lim 200"} <= set(names)
    assert any("bf16" in name for name in names) == ("bf16" in kinds)
    assert [r.contender.steps for r in results[: 4 * len(kinds)]] == [1, 2, 4, 8] * len(kinds)
    assert "13.93 M (published: 13.92 M)" in text
    assert str(checkpoint.parent) not in text  # results are published: no paths of this machine
    record = (tmp_path / "vocoder_speed.json").read_text(encoding="utf-8")
    assert str(checkpoint.parent) not in record
    systems = {(s["system"], s["steps"]): s for s in json.loads(record)["systems"]}
    assert systems["DiffWave-6", 6]["times_faster_than_diffwave_6"] == 1.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["vocoder_speed.json", "vocoder_speed.md"]


def test_our_own_diffwave_stands_in_where_lmnts_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocoder_speed, "lmnt_diffwave", lambda: None)
    rows = vocoder_speed.diffwave_contenders(4.0)
    assert [(row.name, row.calls) for row in rows] == [("DiffWave-6", 1), ("DiffWave, our code, bf16", 1)]
    assert rows[0].seconds == pytest.approx(1.0, abs=0.01)  # longer runs are not needed
    assert "not installed" in rows[0].note


def test_bad_settings_are_refused(tmp_path: Path) -> None:
    assert parse(["--seconds", "2", "--output", str(tmp_path)]) == Config(seconds=2.0, output=tmp_path)
    refused("repeats", lambda: main(Config(repeats=0, output=tmp_path)))
