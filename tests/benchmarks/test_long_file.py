import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.cli import allocator
from audiodiff.torch_state import bfloat16_is_fast
from benchmarks import long_file
from benchmarks.long_file import Comparison, Config, Run, main, report, write_long_wav


def test_the_clip_repeats_with_changing_gain(tmp_path: Path) -> None:
    n_samples = write_long_wav(tmp_path / "long.wav", 12.0)
    samples, rate = soundfile.read(tmp_path / "long.wav", dtype="float32")
    clip, clip_rate = soundfile.read(long_file.EXAMPLE, dtype="float32")
    assert (rate, len(samples)) == (clip_rate, n_samples) == (clip_rate, 12 * clip_rate)
    levels = []
    for at in (0, len(clip), 2 * len(clip)):
        part = samples[at : at + len(clip)]
        level = float(part @ clip / (clip @ clip))
        assert np.abs(part - level * clip).max() < 1e-4
        levels.append(level)
    assert levels == pytest.approx([long_file.gain(k) for k in range(3)], rel=1e-3)
    assert np.ptp(levels) > 0.1


def test_targets_are_judged_by_the_figures() -> None:
    def judged(peak: float, difference: float) -> list[bool]:
        run = Run(60.0, 6.0, 0.05, peak)
        text = report(Config(), run, [Comparison("fp32", 20.0, difference, 0.5)], run)
        assert "0.1000" in text
        lines = [line for line in text.splitlines() if "**" in line]
        return ["**holds**" in line for line in lines]

    assert judged(1.4, 9e-5) == [True, True]
    assert judged(1.6, 2e-4) == [False, False]


@pytest.mark.slow
def test_a_short_long_file(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "tune_allocator", lambda: False)
    threads = torch.get_num_threads()
    settings = Config(0.02, str(checkpoint), 2, 1, tmp_path, compared_seconds=2.0, windows=(0.5,))
    run, comparisons = main(settings)
    torch.set_num_threads(threads)
    assert run.audio_seconds == pytest.approx(1.2, abs=1e-3)
    assert 0.05 < run.peak_gib < 8.0
    assert run.wall_seconds > 0.0
    assert run.stated_factor > 0.0
    assert [c.precision.split()[0] for c in comparisons] == ["fp32", *(["bf16"] if bfloat16_is_fast("cpu") else [])]
    assert comparisons[0].difference <= 1e-4
    assert comparisons[0].peak > 0.0
    record = json.loads((tmp_path / "long_file.json").read_text(encoding="utf-8"))
    assert record["long"]["peak_gib"] == run.peak_gib
    written = (tmp_path / "long_file.md").read_text(encoding="utf-8")
    assert "Peak memory" in written
    assert str(checkpoint.parent) not in written + json.dumps(record)


@pytest.mark.slow
def test_a_failing_command_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no model 'no-such'"):
        long_file.vocode_in_process(long_file.EXAMPLE, tmp_path / "out.wav", Config(model="no-such", threads=1))
