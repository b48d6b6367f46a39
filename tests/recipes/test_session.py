import json
import math
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.vocoder import Vocoder
from audiodiff.training import progress
from audiodiff.training.progress import read_log
from audiodiff.training.state import has_state, load_state, locked
from audiodiff_recipes import vocoder
from audiodiff_recipes.run_folder import check_run_folder
from audiodiff_recipes.session import Best
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "corpus")
    return tmp_path


def tiny(place: Path, run: str, steps: int = 3, **changes: str) -> vocoder.Config:
    return vocoder.configure("tiny", {**tiny_changes(place, run, steps), **changes})


def test_the_start_tells_sizes_time_and_where_to_look(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocoder.train(tiny(place, "run", 4), resume=False)
    told = capsys.readouterr().err
    for part in ("M parameters", "5 clips", "0.00", " h,", "on cpu", "4 steps of 4 items", "MiB for weights"):
        assert part in told
    assert f"tensorboard --logdir {place / 'run' / 'tensorboard'}" in told
    assert "steps to come: 1, about 0:00; memory" in told


@pytest.mark.parametrize("name", ["nothing", "empty", "checkpoint", "begun"])
def test_what_never_was_a_run_is_not_resumed(place: Path, name: str) -> None:
    """It would start from scratch: a typing error that costs days."""
    folder = place / name
    if name != "nothing":
        folder.mkdir()
    if name == "checkpoint":
        (folder / "model.safetensors").write_bytes(b"weights")
    if name == "begun":
        (folder / "train.json").write_text("{}")
    before = sorted(place.rglob("*"))
    refused("no training state to go on with", lambda: vocoder.train(tiny(place, name), resume=True))
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("content", ["[1]", "{", "\0", "null"])
def test_damaged_settings_of_a_run_are_one_sentence(place: Path, content: str) -> None:
    vocoder.train(tiny(place, "run", 1), resume=False)
    (place / "run" / "train.json").write_text(content)
    refused(r"train\.json", lambda: vocoder.train(tiny(place, "run", 2), resume=True))


def test_what_may_change_on_resume_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocoder.train(tiny(place, "run", 1), resume=False)
    capsys.readouterr()
    changes = {"train.batch_size": "2", "train.precision": "bf16", "train.learning_rate": "1e-5", "accumulate": "2"}
    vocoder.train(tiny(place, "run", 2, **changes), resume=True)
    told = capsys.readouterr().err
    for part in (
        "train.batch_size = 2 (it was 4)",
        "train.precision = bf16 (it was fp32)",
        "train.steps = 2 (it was 1)",
    ):
        assert part in told
    assert "train.learning_rate = 1e-05" in told
    assert json.loads((place / "run" / "train.json").read_text())["train"]["batch_size"] == 2
    capsys.readouterr()
    vocoder.train(tiny(place, "run", 2, **changes), resume=True)
    assert "it was" not in capsys.readouterr().err
    refused(r"train\.ema_half_life", lambda: vocoder.train(tiny(place, "run", 3, ema_half_life="7"), resume=True))


def test_a_damaged_state_is_not_resumed(place: Path) -> None:
    vocoder.train(tiny(place, "run", 1), resume=False)
    file = next((place / "run" / "state").glob("*/ema.safetensors"))
    data = bytearray(file.read_bytes())
    data[-5] ^= 4
    file.write_bytes(data)
    exported = (place / "run" / "model.safetensors").read_bytes()
    refused(r"damaged.*ema\.safetensors", lambda: vocoder.train(tiny(place, "run", 2), resume=True))
    assert (place / "run" / "model.safetensors").read_bytes() == exported


def test_two_trainings_into_one_folder_are_one_too_many(place: Path) -> None:
    with locked(place / "run"), pytest.raises(AudiodiffError, match="another process is training"):
        vocoder.train(tiny(place, "run", 1), resume=False)
    assert list((place / "run").iterdir()) == []
    vocoder.train(tiny(place, "run", 1), resume=False)  # the lock has gone with its holder


def test_curves_show_the_mean_of_their_interval(place: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    losses: list[float] = []
    run = vocoder.train(
        tiny(place, "run", 6, log_every="3"), resume=False, on_step=lambda step: losses.append(step.loss)
    )
    events = event_accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("loss")}
    assert shown == pytest.approx({3: sum(losses[:3]) / 3, 6: sum(losses[3:]) / 3}, rel=1e-5)
    assert {"learning_rate", "items/s", "grad_norm", "denoising"} <= set(events.Tags()["scalars"])


def test_without_a_terminal_a_plain_line_tells_the_progress(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    vocoder.train(tiny(place, "run", 3), resume=False)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert [line.split(",")[0] for line in lines] == ["step 1/3", "step 2/3", "step 3/3"]
    assert "items/s" in lines[0]
    assert "left" in lines[0]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_stopping_tells_how_to_go_on(
    place: Path, capsys: pytest.CaptureFixture[str], kind: type[BaseException]
) -> None:
    def stop(step: Any) -> None:
        if step.step == 2:
            raise kind

    with pytest.raises(kind):
        vocoder.train(tiny(place, "run", 9), resume=False, on_step=stop)
    assert f"saved at step 2; go on with `audiodiff train --resume {place / 'run'}`" in capsys.readouterr().err
    assert load_state(place / "run").scalars["step"] == 2
    vocoder.train(tiny(place, "run", 9, stop_after_seconds="0"), resume=True)
    assert "saved at step 3; go on with" in capsys.readouterr().err


def test_the_best_checkpoint_is_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = iter([3.0, 1.0, math.nan, 2.0, 1.5, 0.5])
    monkeypatch.setattr(vocoder, "validation_loss", lambda *arguments: next(figures))
    seen: dict[int, torch.Tensor] = {}
    offer = Best.offer

    def watched(self: Best, averaged: Vocoder, step: int, values: Any) -> None:
        seen[step] = next(averaged.parameters()).detach().clone()
        offer(self, averaged, step, values)

    monkeypatch.setattr(Best, "offer", watched)
    changes = {"validate_every": "1", "validation.sounds": "false"}
    vocoder.train(tiny(place, "run", 4, **changes), resume=False)
    best = place / "run" / "best"
    metadata = read_config(best)["metadata"]
    assert (metadata["step"], metadata["validation"]) == (2, {"loss": 1.0})
    assert torch.equal(next(load_checkpoint(best, Vocoder).parameters()), seen[2])
    assert read_config(place / "run")["metadata"]["step"] == 4
    assert f"{best}: loss 1 at step 2" in capsys.readouterr().err
    # a later session knows how good it was
    vocoder.train(tiny(place, "run", 5, **changes), resume=True)
    assert read_config(best)["metadata"]["step"] == 2
    vocoder.train(tiny(place, "run", 6, **changes), resume=True)
    assert read_config(best)["metadata"]["step"] == 6
    # and it is a checkpoint to start from like any other
    assert vocoder.build_model(tiny(place, "next", init=str(best))).config == load_checkpoint(best, Vocoder).config


def test_a_batch_in_parts_is_the_same_step(place: Path) -> None:
    whole = vocoder.train(tiny(place, "whole", 4), resume=False)
    parts = vocoder.train(tiny(place, "parts", 4, accumulate="4"), resume=False)
    for a, b in zip(
        load_checkpoint(whole, Vocoder).parameters(), load_checkpoint(parts, Vocoder).parameters(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4)
    logs = [[line for line in read_log(run) if "loss" in line][-1] for run in (whole, parts)]
    for name in ("loss", "denoising", "grad_norm"):
        assert logs[0][name] == pytest.approx(logs[1][name], rel=1e-3)
    for accumulate in ("3", "0"):
        with pytest.raises(AudiodiffError, match="divisor of batch_size 4"):
            tiny(place, "no", accumulate=accumulate)
    with pytest.raises(AudiodiffError, match="discriminator"):
        tiny(place, "no", accumulate="2", **{"adversarial.weight": "1", "judged_items": "2"})


def test_check_run_folder_needs_a_name(tmp_path: Path) -> None:
    refused("--output", lambda: check_run_folder("", {}, resume=False))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_tells_how_to_go_on(place: Path, number: int) -> None:
    words = [f"--{key}={value}" for key, value in tiny_changes(place, "run", 100_000).items()]
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "audiodiff", "train", "tiny", "--device=cpu", *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # What runs in the background of a shell ignores Ctrl+C from its birth.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if "steps to come" in line:
                process.send_signal(number)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[signal.Signals(number)]
    assert has_state(place / "run")
    step = load_state(place / "run").scalars["step"]
    assert step >= 3
    assert any(f"saved at step {step}; go on with `audiodiff train --resume" in line for line in lines)
