"""Exported models beside torch: engine x weights x speed x quality x size.

    python -m benchmarks.engines --data CORPUS [--clips 12] [--rounds 5] [--threads 1]

Exports `speech` and `music` with weights that lose nothing and with weights in eight bits, and runs them by ONNX
Runtime and OpenVINO beside torch. Speed is processor time over seconds of sound, all of them in turn, medians of the
rounds, so that other work on the machine meets all alike; of a vocoder from mel to waveform, of a music model from
prompt to waveform. Quality of the vocoder is that of its copies of held-out clips; of the music model how far the log-
mel of its clip is from that of torch in float32 with the same seed (nepers, mean), beside which the clip of another
seed stands. The cold start is the processor time of a new process that loads the model and makes its first second.
Writes `engines.md` and `engines.json` below OUTPUT. Needs the extras `eval`, `onnx` and `openvino`.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import audiodiff
from audiodiff import runtime
from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.evaluate import evaluate, folder_clips, vocoder_system
from audiodiff.exporting.export import export_onnx
from audiodiff.exporting.names import Weights
from audiodiff.metrics.table import markdown_table
from audiodiff.models.find import find_checkpoint
from audiodiff.signal.mel import log_mel
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.signal.resample import resample
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.torch_state import bfloat16_is_fast
from benchmarks.long_file import RESULTS, replace_text

MEASURES = ("pesq_wb", "mr_stft")
PROMPT = "solo piano, slow, minor key"
MUSIC_SECONDS = 10.0
REFERENCE = "torch, fp32"
OTHER_SEED = "torch, fp32, another seed"
WEIGHTS: tuple[Weights, ...] = ("exact", "int8")
"""All are used in float32, so that those in between take the same time."""
ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

_COLD = """
import sys
import numpy as np
model, folder, engine = sys.argv[1:]
if engine == "torch":
    import audiodiff
    loaded = audiodiff.load(folder)
else:
    from audiodiff import runtime
    loaded = runtime.load(folder, threads=1, engine=engine)
if model == "speech":
    loaded.vocode(np.sin(np.arange(22050, dtype=np.float32) / 10.0) * np.float32(0.1), 22050)
else:
    loaded.generate("piano", seconds=1.0)
"""

Row = dict[str, Any]
Floats = NDArray[np.float32]


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


def exports(model: str, folder: Path) -> dict[str, Path]:
    """Export a model with each kind of stored weights."""
    made = {}
    for weights in WEIGHTS:
        made[weights] = folder / f"{model}-{weights}"
        export_onnx(model, made[weights], weights=weights)
    return made


def rows_of(model: str, folders: Mapping[str, Path]) -> dict[str, Row]:
    """What is measured of a model: how it is run, and from where."""
    where = find_checkpoint(model)
    rows: dict[str, Row] = {
        REFERENCE: {"engine": "torch", "folder": where, "options": {"precision": "fp32"}},
        "torch, bf16": {"engine": "torch", "folder": where, "options": {"precision": "bf16"}},
    }
    for engine, name in ENGINES.items():
        for weights, folder in folders.items():
            rows[f"{name}, {weights}"] = {"engine": engine, "folder": folder, "options": {}}
    for row in rows.values():
        row["megabytes"] = megabytes(row["folder"])
    return rows


def megabytes(folder: Path) -> float:
    """Size of all files of a folder (MB)."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def opened(row: Row, threads: int) -> Any:
    """The model of a row, loaded."""
    if row["engine"] == "torch":
        return audiodiff.load(str(row["folder"]))
    return runtime.load(row["folder"], threads=threads, engine=row["engine"])


def measure_speech(rows: Mapping[str, Row], data: str, n_clips: int, rounds: int, threads: int) -> None:
    """Score copies of held-out clips, and time the vocoder on the first; the first row tells the rate and the mel."""
    clips = folder_clips(data, "test", limit=n_clips, max_seconds=4.0)
    models = {name: _WithSettings(opened(row, threads), row["options"]) for name, row in rows.items()}
    systems = {name: vocoder_system(model) for name, model in models.items()}
    report = evaluate(systems, clips, MEASURES, recordings=False)
    for name, row in rows.items():
        results = [result for result in report.results if result.system == name]
        row["clips"] = len(results)
        for measure in MEASURES:
            row[measure] = statistics.fmean(result.scores[measure] for result in results)
    first = next(iter(models.values())).model
    sound = resample(torch.from_numpy(clips[0].waveform)[None], clips[0].sample_rate, first.sample_rate)
    mel = log_mel(sound, first.mel_spec)[0].numpy()
    calls = {name: partial(model.vocode_mel, mel) for name, model in models.items()}
    seconds = mel.shape[1] * first.mel_spec.hop_length / first.sample_rate
    for name, taken in in_turn(calls, rounds).items():
        rows[name]["rtf"] = taken / seconds


