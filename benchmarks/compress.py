"""What low rank saves and what it costs: compressed models beside the full one, before and after a short distillation.

    python -m benchmarks.compress speech --train CORPUS --test CORPUS [--keep 0.6 0.4 0.25] [--core_minutes 1.5]
    python -m benchmarks.compress music --train CLIPS [--keep 0.6 0.4 0.25] [--core_minutes 1]

Every share is trained for the same processor time: some steps are timed first, and the run gets as many as fit.
Quality of the vocoder is that of its copies of held-out clips, of the latent model the training loss on held-out clips
at fixed times and noise, and how far the log-mel of its clip of ten seconds is from that of the full model with the
same seed. What was not just cut is also exported with weights in eight bits and run by ONNX Runtime. Speed is
processor time of one thread, all models in turn, medians of the rounds, so that other work on the machine meets all
alike; memory is the peak of a new process that makes a second. Writes `compress_MODEL.json` and `compress_MODEL.md`
below OUTPUT. Needs the extras `eval` and `onnx`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.exporting.export import export_onnx
from audiodiff.metrics.table import markdown_table
from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint
from audiodiff.models.mel_latent import MelLatent
from audiodiff.training.devices import open_devices
from audiodiff_recipes import latent
from audiodiff_recipes.compress import CompressSettings, compress_model
from audiodiff_recipes.latent_shards import open_shards
from audiodiff_recipes.settings import read_table
from benchmarks.engines import cold_start, measure_music, measure_speech, megabytes

RESULTS = Path(__file__).parent / "results"
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
        batch = read_table(Path(output) / "train.json")["train"]["batch_size"]
        found[f"keep {keep:g}, distilled"] = {
            "folder": output,
            "parameters": size.parameters,
            "steps": steps,
            "core_minutes": took,
            "items_per_second": batch * steps / (60.0 * took),
        }
    original = load_checkpoint(find_checkpoint(model), nn.Module)
    full = {"folder": model, "parameters": sum(each.numel() for each in original.parameters()), "core_minutes": 0.0}
    rows: dict[str, dict[str, Any]] = {"full": full, **found}
    for row in rows.values():
        row |= {"engine": "torch", "folder": find_checkpoint(row["folder"])}
    return rows


def size_of(folder: Path) -> float:
    """Size of the weights of a checkpoint, with those of its vocoder (MB)."""
    files = (folder / WEIGHTS_FILE, folder / VOCODER_FOLDER / WEIGHTS_FILE)
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def with_eight_bits(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    """Export what was not just cut with weights in eight bits, to be run without torch."""
    for name, row in list(rows.items()):
        if name.endswith("cut"):
            continue
        target = folder / f"int8-{len(rows)}"
        export_onnx(row["folder"], target, weights="int8")
        known = {"parameters": row["parameters"], "core_minutes": row["core_minutes"]}
        rows[f"{name}, int8, ONNX Runtime"] = {"engine": "onnxruntime", "folder": target, **known}


def measure(rows: dict[str, dict[str, Any]], model: str, args: argparse.Namespace) -> None:
    """Quality, speed and memory of all rows on one thread."""
    if model == "speech":
        measure_speech(rows, args.test or args.train, args.clips, args.rounds, threads=1)
    else:
        distilled = next(row["folder"] for name, row in rows.items() if name.endswith("distilled"))
        config = latent.RECIPE.from_dict(read_table(Path(distilled) / "train.json"))
        valid, devices = open_shards(config, "valid"), open_devices("cpu")
        for row in rows.values():
            if row["engine"] == "torch":
                trained = load_checkpoint(find_checkpoint(row["folder"]), MelLatent)
                row["loss"] = latent.validation_loss(trained, valid, config, devices)
        measure_music(rows, args.rounds, threads=1)
    for row in rows.values():
        if "folder" in row:
            _, row["memory"] = cold_start(model, row)


def table(rows: Mapping[str, Mapping[str, Any]], model: str) -> str:
    """The rows in Markdown."""
    quality = {
        "speech": {"pesq_wb": ("PESQ-WB ↑", ".2f"), "mr_stft": ("MR-STFT ↓", ".3f")},
        "music": {"loss": ("validation loss ↓", ".4f"), "distance": ("log-mel distance to full ↓", ".3f")},
    }[model]
    figures = {
        "parameters": ("parameters (M)", ".2f"),
        "megabytes": ("MB", ".1f"),
        "core_minutes": ("distilled (core minutes)", ".1f"),
        "items_per_second": ("items of it a core second", ".2f"),
        "rtf": ("processor s per s ↓", ".3f"),
        "memory": ("memory (MiB) ↓", ".0f"),
        **quality,
    }
    lines = []
    for name, row in rows.items():
        values = {key: row.get(key) for key in figures}
        values["parameters"] = row["parameters"] / 1e6 if "parameters" in row else None
        values["core_minutes"] = row.get("core_minutes") or None
        cells = ("–" if value is None else f"{value:{figures[key][1]}}" for key, value in values.items())
        lines.append([name, *cells])
    return markdown_table(["", *(head for head, _ in figures.values())], lines) + "\n"


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
            with_eight_bits(rows, Path(folder))
            for row in rows.values():
                there = row["folder"]
                row["megabytes"] = size_of(there) if row["engine"] == "torch" else megabytes(there)
                row["options"] = {}
            measure(rows, args.model, args)
            for row in rows.values():
                for key in ("folder", "options"):
                    row.pop(key, None)
    except AudiodiffError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    result = {"core_minutes": (time.process_time() - began) / 60.0, "rows": rows}
    args.output.mkdir(parents=True, exist_ok=True)
    for name, text in (("json", json.dumps(result, indent=1) + "\n"), ("md", table(rows, args.model))):
        with atomic_file(args.output / f"compress_{args.model}.{name}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(table(rows, args.model))
    return 0


if __name__ == "__main__":
    sys.exit(main())
