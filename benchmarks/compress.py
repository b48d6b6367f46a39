"""What low rank saves and what it costs: compressed models beside the full one, before and after a short distillation.

    python -m benchmarks.compress speech --train CORPUS --test CORPUS [--keep 0.6 0.4 0.25] [--core_minutes 1.5]
    python -m benchmarks.compress music --train CLIPS [--keep 0.6 0.4 0.25] [--core_minutes 1]

Every share is trained for the same processor time: some steps are timed first, and the run gets as many as fit.
Quality of the vocoder is that of its copies of held-out clips, of the latent model the training loss on held-out clips
at fixed times and noise. Speed is processor time of one thread, all models in turn, medians of the rounds, so that
other work on the machine meets all alike. Writes `compress_MODEL.json` and `compress_MODEL.md` below OUTPUT.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import evaluate, folder_clips, vocoder_system
from audiodiff.metrics.table import markdown_table
from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint
from audiodiff.models.find import find_checkpoint
from audiodiff.models.mel_latent import MelLatent
from audiodiff.synthesis.vocode import load
from audiodiff.training.devices import open_devices
from audiodiff_recipes import latent
from audiodiff_recipes.compress import CompressSettings, compress_model
from audiodiff_recipes.latent_shards import open_shards
from audiodiff_recipes.settings import read_table

RESULTS = Path(__file__).parent / "results"
MEASURES = ("pesq_wb", "mr_stft")
_PILOT = (2, 6)
"""Steps of the run that measures how long one takes: from which to which."""


def marked(settings: CompressSettings) -> list[float]:
    """Train, and return the processor time at the end of each step (s)."""
    marks: list[float] = []
    compress_model(settings, on_step=lambda step: marks.append(time.process_time()))
    return marks


def compressed(
    model: str, keeps: Sequence[float], data: str, core_minutes: float, folder: Path, changes: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Make the compressed models: name -> folder and what is known of it."""
    found: dict[str, dict[str, Any]] = {}
    for keep in keeps:
        cut = f"keep {keep:g}, cut"
        _, size = compress_model(CompressSettings(model, str(folder / f"cut-{keep:g}"), keep))
        found[cut] = {"folder": str(folder / f"cut-{keep:g}"), "parameters": size.parameters, "core_minutes": 0.0}
        settings = CompressSettings(model, str(folder / f"pilot-{keep:g}"), keep, data=data, changes=changes)
        pilot = marked(replace(settings, steps=_PILOT[1]))
        per_step = (pilot[-1] - pilot[_PILOT[0] - 1]) / (_PILOT[1] - _PILOT[0])
        steps, output = max(2, round(60.0 * core_minutes / per_step)), str(folder / f"run-{keep:g}")
        marks = marked(replace(settings, output=output, steps=steps))
        took = (marks[-1] - marks[0]) * steps / (steps - 1) / 60.0
        found[f"keep {keep:g}, distilled"] = {
            "folder": output,
            "parameters": size.parameters,
            "steps": steps,
            "core_minutes": took,
        }
    original = load_checkpoint(find_checkpoint(model), nn.Module)
    full = {"folder": model, "parameters": sum(each.numel() for each in original.parameters()), "core_minutes": 0.0}
    return {"full": full, **found}


