"""Runs that are killed with SIGKILL at random moments end in the same bits as one that is left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiodiff.training.progress import read_log
from audiodiff.training.state import load_state

STEPS = 40


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    script = subprocess.run(
        [sys.executable, "-m", "tests.training.toy_run", str(whole), str(killed), str(STEPS)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    assert int(script.stdout) >= 4  # lives

    for name in ("final.safetensors", "average.safetensors"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    states = [load_state(run) for run in (whole, killed)]
    assert states[0].scalars["step"] == states[1].scalars["step"] == STEPS
    for name, tensor in states[0].tensors["optimizer"].items():
        assert tensor.equal(states[1].tensors["optimizer"][name])
    steps_logged = [int(line["step"]) for line in read_log(killed)]
    assert steps_logged == sorted(set(steps_logged))
