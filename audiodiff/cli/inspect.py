"""`audiodiff inspect`: the record of a sound file, or what a model says of itself."""

import argparse
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.output import tell
from audiodiff.errors import AudiodiffError

MAX_SHOWN = 400
"""Characters of a prompt or a setting that are shown; texts that are spoken may be as long as books."""

if TYPE_CHECKING:
    from audiodiff.signal.audio_io import AudioInfo
    from audiodiff.synthesis.clip_latents import ClipLatents
    from audiodiff.synthesis.provenance import ProvenanceRecord

    Latents = ClipLatents | str | None
    """What is kept of a clip's latents, or what is wrong with it."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "inspect",
        help="print what made a sound file, or what a model is",
        description=(
            "Print the provenance record that audiodiff writes into its files: model, prompt, seed, settings, input. "
            "Of other files it prints the header; of a model, the card."
        ),
    )
    parser.add_argument("input", help="sound file, the .json next to one, or a model (folder, or name in the package)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print a file's record or a model's card."""
    from audiodiff.models.find import PRETRAINED, pretrained_names

    path = Path(os.path.expanduser(args.input))
    if path.is_dir():
        _print_model(path, as_json=args.json)
    elif not path.exists() and args.input in pretrained_names():
        _print_model(PRETRAINED / args.input, as_json=args.json)
    else:
        _print_file(path, as_json=args.json)
    return 0


def _print_file(path: Path, *, as_json: bool) -> None:
    from audiodiff.signal.truncation import find_truncation
    from audiodiff.synthesis.credentials import find_signature

    record, info, untouched, latents = look_at(path)
    cut = None if info is None else find_truncation(path)
    signature = None if info is None else find_signature(path)
    if as_json:
        document = file_document(path, record, info, untouched, latents)
        document["cut_off"] = None if cut is None else {"seconds": cut.seconds, "promised_seconds": cut.promised}
        document["signature"] = None if signature is None else dataclasses.asdict(signature)
        tell(json.dumps(document, indent=2))
    elif record is None:
        tell(
            f"{path}: no audiodiff provenance record; made elsewhere, or without its tags.\n"
            f"  audio     {audio_line(info)}"
        )
    else:
        tell(f"{path}: {record.made_by} (audiodiff {record.audiodiff_version} {record.verb})")
        for label, text in provenance_lines(record, info, untouched, latents):
            tell(f"  {label:<10}{text}")
    if signature is not None and not as_json:
        tell(f"  signature {''.join(c if c.isprintable() else ' ' for c in signature.sentence())}")
    if cut is not None and not as_json:
        tell(f"  note      {cut.note(path)}")


def look_at(path: Path) -> "tuple[ProvenanceRecord | None, AudioInfo | None, bool | None, Latents]":
    """Return the record of a file, its header, whether its samples are still those of the record, and its latents.

    Raises:
        AudiodiffError: the file is missing, not audio, or has a damaged record.
    """
    from audiodiff.signal.audio_io import audio_info
    from audiodiff.signal.sample_hash import samples_sha256
    from audiodiff.synthesis.clip_latents import latents_beside, read_latents
    from audiodiff.synthesis.provenance import find_provenance

    record = find_provenance(path)
    try:
        latents: ClipLatents | str | None = read_latents(path)
        if latents is None and record is not None:
            latents = latents_beside(path, record.audio.samples_sha256)
    except AudiodiffError as error:
        latents = str(error)
    info = None if path.suffix.lower() == ".json" else audio_info(path)
    untouched = None
    if record is not None and info is not None:
        untouched = samples_sha256(path) == record.audio.samples_sha256
    return record, info, untouched, latents


def file_document(
    path: Path,
    record: "ProvenanceRecord | None",
    info: "AudioInfo | None",
    untouched: bool | None,
    latents: "Latents" = None,
) -> dict[str, Any]:
    """Return what `look_at` found as JSON values."""
    return {
        "file": path.name,
        "audio": None
        if info is None
        else {
            "encoding": info.encoding,
            "sample_rate": info.sample_rate,
            "channels": info.channels,
            "n_samples": info.n_samples,
        },
        "samples_unchanged": untouched,
        "latents": latents if latents is None or isinstance(latents, str) else latents.described(),
        "provenance": None if record is None else record.to_dict(),
    }


def audio_line(info: "AudioInfo | None") -> str:
    """Return what a header says, in words."""
    if info is None:
        return "not looked at, this is the record alone"
    channels = f"{info.channels} channel{'' if info.channels == 1 else 's'}"
    return f"{info.encoding}, {info.seconds:.2f} s, {info.sample_rate} Hz, {channels}"