class _WithSettings:
    """A vocoder of either kind with the settings of its row."""

    def __init__(self, model: Any, options: Mapping[str, Any]) -> None:
        self.model = model
        self._settings = {"settings": VocodeSettings(Sampling(**options))} if options else {}

    @property
    def sample_rate(self) -> int:
        return int(self.model.sample_rate)

    def vocode(self, waveform: Any, sample_rate: int, *, seed: int | None = 0, **_: Any) -> Any:
        return self.model.vocode(waveform, sample_rate, seed=seed, **self._settings)

    def vocode_mel(self, mel: Floats) -> Any:
        return self.model.vocode_mel(mel, seed=0, **self._settings)


def measure_music(rows: dict[str, Row], rounds: int, threads: int) -> None:
    """Compare clips of one prompt with that of the first row, and time them."""
    first = next(iter(rows))
    models = {name: opened(row, threads) for name, row in rows.items()}

    def clip(name: str, seed: int = 0) -> Floats:
        model, row = models[name], rows[name]
        if row["engine"] != "torch":
            return np.asarray(model.generate(PROMPT, seconds=MUSIC_SECONDS, seed=seed))
        made = model.generate(PROMPT, seconds=MUSIC_SECONDS, seed=seed, level="none", **row["options"])
        return np.asarray(made if made.ndim == 1 else made.mean(axis=0))

    rate = models[first].sample_rate
    reference = _mel_of(clip(first), rate)
    for name, row in rows.items():
        row["distance"] = float(np.abs(_mel_of(clip(name), rate) - reference).mean())
    for name, taken in in_turn({name: partial(clip, name) for name in rows}, rounds).items():
        rows[name]["rtf"] = taken / MUSIC_SECONDS
    rows[OTHER_SEED] = {
        "engine": "torch",
        "distance": float(np.abs(_mel_of(clip(first, 1), rate) - reference).mean()),
    }


def _mel_of(samples: Floats, rate: int) -> Floats:
    spec = MelSpec(sample_rate=rate, n_fft=2048, hop_length=512, win_length=2048, n_mels=128, f_max=rate / 2)
    return np.asarray(log_mel(torch.from_numpy(samples)[None].float(), spec)[0].numpy())


def cold_start(model: str, row: Row) -> tuple[float, float]:
    """Processor time (s) and peak memory (MiB) of a process that loads the model and makes its first second."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"{_COLD}\nprint(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    words = [sys.executable, "-c", code, model, str(row["folder"]), row["engine"]]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, float(told.split()[-1]) / 1024


def table(model: str, rows: Mapping[str, Row]) -> str:
    """The rows in Markdown."""
    quality = {"speech": ("pesq_wb", "mr_stft"), "music": ("distance",)}[model]
    heads = {"pesq_wb": "PESQ-WB ↑", "mr_stft": "MR-STFT ↓", "distance": "log-mel distance to torch, fp32 ↓"}
    columns = {"rtf": ".3f", **dict.fromkeys(quality, ".3f"), "megabytes": ".1f", "cold": ".2f", "memory": ".0f"}
    names = ["processor s per s ↓", *(heads[each] for each in quality), "MB ↓", "cold start (s) ↓", "memory (MiB) ↓"]
    lines = [
        [name, *(f"{row[key]:{form}}" if key in row else "–" for key, form in columns.items())]
        for name, row in rows.items()
    ]
    return f"## {model}\n\n{markdown_table(['', *names], lines)}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="CORPUS", help="held-out speech, split test")
    parser.add_argument("--clips", type=int, default=12, help="of each group of speakers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(given.threads)
    found: dict[str, dict[str, Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for model in ("speech", "music"):
            found[model] = rows_of(model, exports(model, Path(folder)))
            if model == "speech":
                measure_speech(found[model], given.data, given.clips, given.rounds, given.threads)
            else:
                measure_music(found[model], given.rounds, given.threads)
            for row in found[model].values():
                if "folder" in row:
                    row["cold"], row["memory"] = cold_start(model, row)
    fast = "multiplies" if bfloat16_is_fast("cpu") else "does not multiply"
    text = (
        f"# Engines\n\n{given.threads} thread(s); this processor {fast} in bfloat16. Of speech: "
        f"{found['speech'][REFERENCE]['clips']} held-out clips, the recommended steps. Of music: 10 s of "
        "one prompt.\n\n"
        + "\n".join(table(model, rows) for model, rows in found.items())
        + f"\nMade by `python -m benchmarks.engines --data CORPUS --clips {given.clips} --rounds {given.rounds}`.\n"
    )
    plain = {
        model: {name: {k: v for k, v in row.items() if k != "folder"} for name, row in rows.items()}
        for model, rows in found.items()
    }
    with atomic_file(given.output / "engines.json") as path:
        path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    replace_text(given.output / "engines.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AudiodiffError as error:
        sys.exit(f"{error}")
