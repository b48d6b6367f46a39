import json
import math
from pathlib import Path

import pytest

from audiodiff.models.checkpoint import read_config
from audiodiff_recipes.vocoder import RECIPE
from benchmarks import objectives, objectives_report
from tests.recipes.corpus import write_corpus

QUICK = (
    "model.wavenet.channels=16",
    "model.wavenet.layers=2",
    "train.batch_size=2",
    "adversarial.judged_items=1",
    "adversarial.discriminator_channels=2",
    "data.crop_frames=8",
)


def plan(tmp_path: Path) -> objectives.Plan:
    changes = dict(each.split("=") for each in QUICK)
    return objectives.Plan(str(tmp_path / "corpus"), str(tmp_path / "cache"), tmp_path / "work", 1e-4, changes)


def test_runs_share_everything_but_the_objective(tmp_path: Path) -> None:
    regression, gan, diffusion = (
        RECIPE.to_dict(plan(tmp_path).config(objective, 3, 60, tmp_path / "run"))
        for objective in ("regression", "gan", "diffusion")
    )
    for values in (regression, gan, diffusion):
        assert values["model"]["wavenet"]["channels"] == 16
        assert values["model"]["prior"]["projections"] == 0
        assert values["sampling"]["prior"] is None
    for part in ("train", "data", "validation"):
        assert regression[part] == gan[part] == diffusion[part]
    for values in (regression, gan):
        values["model"]["loss"]["full_noise"] = diffusion["model"]["loss"]["full_noise"]
    assert regression["model"] == gan["model"] == diffusion["model"]


def test_steps_are_timed_without_the_first_ones() -> None:
    assert objectives.seconds_per_step([9.0, 12.0, 14.0, 16.0, 18.0], 2) == 2.0


def test_a_run_is_trained_once_and_its_checkpoints_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path / "corpus")
    monkeypatch.setattr(objectives, "KEPT", 2)
    run = objectives.trained(plan(tmp_path), "regression", 0, pilot=(1, 2))
    assert run["steps"] >= 2
    assert 0.0 < run["core_minutes"] < 1.0
    assert list(run["kept"])[-1] == str(run["steps"])
    minutes = list(run["kept"].values())
    assert minutes == sorted(minutes)
    assert minutes[-1] <= run["core_minutes"] * 1.01
    folder = Path(run["folder"])
    config = read_config(folder / "kept" / str(run["steps"]))
    assert config["metadata"]["training"]["objective"] == "regression"
    assert config["metadata"]["step"] == run["steps"]
    assert any("magnitude" in line for line in run["log"])
    monkeypatch.setattr(objectives, "train_run", lambda *given, **named: pytest.fail("trained again"))
    assert objectives.trained(plan(tmp_path), "regression", 0) == run


@pytest.mark.slow
def test_from_recordings_to_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_corpus(tmp_path / "corpus", n_valid=4)
    table = folder / "metadata.csv"
    lines = table.read_text("utf-8").splitlines()
    table.write_text("\n".join([*lines[:-2], *(line.replace("valid", "test") for line in lines[-2:])]) + "\n")
    words = ["--data", str(folder), "--cache", str(tmp_path / "cache"), "--work", str(tmp_path / "work")]
    words += ["--minutes", "1e-4", "--measures", "mr_stft", "--output", str(tmp_path / "out"), "--set", *QUICK]
    assert objectives.main(words) == 0
    result = json.loads((tmp_path / "out" / "objectives.json").read_text("utf-8"))
    assert [run["objective"] for run in result["runs"]] == ["regression", "gan", "diffusion"]
    systems = {row["system"] for row in result["rows"]}
    assert {"recordings", "regression", "gan", "diffusion, 1 step", "diffusion, 8 steps"} <= systems
    assert all(math.isfinite(row["scores"]["mr_stft"][0]) for row in result["rows"])
    assert str(tmp_path) not in (tmp_path / "out" / "objectives.md").read_text("utf-8")
    assert (tmp_path / "out" / "objectives.png").stat().st_size > 10_000
    assert objectives.main([*words, "--seconds", "-1"]) == 2
    assert "must be more than 0" in capsys.readouterr().err


def made_up(objective: str, seed: int, systems: dict[str, list[float]]) -> dict:
    curves = {
        system: [
            {"core_minutes": n + 1.0, "pesq_wb": value, "mr_stft": 2.0 - value / 10} for n, value in enumerate(values)
        ]
        for system, values in systems.items()
    }
    log = [{"step": step, "magnitude": 10.0 / step, "loss": 1.0} for step in (10, 20)] + [{"step": 20, "other": 1.0}]
    facts = {"objective": objective, "seed": seed, "steps": 20, "core_minutes": 5.0, "parameters": 1_200_000}
    return {**facts, "curves": curves, "log": log}


@pytest.fixture
def result() -> dict:
    rows = [
        {"system": system, "group": group, "clips": 3, "seconds": 9.0, "cpu_factor": factor, "scores": scores}
        for group in ("known speakers", "unseen speakers")
        for system, factor, scores in (
            ("recordings", None, {"pesq_wb": [4.64, 0.0]}),
            ("gan", 0.0312, {"pesq_wb": [2.25, 0.125], "mr_stft": [1.0, 0.5]}),
        )
    ]
    runs = [
        made_up("gan", 0, {"gan": [1.0, 2.0, 1.5, 1.75]}),
        made_up("diffusion", 0, {"diffusion, 1 step": [1.0, 1.25], "diffusion, 4 steps": [1.0, 1.5]}),
        made_up("gan", 1, {"gan": [1.0, 1.5]}),
    ]
    return {"runs": runs, "rows": rows, "curve_clips": 6, "details": {}}


def test_the_table_has_a_part_for_each_group_and_one_about_training(result) -> None:
    text = objectives_report.table(result)
    assert "1.2 M parameters, 5.0 minutes of one processor core" in text
    assert "**known speakers** (3 clips, 9 s)" in text
    assert "**unseen speakers**" in text
    assert "| gan | 2.25 ± 0.12 | 1.000 ± 0.500 | 0.031 |" in text
    assert "| recordings | 4.64 ± 0.00 | – | – |" in text
    assert "| gan | 0 | 20 | 5.0 | 1.50 | 1.75 | 0.50 | 1.825 |" in text
    assert "| gan | 1 |" in text
    assert "| diffusion, 4 steps | 0 | 20 | 5.0 | 1.50 | 1.50 | 0.00 |" in text


def test_a_fall_is_from_one_checkpoint_to_the_next() -> None:
    assert objectives_report.largest_fall([3.0, 2.0, 2.5, 2.25]) == 1.0
    assert objectives_report.largest_fall([1.0, 2.0]) == 0.0
    assert objectives_report.largest_fall([1.0]) == 0.0


def test_the_loss_is_drawn_over_processor_time(result, tmp_path) -> None:
    assert objectives_report.loss_curve(result["runs"][0]) == ([2.5, 5.0], [1.0, 0.5])
    objectives_report.draw(result, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