def provenance_lines(
    record: "ProvenanceRecord", info: "AudioInfo | None", untouched: bool | None, latents: "Latents" = None
) -> list[tuple[str, str]]:
    """Return label and text of every line about a record."""
    from audiodiff.synthesis.provenance import FORMAT

    lines = [("audio", audio_line(info))]
    if untouched is not None:
        said = "as they were written" if untouched else "changed since the record was written"
        lines.append(("samples", f"{said} (sha256 {record.audio.samples_sha256[:12]})"))
    lines += [
        ("model", f"{model.name}, {model.role}, weights {model.weights_sha256[:12] or 'unknown'}")
        for model in record.models
    ]
    lines += [
        ("adapter", f"{each.name}, strength {each.strength:g}, in {model.name}, weights {each.weights_sha256[:12]}")
        for model in record.models
        for each in model.adapters
    ]
    lines += [
        ("input", f"{item.name}, sha256 {item.sha256[:12]}" + (", from its latents" if item.latents_sha256 else ""))
        for item in record.inputs
    ]
    lines += [] if latents is None else [("latents", _latents_line(latents, record))]
    texts = (("prompt", record.prompt), ("negative", record.negative))
    lines += [(label, _value(text)) for label, text in texts if text]
    lines.append(("seed", str(record.seed)))
    settings = (f"{name} {_value(value)}" for name, value in record.settings.items() if value not in (None, ""))
    lines.append(("settings", ", ".join(settings)))
    machine = record.machine
    lines.append(
        (
            "made on",
            f"{machine.device}, {machine.processor}, {machine.threads} thread{'' if machine.threads == 1 else 's'}, "
            f"torch {machine.torch}, libsndfile {machine.libsndfile}"
            + (f", {machine.libraries}" if machine.libraries else ""),
        )
    )
    if record.format > FORMAT:
        lines.append(
            ("note", f"the provenance record has the newer format {record.format}; some of it may not be shown")
        )
    # a record may come from anybody: no control characters of theirs on a terminal
    return [(label, "".join(c if c.isprintable() else " " for c in text)) for label, text in lines]


def _latents_line(latents: "ClipLatents | str", record: "ProvenanceRecord") -> str:
    if isinstance(latents, str):
        return latents
    size = f"{' x '.join(str(size) for size in latents.values.shape)}, {latents.values.nbytes / 1000:.1f} kB"
    fits = latents.samples_sha256 == record.audio.samples_sha256
    return f"{size}, autoencoder {latents.autoencoder_sha256[:12]}" + ("" if fits else ", not those of these samples")


def _value(value: object) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return (
        text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)} characters, all of them with --json)"
    )


def _compressed_lines(metadata: object) -> list[tuple[str, str]]:
    """What a model was compressed from."""
    found = metadata.get("compressed") if isinstance(metadata, dict) else None
    if not isinstance(found, dict):
        return []
    name, weights = str(found.get("model"))[:MAX_SHOWN], str(found.get("weights_sha256"))[:12]
    sizes = [found.get(key) for key in ("parameters", "parameters_before")]
    numbers = [size / 1e6 for size in sizes if isinstance(size, int)]
    told = f": {numbers[0]:.3g} M of {numbers[1]:.3g} M parameters" if len(numbers) == 2 else ""
    return [("from", f"{name} (weights {weights}), compressed to low rank{told}")]


def _adapter_lines(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an adapter is for, its shape, and what it learnt from; its config is by anybody."""

    def table(value: object) -> Mapping[str, Any]:
        return value if isinstance(value, dict) else {}

    base, shape, metadata = table(config.get("base")), table(config.get("adapter")), table(config.get("metadata"))
    targets = shape.get("targets")
    layers = ", ".join(map(str, targets)) if isinstance(targets, list) else "unknown"
    corpus = table(metadata.get("corpus"))
    unknown = "unknown"
    return [
        ("base", f"{base.get('name', unknown)}, weights {str(base.get('weights_sha256', unknown))[:12]}"),
        (
            "change",
            f"{shape.get('method', unknown)}, rank {shape.get('rank', unknown)}, alpha {shape.get('alpha', unknown)}, "
            f"of the layers {_value(layers)}",
        ),
        (
            "learnt",
            f"from {corpus.get('clips', unknown)} clips, {corpus.get('hours', unknown)} h, in "
            f"{metadata.get('step', unknown)} steps",
        ),
    ]


def _print_model(folder: Path, *, as_json: bool) -> None:
    from audiodiff.models.find import read_model_config
    from audiodiff.synthesis.provenance import file_sha256

    config = read_model_config(folder)
    if as_json:
        tell(json.dumps(config, indent=2))
        return
    metadata = config.get("metadata")
    described = metadata.get("description") if isinstance(metadata, dict) else None
    adapter = config.get("kind") == "adapter"
    what = "an adapter" if adapter else f"a model of kind {config.get('kind', 'unknown')}"
    tell(f"{folder}: {what}" + (f", {described}" if described else ""))
    for label, text in _adapter_lines(config) if adapter else ():
        tell(f"  {label:<9} {text}")
    for label, text in _compressed_lines(metadata):
        tell(f"  {label:<9} {text}")
    stated, weights = config.get("weights_sha256"), folder / "model.safetensors"
    if weights.is_file() and isinstance(stated, str):
        said = "as config.json says" if file_sha256(weights) == stated else "NOT those named in config.json"
        tell(f"  weights   {weights.stat().st_size / 2**20:.1f} MiB, sha256 {stated[:12]}, {said}")
    tell(f"  written   by audiodiff {config.get('audiodiff_version', '(unknown)')}")
    card = folder / "MODEL_CARD.md"
    if card.is_file():
        tell("\n" + card.read_text(encoding="utf-8", errors="replace").strip())
