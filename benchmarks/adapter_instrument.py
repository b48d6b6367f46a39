"""Part `instrument` of `benchmarks.adapters`: an instrument that `music` has never been taught, the dulcimer."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audiodiff.composer.captions import COLUMNS, metadata_row
from audiodiff.composer.compose import compose
from audiodiff.composer.piece import Piece
from audiodiff.composer.score import Instrument
from audiodiff.composer.soundfont import find_soundfonts, soundfont_name, unpacked
from audiodiff.data.manifest import MANIFEST_NAME, load_items, write_manifest
from audiodiff.data.render import find_synthesiser, render
from audiodiff.data.shards import LatentDataset
from audiodiff.data.tables import write_table
from audiodiff.evaluation.music_clips import corpus_clips
from audiodiff.evaluation.music_scores import distances
from audiodiff.metrics.embeddings import open_embedding
from audiodiff.metrics.inputs import FloatArray
from audiodiff.models.adapter import merge_into, open_adapters
from audiodiff.models.checkpoint import load_checkpoint
from audiodiff.models.find import find_checkpoint
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.adapters import AdapterConfig
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load
from audiodiff.training.devices import Devices
from audiodiff_recipes import latent
from audiodiff_recipes.adapt import PLANS, AdaptSettings, adapt_model, configured
from audiodiff_recipes.encode import encode_corpus
from audiodiff_recipes.presets import PRESETS
from benchmarks.adapter_steps import StepTimes, equal_time, megabytes

MODEL = "music"
DULCIMER = Instrument("dulcimer", 15, 50, 86)
PLUCKED = (6, 24, 25, 46, 104, 105, 106, 107, 108)
"""General MIDI programs of the instruments whose pieces a dulcimer can play: strings that are plucked, kalimba."""

HELD_OUT = 8
EMBEDDINGS = ("musicnn-msd", "aisfx", "log-mel")
CLIP_SECONDS, MADE_SECONDS = 10.0, 5.0
SEED = 9116
CROPS = 64
"""Crops that a loss is measured on."""

PROBE = 5
"""Steps that tell how long one of full fine-tuning takes."""


def pieces(count: int) -> list[Piece]:
    """Pieces for one plucked instrument, played on the dulcimer."""
    found: list[Piece] = []
    index = 0
    while len(found) < count:
        piece = compose(SEED, index, CLIP_SECONDS)
        index += 1
        instrument = piece.instruments[0]
        if len(piece.instruments) > 1 or instrument.program not in PLUCKED or instrument.drums:
            continue
        if not any(word in piece.style.genre for word in ("guitar", "keyboard")):  # captions would name two instruments
            parts = tuple(replace(part, instrument=DULCIMER) for part in piece.score.parts)
            found.append(replace(piece, score=replace(piece.score, parts=parts)))
    return found


def write_pieces(folder: Path, chosen: Sequence[Piece], split: str) -> Path:
    """Render pieces as a folder of clips with captions.

    Args:
        folder: made if missing.
        chosen: the pieces.
        split: of all of them; empty for none.
    """
    font = find_soundfonts()[0]
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="audiodiff-") as temporary:
        playable, synthesiser = unpacked(font, Path(temporary)), find_synthesiser()
        for piece in chosen:
            name = f"{piece.name}.flac"
            render(piece, folder / name, playable, synthesiser)
            # One caption as a user would write it.
            other = {"split": split, "text1": "", "text2": "", "text3": "", "text4": ""}
            rows.append(metadata_row(piece, name, soundfont_name(font)) | other)
    write_table(folder / "metadata.csv", COLUMNS, rows)
    return folder


def measure(corpus: Path, work: Path, clips: int, steps: int) -> dict[str, Any]:
    """Train an adapter, and all weights for as long, and compare them with the model as it comes."""
    made = pieces(clips + HELD_OUT)
    write_pieces(work / "clips", made[:clips], "")
    write_pieces(work / "held-out", made[clips:], "test")
    settings = AdaptSettings(str(work / "clips"), str(work / "lora"), MODEL, steps=steps)
    config = configured(PLANS["mel_latent"], settings, "mel_latent")
    sets = {"loss": encoded(work / "held-out", work, config), "other_loss": encoded(corpus, work, config)}
    held_out = corpus_clips(work / "held-out", ["test"])
    references = points([(clip.waveform, clip.sample_rate) for clip in held_out])
    captions = [item.text for item in load_items(work / "held-out")]

    def row(folder: Path | str, adapters: Sequence[Path] = ()) -> dict[str, Any]:
        checkpoint = find_checkpoint(folder)
        model = load_checkpoint(checkpoint, MelLatent).eval()
        if adapters:
            merge_into(model, open_adapters(list(adapters)))
        values: dict[str, Any] = {name: loss(model, data, config) for name, data in sets.items()}
        generator = load(folder, adapters=list(adapters))
        assert isinstance(generator, Generator)
        sounds = [
            (generator.generate(text, seconds=MADE_SECONDS, seed=number), generator.sample_rate)
            for number, text in enumerate(captions)
        ]
        return values | {"distances": distances(points(sounds), references)[1]}

    systems: dict[str, Any] = {
        "recordings to learn from": {
            "distances": distances(
                points([(clip.waveform, clip.sample_rate) for clip in corpus_clips(work / "clips", [""])]), references
            )[1]
        },
        f"`{MODEL}` as it comes": row(MODEL),
    }
    times = StepTimes()
    run = adapt_model(settings, on_step=times)
    systems[f"LoRA, rank {settings.rank}"] = {
        **row(MODEL, [run]),
        "megabytes": megabytes(run),
        "steps": steps,
        "train_seconds": steps * times.per_step,
    }
    data = run / "data"
    folders = f"{data / 'clips-latents'},{data / 'own'}"
    probe = StepTimes()
    train_all(settings, folders, PROBE, work / "probe", probe)
    shutil.rmtree(work / "probe")
    others, as_long = StepTimes(), equal_time(steps, times.per_step, probe.per_step)
    full = train_all(settings, folders, as_long, work / "all", others)
    systems["all weights, as long"] = {
        **row(full),
        "megabytes": megabytes(full),
        "steps": as_long,
        "train_seconds": as_long * others.per_step,
    }
    return {
        "model": MODEL,
        "instrument": DULCIMER.name,
        "clips": clips,
        "prior": len(LatentDataset(data / "own" / "train")),
        "held_out": HELD_OUT,
        "others": len(sets["other_loss"]),
        "seconds": MADE_SECONDS,
        "embeddings": list(EMBEDDINGS),
        "systems": systems,
    }


def encoded(folder: Path, work: Path, config: latent.Config) -> LatentDataset:
    """The latents of the split "test" of a folder."""
    model = config.model
    shards = work / f"{folder.name}-latents"
    only = work / f"{folder.name}-test"
    only.mkdir(parents=True, exist_ok=True)
    write_manifest([item for item in load_items(folder) if item.split == "test"], only / MANIFEST_NAME)
    encode_corpus(
        str(only),
        shards,
        autoencoder=find_checkpoint(MODEL),
        text_encoder=model.text_encoder,
        numbers=model.numbers,
        classes=model.classes,
        beats=model.beats,
        cache=str(work / "cache"),
    )
    return LatentDataset(shards / "test")


def loss(model: MelLatent, data: LatentDataset, config: latent.Config) -> float:
    """The training loss on crops of clips that nothing was learnt from, the same crops, times and noise every time."""
    measured = replace(config, validation=replace(config.validation, crops=CROPS))
    return latent.validation_loss(model, data, measured, Devices(torch.device("cpu")))


def points(clips: Sequence[tuple[FloatArray, int]]) -> dict[str, list[Any]]:
    """Embeddings of the windows of each clip, by name of the embedding."""
    return {
        name: [embedding.embed(*clip) for clip in clips] for name in EMBEDDINGS for embedding in [open_embedding(name)]
    }


def train_all(settings: AdaptSettings, folders: str, steps: int, output: Path, times: StepTimes) -> Path:
    """Train all weights on the same clips at the learning rate of the preset for that; return the best checkpoint."""
    changes = {
        "train.learning_rate": PRESETS["music-finetune"].values["train.learning_rate"],
        "vocoder": MODEL,
        "validation.sounds": False,
    }
    given = replace(settings, output=str(output), steps=steps, changes=changes)
    config = configured(PLANS["mel_latent"], given, "mel_latent")
    config = replace(config, adapter=AdapterConfig(), data=replace(config.data, folder=folders))
    latent.train(config, resume=False, on_step=times)
    best = output / "best"
    return best if (best / "config.json").is_file() else output
