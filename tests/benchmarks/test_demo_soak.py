import json
import mmap
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import demo_soak
from benchmarks.demo_soak import Answer, Config, Mark, Soak, count_files, percentile, report, resident_mib, table
from benchmarks.soak_requests import Wish

FINE = Answer(Wish("generate", False, 0), 1.0)


def soak(**changes: object) -> Soak:
    kept = Soak([FINE], [Mark(1, 1000.0, 3), Mark(2, 1049.0, 5)], seconds=2.0)
    return replace(kept, **changes)  # type: ignore[arg-type]


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(k) for k in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([3.0], 0.5) == 3.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0


def test_it_holds_without_errors_and_with_flat_memory_alone() -> None:
    assert soak().holds
    assert soak().growth == pytest.approx(0.049)
    assert not soak(marks=[Mark(1, 1000.0, 0), Mark(2, 1051.0, 0)]).holds
    assert not soak(answers=[FINE, Answer(FINE.wish, 1.0, "lost")]).holds
    assert not soak(tracebacks=1).holds
    assert not soak(answers=[]).holds
    assert soak(strange=[Mark(64, 1000.0, 0), Mark(500, 1049.0, 0)]).holds
    assert not soak(strange=[Mark(64, 1000.0, 0), Mark(500, 1051.0, 0)]).holds
    assert not soak(unanswered=1).holds


def test_the_table_has_a_row_for_each_name_and_one_for_refusals() -> None:
    answers = [
        FINE,
        Answer(FINE.wish, 3.0, "lost"),
        Answer(Wish("inspect", False, 1), 0.25),
        Answer(Wish("generate", True, 2), 0.5),
    ]
    lines = table(answers).splitlines()
    assert lines[2] == "| `/generate` | 2 | 1 | 1.00 | 3.00 | 3.00 | 3.00 |"
    assert lines[3] == "| `/inspect` | 1 | 0 | 0.25 | 0.25 | 0.25 | 0.25 |"
    assert lines[4].startswith("| wrong requests, refused | 1 | 0 | 0.50 |")
    assert lines[5].startswith("| all | 4 | 1 |")
    assert len(lines) == 6


def test_the_report_says_what_failed_and_what_was_not_sent() -> None:
    lost = Answer(FINE.wish, 1.0, "lost")
    text = report(Config(requests=9), soak(answers=[FINE, lost, lost], files_kept=2, files_left=1), "here")
    assert "**missed**" in text
    assert "- 2 times /generate: lost" in text
    assert "- 6 requests were not sent" in text
    assert "5 while they are kept, 2 once they are 1 min old, 1 after the server" in text
    assert "**holds**" in report(Config(requests=1), soak(), "here")
    told = report(Config(requests=1), soak(strange=[Mark(64, 900.0, 0), Mark(500, 909.0, 0)]), "here")
    assert "900 after 64, 909 after 500 MiB (+1.0 %), 0 without an answer" in told
    assert "**holds so far, 2 requests were not sent**" in report(Config(requests=3), soak(), "here")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux")
def test_memory_is_that_of_the_process() -> None:
    before = resident_mib(os.getpid())
    block = mmap.mmap(-1, 64 * 2**20)  # new pages, whatever memory earlier tests have left
    for page in range(0, len(block), mmap.PAGESIZE):
        block[page] = 1
    assert resident_mib(os.getpid()) - before > 50.0


def test_files_are_counted_below_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("x")
    (tmp_path / "d").write_text("x")
    assert count_files(tmp_path) == 2


@pytest.mark.slow
def test_a_server_that_ends_at_once_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(SystemExit, match="no model 'no-such'"),
        demo_soak.server(Config(threads=1, model="no-such"), tmp_path),
    ):
        pass


@pytest.mark.slow
def test_a_short_soak_of_a_tiny_model(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from tests.models.upsampler import cases as upsampler_cases
    from tests.synthesis.latent_models import write_latent_model

    tiny = str(write_latent_model(tmp_path / "tiny"))
    tiny_up = str(upsampler_cases.write(tmp_path / "tiny-up", {"steps": 2}))
    config = Config(
        requests=24,
        steps=2,
        threads=1,
        keep_minutes=0.3,
        strangers=70,
        model=tiny,
        vocoder=tiny,
        upsampler=tiny_up,
        output=tmp_path,
    )
    found = demo_soak.main(config)
    assert [answer.error for answer in found.errors] == []
    assert found.tracebacks == found.files_left == 0
    assert [mark.requests for mark in found.marks] == [22, 23, 24]
    assert [mark.requests for mark in found.strange] == [64, 70]
    assert (found.unanswered, found.strange_growth < 0.1) == (0, True)
    record = json.loads((tmp_path / "demo_soak.json").read_text(encoding="utf-8"))
    assert record["answered"] == 24
    assert str(tmp_path) not in json.dumps(record)
    assert sys.executable not in (tmp_path / "demo_soak.md").read_text(encoding="utf-8")
