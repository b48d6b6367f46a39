"""The same network trained as regression, as GAN and as diffusion for the same processor time, and what each makes.

    python -m benchmarks.objectives --data CORPUS --work FOLDER [--minutes 10] [--seeds 0 1] [--clips 20]

`audiodiff train speech --objective ...` at a smaller size: network, front end, projections, crops, batch, optimizer and
the shape of the learning rate schedule are the same, one thread each, one after the other. Some steps are timed first
and the run gets as many as fit the minutes. Six times during a run the averaged weights are kept and copy a few
validation clips: the curves. Those at the end copy held-out clips of known and unseen speakers: the table. No noise is
shaped by Griffin-Lim here, in training or sampling, but in the row that says so: the diffusion model would have a start
that the others have not.

Finished runs in FOLDER are not trained again, so seeds can be added one by one (`--only_train` leaves out the rest).
Writes `objectives.json`, `objectives.md` and `objectives.png` below OUTPUT. Needs the extra `eval`.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import evaluate, folder_clips, vocoder_system
from audiodiff.evaluation.report import EvaluationReport
from audiodiff.metrics.baselines import System
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import PriorConfig, Vocoder
from audiodiff.synthesis.vocode import VocoderSynthesizer, load
from audiodiff.training.devices import open_devices
from audiodiff.training.loop import train_steps
from audiodiff.training.progress import follow
from audiodiff_recipes.corpus import RandomCrops, open_corpus
from audiodiff_recipes.vocoder import Config, build_model, configure, describe, for_sampling, models_with_losses
from benchmarks.objectives_report import draw, table

RESULTS = Path(__file__).parent / "results"
OBJECTIVES = ("regression", "gan", "diffusion")
MEASURES = ("pesq_wb", "stoi", "distill_mos", "mr_stft", "periodicity_rmse")
CURVE_MEASURES = ("pesq_wb", "mr_stft")
KEPT = 6
"""Checkpoints of a run."""

DONE = "run.json"
"""Written into the folder of a run when it is complete."""

SHAPE: Mapping[str, Any] = {
    # 1.2 M parameters in the place of 8.9 M: minutes of one core say something.
    "model.wavenet.channels": 96,
    "model.wavenet.cond_channels": 80,
    "model.wavenet.embedding_width": 96,
    "model.prior.projections": 0,
    "train.batch_size": 6,
    "train.learning_rate": 1e-3,
    "train.warmup_steps": 50,
    "train.ema_half_life": 600.0,
    "train.precision": "fp32",
    "train.log_every": 10,
    "train.save_every_seconds": 1e6,
    "data.crop_frames": 32,
    "adversarial.judged_items": 3,  # half of the batch, as in the preset
    "sampling.prior": None,
}

PRESET_PRIOR = PriorConfig("shaped", projections=1, momentum=0.99, half_projections=4, renewals=1)
"""The Griffin-Lim iterations of the noise with which the preset `speech` samples."""


@dataclass(frozen=True)
class Plan:
    """What is trained on what, and for how long."""

    data: str
    cache: str
    work: Path
    minutes: float
    changes: Mapping[str, Any]

    def config(self, objective: str, seed: int, steps: int, folder: Path) -> Config:
        """The settings of a run."""
        changes = {**SHAPE, "data.folder": self.data, "train.steps": steps, "train.seed": seed}
        if self.cache:
            changes["data.cache"] = self.cache
        changes |= {"train.validate_every": max(1, steps // KEPT), "objective": objective, "output": str(folder)}
        return configure("speech", {**changes, **self.changes})


@dataclass
class _Clock:
    """Processor seconds of training, without those of what happens in between."""

    seconds: float = 0.0
    began: float = 0.0

    def start(self) -> None:
        self.began = time.process_time()

    def stop(self) -> float:
        now = time.process_time()
        self.seconds += now - self.began
        self.began = now
        return self.seconds


def train_run(config: Config, folder: Path, *, keep: bool) -> tuple[list[float], dict[int, float]]:
    """Train, and return the processor seconds at the end of each step, and those at the kept checkpoints by step.

    Args:
        config: the settings.
        folder: of the run; kept checkpoints are in `folder/kept/STEP`.
        keep: whether they are kept.
    """
    devices = open_devices("cpu")
    train_set, _ = open_corpus(config.data, config.validation.clips, config.model.mel.sample_rate, tell=False)
    n_samples = config.data.crop_frames * config.model.mel.hop_length
    crops = RandomCrops(train_set, config.data, config.train.seed, n_samples, config.train.batch_size)
    models = models_with_losses(build_model(config), crops, config, devices)
    metadata, clock = describe(config, train_set), _Clock()
    marks: list[float] = []
    kept: dict[int, float] = {}

    def on_validate(averaged: nn.Module, step: int) -> None:
        kept[step] = clock.stop()
        assert isinstance(averaged, Vocoder)
        if keep:
            save_checkpoint(folder / "kept" / str(step), for_sampling(averaged, config), {**metadata, "step": step})
        clock.start()

    steps = train_steps(
        models, config.train, folder, resume=False, export=lambda averaged, step: None, on_validate=on_validate
    )
    clock.start()
    for _ in follow(steps, folder, total=config.train.steps, log_every=config.train.log_every):
        marks.append(clock.stop())
        clock.start()
    return marks, kept


def seconds_per_step(marks: Sequence[float], first: int) -> float:
    """Processor seconds of a step, those up to `first` not counted: they allocate."""
    return (marks[-1] - marks[first - 1]) / (len(marks) - first)


def trained(plan: Plan, objective: str, seed: int, pilot: tuple[int, int] = (4, 12)) -> dict[str, Any]:
    """Train a run unless that has been done; return what is known of it.

    Args:
        plan: what is trained.
        objective: of the run.
        seed: of the run.
        pilot: the steps that are timed first: from which to which.
    """
    folder = plan.work / f"{objective}-{seed}"
    if not (folder / DONE).is_file():
        pilot_folder = plan.work / f"pilot-{objective}-{seed}-{time.time_ns()}"
        marks, _ = train_run(plan.config(objective, seed, pilot[1], pilot_folder), pilot_folder, keep=False)
        steps = max(KEPT, round(60.0 * plan.minutes / seconds_per_step(marks, pilot[0])))
        config = plan.config(objective, seed, steps, folder)
        marks, kept = train_run(config, folder, keep=True)
        facts = {
            "objective": objective,
            "seed": seed,
            "steps": steps,
            "core_minutes": marks[-1] / 60.0,
            "parameters": sum(each.numel() for each in build_model(config).parameters()),
            "kept": {str(step): seconds / 60.0 for step, seconds in kept.items()},
        }
        with atomic_file(folder / DONE) as temporary:
            temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    known: dict[str, Any] = json.loads((folder / DONE).read_text(encoding="utf-8"))
    known["folder"] = str(folder)
    known["log"] = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return known


def systems_of(objective: str, model: VocoderSynthesizer, steps: Sequence[int]) -> dict[str, System]:
    """The systems of a trained model by name: diffusion at several numbers of steps, the others at their one."""
    if objective != "diffusion":
        return {objective: vocoder_system(model)}
    return {f"diffusion, {count} step{'s' * (count > 1)}": vocoder_system(model, steps=count) for count in steps}


def with_preset_prior(folder: Path) -> VocoderSynthesizer:
    """A diffusion model whose noise passes through the Griffin-Lim iterations of the preset."""
    model = load(folder, device="cpu")
    assert isinstance(model.model, Vocoder)
    model.model = model.model.with_prior(PRESET_PRIOR)
    return model


def curves(run: Mapping[str, Any], clips: Sequence[Any]) -> dict[str, list[dict[str, float]]]:
    """Scores of the kept checkpoints on validation clips: system -> points with `core_minutes` and measures."""
    found: dict[str, list[dict[str, float]]] = {}
    for step, minutes in run["kept"].items():
        model = load(Path(run["folder"]) / "kept" / step, device="cpu")
        report = evaluate(systems_of(run["objective"], model, (1, 4)), clips, CURVE_MEASURES, recordings=False)
        for system in report.systems:
            scores = [result.scores for result in report.results if result.system == system]
            means = {name: sum(each[name] for each in scores) / len(scores) for name in CURVE_MEASURES}
            found.setdefault(system, []).append({"core_minutes": minutes, **means})
    return found


def scored(runs: Sequence[Mapping[str, Any]], clips: Sequence[Any], measures: Sequence[str]) -> EvaluationReport:
    """Score what the runs of one seed make of held-out clips."""
    systems: dict[str, System] = {}
    for run in runs:
        final = Path(run["folder"]) / "kept" / max(run["kept"], key=int)
        systems |= systems_of(run["objective"], load(final, device="cpu"), (1, 2, 4, 8))
        if run["objective"] == "diffusion":
            systems["diffusion, 4 steps, noise through Griffin-Lim"] = vocoder_system(with_preset_prior(final), steps=4)
    return evaluate(systems, clips, measures)


def rows_of(report: EvaluationReport) -> list[dict[str, Any]]:
    """The rows of a report as plain values."""
    return [
        {
            "system": row.system,
            "group": row.group,
            "clips": row.n_clips,
            "seconds": row.seconds,
            "cpu_factor": row.cpu_factor,
            "scores": {name: [score.mean, score.half_width] for name, score in row.scores.items()},
        }
        for row in report.rows()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the splits train, valid and test")
    parser.add_argument("--work", type=Path, required=True, help="where the runs are")
    parser.add_argument("--minutes", type=float, default=10.0, help="processor minutes of each run")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=OBJECTIVES)
    parser.add_argument("--clips", type=int, default=20, help="held-out clips of each group")
    parser.add_argument("--curve_clips", type=int, default=4, help="validation clips of each group")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip")
    parser.add_argument("--measures", nargs="+", default=MEASURES)
    parser.add_argument("--cache", default="", help="where decoded recordings are kept")
    parser.add_argument("--set", nargs="*", default=(), metavar="KEY=VALUE", help="further settings of the recipe")
    parser.add_argument("--only_train", action="store_true", help="leave out scores and pages")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        changes = dict(each.split("=", 1) for each in args.set)
        plan = Plan(args.data, args.cache, args.work, args.minutes, changes)
        runs = [trained(plan, objective, seed) for seed in args.seeds for objective in args.objectives]
        if args.only_train:
            return 0
        shown = folder_clips(args.data, "valid", limit=args.curve_clips, max_seconds=args.seconds)
        for run in runs:
            run["curves"] = curves(run, shown)
            print(run["objective"], run["seed"], "copied validation clips", file=sys.stderr, flush=True)
        held_out = folder_clips(args.data, "test", limit=args.clips, max_seconds=args.seconds)
        # Intervals are over clips; other seeds are what the curves show.
        report = scored([run for run in runs if run["seed"] == args.seeds[0]], held_out, args.measures)
    except AudiodiffError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for run in runs:
        del run["folder"]
    result = {"runs": runs, "rows": rows_of(report), "curve_clips": len(shown), "details": dict(report.details)}
    args.output.mkdir(parents=True, exist_ok=True)
    for name, text in (("json", json.dumps(result, indent=1) + "\n"), ("md", table(result))):
        with atomic_file(args.output / f"objectives.{name}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    draw(result, args.output / "objectives.png")
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
