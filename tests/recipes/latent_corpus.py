"""A corpus of captioned tones, a codec that has hardly learnt it, and its shards."""

from pathlib import Path

import torch

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal import mel
from audiodiff_recipes import autoencoder, latent
from audiodiff_recipes.encode import (
    encode_corpus,
)
from tests.recipes.corpus import write_corpus

EMBEDDED = {"model.embedding": "true"}

CAPTIONS = ("solo piano, slow, 60 bpm", "fast drums, 160 bpm", "", "organ, C major", "flute", "violin, sad", "choir")


def write_music(folder: Path) -> Path:
    """The tones of `write_corpus`, with captions and labels."""
    write_corpus(folder)
    rows = (folder / "metadata.csv").read_text().splitlines()
    labelled = ["file_name,split,license,text,text1,tempo,label_source,instrument,source"]
    for number, row in enumerate(rows[1:]):
        tempo = "60.0" if number == 0 else ""
        labelled.append(f'{row},"{CAPTIONS[number]}","{"piano" if number == 0 else ""}",{tempo},exact,piano,made here')
    (folder / "metadata.csv").write_text("\n".join(labelled) + "\n")
    return folder


def make_place(place: Path) -> Path:
    """A corpus, an autoencoder that has seen three steps of it, and its shards."""
    write_music(place / "corpus")
    config = autoencoder.configure(
        "tiny-autoencoder",
        {
            "data.folder": str(place / "corpus"),
            "data.cache": str(place / "cache"),
            "output": str(place / "ae"),
            "train.steps": "3",
        },
    )
    autoencoder.train(config, resume=False)
    encode_corpus(
        str(place / "corpus"),
        place / "shards",
        autoencoder=place / "ae",
        text_encoder="minilm",
        cache=str(place / "cache"),
    )
    return place


def tiny(place: Path, run: str, steps: int = 3, **changes: str) -> latent.Config:
    given = {
        "data.folder": str(place / "shards"),
        "autoencoder": str(place / "ae"),
        "output": str(place / run),
        "train.steps": str(steps),
    }
    return latent.configure("tiny-latent", {**given, **changes})


def embedded(place: Path, run: str, steps: int = 3, **changes: str) -> Path:
    """Train the model `plain` of a place further, on embeddings."""
    given = {"init": str(place / "plain"), **EMBEDDED, **changes}
    return latent.train(tiny(place, run, steps, **given), resume=False)


def small_vocoder(folder: Path, name: str = "hifigan-22k") -> Path:
    torch.manual_seed(0)
    wavenet = WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=8)
    vocoder = Vocoder(VocoderConfig(mel=mel.preset(name), wavenet=wavenet))
    save_checkpoint(folder, vocoder, {"sampling": {"steps": 20, "sampler": "ddim"}})
    return folder
