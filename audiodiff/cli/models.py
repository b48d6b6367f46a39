"""`audiodiff models`: what can be loaded by name."""

import argparse
import json
from pathlib import Path
from typing import Any

from audiodiff.cli.output import tell
from audiodiff.json_reader import read_json_table

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "models", help="list the models that come with the package", description="List the models by name."
    )
    parser.add_argument("--json", action="store_true", help="print the full configs as JSON")


def run(args: argparse.Namespace) -> int:
    """Print one line for each model."""
    folders = sorted(PRETRAINED.iterdir()) if PRETRAINED.is_dir() else []
    configs = {
        folder.name: read_json_table(folder / "config.json") for folder in folders if (folder / "config.json").is_file()
    }
    if args.json:
        tell(json.dumps(configs, indent=2))
        return 0
    for name, config in configs.items():
        size = sum(file.stat().st_size for file in (PRETRAINED / name).rglob("*") if file.is_file()) / 2**20
        tell(f"{name}  {size:.1f} MiB  {_summary(config)}")
    if not configs:
        tell("No model comes with this version; train one with `audiodiff train`, or give --model a folder.")
    return 0


def _licences(metadata: dict[str, Any]) -> list[str]:
    """Return the licences of what a model was trained on, those of the weights that it started from among them."""
    found = set(metadata.get("corpus", {}).get("licences", []))
    origins = list(metadata.get("origins", {}).values())
    while origins:
        origin = origins.pop()  # as the recipes write it
        found.update(origin.get("licences", []))
        origins += origin.get("origins", {}).values()
    return sorted(found)


def _mel_of(model: dict[str, Any]) -> dict[str, Any]:
    """Return the mel specification of a model's config, or of a model inside it; empty without one."""
    inside = (_mel_of(value) for key, value in model.items() if isinstance(value, dict) and key != "mel")
    found = model.get("mel")
    return found if isinstance(found, dict) else next(filter(None, inside), {})


def _summary(config: dict[str, Any]) -> str:
    """Return what a config says about rate, corpus and licences, as far as it does."""
    model = config.get("model", {})
    mel = _mel_of(model)
    metadata = config.get("metadata", {})
    rates = [f"{model['low_rate']} to {model['sample_rate']} Hz"] if "low_rate" in model else []
    found = [f"{mel['sample_rate']} Hz, {mel['n_mels']} mel bands"] if "sample_rate" in mel else rates
    if metadata.get("description"):
        found.append(str(metadata["description"]))
    corpus = metadata.get("corpus")
    if isinstance(corpus, dict):
        found.append(f"trained on {corpus.get('name', 'an unnamed corpus')}, {corpus.get('hours', '?')} h")
        found += [str(licence) for licence in _licences(metadata)]
    return "; ".join(found)
