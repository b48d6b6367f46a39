"""What an adapter learns from a few clips, measured on clips that it has not heard.

    python -m benchmarks.adapters voice --corpus CORPUS/speech [--speaker allison] [--clips 30] [--steps 400]
    python -m benchmarks.adapters instrument --corpus CORPUS/music [--clips 10] [--steps 120]

`voice` adapts `kathleen` to another speaker (`benchmarks.adapter_voice`), `instrument` adapts `music` to an instrument
that it has never been taught (`benchmarks.adapter_instrument`; needs FluidSynth and a soundfont). Each writes its part
of `adapters.json` below OUTPUT, and `adapters.md` from all parts that are there. One thread.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.table import markdown_table

RESULTS = Path(__file__).parent / "results"


def voice_table(part: Mapping[str, Any]) -> list[str]:
    """The section about a voice."""
    rows = []
    for name, row in part["systems"].items():
        rows.append(
            [
                name,
                _of(row, "megabytes", ".1f"),
                _of(row, "train_seconds", ".0f"),
                _of(row, "mean", ".3f"),
                _of(row, "loss", ".3f"),
                f"{row['similarity']:.3f}",
                _of(row, "base_similarity", ".3f"),
                _of(row, "words_wrong", ".1f", " %"),
            ]
        )
    heads = [
        "",
        "MB",
        "training (CPU s)",
        "loss of the mean mel ↓",
        "loss of all ↓",
        "similarity to the speaker ↑",
        f"to {part['model']}",
        "words heard wrong ↓",
    ]
    return [
        "## A voice",
        "",
        f"`{part['model']}` becomes the speaker {part['speaker']} from {part['clips']} clips "
        f"({part['minutes']:.1f} min) in {part['steps']} steps. The losses are those of {part['held_out']} other clips "
        "of that speaker; similarity (GE2E, cosine) and words (Whisper tiny.en) are those of "
        f"{part['sentences']} spoken sentences.",
        "",
        markdown_table(heads, rows),
    ]


def instrument_table(part: Mapping[str, Any]) -> list[str]:
    """The section about an instrument."""
    names = part["embeddings"]
    rows = []
    for name, row in part["systems"].items():
        rows.append(
            [
                name,
                _of(row, "megabytes", ".1f"),
                _of(row, "steps", "d"),
                _of(row, "train_seconds", ".0f"),
                _of(row, "loss", ".4f"),
                _of(row, "other_loss", ".4f"),
                *(f"{row['distances'][each]:.3f}" for each in names),
            ]
        )
    heads = ["", "MB", "steps", "training (CPU s)", "loss, instrument ↓", "loss, other music ↓"]
    return [
        "## An instrument",
        "",
        f"`{part['model']}` learns the {part['instrument']} from {part['clips']} clips of 10 s and {part['prior']} "
        f"that it made itself. The losses are those of {part['held_out']} other pieces for the instrument, and of "
        f"{part['others']} clips of other music; the distances (kernel distance, Gaussian) are those of "
        f"{part['held_out']} generated clips of {part['seconds']:g} s from the recordings of these pieces.",
        "",
        markdown_table([*heads, *(f"distance by {each} ↓" for each in names)], rows),
    ]


def _of(row: Mapping[str, Any], key: str, form: str, unit: str = "") -> str:
    return "–" if row.get(key) is None else f"{row[key]:{form}}{unit}"


SECTIONS = {"voice": voice_table, "instrument": instrument_table}


def report(results: Mapping[str, Any]) -> str:
    """Return the tables of all parts as Markdown."""
    lines = ["# Adapters"]
    for name, section in SECTIONS.items():
        if name in results:
            lines += ["", *section(results[name])]
    return "\n".join(lines) + "\n"


def save(part: str, values: Mapping[str, Any], output: Path) -> None:
    """Write the results of one part, and the page of all that are there."""
    path = output / "adapters.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    results[part] = values
    output.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (output / "adapters.md").write_text(report(results), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one part."""
    parser = argparse.ArgumentParser(description="Measure what adapters learn from a few clips.")
    parser.add_argument("part", choices=sorted(SECTIONS))
    parser.add_argument("--corpus", type=Path, required=True, help="folder with metadata.csv")
    parser.add_argument("--speaker", default="allison", help="of `voice`: who is learnt")
    parser.add_argument("--clips", type=int, help="clips to learn from (default: 30 of a voice, 10 of an instrument)")
    parser.add_argument("--steps", type=int, help="training steps (default: 400 of a voice, 120 of an instrument)")
    parser.add_argument("--work", type=Path, help="folder for what is trained (default: a temporary one)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="audiodiff-adapters-") as temporary:
        work = options.work or Path(temporary)
        try:
            if options.part == "voice":
                from benchmarks import adapter_voice

                values = adapter_voice.measure(
                    options.corpus, work, options.speaker, options.clips or 30, options.steps or 400
                )
            else:
                from benchmarks import adapter_instrument

                values = adapter_instrument.measure(options.corpus, work, options.clips or 10, options.steps or 120)
        except AudiodiffError as error:
            print(f"adapters: {error}", file=sys.stderr)
            return 2
    save(options.part, values, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