def in_turn(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median processor time of each call (s), after one call of each that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for count in range(rounds + 1):
        for name, call in calls.items():
            before = time.process_time()
            call()
            if count:
                taken[name].append(time.process_time() - before)
    return {name: statistics.median(times) for name, times in taken.items()}


def measure_vocoder(rows: dict[str, dict[str, Any]], test: str, n_clips: int, rounds: int) -> None:
    """Score copies of held-out clips, and time them."""
    clips = folder_clips(test, "test", limit=n_clips, max_seconds=4.0)
    loaded = {name: load(row["folder"]) for name, row in rows.items()}
    systems = {name: vocoder_system(model) for name, model in loaded.items()}
    report = evaluate(systems, clips, MEASURES, recordings=False)
    for name, row in rows.items():
        results = [result for result in report.results if result.system == name]
        for measure in MEASURES:
            row[measure] = statistics.fmean(result.scores[measure] for result in results)
        row["clips"] = len(results)
    model = next(iter(loaded.values()))
    sound = torch.from_numpy(clips[0].waveform)
    seconds = len(sound) / clips[0].sample_rate
    log_mel = _mel(model, sound, clips[0].sample_rate)
    # Cut and distilled models have the same shapes, and so the same speed.
    timed = {name: each for name, each in loaded.items() if not name.endswith("cut")}
    times = in_turn({name: partial(each.vocode_mel, log_mel, seed=0) for name, each in timed.items()}, rounds)
    for name, taken in times.items():
        rows[name]["rtf"] = taken / seconds


def _mel(model: Any, sound: torch.Tensor, rate: int) -> torch.Tensor:
    from audiodiff.signal import mel
    from audiodiff.signal.resample import resample

    return mel.log_mel(resample(sound[None].float(), rate, model.sample_rate), model.mel_spec)[0]


def measure_latent(rows: dict[str, dict[str, Any]], rounds: int) -> None:
    """The loss on held-out clips, and the time of a call of the network with guidance on a whole window."""
    run = next(row["folder"] for name, row in rows.items() if name.endswith("distilled"))
    config = latent.RECIPE.from_dict(read_table(Path(run) / "train.json"))
    valid, devices = open_shards(config, "valid"), open_devices("cpu")
    calls: dict[str, Callable[[], object]] = {}
    for name, row in rows.items():
        model = load_checkpoint(find_checkpoint(row["folder"]), MelLatent)
        row["loss"] = latent.validation_loss(model, valid, config, devices)
        if name.endswith("cut"):
            continue
        x = torch.randn(2, model.channels, max(config.data.crop_latents))
        states = [torch.randn(12, model.config.text_width), torch.randn(12, model.config.text_width)]
        with torch.no_grad():
            projected = model.network.project_cond(model.condition(states, [{}, {}], [{}, {}]))

        @torch.no_grad()
        def call(model: MelLatent = model, x: torch.Tensor = x, cond: Any = projected) -> None:
            model.network(x, torch.zeros(2), cond)

        calls[name] = call
    for name, taken in in_turn(calls, rounds).items():
        rows[name]["call_ms"] = 1e3 * taken


def table(rows: Mapping[str, Mapping[str, Any]], vocoder: bool) -> str:
    """The rows in Markdown."""
    if vocoder:
        figures = {"rtf": ("RTF, one thread", ".3f"), "pesq_wb": ("PESQ-WB ↑", ".2f"), "mr_stft": ("MR-STFT ↓", ".3f")}
    else:
        figures = {"call_ms": ("call of the network (ms)", ".1f"), "loss": ("validation loss ↓", ".4f")}
    heads = ["", "parameters (M)", "MB", "distilled (core minutes)", *(head for head, _ in figures.values())]
    lines = []
    for name, row in rows.items():
        speed = {**rows[name.replace("cut", "distilled")], **row}
        lines.append(
            [
                name,
                f"{row['parameters'] / 1e6:.2f}",
                f"{row['megabytes']:.1f}",
                f"{row['core_minutes']:.1f}" if row["core_minutes"] else "-",
                *(f"{speed[key]:{form}}" for key, (_, form) in figures.items()),
            ]
        )
    return markdown_table(heads, lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("speech", "music"))
    parser.add_argument("--train", required=True, help="recordings to learn on; for music also shards")
    parser.add_argument("--test", default="", help="folder with a test split, for speech")
    parser.add_argument("--keep", nargs="+", type=float, default=(0.6, 0.4, 0.25))
    parser.add_argument("--core_minutes", type=float, default=1.5, help="of each distillation")
    parser.add_argument("--clips", type=int, default=6, help="of each group that are copied")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cache", default="", help="where decoded recordings are kept")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    vocoder, began = args.model == "speech", time.process_time()
    changes: dict[str, Any] = {"validation.clips": 0} if vocoder else {"train.validate_every": 10**6}
    if vocoder and args.cache:
        changes["data.cache"] = args.cache
    try:
        with tempfile.TemporaryDirectory(prefix="compress") as folder:
            rows = compressed(args.model, args.keep, args.train, args.core_minutes, Path(folder), changes)
            for row in rows.values():
                row["megabytes"] = (find_checkpoint(row["folder"]) / WEIGHTS_FILE).stat().st_size / 1e6
            if vocoder:
                measure_vocoder(rows, args.test or args.train, args.clips, args.rounds)
            else:
                measure_latent(rows, args.rounds)
            for row in rows.values():
                del row["folder"]
    except AudiodiffError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    result = {"core_minutes": (time.process_time() - began) / 60.0, "rows": rows}
    args.output.mkdir(parents=True, exist_ok=True)
    for name, text in (("json", json.dumps(result, indent=1) + "\n"), ("md", table(rows, vocoder))):
        with atomic_file(args.output / f"compress_{args.model}.{name}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(table(rows, vocoder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
